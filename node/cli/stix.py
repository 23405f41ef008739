"""`bulwark stix`: STIX 2.1 documents in with a report, bundles out, pulls from TAXII servers.

Rules: clear text goes to the member's own node only; credentials of a TAXII server come from a file
of mode 0600. Sub-commands are imported when they are called.
"""

from __future__ import annotations

from typing import Final

import click

from node.cli.lazygroup import LazyGroup

COMMANDS: Final = {
    "import": ("node.cli.stix_in:take", "Take STIX files in: taken, left, refused and why."),
    "report": ("node.cli.stix_in:report", "Say what an import would take, without any node."),
    "export": ("node.cli.stix_out:export", "Write records as a STIX bundle."),
    "pull": ("node.cli.stix_remote:pull", "Take in what is new in a TAXII collection."),
}
"""Name to (where it is, one line of help), in the order of the help page."""


@click.group(cls=LazyGroup, table=COMMANDS, name="stix")
def command() -> None:
    """Exchange STIX 2.1: import, export, and pull from TAXII 2.1 servers.

    \b
    Example:
      bulwark stix report bundles/ --fraud-type phishing
      bulwark stix import bundles/ --fraud-type phishing --dry-run --home alliance/northbank
      bulwark stix export --own-only --out bundle.json --home alliance/northbank
    """

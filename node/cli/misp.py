"""`bulwark misp`: events in with a report, events, feeds and search sets out, pull, push, screen.

Rules: clear text goes to the member's own node only; the key of a MISP instance comes from a file
of mode 0600. Sub-commands are imported when they are called.
"""

from __future__ import annotations

from typing import Final

import click

from node.cli.lazygroup import LazyGroup

COMMANDS: Final = {
    "import": ("node.cli.misp_in:take", "Take MISP files in: taken, left, refused and why."),
    "report": ("node.cli.misp_in:report", "Say what an import would take, without any node."),
    "export": ("node.cli.misp_out:export", "Write records as MISP events."),
    "feed": ("node.cli.misp_out:feed", "Write a MISP feed folder."),
    "pss": ("node.cli.misp_out:pss", "Make a Private Search Set of kept values."),
    "forget": ("node.cli.misp_out:forget", "Forget all kept clear text."),
    "pull": ("node.cli.misp_remote:pull", "Take in what is new on a MISP instance."),
    "push": ("node.cli.misp_remote:push", "Bring records to a MISP instance."),
    "screen": ("node.cli.misp_screen:screen", "Screen a MISP instance's attributes; tag hits."),
}
"""Name to (where it is, one line of help), in the order of the help page."""


@click.group(cls=LazyGroup, table=COMMANDS, name="misp")
def command() -> None:
    """Exchange with MISP: import, export, feeds, search sets, pull and push.

    \b
    Example:
      bulwark misp report events/ --fraud-type phishing
      bulwark misp import events/ --fraud-type phishing --dry-run --home alliance/northbank
      bulwark misp feed --out feed/ --home alliance/northbank
    """

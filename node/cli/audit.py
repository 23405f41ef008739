"""`bulwark audit`: what an auditor reads of the alliance at a node of its own.

Rules: everything comes from the replica of the node that is asked, so an auditor asks its own; the
answer names the block that it rests on. Sub-commands are imported when they are called.
"""

from __future__ import annotations

from typing import Final

import click

from node.cli.lazygroup import LazyGroup

COMMANDS: Final = {
    "report": (
        "node.cli.audit_report:report",
        "Make a report: sharing, retention, disputes, ...",
    ),
    "sample": ("node.cli.audit_sample:sample", "Draw a sample that nobody chose."),
    "completeness": (
        "node.cli.audit_complete:completeness",
        "Find accesses that no log accounts for.",
    ),
    "open-case": ("node.cli.audit_case:open_case", "Open the case behind a record of this member."),
    "verify-case": ("node.cli.audit_case:verify_case", "Compare an opened case with its record."),
    "pack": ("node.cli.audit_pack:pack", "Make an evidence pack that is verified offline."),
    "compare": ("node.cli.audit_pack:compare", "Compare the histories of two nodes."),
    "custody": ("node.cli.audit_pack:custody", "Show who held an evidence pack when."),
}
"""Name to (where it is, one line of help), in the order of the help page."""


@click.group(cls=LazyGroup, table=COMMANDS, name="audit")
def command() -> None:
    """Reports, samples, completeness of access logs, and evidence, from a node of your own.

    \b
    Example:
      bulwark audit report sharing --format csv --out sharing.csv --home alliance/regulator
      bulwark audit sample --to-height 1200 --size 30 --home alliance/regulator
    """

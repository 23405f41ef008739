"""`bulwark audit`: what an auditor reads of the alliance at a node of its own.

Rules: everything comes from the replica of the node that is asked, so an auditor asks its own; the
answer names the block that it rests on. Sub-commands are imported when they are called.
"""

from __future__ import annotations

import importlib
from typing import Final

import click

COMMANDS: Final = {
    "report": ("node.cli.audit_report", "Make a report: sharing, retention, disputes and others."),
    "sample": ("node.cli.audit_sample", "Draw a sample that nobody chose."),
    "completeness": ("node.cli.audit_complete", "Find accesses that no member's log accounts for."),
    "open-case": ("node.cli.audit_case", "Open the case behind a record of this member."),
    "verify-case": ("node.cli.audit_case", "Compare an opened case with its record."),
    "pack": ("node.cli.audit_pack", "Make an evidence pack that is verified offline."),
    "compare": ("node.cli.audit_pack", "Compare the histories of two nodes."),
    "custody": ("node.cli.audit_pack", "Show who held an evidence pack when."),
}
"""Name to (module, one line of help); a module has a click command named as the sub-command."""


class LazyAudit(click.Group):
    """The sub-commands, imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one sub-command; None for an unknown name."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command = getattr(importlib.import_module(entry[0]), cmd_name.replace("-", "_"))
        if not isinstance(command, click.Command):
            raise TypeError(f"{entry[0]}.{cmd_name} is no click command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyAudit, name="audit")
def command() -> None:
    """Reports, samples, completeness of access logs, and evidence, from a node of your own.

    \b
    Example:
      bulwark audit report sharing --format csv --out sharing.csv --home alliance/regulator
      bulwark audit sample --to-height 1200 --size 30 --home alliance/regulator
    """

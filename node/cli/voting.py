"""Options that the voting commands share, and which keys they use."""

from __future__ import annotations

from typing import Final

import click

from bulwark.client import Stage

READ_ROLES: Final = ("auditor", "operator", "admin")
ADMIN_ROLES: Final = ("admin",)

dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Show quorum and connections before and after; change nothing."
)
force_option = click.option(
    "--force", is_flag=True, help="Go over findings that are unsafe; the ledger's rules stay."
)
wait_option = click.option(
    "--wait",
    type=click.Choice([stage.value for stage in Stage]),
    default=Stage.EXECUTED.value,
    show_default=True,
    help="Return when the vote got this far.",
)

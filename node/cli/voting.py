"""Options that the voting commands share, and which keys they use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

import click

from bulwark.client import Stage

Command = TypeVar("Command", bound=Callable[..., object])
READ_ROLES: Final = ("auditor", "operator", "admin")
ADMIN_ROLES: Final = ("admin",)

dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Show quorum and connections before and after; change nothing."
)
force_option = click.option(
    "--force", is_flag=True, help="Go over findings that are unsafe; the ledger's rules stay."
)


def wait_for(what: str) -> Callable[[Command], Command]:
    """--wait of a write; `what`: how the help calls it."""
    return click.option(
        "--wait",
        type=click.Choice([stage.value for stage in Stage]),
        default=Stage.EXECUTED.value,
        show_default=True,
        help=f"Return when the {what} got this far.",
    )


wait_option = wait_for("vote")

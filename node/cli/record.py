"""`bulwark record`: a record, its history, and what its reporter may do to it.

Rules: what the ledger's lifecycle refuses ends with 1 and the rule's id in one line; a history is
the same at every node, and what the ledger refused is in it.
"""

from __future__ import annotations

from typing import Final

import click

from node.cli.connection import Target, connection_options, look
from node.cli.dispute import READ_ROLES, WRITE_ROLES, case_ref_option, write
from node.cli.erasure import GROUNDS
from node.cli.options import emit_json, emit_pairs, emit_table, entries, json_option
from node.cli.voting import wait_option

_STEPS: Final = ("height", "timestamp", "operation", "reason", "member", "state", "rule")


@click.group(name="record")
def command() -> None:
    """Show a record and its history; retract, expire or erase it.

    \b
    Example:
      bulwark record show RECORD_ID --home alliance/northbank
      bulwark record history RECORD_ID --home alliance/northbank
      bulwark record retract RECORD_ID --home alliance/northbank
    """


@command.command(name="show")
@click.argument("record_id")
@connection_options(*READ_ROLES)
@json_option
def show(record_id: str, target: Target, as_json: bool) -> None:
    """Show a record with its state.

    \b
    Example:
      bulwark record show 9c56... --home alliance/northbank
    """
    found = look(target, f"indicators/{record_id}")
    if as_json:
        emit_json(found)
    else:
        emit_pairs([(name, str(value)) for name, value in found.items() if value is not None])


@command.command(name="history")
@click.argument("record_id")
@connection_options(*READ_ROLES)
@json_option
def history(record_id: str, target: Target, as_json: bool) -> None:
    """Show all that followed a record, what the ledger refused too.

    \b
    Example:
      bulwark record history 9c56... --home alliance/northbank
    """
    found = look(target, f"records/{record_id}/history")
    if as_json:
        emit_json(found)
        return
    record = found["record"]
    if isinstance(record, dict):
        names = ("record_id", "reporter", "state", "restricted", "open_disputes", "consent")
        emit_pairs([(name, str(record.get(name))) for name in names])
    emit_table(entries(found, "history"), _STEPS, "nothing followed it")


@command.command(name="retract")
@click.argument("record_id")
@case_ref_option
@wait_option
@connection_options(*WRITE_ROLES)
@json_option
def retract(record_id: str, case_ref: str, wait: str, target: Target, as_json: bool) -> None:
    """Take an own record back: it was wrong.

    \b
    Example:
      bulwark record retract 9c56... --home alliance/northbank
    """
    write(target, f"records/{record_id}/retraction", {"case_ref": case_ref}, wait, as_json)


@command.command(name="expire")
@click.argument("record_id")
@case_ref_option
@wait_option
@connection_options(*WRITE_ROLES)
@json_option
def expire(record_id: str, case_ref: str, wait: str, target: Target, as_json: bool) -> None:
    """End an own record's time: it was right and is over.

    \b
    Example:
      bulwark record expire 9c56... --home alliance/northbank
    """
    write(target, f"records/{record_id}/expiry", {"case_ref": case_ref}, wait, as_json)


@command.command(name="erase")
@click.argument("record_id")
@click.option("--ground", type=click.Choice(GROUNDS), default="request", show_default=True)
@case_ref_option
@wait_option
@connection_options(*WRITE_ROLES)
@json_option
def erase(
    record_id: str, ground: str, case_ref: str, wait: str, target: Target, as_json: bool
) -> None:
    """Order that a record's salt, tag and payload are destroyed at every node.

    `bulwark erasure` shows who confirmed it, and orders many at once.

    \b
    Example:
      bulwark record erase 9c56... --ground error --home alliance/northbank
    """
    body = {"ground": ground, "case_ref": case_ref}
    write(target, f"records/{record_id}/erasure", body, wait, as_json)

"""`bulwark dispute`: contest a record, see the inbox, rule.

Rules: what the ledger's lifecycle refuses ends with 1 and the rule's id in one line. A person's
dispute gives a reference code: hand it to the person, nothing of the person goes to the node.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import click

from bulwark.client import Stage
from bulwark.indicators.vocabulary import DisputeGround, Ruling
from node.cli.connection import Target, connection_options, look, paged, run, with_client
from node.cli.options import emit_fields, emit_list, json_option
from node.cli.values import words
from node.cli.voting import wait_option

WRITE_ROLES: Final = ("reporter",)
READ_ROLES: Final = ("auditor", "analyst", "reporter")
_SHOWN: Final = (
    "reference", "record_id", "status", "rule", "ground", "member", "reporter", "opened", "due",
    "overdue", "for_person", "height", "id",
)  # fmt: skip
_COLUMNS: Final = ("status", "overdue", "due", "ground", "member", "reporter", "reference")
_OUTCOME: Final = ("operation", "taken", "rule", "state", "stage", "height", "reference", "id")
case_ref_option = click.option("--case-ref", default="", help="Your reference, for the access log.")


@click.group(name="dispute")
def command() -> None:
    """Contest records, see disputes and rule on them.

    \b
    Example:
      bulwark dispute open RECORD_ID --ground reassigned --for-person --home alliance/northbank
      bulwark dispute list --home alliance/northbank
      bulwark dispute show 7K3M-9QWE-2F0A-TZ4V --home alliance/northbank
      bulwark dispute rule RECORD_ID upheld --home alliance/regulator
    """


@command.command(name="open")
@click.argument("record_id")
@click.option("--ground", required=True, type=words(DisputeGround, stated_only=True), help="Why.")
@click.option("--for-person", is_flag=True, help="The person concerned asks: make a code for it.")
@case_ref_option
@wait_option
@connection_options(*WRITE_ROLES)
@json_option
def open_dispute(
    record_id: str,
    ground: str,
    for_person: bool,
    case_ref: str,
    wait: str,
    target: Target,
    as_json: bool,
) -> None:
    """Contest a record: it answers nobody until somebody ruled.

    \b
    Example:
      bulwark dispute open 9c56... --ground victim --home alliance/northbank
    """
    body = {"record_id": record_id, "ground": ground, "for_person": for_person}
    write(target, "disputes", {**body, "case_ref": case_ref}, wait, as_json)


@command.command(name="rule")
@click.argument("record_id")
@click.argument("ruling", type=words(Ruling, stated_only=True))
@case_ref_option
@wait_option
@connection_options(*WRITE_ROLES)
@json_option
def rule(
    record_id: str, ruling: str, case_ref: str, wait: str, target: Target, as_json: bool
) -> None:
    """Rule on a record's disputes: upheld, rejected or corrected.

    \b
    Example:
      bulwark dispute rule 9c56... rejected --home alliance/regulator
    """
    body = {"ruling": ruling, "case_ref": case_ref}
    write(target, f"records/{record_id}/rulings", body, wait, as_json)


@command.command(name="list")
@click.option(
    "--whose",
    type=click.Choice(("inbox", "opened", "all")),
    default="inbox",
    show_default=True,
    help="Of this member's records, opened by it, or all.",
)
@click.option("--all", "every", is_flag=True, help="Decided ones, too.")
@connection_options(*READ_ROLES)
@json_option
def list_disputes(whose: str, every: bool, target: Target, as_json: bool) -> None:
    """List disputes, newest first.

    \b
    Example:
      bulwark dispute list --whose opened --all --home alliance/northbank
    """
    query = {"whose": whose, "state": "all" if every else "open"}
    found = paged(target, "disputes", "disputes", query)
    emit_list(found, "disputes", _COLUMNS, "no disputes", as_json=as_json)


@command.command(name="show")
@click.argument("reference")
@connection_options(*READ_ROLES)
@json_option
def show(reference: str, target: Target, as_json: bool) -> None:
    """Show a dispute by a person's code or by its record id.

    \b
    Example:
      bulwark dispute show 7K3M-9QWE-2F0A-TZ4V --home alliance/northbank
    """
    found = look(target, f"disputes/{reference}")
    emit_fields(found, _SHOWN, as_json=as_json)


def write(target: Target, path: str, body: Mapping[str, object], wait: str, as_json: bool) -> None:
    """Send a follow-up and tell what became of it."""
    found = run(with_client(target, lambda client: client.act(path, body, wait=Stage(wait))))
    emit_fields(found, _OUTCOME, as_json=as_json)

"""`bulwark protect`: protect a person's own identifier at every member, renew and withdraw that."""

from __future__ import annotations

from typing import Any, Final

import click

from bulwark.indicators.vocabulary import FraudType, Kind, LawfulBasis
from node.cli.connection import Target, ask, connection_options, look, paged
from node.cli.customer_report import STAFF, WRITERS
from node.cli.options import emit_fields, emit_list, json_option
from node.cli.values import case_option, read_value, region_option, stated, value_option, words
from node.interaction.protectionport import DEFAULT_DAYS, ROLES

_SHOWN: Final = (
    "id", "state", "kind", "value", "role", "lawful_basis", "valid_until", "renewals",
    "renewal_due", "registered", "record_id",
)  # fmt: skip
_COLUMNS: Final = ("state", "renewal_due", "valid_until", "kind", "role", "id")


@click.group(name="protect")
def command() -> None:
    """Protective registrations: identifiers of victims and of genuine parties.

    \b
    Example:
      bulwark protect add --kind phone --value - --role compromised_victim --person c-4711 \\
        --basis legitimate_interests --home alliance/northbank
      bulwark protect list --home alliance/northbank
    """


@command.command(name="add")
@click.option("--kind", required=True, type=words(Kind), help="What sort of identifier it is.")
@value_option
@region_option
@click.option(
    "--role",
    required=True,
    type=click.Choice(sorted(role.label for role in ROLES)),
    help="What the person is in the fraud.",
)
@click.option("--person", required=True, help="Your pseudonym of the person.")
@click.option(
    "--basis",
    required=True,
    type=words(LawfulBasis, stated_only=True),
    help="Legal basis of the protection.",
)
@click.option("--consent", help="Anchor of the person's consent, where it rests on one.")
@click.option("--fraud-type", type=words(FraudType), help="The fraud that it guards against.")
@click.option("--days", type=int, default=DEFAULT_DAYS, show_default=True, help="How long.")
@click.option("--policy", help="Id or title of a policy.")
@case_option
@connection_options(*WRITERS)
@json_option
def add(
    kind: str,
    value: str,
    region: str | None,
    role: str,
    person: str,
    basis: str,
    consent: str | None,
    fraud_type: str | None,
    days: int,
    policy: str | None,
    case_ref: str | None,
    target: Target,
    as_json: bool,
) -> None:
    """Protect an identifier of a person: screenings say so, and it never scores.

    \b
    Example:
      bulwark protect add --kind phone --value "+44 20 7946 0958" --role impersonated \\
        --person c-4711 --basis legitimate_interests --home alliance/northbank
    """
    body = stated(
        kind=kind,
        value=read_value(value),
        region=region,
        role=role,
        person=person,
        lawful_basis=basis,
        consent_anchor=consent,
        fraud_type=fraud_type,
        days=days,
        policy=policy,
        case_ref=case_ref,
    )
    _send(target, "protections", body, as_json)


@command.command(name="renew")
@click.argument("protection_id")
@click.option("--days", type=int, default=DEFAULT_DAYS, show_default=True, help="From today on.")
@connection_options(*WRITERS)
@json_option
def renew(protection_id: str, days: int, target: Target, as_json: bool) -> None:
    """Make a protection last longer.

    \b
    Example:
      bulwark protect renew 5f0c... --days 365 --home alliance/northbank
    """
    _send(target, f"protections/{protection_id}/renewal", {"days": days}, as_json)


@command.command(name="withdraw")
@click.argument("protection_id")
@click.option("--erase", is_flag=True, help="Have its record destroyed at every member, too.")
@connection_options(*WRITERS)
@json_option
def withdraw(protection_id: str, erase: bool, target: Target, as_json: bool) -> None:
    """Take a protection back.

    \b
    Example:
      bulwark protect withdraw 5f0c... --erase --home alliance/northbank
    """
    _send(target, f"protections/{protection_id}/withdrawal", {"erase": erase}, as_json)


@command.command(name="show")
@click.argument("protection_id")
@connection_options(*STAFF)
@json_option
def show(protection_id: str, target: Target, as_json: bool) -> None:
    """Show a protection.

    \b
    Example:
      bulwark protect show 5f0c... --home alliance/northbank
    """
    path = f"protections/{protection_id}"
    _emit(look(target, path), as_json)


@command.command(name="list")
@connection_options(*STAFF)
@json_option
def list_protections(target: Target, as_json: bool) -> None:
    """List protections, newest first, without the identifiers.

    \b
    Example:
      bulwark protect list --home alliance/northbank
    """
    found = paged(target, "protections", "protections", {})
    emit_list(found, "protections", _COLUMNS, "no protections", as_json=as_json)


def _send(target: Target, path: str, body: dict[str, Any], as_json: bool) -> None:
    _emit(ask(target, path, body), as_json)


def _emit(found: dict[str, object], as_json: bool) -> None:
    emit_fields(found, _SHOWN, as_json=as_json)

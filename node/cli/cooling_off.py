"""`bulwark cooling-off`: hold a payment for a pause, take the customer's yes or no, check a token.

Rules: tokens go to standard output and openings beside them; a token says neither who nor which
payment. `check` needs no node: the public key, the references and the token are enough.
"""

from __future__ import annotations

import time
from typing import Any, Final

import click

from bulwark.advice.holdtoken import TokenRefused, Use, check_token
from bulwark.indicators.vocabulary import Kind
from node.cli.connection import Target, ask, connection_options, look, paged
from node.cli.customer_report import STAFF
from node.cli.faults import BadSetup
from node.cli.options import emit_fields, emit_list, json_option, refuse
from node.cli.values import (
    case_option,
    read_value,
    reason_options,
    region_option,
    stated,
    value_option,
    words,
)
from node.interaction.coolingport import CoolingState

KEY_BYTES: Final = 32
_SHOWN: Final = (
    "id", "state", "level", "band", "issued", "not_before", "expires", "extensions", "ended",
    "opening", "token",
)  # fmt: skip
_COLUMNS: Final = ("state", "level", "band", "not_before", "expires", "id")


@click.group(name="cooling-off")
def command() -> None:
    """Payments that are held for a pause, and what becomes of them.

    \b
    Example:
      bulwark cooling-off hold --kind iban --value - --customer c-4711 --payment p-0815 \\
        --home alliance/northbank
      bulwark cooling-off confirm ID --home alliance/northbank
    """


@command.command(name="hold")
@click.option("--kind", required=True, type=words(Kind), help="What sort of identifier it is.")
@value_option
@region_option
@case_option
@reason_options("the question")
@click.option("--customer", required=True, help="Your reference of the customer.")
@click.option("--payment", required=True, help="The payment system's reference.")
@click.option("--seconds", type=int, help="The pause; the member's usual one if left out.")
@connection_options(*STAFF)
@json_option
def hold(
    kind: str,
    value: str,
    region: str | None,
    case_ref: str | None,
    purpose: str,
    lawful_basis: str,
    customer: str,
    payment: str,
    seconds: int | None,
    target: Target,
    as_json: bool,
) -> None:
    """Screen the other side of a payment, and hold the payment if the answer advises it.

    \b
    Example:
      bulwark cooling-off hold --kind iban --value "DE89 3704 0044 0532 0130 00" \\
        --customer c-4711 --payment p-0815 --seconds 1800 --home alliance/northbank
    """
    question = stated(
        kind=kind,
        value=read_value(value),
        region=region,
        case_ref=case_ref,
        purpose=purpose,
        lawful_basis=lawful_basis,
    )
    body = {"question": question, "customer": customer, "payment": payment}
    _send(target, "cooling-offs", body | stated(seconds=seconds), as_json)


@command.command(name="confirm")
@click.argument("cooling_off_id")
@connection_options(*STAFF)
@json_option
def confirm(cooling_off_id: str, target: Target, as_json: bool) -> None:
    """The customer says yes after the pause: screen again and print the release token.

    \b
    Example:
      bulwark cooling-off confirm 5f0c... --home alliance/northbank
    """
    _send(target, f"cooling-offs/{cooling_off_id}/confirmation", {}, as_json)


@command.command(name="cancel")
@click.argument("cooling_off_id")
@connection_options(*STAFF)
@json_option
def cancel(cooling_off_id: str, target: Target, as_json: bool) -> None:
    """The customer says no.

    \b
    Example:
      bulwark cooling-off cancel 5f0c... --home alliance/northbank
    """
    _send(target, f"cooling-offs/{cooling_off_id}/cancellation", {}, as_json)


@command.command(name="extend")
@click.argument("cooling_off_id")
@click.argument("seconds", type=int)
@connection_options(*STAFF)
@json_option
def extend(cooling_off_id: str, seconds: int, target: Target, as_json: bool) -> None:
    """Hold it SECONDS longer.

    \b
    Example:
      bulwark cooling-off extend 5f0c... 1800 --home alliance/northbank
    """
    _send(target, f"cooling-offs/{cooling_off_id}/extension", {"seconds": seconds}, as_json)


@command.command(name="show")
@click.argument("cooling_off_id")
@connection_options(*STAFF)
@json_option
def show(cooling_off_id: str, target: Target, as_json: bool) -> None:
    """Show a cooling-off with its token.

    \b
    Example:
      bulwark cooling-off show 5f0c... --home alliance/northbank
    """
    path = f"cooling-offs/{cooling_off_id}"
    _emit(look(target, path), as_json)


@command.command(name="list")
@click.option(
    "--state",
    type=click.Choice(["all", *(str(state.value) for state in CoolingState)]),
    default="all",
    show_default=True,
    help="Which of them.",
)
@connection_options(*STAFF)
@json_option
def list_cooling_offs(state: str, target: Target, as_json: bool) -> None:
    """List cooling-offs, newest first.

    \b
    Example:
      bulwark cooling-off list --state held --home alliance/northbank
    """
    found = paged(target, "cooling-offs", "cooling_offs", {"state": state})
    emit_list(found, "cooling_offs", _COLUMNS, "no cooling-offs", as_json=as_json)


@command.command(name="key")
@connection_options(*STAFF)
@json_option
def key(target: Target, as_json: bool) -> None:
    """Print the public key that a payment system checks tokens with.

    \b
    Example:
      bulwark cooling-off key --home alliance/northbank
    """
    found = look(target, "cooling-offs/key")
    emit_fields(found, tuple(found), as_json=as_json)


@command.command(name="check")
@click.argument("token")
@click.option("--key", "public_key", required=True, help="The member's public key, hexadecimal.")
@click.option("--member", required=True, help="The member's id.")
@click.option("--customer", required=True, help="The reference that it was held for.")
@click.option("--payment", required=True, help="The payment's reference.")
@click.option("--opening", required=True, help="The opening that came with it, hexadecimal.")
@click.option(
    "--use",
    type=click.Choice([str(use.value) for use in Use]),
    default=Use.RELEASE.value,
    show_default=True,
    help="What the token has to be for.",
)
@json_option
def check(
    token: str,
    public_key: str,
    member: str,
    customer: str,
    payment: str,
    opening: str,
    use: str,
    as_json: bool,
) -> None:
    """Check a token offline; exit code 0 if it holds now, 1 if not. It does not use it up.

    \b
    Example:
      bulwark cooling-off check bco1.eyJ... --key 3b6a... --member northbank --customer c-4711 \\
        --payment p-0815 --opening 77c0...
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        found = check_token(
            token,
            Ed25519PublicKey.from_public_bytes(_bytes(public_key, "--key")),
            member=member,
            customer=customer,
            payment=payment,
            opening=_bytes(opening, "--opening"),
            now_ms=time.time_ns() // 1_000_000,
            use=Use(use),
        )
    except TokenRefused as error:
        reason = {"valid": False, "code": error.code, "reason": str(error)}
        refuse(f"REFUSED  {error}", reason, as_json=as_json)
    said = {"valid": True, "id": found.token_id.hex(), "use": found.use.value, "band": found.band}
    emit_fields(said, tuple(said), as_json=as_json)


def _bytes(text: str, option: str) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != KEY_BYTES:
        raise BadSetup(f"{option}: wants {2 * KEY_BYTES} hexadecimal digits")
    return found


def _send(target: Target, path: str, body: dict[str, Any], as_json: bool) -> None:
    _emit(ask(target, path, body), as_json)


def _emit(found: dict[str, object], as_json: bool) -> None:
    emit_fields(found, _SHOWN, as_json=as_json, text=lambda value: str(value or "-"))

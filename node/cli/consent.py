"""`bulwark consent`: consent receipts of this member, from gift to erasure.

Rules: a person is named by --subject or --phone and never in a URL; an export goes to a file that
only its owner reads, for it holds salts and receipts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Coroutine
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from bulwark.client import Consent, Stage
from bulwark.indicators.vocabulary import LawfulBasis, Purpose
from node.cli.connection import WRITE_ROLES, Target, ask, connection_options, run, with_client
from node.cli.consent_files import check, kantara, schema_text, template
from node.cli.faults import BadSetup
from node.cli.files import read_object
from node.cli.options import emit_json, emit_pairs, json_option
from node.cli.values import stated, words
from node.cli.voting import wait_for

MAX_BYTES = 64 * 1024
REASONS = ("withdrawn", "expired", "invalidated", "objected")
KEEPER_ROLES = ("reporter", "auditor")
_wait_option = wait_for("anchor")
_subject_option = click.option("--subject", help="Your pairwise name of the person.")
_phone_option = click.option("--phone", help="The person's telephone number, E.164.")


@click.group(name="consent")
def command() -> None:
    """Give, renew, withdraw, find, export or erase consents.

    \b
    Example:
      bulwark consent template > terms.json
      bulwark consent give --document terms.json --devnet /tmp/alliance
      bulwark consent withdraw CONSENT_ID --devnet /tmp/alliance
      bulwark consent export --subject customer-7 --out receipts.json --devnet /tmp/alliance
    """


for _each in (check, kantara, template, schema_text):
    command.add_command(_each)


@command.command(name="give")
@click.option("--subject", help="Your pairwise name of the person; it stays in your vault.")
@click.option("--phone", help="E.164; only its keyed hash is kept, to find the person by.")
@click.option(
    "--data", "personal_data", multiple=True, help="Category, as pd:TelephoneNumber; repeatable."
)
@click.option("--purpose", type=words(Purpose, stated_only=True), help="fraud_prevention if not.")
@click.option(
    "--lawful-basis", "--basis", "lawful_basis", type=words(LawfulBasis, stated_only=True)
)
@click.option("--scope", "scopes", multiple=True, help="As indicator:share; repeatable.")
@click.option("--valid-until", help="Last day, as 2027-11-22; no end if left out.")
@click.option("--jurisdiction", help="As DE.")
@click.option("--language", help="Of the notice, as en.")
@click.option("--notice", help="Address of the notice that was shown.")
@click.option("--method", help="How consent was indicated, as checkbox.")
@click.option("--withdrawal", help="Where consent is withdrawn.")
@click.option(
    "--document",
    type=click.Path(path_type=Path, allow_dash=True),
    help="Terms as a JSON file (bulwark consent template); options go over it; - is stdin.",
)
@_wait_option
@connection_options(*WRITE_ROLES)
@json_option
def give(target: Target, document: Path | None, wait: str, as_json: bool, **fields: object) -> None:
    """Make a receipt, keep it in the vault and anchor its commitment.

    \b
    Example:
      bulwark consent give --document terms.json --subject customer-7 \\
        --valid-until 2027-11-22 --devnet /tmp/alliance --node bank-a
    """
    terms = stated(**{name: list(v) if isinstance(v, tuple) else v for name, v in fields.items()})
    terms = {name: value for name, value in terms.items() if value != []}
    if document is not None:
        wanted = f"wants a JSON object of at most {MAX_BYTES} bytes"
        terms = {**read_object(document, MAX_BYTES, wanted), **terms}
    if "subject" not in terms:
        raise click.UsageError("--subject or --document with a subject is needed")
    work = run(with_client(target, lambda client: client.give_consent(terms, wait=Stage(wait))))
    _tell(work, as_json)


@command.command(name="renew")
@click.argument("consent_id")
@click.option("--valid-until", help="New last day, as 2028-11-22; no end if left out.")
@click.option("--method", help="How consent was indicated, as checkbox.")
@_wait_option
@connection_options(*WRITE_ROLES)
@json_option
def renew(
    target: Target,
    consent_id: str,
    valid_until: str | None,
    method: str | None,
    wait: str,
    as_json: bool,
) -> None:
    """Anchor the next version of a receipt, with another last day.

    \b
    Example:
      bulwark consent renew CONSENT_ID --valid-until 2028-11-22 --devnet /tmp/alliance
    """
    terms = stated(valid_until=valid_until, method=method)
    path = f"consents/{consent_id}/renewal"
    run(with_client(target, lambda client: client.act(path, terms, wait=Stage(wait))))
    _show(target, consent_id, as_json)


@command.command(name="withdraw")
@click.argument("consent_id")
@click.option(
    "--reason", type=click.Choice(REASONS), default=REASONS[0], show_default=True, help="Why."
)
@_wait_option
@connection_options(*WRITE_ROLES)
@json_option
def withdraw(target: Target, consent_id: str, reason: str, wait: str, as_json: bool) -> None:
    """Anchor the end of a consent; its records are restricted everywhere from then on.

    \b
    Example:
      bulwark consent withdraw CONSENT_ID --devnet /tmp/alliance --node bank-a
    """
    found = run(
        with_client(
            target, lambda client: client.withdraw_consent(consent_id, reason, wait=Stage(wait))
        )
    )
    _tell(found, as_json)


@command.command(name="erase")
@click.argument("consent_id")
@connection_options(*WRITE_ROLES)
@json_option
def erase(target: Target, consent_id: str, as_json: bool) -> None:
    """Destroy the receipt of a consent that ended; a tombstone stays.

    \b
    Example:
      bulwark consent erase CONSENT_ID --devnet /tmp/alliance --node bank-a
    """
    ask(target, f"consents/{consent_id}/erasure", {})
    _show(target, consent_id, as_json)


@command.command(name="show")
@click.argument("consent_id")
@connection_options(*WRITE_ROLES)
@json_option
def show(target: Target, consent_id: str, as_json: bool) -> None:
    """Show a receipt of this member and where its anchors stand.

    \b
    Example:
      bulwark consent show CONSENT_ID --devnet /tmp/alliance --node bank-a
    """
    found = _show(target, consent_id, as_json)
    if not as_json and found.receipt is not None:
        click.echo(json.dumps(found.receipt, indent=1, ensure_ascii=False))


@command.command(name="list")
@_subject_option
@_phone_option
@connection_options(*KEEPER_ROLES)
@json_option
def list_consents(target: Target, subject: str | None, phone: str | None, as_json: bool) -> None:
    """List this member's consents, or those of one person.

    \b
    Example:
      bulwark consent list --subject customer-7 --devnet /tmp/alliance --node bank-a
    """
    found: list[dict[str, object]] = []
    if subject or phone:
        person = stated(subject=subject, phone=phone)
        answer = ask(target, "consents/search", person)
        found += _entries(answer)
    else:
        after: str | None = ""
        while after is not None:
            page = run(_page(target, after))
            found += _entries(page)
            after = page["next"] if isinstance(page["next"], str) else None
    if as_json:
        emit_json(found)
        return
    for each in found:
        click.echo(f"{each['consent_id']}  v{each['version']}  {each['status']}")


@command.command(name="export")
@_subject_option
@_phone_option
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="File to make; must not exist."
)
@connection_options(*KEEPER_ROLES)
def export(target: Target, subject: str | None, phone: str | None, out: Path) -> None:
    """Write a person's receipts with salts and proofs to a file, for the person.

    \b
    Example:
      bulwark consent export --subject customer-7 --out receipts.json --devnet /tmp/alliance
      bulwark verify consent receipts.json --genesis genesis.json
    """
    person = stated(subject=subject, phone=phone)
    answer = ask(target, "consents/export", person)
    try:
        handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise BadSetup(f"{out}: {error.strerror}") from error
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        json.dump(answer, stream, ensure_ascii=False)
    click.echo(f"{len(_entries(answer))} consents in {out}")


def _page(target: Target, after: str) -> Coroutine[Any, Any, dict[str, object]]:
    query = {"after": after} if after else {}
    return with_client(target, lambda client: client.look("consents", query=query))


def _entries(answer: dict[str, object]) -> list[dict[str, object]]:
    consents = answer.get("consents")
    return consents if isinstance(consents, list) else []


def _show(target: Target, consent_id: str, as_json: bool) -> Consent:
    found = run(with_client(target, lambda client: client.consent(consent_id)))
    _tell(found, as_json)
    return found


def _tell(found: Consent, as_json: bool) -> None:
    if as_json:
        emit_json(asdict(found))
        return
    pairs = [
        ("consent", found.consent_id),
        ("status", found.status),
        ("version", str(found.version)),
        ("stage", found.stage.value),
        ("anchor", found.anchor_id),
        ("block", str(found.height) if found.height is not None else "-"),
    ]
    if found.withdrawn_height is not None:
        pairs.append(("ended in", str(found.withdrawn_height)))
    pairs += [("own record on it", record_id) for record_id in found.records]
    emit_pairs(pairs)

"""`bulwark consent give|withdraw|show`: consent receipts of this member."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from bulwark.client import Consent, Stage
from bulwark.indicators.vocabulary import LawfulBasis, Purpose
from node.cli.connection import WRITE_ROLES, Target, connection_options, run, with_client
from node.cli.faults import BadSetup
from node.cli.options import emit_json, emit_pairs, json_option
from node.cli.values import stated, words

MAX_BYTES = 64 * 1024
REASONS = ("withdrawn", "expired", "invalidated", "objected")
_wait_option = click.option(
    "--wait",
    type=click.Choice([stage.value for stage in Stage]),
    default=Stage.EXECUTED.value,
    show_default=True,
    help="Return when the anchor got this far.",
)


@click.group(name="consent")
def command() -> None:
    """Give, withdraw or show a consent.

    \b
    Example:
      bulwark consent give --subject customer-7 --data pd:TelephoneNumber --devnet /tmp/alliance
      bulwark consent withdraw CONSENT_ID --devnet /tmp/alliance
      bulwark consent show CONSENT_ID --devnet /tmp/alliance
    """


@command.command(name="give")
@click.option("--subject", help="Your pairwise name of the person; it stays in your vault.")
@click.option(
    "--data", "personal_data", multiple=True, help="Category, as pd:TelephoneNumber; repeatable."
)
@click.option("--purpose", type=words(Purpose, stated_only=True), help="fraud_prevention if not.")
@click.option(
    "--lawful-basis", "--basis", "lawful_basis", type=words(LawfulBasis, stated_only=True)
)
@click.option("--scope", "scopes", multiple=True, help="As indicator:share; repeatable.")
@click.option("--recipient", "recipients", multiple=True, help="Member id; repeatable.")
@click.option("--valid-until", help="Last day, as 2027-11-22; no end if left out.")
@click.option("--jurisdiction", help="As DE.")
@click.option("--language", help="Of the notice, as en.")
@click.option("--notice", help="Address of the notice that was shown.")
@click.option("--method", help="How consent was indicated, as checkbox.")
@click.option(
    "--document",
    type=click.Path(path_type=Path, allow_dash=True),
    help="All of this as a JSON file instead; - is standard input.",
)
@_wait_option
@connection_options(*WRITE_ROLES)
@json_option
def give(target: Target, document: Path | None, wait: str, as_json: bool, **fields: object) -> None:
    """Make a receipt, keep it in the vault and anchor its commitment.

    \b
    Example:
      bulwark consent give --subject customer-7 --data pd:TelephoneNumber \\
        --valid-until 2027-11-22 --devnet /tmp/alliance --node bank-a
    """
    terms = stated(**{name: list(v) if isinstance(v, tuple) else v for name, v in fields.items()})
    terms = {name: value for name, value in terms.items() if value != []}
    if document is not None:
        if terms:
            raise click.UsageError("--document goes without the options that describe a consent")
        terms = _read(document)
    elif "subject" not in terms or "personal_data" not in terms:
        raise click.UsageError("--subject and --data are needed, or --document")
    work = run(with_client(target, lambda client: client.give_consent(terms, wait=Stage(wait))))
    _tell(work, as_json)


@command.command(name="withdraw")
@click.argument("consent_id")
@click.option(
    "--reason", type=click.Choice(REASONS), default=REASONS[0], show_default=True, help="Why."
)
@_wait_option
@connection_options(*WRITE_ROLES)
@json_option
def withdraw(target: Target, consent_id: str, reason: str, wait: str, as_json: bool) -> None:
    """Anchor the withdrawal of a consent.

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


@command.command(name="show")
@click.argument("consent_id")
@connection_options(*WRITE_ROLES)
@json_option
def show(target: Target, consent_id: str, as_json: bool) -> None:
    """Show a receipt of this member and where its anchor stands.

    \b
    Example:
      bulwark consent show CONSENT_ID --devnet /tmp/alliance --node bank-a
    """
    found = run(with_client(target, lambda client: client.consent(consent_id)))
    _tell(found, as_json)
    if not as_json:
        click.echo(json.dumps(found.receipt, indent=1, ensure_ascii=False))


def _tell(found: Consent, as_json: bool) -> None:
    if as_json:
        emit_json(asdict(found))
        return
    pairs = [
        ("consent", found.consent_id),
        ("status", found.status),
        ("stage", found.stage.value),
        ("anchor", found.anchor_id),
        ("block", str(found.height) if found.height is not None else "-"),
    ]
    if found.withdrawn_height is not None:
        pairs.append(("withdrawn in", str(found.withdrawn_height)))
    emit_pairs(pairs)


def _read(path: Path) -> dict[str, object]:
    try:
        if str(path) == "-":
            raw = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with path.open("rb") as stream:
                raw = stream.read(MAX_BYTES + 1)
        found = json.loads(raw) if len(raw) <= MAX_BYTES else None
    except OSError as error:
        raise BadSetup(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise BadSetup(f"{path}: is not JSON") from error
    if not isinstance(found, dict):
        raise BadSetup(f"{path}: wants a JSON object of at most {MAX_BYTES} bytes")
    return found

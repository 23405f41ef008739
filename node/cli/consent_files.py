"""`bulwark consent check|kantara|template|schema`: receipts as files, without a node.

Rules: what is checked is printed as faults with their paths and never with the values; a Kantara
receipt is read into a draft of terms and a list of what it lacks, for a consent is never made of
what somebody else recorded.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from bulwark.consents.faults import DocumentRefused
from bulwark.consents.kantara import from_kantara
from bulwark.consents.parsing import MAX_DOCUMENT_BYTES, parse
from bulwark.consents.schema import Schema
from bulwark.consents.schema import check as hold_to
from node.cli.connection import WRITE_ROLES, Target, connection_options, look
from node.cli.files import read_input
from node.cli.options import emit_json, json_option

INVALID = 1
TEMPLATE = {
    "subject": "your pairwise name of the person",
    "purpose": "fraud_prevention",
    "lawful_basis": "consent",
    "personal_data": [
        "pd:TelephoneNumber",
        {"category": "pd:FinancialAccountNumber", "class": "sensitive", "necessity": "optional"},
    ],
    "jurisdiction": "GB",
    "language": "en",
    "notice": {"url": "https://bank.example/privacy/7", "version": "7"},
    "controller": {"contact": "dpo@bank.example", "address": "1 High Street, London"},
    "storage": {"locations": ["GB"], "retention": "P1Y"},
    "withdrawal": "https://bank.example/consent",
    "valid_until": "2035-12-31",
    "method": "checkbox in the app",
}
"""Terms with every field that is needed and some more."""


@click.command(name="check")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--as",
    "form",
    type=click.Choice([each.value for each in Schema]),
    help="The schema; by the document's own profile if left out.",
)
@json_option
def check(file: Path, form: str | None, as_json: bool) -> None:
    """Hold a receipt, a record or terms to their schema; every fault by its path.

    \b
    Example:
      bulwark consent check receipt.json
    """
    try:
        document = parse(read_input(file, MAX_DOCUMENT_BYTES))
        schema = Schema(form) if form else _schema_of(document)
        hold_to(document, schema)
    except DocumentRefused as error:
        if as_json:
            faults = [
                {"path": fault.path, "found": fault.found, "allowed": fault.allowed}
                for fault in error.faults
            ]
            emit_json({"valid": False, "faults": faults})
        else:
            for fault in error.faults:
                click.echo(str(fault))
        sys.exit(INVALID)
    if as_json:
        emit_json({"valid": True, "schema": schema.value})
    else:
        click.echo(f"VALID  {schema.value}")


@click.command(name="kantara")
@click.argument("consent")
@click.option("--read", "reading", is_flag=True, help="CONSENT is a Kantara receipt's file.")
@connection_options(*WRITE_ROLES, optional_with="reading")
def kantara(target: Target | None, consent: str, reading: bool) -> None:
    """Show a receipt as a Kantara receipt v1.1, or read one into draft terms.

    \b
    Example:
      bulwark consent kantara CONSENT_ID --devnet /tmp/alliance --node bank-a
      bulwark consent kantara --read receipt.json
    """
    if reading:
        try:
            draft = from_kantara(read_input(Path(consent), MAX_DOCUMENT_BYTES))
        except DocumentRefused as error:
            for fault in error.faults:
                click.echo(str(fault))
            sys.exit(INVALID)
        emit_json({"terms": draft.terms, "lacking": draft.lacking, "given_at": draft.given_at})
        return
    if target is None:
        raise click.UsageError("name a node, or --read FILE")
    emit_json(look(target, f"consents/{consent}/kantara"))


@click.command(name="template")
def template() -> None:
    """Print complete terms to start from.

    \b
    Example:
      bulwark consent template > terms.json
    """
    click.echo(json.dumps(TEMPLATE, indent=1))


@click.command(name="schema")
@click.argument("name", type=click.Choice([each.value for each in Schema]))
def schema_text(name: str) -> None:
    """Print one of the JSON Schemas that documents are held to.

    \b
    Example:
      bulwark consent schema receipt
    """
    click.echo(Schema(name).text(), nl=False)


def _schema_of(document: dict[str, object]) -> Schema:
    """The schema that a document's own profile or fields name."""
    profiles = document.get("dct:conformsTo")
    texts = profiles if isinstance(profiles, list) else [profiles]
    if any(isinstance(text, str) and text.startswith("urn:bulwark:") for text in texts):
        return Schema.RECEIPT
    if "consentReceiptID" in document:
        return Schema.KANTARA
    return Schema.TERMS if "subject" in document else Schema.DPV

"""`bulwark verify proof`: check a proof offline, trusting only genesis.json.

Rules: no network and no node; exit code 0 means valid, 1 means that the proof does not hold (with
the reason), 2 that a file could not be read.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bulwark.client import VerificationFailed
from bulwark.client.verify import verify_document
from bulwark.ledger.genesis import MAX_GENESIS_BYTES
from bulwark.ledger.proofs import MAX_PROOF_BYTES
from node.cli.faults import BadSetup
from node.cli.options import emit_json, emit_pairs, json_option

INVALID = 1


@click.group(name="verify")
def command() -> None:
    """Verify a proof offline, trusting only genesis.json.

    \b
    Example:
      bulwark verify proof record.json --genesis genesis.json
    """


@command.command(name="proof")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--genesis",
    required=True,
    type=click.Path(path_type=Path),
    help="The alliance's genesis document, from a source that you trust.",
)
@json_option
def proof(file: Path, genesis: Path, as_json: bool) -> None:
    """Verify the proof of a record, of a consent's anchor, or of consistency.

    FILE is what GET /v1/records/{id}/proof or /v1/consents/{id}/proof gave; - is standard input.

    \b
    Example:
      bulwark verify proof record.json --genesis genesis.json
    """
    document = _read(file, MAX_PROOF_BYTES)
    trusted = _read(genesis, MAX_GENESIS_BYTES)
    try:
        verdict = verify_document(document, trusted)
    except VerificationFailed as error:
        if as_json:
            emit_json({"valid": False, "where": error.where, "reason": error.reason})
        else:
            click.echo(f"INVALID  {error.where}: {error.reason}")
        sys.exit(INVALID)
    head = {"proof": verdict.kind, "alliance": verdict.alliance}
    facts = {**head, "genesis_hash": verdict.genesis_hash, **verdict.facts}
    if as_json:
        emit_json({"valid": True, **facts})
        return
    click.echo("VALID")
    emit_pairs([(name, "-" if value is None else str(value)) for name, value in facts.items()])


def _read(path: Path, most: int) -> bytes:
    try:
        if str(path) == "-":
            return sys.stdin.buffer.read(most + 1)
        with path.open("rb") as stream:
            return stream.read(most + 1)
    except OSError as error:
        raise BadSetup(f"{path}: {error.strerror}") from error

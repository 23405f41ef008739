"""`bulwark verify consent`: check a person's exported receipts offline, trusting only genesis.json.

Rules: as for every verification: no network and no node; exit code 0 means valid, 1 that something
does not hold (with its place and the reason), 2 that a file could not be read.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from bulwark.client.errors import VerificationFailed
from bulwark.client.verify_consents import verify_bundle
from bulwark.consents.bundle import MAX_BUNDLE_BYTES
from bulwark.ledger.genesis import MAX_GENESIS_BYTES
from node.cli.faults import BadSetup
from node.cli.options import emit_json, emit_pairs, json_option

INVALID = 1


@click.command(name="consent")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--genesis",
    required=True,
    type=click.Path(path_type=Path),
    help="The alliance's genesis document, from a source that you trust.",
)
@json_option
def command(file: Path, genesis: Path, as_json: bool) -> None:
    """Verify the receipts that `bulwark consent export` gave.

    \b
    Example:
      bulwark verify consent receipts.json --genesis genesis.json
    """
    bundle, trusted = _read(file, MAX_BUNDLE_BYTES), _read(genesis, MAX_GENESIS_BYTES)
    try:
        found = verify_bundle(bundle, trusted)
    except VerificationFailed as error:
        if as_json:
            emit_json({"valid": False, "where": error.where, "reason": error.reason})
        else:
            click.echo(f"INVALID  {error.where}: {error.reason}")
        sys.exit(INVALID)
    if as_json:
        emit_json({"valid": True, "consents": [asdict(each) for each in found]})
        return
    click.echo("VALID")
    for each in found:
        emit_pairs([(name, str(value) or "-") for name, value in asdict(each).items()])


def _read(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(most + 1)
    except OSError as error:
        raise BadSetup(f"{path}: {error.strerror}") from error

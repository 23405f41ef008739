"""`bulwark verify consent`: check a person's exported receipts offline, trusting only genesis.json.

Rules: as for every verification: no network and no node; exit code 0 means valid, 1 that something
does not hold (with its place and the reason), 2 that a file could not be read.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from bulwark.client.errors import VerificationFailed
from bulwark.client.verify_consents import verify_bundle
from bulwark.consents.bundle import MAX_BUNDLE_BYTES
from bulwark.ledger.genesis import MAX_GENESIS_BYTES
from node.cli.files import genesis_option, read_file
from node.cli.options import emit_json, emit_pairs, json_option, refuse_at


@click.command(name="consent")
@click.argument("file", type=click.Path(path_type=Path))
@genesis_option
@json_option
def command(file: Path, genesis: Path, as_json: bool) -> None:
    """Verify the receipts that `bulwark consent export` gave.

    \b
    Example:
      bulwark verify consent receipts.json --genesis genesis.json
    """
    bundle, trusted = read_file(file, MAX_BUNDLE_BYTES), read_file(genesis, MAX_GENESIS_BYTES)
    try:
        found = verify_bundle(bundle, trusted)
    except VerificationFailed as error:
        refuse_at(error.where, error.reason, as_json=as_json)
    if as_json:
        emit_json({"valid": True, "consents": [asdict(each) for each in found]})
        return
    click.echo("VALID")
    for each in found:
        emit_pairs([(name, str(value) or "-") for name, value in asdict(each).items()])

"""`bulwark evidence`: what validators did wrong, verified by whoever reads it.

Rules: `verify` needs no network and no node, only the file and a genesis document from a source
that the reader trusts; exit code 0 means that the evidence holds, 1 that it does not, 2 that a file
could not be read.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click

from bulwark.ledger.genesis import MAX_GENESIS_BYTES
from node.cli.connection import Target, connection_options, run, with_client
from node.cli.faults import BadSetup
from node.cli.options import emit_json, emit_pairs, emit_rows, json_option

READ_ROLES: Final = ("auditor", "operator", "analyst", "reporter")
POST_ROLES: Final = ("operator", "admin")
INVALID: Final = 1
_COLUMNS: Final = ("culprit", "kind", "epoch", "holds", "posted", "id")


@click.group(name="evidence")
def command() -> None:
    """Show, verify and post evidence against validators.

    \b
    Example:
      bulwark evidence list --home alliance/northbank
    """


@command.command(name="list")
@connection_options(*READ_ROLES)
@json_option
def list_cases(target: Target, as_json: bool) -> None:
    """List the evidence that a node holds.

    \b
    Example:
      bulwark evidence list --devnet /tmp/alliance
    """
    found = run(with_client(target, lambda client: client.evidence()))
    if as_json:
        emit_json(found)
        return
    listed = found.get("evidence")
    cases = [case for case in listed if isinstance(case, dict)] if isinstance(listed, list) else []
    if not cases:
        click.echo("no evidence against anybody")
        return
    rows = [[str(case.get(name) or "-") for name in _COLUMNS] for case in cases]
    emit_rows([_COLUMNS, *rows])


@command.command(name="show")
@click.argument("evidence_id")
@connection_options(*READ_ROLES)
def show(evidence_id: str, target: Target) -> None:
    """Print one case as JSON, with its signed messages; `verify` reads this.

    \b
    Example:
      bulwark evidence show 9c56cc51b374... --home alliance/northbank > case.json
    """
    found = run(with_client(target, lambda client: client.evidence_document(evidence_id)))
    click.echo(found.decode("utf-8"))


@command.command(name="post")
@click.argument("evidence_id")
@connection_options(*POST_ROLES)
@json_option
def post(evidence_id: str, target: Target, as_json: bool) -> None:
    """Post one case to the ledger, once; the contract checks a double vote itself.

    \b
    Example:
      bulwark evidence post 9c56cc51b374... --home alliance/northbank
    """
    found = run(with_client(target, lambda client: client.post_evidence(evidence_id)))
    if as_json:
        emit_json(found)
    else:
        emit_pairs([(name, str(found.get(name))) for name in ("culprit", "kind", "posted")])


@command.command(name="verify")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--genesis",
    required=True,
    type=click.Path(path_type=Path),
    help="The alliance's genesis document, from a source that you trust.",
)
@json_option
def verify(file: Path, genesis: Path, as_json: bool) -> None:
    """Verify one case offline, trusting only genesis.json.

    FILE is what `bulwark evidence show` gave; - is standard input.

    \b
    Example:
      bulwark evidence verify case.json --genesis genesis.json
    """
    # Imported here: the other commands need none of the protocol.
    from node.evidence import MAX_EVIDENCE_BYTES, EvidenceInvalid, case_of_file, verify_case

    # Hex and the decoded messages beside it take up to six characters a byte.
    document = _read(file, 6 * MAX_EVIDENCE_BYTES)
    trusted = _read(genesis, MAX_GENESIS_BYTES)
    try:
        case, changes = case_of_file(document)
        facts = verify_case(case, trusted, changes)
    except EvidenceInvalid as error:
        if as_json:
            emit_json({"holds": False, "where": error.what, "reason": error.detail})
        else:
            click.echo(f"INVALID  {error.what}: {error.detail}")
        sys.exit(INVALID)
    if as_json:
        emit_json({"holds": True, **facts})
        return
    click.echo("HOLDS")
    emit_pairs([(name, str(value)) for name, value in facts.items()])


def _read(path: Path, most: int) -> bytes:
    try:
        if str(path) == "-":
            return sys.stdin.buffer.read(most + 1)
        with path.open("rb") as stream:
            return stream.read(most + 1)
    except OSError as error:
        raise BadSetup(f"{path}: {error.strerror}") from error

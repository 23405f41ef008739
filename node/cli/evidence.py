"""`bulwark evidence`: what validators did wrong, verified by whoever reads it.

Rules: `verify` needs no network and no node, only the file and a genesis document from a source
that the reader trusts; exit code 0 means that the evidence holds, 1 that it does not, 2 that a file
could not be read, 3 that the file alone can not decide it: a wrong evaluation holds only against a
sharing that the ledger confirmed, whose hash the reader brings.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click

from bulwark.ledger.genesis import MAX_GENESIS_BYTES
from node.cli.connection import Target, connection_options, run, with_client
from node.cli.files import genesis_option, read_input
from node.cli.options import (
    emit_fields,
    emit_json,
    emit_pairs,
    emit_rows,
    entries,
    json_option,
    refuse,
)

READ_ROLES: Final = ("auditor", "operator", "analyst", "reporter")
POST_ROLES: Final = ("operator", "admin")
UNDECIDED: Final = 3
_ONLY_IF: Final = (
    "UNDECIDED  the answer is signed and wrong for this sharing; it is evidence only if the ledger "
    "confirmed the sharing: compare `sharing` with a node that you trust and give it as --sharing"
)
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
    cases = entries(found, "evidence")
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
    emit_fields(found, ("culprit", "kind", "posted"), as_json=as_json)


@command.command(name="verify")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@genesis_option
@click.option(
    "--sharing",
    help="For a wrong evaluation: hash of the sharing as the ledger confirmed it, 64 hex digits "
    "(`leading` of its session in the KeyCeremony contract), from a node that you trust.",
)
@click.option(
    "--account",
    help="For a wrong evaluation: account of the holder, where a vote replaced that of genesis.",
)
@json_option
def verify(
    file: Path, genesis: Path, sharing: str | None, account: str | None, as_json: bool
) -> None:
    """Verify one case offline, trusting only genesis.json.

    FILE is what `bulwark evidence show` gave; - is standard input. Exit code 0: it holds; 1: it
    does not; 3: a wrong evaluation is as it says, and whether the ledger confirmed its sharing is
    not known here: give --sharing.

    \b
    Example:
      bulwark evidence verify case.json --genesis genesis.json
    """
    # Imported here: the other commands need none of the protocol.
    from node.evidence import (
        MAX_EVIDENCE_BYTES,
        Case,
        EvidenceInvalid,
        case_of_file,
        verify_case,
    )
    from node.wrongcase import verify_wrong

    # Hex and the decoded messages beside it take up to six characters a byte.
    document = read_input(file, 6 * MAX_EVIDENCE_BYTES)
    trusted = read_input(genesis, MAX_GENESIS_BYTES)
    try:
        case, changes = case_of_file(document)
        if isinstance(case, Case):
            facts, is_decided = verify_case(case, trusted, changes), True
        else:
            facts = verify_wrong(case, trusted, sharing, account)
            is_decided = sharing is not None
    except EvidenceInvalid as error:
        reason = {"holds": False, "where": error.what, "reason": error.detail}
        refuse(f"INVALID  {error.what}: {error.detail}", reason, as_json=as_json)
    if as_json:
        emit_json({"holds": True if is_decided else None, **facts})
    else:
        click.echo("HOLDS" if is_decided else _ONLY_IF)
        emit_pairs([(name, str(value)) for name, value in facts.items()])
    if not is_decided:
        sys.exit(UNDECIDED)

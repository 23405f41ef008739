"""`bulwark audit compare`: two nodes, or two packs, held against each other.

Rules: neither side is believed, every certificate is checked against the genesis document that the
caller trusts; exit code 0 means the same history, 1 that it differs or a side shows no proof. The
certificates of both sides of a fork are kept as evidence that anyone can check.
"""

from __future__ import annotations

import json
import sys
from contextlib import AsyncExitStack, ExitStack
from dataclasses import replace
from pathlib import Path

import click

from bulwark.audit.packcompare import Comparison, Outcome
from bulwark.audit.packcompare import compare as compare_histories
from bulwark.client import BulwarkClient
from bulwark.ledger import jsonfields as jf
from bulwark.ledger.errors import LedgerError, ProofInvalid
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.header import Header
from bulwark.ledger.ids import Height
from bulwark.ledger.proofs import ConsistencyProof, SealedHeader
from bulwark.verifier.codes import PackRefused
from bulwark.verifier.history import PackHistory
from node.cli.connection import AUDIT_ROLES, Target, find_target, run
from node.cli.faults import BadSetup, Failed
from node.cli.files import read_genesis
from node.cli.options import emit_json, emit_pairs, json_option

_PATH = click.Path(path_type=Path)


class NodeHistory:
    """What a running node shows; see `History`."""

    def __init__(self, name: str, client: BulwarkClient, last: Height) -> None:
        self.name = name
        self.first = Height(0)
        self.last = last
        self._client = client
        self._headers: dict[int, Header] = {}

    @classmethod
    async def open(cls, name: str, client: BulwarkClient) -> NodeHistory:
        """The node's history up to its last final block."""
        block = await client.look("blocks/finalized")
        return cls(name, client, Height(jf.integer(block.get("height"), "height")))

    async def header(self, height: Height) -> Header:
        """See History."""
        if height not in self._headers:
            block = await self._client.look(f"blocks/{height}")
            data = jf.hexadecimal(block.get("header"), "header", most=1024)
            self._headers[height] = Header.decode(data)
        found = self._headers[height]
        if found.height != height:
            raise Failed(f"{self.name}: shows block {found.height} for {height}")
        return found

    async def sealed(self, height: Height) -> SealedHeader | None:
        """See History."""
        if height == 0:
            height = Height(1)  # block 0 has no certificate; that of block 1 covers it
        found = await self._client.look("audit/seal", query={"height": str(height)})
        return SealedHeader.read(found.get("sealed"), "sealed")

    async def consistent_from(self, height: Height, genesis: Genesis) -> None:
        """Check that its record log up to its last block only adds; raises ProofInvalid."""
        query = {"first": str(max(height, 1)), "second": str(max(self.last, 1))}
        proof = await self._client.look("audit/consistency", query=query)
        ConsistencyProof.from_json(json.dumps(proof).encode()).verify(genesis)


@click.command(name="compare")
@click.argument("one")
@click.argument("other")
@click.option(
    "--genesis", required=True, type=_PATH, help="The genesis document, from a trusted source."
)
@click.option("--key-file-one", type=_PATH, help="API key of the first node, for a URL.")
@click.option("--key-file-other", type=_PATH, help="API key of the second node, for a URL.")
@click.option("--evidence", type=_PATH, help="File to write for a fork, not there yet.")
@json_option
def compare(
    one: str,
    other: str,
    genesis: Path,
    key_file_one: Path | None,
    key_file_other: Path | None,
    evidence: Path | None,
    as_json: bool,
) -> None:
    """Find the first block at which two histories part, and who signed both.

    ONE and OTHER are each the home folder of a node, the URL of a node with --key-file-one or
    --key-file-other, or an evidence pack.

    \b
    Example:
      bulwark audit compare alliance/northbank alliance/regulator --genesis genesis.json
      bulwark audit compare mine.pack theirs.pack --genesis genesis.json --evidence fork.json
    """
    trusted = read_genesis(genesis)
    try:
        with ExitStack() as stack:
            given = ((one, key_file_one), (other, key_file_other))
            sides = [_side(name, key, trusted, stack) for name, key in given]
            found, notes = run(_compared(sides, trusted))
    except PackRefused as error:
        raise Failed(f"a pack does not hold: {error}") from error
    except (LedgerError, jf.FieldInvalid, LookupError) as error:
        raise Failed(f"a side shows what can not be read: {error}") from error
    if found.fork is not None and evidence is not None:
        _keep(evidence, found.fork.to_json(trusted))
    _emit(found, notes, evidence, as_json=as_json)
    if found.outcome is not Outcome.SAME:
        sys.exit(1)


def _side(
    side: str, key_file: Path | None, genesis: Genesis, stack: ExitStack
) -> tuple[str, Target | PackHistory]:
    """What an argument names: a node to ask, or a pack that holds. Raises BadSetup, PackRefused."""
    path = Path(side)
    if side.startswith(("http://", "https://")):
        return side, find_target(AUDIT_ROLES, url=side, key_file=key_file)
    if path.is_dir():
        return side, find_target(AUDIT_ROLES, home=path, key_file=key_file)
    if path.is_file():
        return side, PackHistory(side, stack.enter_context(path.open("rb")), genesis)
    raise BadSetup(f"{side}: neither a URL, nor a home folder, nor a pack")


async def _compared(
    sides: list[tuple[str, Target | PackHistory]], genesis: Genesis
) -> tuple[Comparison, list[str]]:
    notes: list[str] = []
    opened: list[NodeHistory | PackHistory] = []
    async with AsyncExitStack() as stack:
        for name, side in sides:
            if isinstance(side, PackHistory):
                opened.append(side)
                continue
            client = await stack.enter_async_context(side.client(timeout_s=120.0))
            opened.append(await NodeHistory.open(name, client))
        found = await compare_histories(opened[0], opened[1], genesis)
        for history in opened:
            if found.outcome is not Outcome.SAME or isinstance(history, PackHistory):
                continue
            try:
                await history.consistent_from(found.last, genesis)
            except ProofInvalid as error:
                found = replace(
                    found,
                    outcome=Outcome.ONE_SIDE,
                    uncertified=history.name,
                    reason=f"its record log behind block {found.last}: {error}",
                )
            else:
                notes.append(f"{history.name}: its record log to {history.last} only adds to it")
    return found, notes


def _keep(path: Path, data: bytes) -> None:
    try:
        with path.open("xb") as file:
            file.write(data)
    except OSError as error:
        raise Failed(f"{path}: {error.strerror}") from error


def _emit(found: Comparison, notes: list[str], evidence: Path | None, *, as_json: bool) -> None:
    fork = found.fork
    facts: dict[str, object] = {
        "outcome": found.outcome.value,
        "common_heights": [found.first, found.last],
        "first_difference": found.differs,
        "uncertified_side": found.uncertified,
        "reason": found.reason or None,
        "certified_on_both_sides": None if fork is None else fork.height,
        "signed_both": None if fork is None else list(fork.equivocators),
        "tolerated_faults": None if fork is None else fork.faulty,
        "evidence": None if fork is None or evidence is None else str(evidence),
    }
    if as_json:
        emit_json({**facts, "notes": notes})
        return
    click.echo("SAME" if found.outcome is Outcome.SAME else f"DIFFERENT  {found.outcome.value}")
    emit_pairs([(name, _shown(value)) for name, value in facts.items() if value is not None])
    for note in notes:
        click.echo(f"note: {note}")


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)

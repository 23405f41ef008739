"""`bulwark verify`: check a proof or an evidence pack offline, trusting only genesis.json.

Rules: no network and no node; exit code 0 means valid, 1 means that the proof does not hold (with
the reason), 2 that a file could not be read.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from bulwark.client import VerificationFailed
from bulwark.client.receipts import MAX_RECEIPTS_BYTES, verify_receipts
from bulwark.client.verify import verify_document
from bulwark.ledger.genesis import MAX_GENESIS_BYTES
from bulwark.ledger.ids import Address, Digest
from bulwark.ledger.proofs import MAX_PROOF_BYTES
from bulwark.verifier.codes import PackRefused
from bulwark.verifier.pack import Expectations, read_genesis, verify_pack
from node.cli import verify_consent
from node.cli.faults import BadSetup
from node.cli.files import genesis_option, read_input
from node.cli.options import emit_json, emit_pairs, emit_valid, json_option, refuse, refuse_at

if TYPE_CHECKING:
    from rich.progress import TaskID

BAR_STEP: Final = 64
"""Headers or anchors between two updates of the bar."""


@click.group(name="verify")
def command() -> None:
    """Verify a proof offline, trusting only genesis.json.

    \b
    Example:
      bulwark verify proof record.json --genesis genesis.json
      bulwark verify pack case.pack --genesis genesis.json
    """


command.add_command(verify_consent.command)


@command.command(name="proof")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@genesis_option
@json_option
def proof(file: Path, genesis: Path, as_json: bool) -> None:
    """Verify the proof of a record, of a consent's anchor, or of consistency.

    FILE is what GET /v1/records/{id}/proof or /v1/consents/{id}/proof gave; - is standard input.

    \b
    Example:
      bulwark verify proof record.json --genesis genesis.json
    """
    document = read_input(file, MAX_PROOF_BYTES)
    trusted = read_input(genesis, MAX_GENESIS_BYTES)
    try:
        verdict = verify_document(document, trusted)
    except VerificationFailed as error:
        refuse_at(error.where, error.reason, as_json=as_json)
    head = {"proof": verdict.kind, "alliance": verdict.alliance}
    emit_valid({**head, "genesis_hash": verdict.genesis_hash, **verdict.facts}, as_json=as_json)


@command.command(name="pack")
@click.argument("file", type=click.Path(path_type=Path))
@genesis_option
@click.option("--expect-signer", help="Address of the key that has to have made the pack.")
@click.option("--expect-custody", help="Hash of a custody entry that has to be in it.")
@json_option
def pack(
    file: Path,
    genesis: Path,
    expect_signer: str | None,
    expect_custody: str | None,
    as_json: bool,
) -> None:
    """Verify an evidence pack that `bulwark audit pack` made.

    The same check runs without a node's software: python -m bulwark.verifier pack FILE.

    \b
    Example:
      bulwark verify pack case.pack --genesis genesis.json
    """
    expected = Expectations(
        signer=None if expect_signer is None else Address(_hex(expect_signer, 20)),
        custody=None if expect_custody is None else Digest(_hex(expect_custody, 32)),
    )
    trusted = read_input(genesis, MAX_GENESIS_BYTES)
    try:
        with file.open("rb") as stream, _Bar() as bar:
            verdict = verify_pack(stream, read_genesis(trusted), expected, bar.show)
    except PackRefused as refused:
        refuse(f"INVALID  {refused}", refused.document(), as_json=as_json)
    except OSError as error:
        raise BadSetup(f"{file}: {error.strerror}") from error
    facts = verdict.facts()
    if as_json:
        emit_json(facts)
        return
    notes = verdict.notes()
    click.echo("VALID")
    shown = [(n, str(v)) for n, v in facts.items() if n not in ("valid", "notes")]
    emit_pairs(shown)
    for note in notes:
        click.echo(f"note: {note}")


class _Bar:
    """Shows on standard error what is being checked; nothing where that is no terminal."""

    def __enter__(self) -> _Bar:
        from rich.console import Console
        from rich.progress import Progress

        console = Console(stderr=True)
        is_seen = console.is_terminal
        self._progress = Progress(console=console, transient=True, disable=not is_seen)
        self._tasks: dict[str, TaskID] = {}
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def show(self, what: str, done: int, total: int) -> None:
        """How much of a part is done."""
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=total)
        if done == total or done % BAR_STEP == 0:
            self._progress.update(self._tasks[what], completed=done)


def _hex(text: str, length: int) -> bytes:
    try:
        found = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        found = b""
    if len(found) != length:
        raise BadSetup(f"{2 * length} hexadecimal digits are needed, {text[:80]!r} given")
    return found


@command.command(name="erasure")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@genesis_option
@json_option
def erasure(file: Path, genesis: Path, as_json: bool) -> None:
    """Verify the signed receipts of all members for one erased record.

    FILE is what `bulwark erasure receipts` wrote; - is standard input. Valid receipts of which some
    are missing are valid: the members without one are named.

    \b
    Example:
      bulwark verify erasure receipts.json --genesis genesis.json
    """
    document = read_input(file, MAX_RECEIPTS_BYTES)
    try:
        verdict = verify_receipts(document, read_input(genesis, MAX_GENESIS_BYTES))
    except VerificationFailed as error:
        refuse_at(error.where, error.reason, as_json=as_json)
    if as_json:
        emit_json({"valid": True, **asdict(verdict)})
        return
    click.echo("VALID" if not verdict.missing else "VALID, incomplete")
    allowed = "yes" if verdict.order_is_allowed else "not to be told from this file"
    emit_pairs(
        [
            ("alliance", verdict.alliance),
            ("genesis_hash", verdict.genesis_hash),
            ("record_id", verdict.record_id),
            ("ordered_by", verdict.ordered_by),
            ("order_height", str(verdict.order_height)),
            ("order_is_allowed", allowed),
            ("destroyed_by", ", ".join(receipt.member for receipt in verdict.receipts) or "-"),
            ("missing", ", ".join(verdict.missing) or "-"),
        ]
    )

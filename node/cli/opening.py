"""`bulwark opening`: ask the alliance who made a question, vote, finish, clear oneself, verify.

Rules: asking and finishing are for a regulator's node, voting and clearing oneself for members, all
with the node's admin key; `verify` needs no node and no network, only the file and a genesis
document from a source that the reader trusts; exit code 0 means that it holds, 1 that it does not,
2 that a file could not be read.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from bulwark.client import Stage
from node.cli.connection import Target, connection_options, run, with_client
from node.cli.faults import BadSetup, Failed
from node.cli.files import genesis_option, read_genesis, read_input
from node.cli.opening_view import (
    emit_case,
    emit_cleared,
    emit_finished,
    emit_outcome,
    emit_verdict,
)
from node.cli.options import emit_json, emit_pairs, emit_table, entries, json_option, refuse_at
from node.cli.voting import ADMIN_ROLES, READ_ROLES, wait_option

MAX_BASIS_BYTES: Final = 64 * 1024 * 1024
_COLUMNS: Final = ("id", "state", "regulator", "votes", "partials", "deadline")
_STATEMENTS: Final = ("statement", "epoch", "scope", "slot", "interval", "obstacle")
_ID: Final = re.compile(r"(?:0x)?[0-9a-fA-F]{64}\Z")


@click.group(name="opening")
def command() -> None:
    """Ask who made a question, vote on it, finish it, verify the result.

    \b
    Example:
      bulwark opening statements northbank --home alliance/regulator
      bulwark opening request 9c56... --basis order.pdf --home alliance/regulator
      bulwark opening vote 51d0... approve --home alliance/northbank
      bulwark opening finish 51d0... --out opened.json --home alliance/regulator
      bulwark opening exculpate 51d0... --out cleared.json --home alliance/southbank
      bulwark opening verify opened.json --genesis genesis.json
    """


@command.command(name="request")
@click.argument("statement")
@click.option(
    "--basis",
    required=True,
    type=click.Path(path_type=Path),
    help="Document with the legal basis; only its SHA-256 goes to the ledger.",
)
@wait_option
@connection_options(*ADMIN_ROLES)
@json_option
def request(statement: str, basis: Path, wait: str, target: Target, as_json: bool) -> None:
    """Ask the alliance to open STATEMENT, the hash of a logged question.

    Prints the case with its id, which voters and `finish` need. A statement can be named once its
    evaluator has anchored it: about a minute after the question, with the next block.

    \b
    Example:
      bulwark opening request 9c56... --basis order.pdf --home alliance/regulator
    """
    document = {"statement": _hash(statement), "basis": _file_hash(basis)}
    outcome = run(
        with_client(target, lambda client: client.act_on_opening("", document, wait=Stage(wait)))
    )
    emit_outcome(outcome, as_json=as_json)


@command.command(name="statements")
@click.argument("member")
@click.option("--pages", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--cursor", help="Where to begin: what the last page ended with.")
@connection_options(*READ_ROLES)
@json_option
def statements(member: str, pages: int, cursor: str | None, target: Target, as_json: bool) -> None:
    """Read what MEMBER served as an evaluator, each statement verified (a regulator's node).

    \b
    Example:
      bulwark opening statements northbank --home alliance/regulator
    """
    found: list[Mapping[str, object]] = []
    for _ in range(pages):
        page = _page(target, member, cursor)
        found += entries(page, "statements")
        after = page.get("next")
        cursor = after if isinstance(after, str) else None
        if cursor is None:
            break
    if as_json:
        emit_json({"statements": found, "next": cursor})
        return
    emit_table(found, _STATEMENTS, "no statements")
    if cursor is not None:
        click.echo(f"more: --cursor {cursor}")


@command.command(name="list")
@click.option("--open", "open_only", is_flag=True, help="Only cases that can still be acted on.")
@connection_options(*READ_ROLES)
@json_option
def list_cases(open_only: bool, target: Target, as_json: bool) -> None:
    """List cases, newest first.

    \b
    Example:
      bulwark opening list --home alliance/northbank
    """
    found = run(with_client(target, lambda client: client.openings(open_only=open_only)))
    if as_json:
        emit_json(found)
        return
    rows = [
        {**case, "votes": f"{case.get('approvals')}/{case.get('needed')}"}
        for case in entries(found, "cases")
    ]
    emit_table(rows, _COLUMNS, "no openings")


@command.command(name="show")
@click.argument("case")
@connection_options(*READ_ROLES)
@json_option
def show(case: str, target: Target, as_json: bool) -> None:
    """Show one case with its votes.

    \b
    Example:
      bulwark opening show 51d0... --home alliance/northbank
    """
    name = _hash(case)
    emit_case(run(with_client(target, lambda client: client.openings(name))), as_json=as_json)


@command.command(name="vote")
@click.argument("case")
@click.argument("decision", type=click.Choice(["approve", "reject"]))
@wait_option
@connection_options(*ADMIN_ROLES)
@json_option
def vote(case: str, decision: str, wait: str, target: Target, as_json: bool) -> None:
    """Vote on a case for this member, once and for good.

    Compare the legal basis with `sha256sum` of the document that the regulator sent you. Once
    enough members approve, every council member's node posts its part by itself.

    \b
    Example:
      bulwark opening vote 51d0... approve --home alliance/northbank
    """
    path, document = f"{_hash(case)}/vote", {"approve": decision == "approve"}
    outcome = run(
        with_client(target, lambda client: client.act_on_opening(path, document, wait=Stage(wait)))
    )
    emit_outcome(outcome, as_json=as_json)


@command.command(name="finish")
@click.argument("case")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="File for the court, made new."
)
@connection_options(*ADMIN_ROLES)
@json_option
def finish(case: str, out: Path, target: Target, as_json: bool) -> None:
    """Combine the parts of an approved case, close it, and write the court's file.

    The file names who asked: it is made readable for its owner alone. Members whose parts do not
    hold are named. Repeated, it gives the same result.

    \b
    Example:
      bulwark opening finish 51d0... --out opened.json --home alliance/regulator
    """
    name = _hash(case)
    if out.exists():
        raise BadSetup(f"{out}: is there already")
    outcome = run(
        with_client(
            target,
            lambda client: client.act_on_opening(f"{name}/finish", {}, wait=Stage.FINALIZED),
        )
    )
    record = run(with_client(target, lambda client: client.openings(f"{name}/record")))
    _write(out, json.dumps(record))
    emit_finished(outcome, out, as_json=as_json)


@command.command(name="exculpate")
@click.argument("case")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="File, made new.")
@connection_options(*ADMIN_ROLES)
@json_option
def exculpate(case: str, out: Path, target: Target, as_json: bool) -> None:
    """Write the proof that this member did not ask the question of an approved case.

    It shows this member's own nullifier of that slot to whoever reads the file: if the member used
    the slot for another question, that one is known as its own from then on. Nobody may conclude
    anything from a member that writes none.

    \b
    Example:
      bulwark opening exculpate 51d0... --out cleared.json --home alliance/southbank
    """
    name = _hash(case)
    if out.exists():
        raise BadSetup(f"{out}: is there already")
    made = run(with_client(target, lambda client: client.openings(f"{name}/exculpation")))
    _write(out, json.dumps(made))
    if as_json:
        emit_json({"member_key": made.get("member_key"), "file": str(out)})
        return
    emit_pairs([("ring key", str(made.get("member_key"))), ("file", str(out))])


@command.command(name="verify")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@genesis_option
@click.option(
    "--basis", type=click.Path(path_type=Path), help="Document that must be the legal basis."
)
@json_option
def verify(file: Path, genesis: Path, basis: Path | None, as_json: bool) -> None:
    """Verify offline who asked, or that a member did not, trusting only genesis.json.

    FILE is what `bulwark opening finish` or `exculpate` wrote; - is standard input.

    \b
    Example:
      bulwark opening verify opened.json --genesis genesis.json --basis order.pdf
      bulwark opening verify cleared.json --genesis genesis.json
    """
    # Imported here: the other commands need none of the protocol.
    from node.openings.courtfile import MAX_FILE_BYTES, NotShown, format_of
    from node.openings.courtrecord import verify_court_record
    from node.openings.exculpating import FORMAT, verify_exculpation

    document = read_input(file, MAX_FILE_BYTES)
    trusted = read_genesis(genesis)
    if basis is not None and format_of(document) == FORMAT:
        raise click.UsageError("--basis goes with the file of an opening")
    try:
        if format_of(document) == FORMAT:
            emit_cleared(verify_exculpation(document, trusted), trusted, as_json=as_json)
            return
        opened = verify_court_record(document, trusted)
        if basis is not None and _file_hash(basis) != opened.case.request.basis_hash.hex():
            raise NotShown("basis", "the case was opened for another document")
    except NotShown as error:
        refuse_at(error.where, error.reason, as_json=as_json)
    emit_verdict(opened, trusted, as_json=as_json)


def _page(target: Target, member: str, cursor: str | None) -> Mapping[str, object]:
    return run(with_client(target, lambda client: client.query_log(member, cursor)))


def _hash(text: str) -> str:
    if _ID.match(text) is None:
        raise click.UsageError(f"{text[:70]}: 64 hexadecimal digits are needed")
    return text.removeprefix("0x").lower()


def _file_hash(path: Path) -> str:
    data = read_input(path, MAX_BASIS_BYTES)
    if not data or len(data) > MAX_BASIS_BYTES:
        raise BadSetup(f"{path}: 1 byte to {MAX_BASIS_BYTES >> 20} MiB are needed")
    return hashlib.sha256(data).hexdigest()


def _write(path: Path, text: str) -> None:
    try:
        path.touch(mode=0o600, exist_ok=False)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Failed(f"{path}: {error.strerror}; the same command can be repeated") from error

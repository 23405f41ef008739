"""`bulwark access-log`: who asked what kind of thing and why at a member, and whether all is there.

Rules: `check` asks the member's own node; `verify` takes a file that `export` wrote and compares it
with the anchors on the ledger of a node that the auditor trusts, trusting the member's node with
nothing; exit code 0 means that nothing is changed or missing, 1 that something is, 2 that a file
could not be read. Entries name people's keys: an export is for its owner's eyes only (mode 0600).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO

import click

from bulwark.client import BulwarkClient
from bulwark.ledger.accesslog import Gap, Head
from bulwark.ledger.ids import Digest
from node.cli.connection import AUDIT_ROLES, Target, connection_options, look, run, with_client
from node.cli.faults import BadSetup, Failed
from node.cli.files import genesis_option, read_genesis
from node.cli.options import emit_json, emit_pairs, emit_table, entries, json_option
from node.guarded.accessfile import MAX_LINE, AccessFileInvalid, Audited, audit, head_line
from node.guarded.claimfile import claims_head

ANCHOR_ROLES: Final = ("auditor", "admin", "operator", "analyst", "reporter")
INCOMPLETE: Final = 1
_COLUMNS: Final = (
    "number", "time", "who", "role", "kind", "count", "purpose", "lawful_basis", "case_ref",
    "action", "subject",
)  # fmt: skip


@click.group(name="access-log")
def command() -> None:
    """Read and verify who asked what kind of thing, and why.

    \b
    Example:
      bulwark access-log check --home alliance/northbank
      bulwark access-log export --out log.txt --home alliance/northbank
      bulwark access-log verify log.txt --member northbank --genesis genesis.json \\
          --home alliance/regulator
    """


@command.command(name="list")
@click.option("--after", type=click.IntRange(min=0), default=0, help="Begin behind this entry.")
@connection_options(*AUDIT_ROLES)
@json_option
def list_entries(after: int, target: Target, as_json: bool) -> None:
    """List up to 1,000 entries of a member's own log, oldest first.

    \b
    Example:
      bulwark access-log list --after 4000 --home alliance/northbank
    """
    page = look(target, "access-log", after=after)
    if as_json:
        emit_json(page)
        return
    emit_table(entries(page, "entries"), _COLUMNS, "no entries")
    _tell_damage(page)
    if page.get("next") is not None:
        click.echo(f"more: --after {page['next']}")


@command.command(name="check")
@connection_options(*AUDIT_ROLES)
@json_option
def check(target: Target, as_json: bool) -> None:
    """Compare a member's whole log with the anchors on its own ledger.

    \b
    Example:
      bulwark access-log check --home alliance/northbank
    """
    path = "access-log/check"
    found = look(target, path, timeout_s=600.0)
    if as_json:
        emit_json(found)
    else:
        gap = found.get("gap")
        place = Gap(gap["number"], gap["reason"]) if isinstance(gap, dict) else None
        click.echo(_verdict(place))
        names = ("entries", "dropped", "anchored", "anchors")
        emit_pairs([(name, str(found.get(name))) for name in names])
    if not found.get("complete"):
        sys.exit(INCOMPLETE)


@command.command(name="export")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="File to write, not there yet."
)
@click.option(
    "--claims",
    type=click.Path(path_type=Path),
    help="File for the slots that were spent, and for which entries; for `bulwark audit "
    "completeness`.",
)
@connection_options(*AUDIT_ROLES)
def export(out: Path, claims: Path | None, target: Target) -> None:
    """Write a member's own log to a file for an auditor.

    \b
    Example:
      bulwark access-log export --out northbank.log --claims northbank.claims \\
          --home alliance/northbank
    """
    with _private(out) as file:
        written, damaged = run(with_client(target, lambda client: _export(client, file)))
    click.echo(f"{written} entries in {out}")
    if claims is not None:
        with _private(claims) as file:
            spent = run(with_client(target, lambda client: _export_claims(client, file)))
        click.echo(f"{spent} spent slots in {claims}")
    if damaged:
        sys.exit(INCOMPLETE)


@command.command(name="verify")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--member", required=True, help="Whose log it is.")
@genesis_option
@connection_options(*ANCHOR_ROLES)
@json_option
def verify(file: Path, member: str, genesis: Path, target: Target, as_json: bool) -> None:
    """Compare an exported log with the anchors on the ledger of a node that you trust.

    \b
    Example:
      bulwark access-log verify log.txt --member northbank --genesis genesis.json \\
          --home alliance/regulator
    """
    trusted = read_genesis(genesis)
    anchors = run(with_client(target, lambda client: read_anchors(client, member)))
    try:
        with file.open(encoding="ascii", errors="replace") as stream:
            found = audit(lines_of(stream), anchors, trusted.hash, member)
    except OSError as error:
        raise BadSetup(f"{file}: {error.strerror}") from error
    except AccessFileInvalid as error:
        raise BadSetup(f"{file}: {error}") from error
    _emit_audit(found, len(anchors), as_json=as_json)
    if found.gap is not None:
        sys.exit(INCOMPLETE)


@contextmanager
def _private(path: Path) -> Iterator[TextIO]:
    """A new file for its owner alone."""
    try:
        path.touch(mode=0o600, exist_ok=False)
        with path.open("w", encoding="ascii") as file:
            yield file
    except OSError as error:
        raise Failed(f"{path}: {error.strerror}") from error


async def _export_claims(client: BulwarkClient, file: TextIO) -> int:
    """Write every claim; how many."""
    query: dict[str, str] = {}
    written = 0
    while True:
        page = await client.look("access-log/claims", query=query)
        if not query:
            file.write(claims_head(str(page["member"])) + "\n")
        claims = page["claims"]
        for claim in claims if isinstance(claims, list) else ():
            file.write(f"{claim}\n")
            written += 1
        following = page.get("next")
        if not isinstance(following, str):
            return written
        query = {"cursor": following}


async def _export(client: BulwarkClient, file: TextIO) -> tuple[int, bool]:
    """Write every entry; how many, and whether the log ends in one that can not be opened."""
    after, written = 0, 0
    while True:
        page = await client.look("access-log", after=after)
        if not after:
            start = page["start"]
            if not isinstance(start, dict):
                raise Failed("the node's answer has no start")
            digest = Digest(bytes.fromhex(str(start["digest"])))
            file.write(head_line(str(page["member"]), Head(int(start["count"]), digest)) + "\n")
        for entry in entries(page, "entries"):
            file.write(f"{entry['encoded']}\n")
            written += 1
        following = page.get("next")
        if not isinstance(following, int):
            return written, _tell_damage(page)
        after = following


async def read_anchors(client: BulwarkClient, member: str) -> list[Head]:
    heads: list[Head] = []
    after: object = 0
    while isinstance(after, int):
        page = await client.look(f"access-anchors/{member}", after=after)
        for anchor in entries(page, "anchors"):
            digest = Digest(bytes.fromhex(str(anchor["digest"])))
            heads.append(Head(int(str(anchor["count"])), digest))
        after = page.get("next")
    return heads


def _tell_damage(page: Mapping[str, object]) -> bool:
    damaged = page.get("damaged")
    if isinstance(damaged, dict):
        click.echo(f"entry {damaged['number']}: {damaged['reason']}", err=True)
    return isinstance(damaged, dict)


def _verdict(gap: Gap | None) -> str:
    return "COMPLETE" if gap is None else f"INCOMPLETE  entry {gap.number}: {gap.reason}"


def _emit_audit(found: Audited, anchors: int, *, as_json: bool) -> None:
    gap = found.gap
    if as_json:
        place = None if gap is None else {"number": gap.number, "reason": gap.reason}
        facts = {"member": found.member, "entries": found.entries, "dropped": found.dropped}
        facts |= {"anchored": found.anchored, "anchors": anchors, "unanchored": found.unanchored}
        emit_json({"complete": gap is None, "gap": place, **facts})
        return
    click.echo(_verdict(gap))
    emit_pairs(
        [
            ("member", found.member),
            ("entries", f"{found.entries}, {found.dropped} older ones dropped"),
            ("anchored", f"{found.anchored} by {anchors} anchors"),
            ("not anchored yet", str(found.unanchored)),
        ]
    )


def lines_of(stream: TextIO) -> Iterator[str]:
    """Lines of bounded length."""
    read: Callable[[], str] = lambda: stream.readline(MAX_LINE + 1)  # noqa: E731
    yield from iter(read, "")

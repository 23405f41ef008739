"""`bulwark audit completeness`: accesses that no member's log accounts for.

Rules: the auditor's own node shows the anchors, the statements that evaluators served, verified
again, and whose ring keys are whose; the members' files are trusted with nothing. Exit code 0 means
that everything is accounted for, 1 that something is not, 2 that a file could not be read.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from bulwark.audit.completeness import (
    WHAT_NOW,
    Comparison,
    Finding,
    MemberLog,
    Outcome,
    Served,
)
from bulwark.client import BulwarkClient
from bulwark.client.errors import ApiProblem
from bulwark.ledger.accesslog import Head
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.ids import MemberId
from bulwark.privacy.slotclaim import SlotClaim
from node.cli.access_log import lines_of, read_anchors
from node.cli.audit_report import read_pages
from node.cli.connection import AUDIT_ROLES, Target, connection_options, run, with_client
from node.cli.faults import BadSetup
from node.cli.files import read_genesis
from node.cli.options import emit_json, emit_pairs, entries, json_option
from node.guarded.accessfile import AccessFileInvalid, audit, entries_of
from node.guarded.claimfile import read_claims

INCOMPLETE: Final = 1
MAX_EPOCH: Final = 1 << 63
UNAVAILABLE: Final = 503


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the auditor's node shows."""

    anchors: Mapping[str, list[Head]]
    """By member, of those that handed over a log."""
    owners: Mapping[bytes, MemberId | None]
    served: tuple[Served, ...]
    counts: Mapping[tuple[str, int], int]
    """Anchored statements by evaluator and quota epoch."""
    silent: tuple[str, ...]
    """Evaluators that do not show their log."""


@click.command(name="completeness")
@click.option("--logs", required=True, type=click.Path(path_type=Path), help="Folder with "
              "MEMBER.log and MEMBER.claims of each member (access-log export).")  # fmt: skip
@click.option("--genesis", required=True, type=click.Path(path_type=Path), help="The alliance's "
              "genesis document, from a source that you trust.")  # fmt: skip
@click.option("--from-epoch", type=click.IntRange(min=0), default=0, help="First quota epoch.")
@click.option("--to-epoch", type=click.IntRange(min=0), default=MAX_EPOCH - 1,
              help="Last quota epoch.")  # fmt: skip
@connection_options(*AUDIT_ROLES)
@json_option
def completeness(
    logs: Path, genesis: Path, from_epoch: int, to_epoch: int, target: Target, as_json: bool
) -> None:
    """Compare members' logs and claims with what evaluators served.

    \b
    Example:
      bulwark access-log export --out logs/northbank.log --claims logs/northbank.claims \\
          --home alliance/northbank
      bulwark audit completeness --logs logs --genesis genesis.json --home alliance/regulator
    """
    trusted = read_genesis(genesis)
    members = sorted(MemberId(path.stem) for path in logs.glob("*.log"))
    if not members:
        raise BadSetup(f"{logs}: there is no MEMBER.log in it")
    claims = {member: _claims(logs, member) for member in members}
    keys = {claim.ring_key for found in claims.values() for claim in found}
    shown = run(with_client(target, lambda client: _read(client, members, keys), 600.0))
    comparison = Comparison(
        chain_id=trusted.chain_id,
        genesis_hash=trusted.hash,
        epochs=range(from_epoch, min(to_epoch, MAX_EPOCH) + 1),
        owner_of=shown.owners.get,
    )
    for member in members:
        log = _log(comparison, logs, member, shown.anchors[member], trusted)
        comparison.member(log, claims[member])
    for served in shown.served:
        comparison.statement(served)
    for (evaluator, epoch), count in sorted(shown.counts.items()):
        if evaluator not in shown.silent:
            comparison.anchored(evaluator, epoch, count)
    outcome = comparison.outcome()
    _emit(outcome, members, shown.silent, as_json=as_json)
    if not outcome.complete or shown.silent:
        sys.exit(INCOMPLETE)


def _log(
    comparison: Comparison, logs: Path, member: MemberId, anchors: list[Head], genesis: Genesis
) -> MemberLog:
    """A member's log, its chain compared with the anchors."""
    path = logs / f"{member}.log"
    log = MemberLog(member)
    try:
        with path.open(encoding="ascii", errors="replace") as stream:
            found = audit(lines_of(stream), anchors, genesis.hash, member)
        with path.open(encoding="ascii", errors="replace") as stream:
            for entry in entries_of(lines_of(stream)):
                log.add(entry, genesis.privacy.epoch_seconds)
    except OSError as error:
        raise BadSetup(f"{path}: {error.strerror}") from error
    except AccessFileInvalid as error:
        raise BadSetup(f"{path}: {error}") from error
    if found.gap is not None:
        comparison.log_gap(member, found.gap.number, found.gap.reason)
    return log


def _claims(logs: Path, member: MemberId) -> list[SlotClaim]:
    path = logs / f"{member}.claims"
    try:
        with path.open(encoding="ascii", errors="replace") as stream:
            return list(read_claims(lines_of(stream), member))
    except OSError as error:
        raise BadSetup(f"{path}: {error.strerror}") from error
    except AccessFileInvalid as error:
        raise BadSetup(f"{path}: {error}") from error


async def _read(client: BulwarkClient, members: list[MemberId], keys: set[bytes]) -> Ledger:
    """Anchors, owners of keys, counts and statements, from the auditor's own node."""
    anchors = {str(member): await read_anchors(client, member) for member in members}
    owners: dict[bytes, MemberId | None] = {}
    for key in keys:
        owner = (await client.look(f"audit/ring-keys/{key.hex()}")).get("member")
        owners[key] = None if owner is None else MemberId(str(owner))
    report = await read_pages(client, "quotas", {})
    counts: dict[tuple[str, int], int] = {}
    for row in (report.record(row) for row in report.rows):
        counts[str(row["evaluator"]), int(row["epoch"] or 0)] = int(row["served"] or 0)
    served: list[Served] = []
    silent: list[str] = []
    for evaluator in sorted({evaluator for evaluator, _ in counts}):
        try:
            served += await _statements(client, evaluator)
        except ApiProblem as problem:
            if problem.status != UNAVAILABLE:
                raise
            silent.append(evaluator)
    return Ledger(anchors, owners, tuple(served), counts, tuple(silent))


async def _statements(client: BulwarkClient, evaluator: str) -> list[Served]:
    found: list[Served] = []
    cursor: str | None = None
    while True:
        page = await client.query_log(evaluator, cursor)
        for view in entries(page, "statements"):
            interval, obstacle = view["interval"], view["obstacle"]
            found.append(
                Served(
                    evaluator=evaluator,
                    nullifier=bytes.fromhex(str(view["nullifier"])),
                    epoch=int(str(view["epoch"])),
                    scope=int(str(view["scope"])),
                    slot=int(str(view["slot"])),
                    statement=str(view["statement"]),
                    anchored_epoch=int(interval[0]) if isinstance(interval, list) else None,
                    obstacle=None if obstacle is None else str(obstacle),
                )
            )
        click.echo(f"{evaluator}: {len(found)} statements", err=True)
        following = page.get("next")
        if not isinstance(following, str):
            return found
        cursor = following


def _emit(
    outcome: Outcome, members: list[MemberId], silent: tuple[str, ...], *, as_json: bool
) -> None:
    if as_json:
        emit_json(
            {
                "complete": outcome.complete and not silent,
                "members": list(members),
                "questions": outcome.questions,
                "claimed": outcome.claimed,
                "not_served": outcome.not_served,
                "claims": dict(outcome.claims),
                "silent_evaluators": list(silent),
                "findings": [_finding(finding) for finding in outcome.findings],
            }
        )
        return
    click.echo("COMPLETE" if outcome.complete and not silent else "INCOMPLETE")
    emit_pairs(
        [
            ("members", " ".join(members)),
            ("questions served", f"{outcome.questions}, {outcome.claimed} claimed"),
            ("claimed and not served", str(outcome.not_served)),
            ("evaluators that show no log", " ".join(silent) or "none"),
        ]
    )
    for finding in outcome.findings:
        click.echo(f"{finding.kind}  {finding.member or '(nobody named)'}  {finding.text}")
        if finding.statement:
            click.echo(f"  statement: {finding.statement}")
        click.echo(f"  what now: {WHAT_NOW[finding.kind]}")


def _finding(finding: Finding) -> dict[str, object]:
    return {
        "kind": finding.kind.value,
        "member": finding.member,
        "text": finding.text,
        "epoch": finding.epoch,
        "evaluators": list(finding.evaluators),
        "statement": finding.statement,
        "what_now": WHAT_NOW[finding.kind],
    }

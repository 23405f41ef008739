"""How the opening commands print what a node answered and what a file shows."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bulwark.ledger.genesis import Genesis
from node.cli.options import Document, emit_json, emit_pairs, emit_valid, entries

if TYPE_CHECKING:  # it brings the whole protocol, which only `verify` needs
    from node.openings.courtrecord import Opened
    from node.openings.exculpating import Cleared


def emit_case(case: Document, *, as_json: bool) -> None:
    """One case."""
    if as_json:
        emit_json(case)
        return
    voted = [
        f"{vote.get('member')} {'approves' if vote.get('approve') else 'rejects'}"
        for vote in entries(case, "votes")
    ]
    posted = case.get("posted")
    parts = [str(name) for name in posted] if isinstance(posted, list) else []
    pairs = [
        ("case", str(case.get("id"))),
        ("state", str(case.get("state"))),
        ("statement", str(case.get("statement"))),
        ("asked by", str(case.get("regulator"))),
        ("logged by", str(case.get("evaluator"))),
        ("legal basis", f"SHA-256 {case.get('basis')}"),
        ("votes", f"{case.get('approvals')} of {case.get('needed')}: {', '.join(voted) or '-'}"),
        ("parts", f"{case.get('partials')}: {', '.join(parts) or '-'}"),
        ("expires", str(case.get("deadline"))),
    ]
    stale = case.get("stale")
    if isinstance(stale, list) and stale:
        pairs.append(("made anew", f"parts of an earlier sharing: {', '.join(map(str, stale))}"))
    if case.get("result") is not None:
        pairs.append(("result", str(case.get("result"))))
    if case.get("obstacle") is not None:
        pairs.append(("no part of ours", str(case.get("obstacle"))))
    emit_pairs(pairs)


def emit_outcome(outcome: Document, *, as_json: bool) -> None:
    """What became of a request or a vote."""
    if as_json:
        emit_json(outcome)
        return
    case = outcome.get("case")
    if isinstance(case, dict):
        emit_case(case, as_json=False)
    click.echo(_progress(outcome))


def emit_finished(outcome: Document, out: Path, *, as_json: bool) -> None:
    """A case that was opened."""
    if as_json:
        emit_json({**outcome, "file": str(out)})
        return
    pairs = [
        ("asked by", str(outcome.get("member") or "a ring key of nobody")),
        ("ring key", str(outcome.get("member_key"))),
        ("result", str(outcome.get("result"))),
        ("file", str(out)),
    ]
    for bad in entries(outcome, "bad"):
        pairs.append(("bad part", f"{bad.get('member')}: {bad.get('reason')}"))
    emit_pairs(pairs)
    click.echo(_progress(outcome))


def emit_verdict(opened: Opened, genesis: Genesis, *, as_json: bool) -> None:
    """What a valid file shows."""
    statement, request = opened.served.statement, opened.case.request
    at = datetime.fromtimestamp(opened.timestamp_ms / 1000, UTC).isoformat(timespec="seconds")
    facts: dict[str, object] = {
        "member": opened.member,
        "alliance": genesis.alliance,
        "genesis_hash": genesis.hash.hex(),
        "case": request.case_id.hex(),
        "statement": request.statement_hash.hex(),
        "quota_epoch": statement.epoch,
        "scope": statement.scope,
        "slot": statement.slot,
        "ring_of": opened.ring_size,
        "logged_by": opened.evaluator,
        "asked_by": opened.regulator,
        "legal_basis": request.basis_hash.hex(),
        "approvals": f"{opened.case.approvals} of {opened.case.needed} needed",
        "closed_by_height": opened.height,
        "closed_by": at,
    }
    emit_valid(facts, as_json=as_json)


def emit_cleared(cleared: Cleared, genesis: Genesis, *, as_json: bool) -> None:
    """What a valid exculpation shows."""
    statement = cleared.served.statement
    facts: dict[str, object] = {
        "did_not_ask": cleared.member,
        "alliance": genesis.alliance,
        "genesis_hash": genesis.hash.hex(),
        "statement": cleared.served.statement_hash.hex(),
        "quota_epoch": statement.epoch,
        "scope": statement.scope,
        "slot": statement.slot,
        "ring_of": len(statement.ring),
        "ring_key": cleared.member_key.hex(),
        "key_shown_by_height": cleared.height,
    }
    emit_valid(facts, as_json=as_json)


def _progress(outcome: Document) -> str:
    height = outcome.get("height")
    where = "" if height is None else f" in block {height}"
    return f"{outcome.get('stage')}{where}, transaction {outcome.get('transaction')}"

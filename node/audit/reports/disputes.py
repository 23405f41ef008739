"""Disputes: who contests whose record on which ground, since when, and how it ended.

Rules: a row is a dispute that the lifecycle took, or one that it refused with the rule's id. What
it is about outlives the erasure of the record: a dispute holds no personal data.
"""

from __future__ import annotations

from typing import Final

from bulwark.audit.report import Cell, Column, Report, time_text
from bulwark.indicators.vocabulary import DisputeGround
from bulwark.ledger.ids import RecordId
from bulwark.ledger.lifecycle import DAY_MS, Operation, State
from bulwark.ledger.record import Record
from bulwark.ledger.standing import Dispute, Standing
from node.audit.reports.lives import Lives
from node.audit.reports.scope import Scope, label
from node.audit.scan import Placed

COLUMNS: Final = (
    Column("dispute", "Dispute", "record id, hex"),
    Column("record", "Record", "record id, hex"),
    Column("reporter", "Reporter of the record"),
    Column("disputer", "Disputed by"),
    Column("ground", "Ground"),
    Column("opened", "Opened", "UTC"),
    Column("age", "Age", "days"),
    Column("due", "Due", "UTC"),
    Column("status", "Status"),
    Column("ended", "Ruled on", "UTC"),
    Column("record_state", "State of the record"),
    Column("refused", "Refused by rule"),
)
NOTES: Final = ("A dispute is to be ruled on within a month (GDPR art. 12(3)).",)


def disputes(scope: Scope) -> Report:
    """A page of disputes in ledger order; `after` counts rows."""
    lives = Lives(scope)
    rows: list[tuple[Cell, ...]] = []
    seen = 0
    for placed in scope.scan.anchors(scope.first):
        if not placed.anchor.count or not scope.wants(scope.scan.member_of(placed.anchor.account)):
            continue
        for position, entry in enumerate(scope.scan.entries(placed.anchor)):
            if not isinstance(entry, Record) or entry.operation != Operation.DISPUTE:
                continue
            subject = entry.payload.previous_record
            if subject is None or scope.scan.is_copy(entry.record_id, placed.anchor, position):
                continue
            seen += 1
            if seen <= scope.after:
                continue
            if len(rows) >= scope.most:
                return scope.report("disputes", COLUMNS, rows, NOTES, seen - 1)
            rows.append(_row(scope, lives, placed, entry, subject))
    return scope.report("disputes", COLUMNS, rows, NOTES)


def _row(
    scope: Scope, lives: Lives, placed: Placed, entry: Record, subject: RecordId
) -> tuple[Cell, ...]:
    scan = scope.scan
    about = scan.record_place(subject)
    reporter, standing = None, Standing()
    if about is not None:
        reporter = scan.member_of(about[0].anchor.account)
        standing = lives.standing(subject, reporter, (about[0].index, about[1]))
    taken = next((d for d in standing.disputes if d.record_id == entry.record_id), None)
    step = next((s for s in standing.history if s.record_id == entry.record_id), None)
    opened_ms, now_ms = scan.time_of(placed.anchor.height), scan.basis.time_ms
    ended_ms = _ended_ms(taken, standing)
    return (
        entry.record_id.hex(),
        subject.hex(),
        reporter,
        scan.member_of(placed.anchor.account),
        label(DisputeGround, entry.payload.reason) or "unknown",
        time_text(opened_ms),
        ((now_ms if ended_ms is None else ended_ms) - opened_ms) // DAY_MS,
        time_text(taken.due_ms) if taken else "",
        _status(taken, standing, now_ms),
        None if ended_ms is None else time_text(ended_ms),
        standing.state.label if about else "unknown record",
        step.refused if step else None,
    )


def _status(taken: Dispute | None, standing: Standing, now_ms: int) -> str:
    if taken is None:
        return "refused"
    if taken.ruling is not None:
        return taken.ruling.name.lower()
    if standing.state in (State.RETRACTED, State.ERASED):
        return f"record {standing.state.label}"
    return "overdue" if now_ms > taken.due_ms else "open"


def _ended_ms(taken: Dispute | None, standing: Standing) -> int | None:
    """When a dispute ended: the first step after it that left it ended."""
    if taken is None:
        return None
    later = [s for s in standing.history if s.timestamp_ms >= taken.opened_ms and not s.refused]
    if taken.ruling is not None:
        ended = (s for s in later if s.operation == Operation.RULE and s.reason == taken.ruling)
        return max((s.timestamp_ms for s in ended), default=None)
    gone = (State.RETRACTED, State.ERASED)
    return next((s.timestamp_ms for s in later if s.state in gone), None)

"""Retention: what is due, overdue and erased, one row a member and kind.

Rules: a statement's last day is the one that it names, else its block's day and the life span of
its kind. Due: it ends within DUE_DAYS. Overdue: its last day is over and its reporter has neither
expired nor retracted it. To erase: it stopped counting more than the grace ago and is still there.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Final

from bulwark.audit.report import Cell, Column, Report
from bulwark.indicators.lifetime import LIFETIMES
from bulwark.indicators.vocabulary import Kind
from bulwark.ledger.ids import MemberId
from bulwark.ledger.lifecycle import DAY_MS, OPEN_STATES, RETENTION_GRACE_MS, State
from node.audit.reports.lives import Erased, Lives, Statement
from node.audit.reports.scope import Scope, label

DUE_DAYS: Final = 30
ERASED: Final = "(erased)"
COLUMNS: Final = (
    Column("member", "Member"),
    Column("kind", "Kind"),
    Column("records", "Statements", "records"),
    Column("counting", "Counting", "records"),
    Column("disputed", "Disputed", "records"),
    Column("due", f"Due within {DUE_DAYS} days", "records"),
    Column("overdue", "Overdue", "records"),
    Column("closed", "Expired, retracted or overruled", "records"),
    Column("to_erase", "To erase", "records"),
    Column("most_overdue", "Longest overdue", "days"),
    Column("erased", "Erased", "records"),
)
NOTES: Final = (
    "An overdue record does not count in any answer; it is its reporter's to expire.",
    "Of an erased record nobody knows the kind any more.",
)


@dataclass(slots=True)
class _Row:
    records: int = 0
    counting: int = 0
    disputed: int = 0
    due: int = 0
    overdue: int = 0
    closed: int = 0
    to_erase: int = 0
    most_overdue: int = 0
    erased: int = 0


def retention(scope: Scope) -> Report:
    """The whole table."""
    now_ms = scope.scan.basis.time_ms
    found: dict[tuple[MemberId, str], _Row] = {}
    for statement in Lives(scope).statements():
        if isinstance(statement, Erased):
            found.setdefault((statement.reporter, ERASED), _Row()).erased += 1
            continue
        kind = label(Kind, statement.record.kind)
        _count(found.setdefault((statement.reporter, kind), _Row()), scope, statement, now_ms)
    rows: list[tuple[Cell, ...]] = [(*key, *astuple(row)) for key, row in sorted(found.items())]
    return scope.report("retention", COLUMNS, rows, NOTES)


def _count(row: _Row, scope: Scope, statement: Statement, now_ms: int) -> None:
    standing, today = statement.standing, now_ms // DAY_MS
    row.records += 1
    if standing.state not in OPEN_STATES:
        row.closed += 1
        since = now_ms if standing.closed_ms is None else standing.closed_ms
        row.to_erase += now_ms - since > RETENTION_GRACE_MS
        return
    row.disputed += standing.state is State.DISPUTED
    left = last_day(scope, statement) - today
    if left < 0:
        row.overdue += 1
        row.most_overdue = max(row.most_overdue, -left)
        return
    row.counting += standing.counts
    row.due += left <= DUE_DAYS


def last_day(scope: Scope, statement: Statement) -> int:
    """Days since 1970 of the last day on which a statement counts."""
    payload = statement.record.payload
    if payload.valid_until_day:
        return payload.valid_until_day
    made = scope.scan.time_of(statement.placed.anchor.height) // DAY_MS
    kind = Kind.find(payload.kind)
    return made + (LIFETIMES[kind].days if kind in LIFETIMES else 0)

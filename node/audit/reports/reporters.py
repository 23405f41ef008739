"""Reporters: how much each member stated, and how much of it was disputed and did not hold.

Rules: numbers, not scores: whether a member reports well is for a person to say. A correction
counts as the reporter's own insight, an upheld dispute as an error that others found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bulwark.audit.report import Cell, Column, Report
from bulwark.ledger.ids import MemberId
from bulwark.ledger.lifecycle import Operation, Ruling, State
from node.audit.reports.lives import Erased, Lives, Statement
from node.audit.reports.scope import Scope

COLUMNS: Final = (
    Column("member", "Member"),
    Column("records", "Statements", "records"),
    Column("adds", "New reports", "records"),
    Column("sightings", "Sightings", "records"),
    Column("disputed", "Ever disputed", "records"),
    Column("open", "Disputes open", "disputes"),
    Column("upheld", "Disputes upheld", "disputes"),
    Column("corrected", "Disputes that led to a correction", "disputes"),
    Column("rejected", "Disputes rejected", "disputes"),
    Column("retracted", "Retracted", "records"),
    Column("expired", "Expired", "records"),
    Column("erased", "Erased", "records"),
    Column("upheld_per_mille", "Upheld of all statements", "per mille"),
)


@dataclass(slots=True)
class _Row:
    records: int = 0
    adds: int = 0
    sightings: int = 0
    disputed: int = 0
    open: int = 0
    upheld: int = 0
    corrected: int = 0
    rejected: int = 0
    retracted: int = 0
    expired: int = 0
    erased: int = 0

    def cells(self, member: MemberId) -> tuple[Cell, ...]:
        stated = self.records + self.erased
        share = 1000 * self.upheld // stated if stated else None
        numbers = (getattr(self, column.key) for column in COLUMNS[1:-1])
        return (member, *numbers, share)


def reporters(scope: Scope) -> Report:
    """The whole table."""
    found: dict[MemberId, _Row] = {}
    for statement in Lives(scope).statements():
        _count(found.setdefault(statement.reporter, _Row()), statement)
    rows = [row.cells(member) for member, row in sorted(found.items())]
    return scope.report("reporters", COLUMNS, rows)


def _count(row: _Row, statement: Statement | Erased) -> None:
    standing = statement.standing
    if isinstance(statement, Erased):
        row.erased += 1
    else:
        row.records += 1
        is_add = statement.record.operation == Operation.ADD
        row.adds += is_add
        row.sightings += not is_add
    row.disputed += bool(standing.disputes)
    row.open += len(standing.open_disputes)
    for dispute in standing.disputes:
        row.upheld += dispute.ruling is Ruling.UPHELD
        row.corrected += dispute.ruling is Ruling.CORRECTED
        row.rejected += dispute.ruling is Ruling.REJECTED
    row.retracted += standing.state is State.RETRACTED
    row.expired += standing.state is State.EXPIRED

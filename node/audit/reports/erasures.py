"""Erasures and recalls: which member confirmed which orders, and how long it took.

Rules: a batch with follow-ups that may end a record is an order to every member; a member's
confirmation (CONFIRM about the batch's root) is its signed receipt. Bit 1 of its reason: own past
hits found and systems told; bit 2: data destroyed. Every member confirms every order, with or
without hits, so a confirmation says nothing about who asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bulwark.audit.report import Cell, Column, Report, time_text
from bulwark.ledger.ids import Height, MemberId
from node.audit.reports.lives import Lives, Order
from node.audit.reports.scope import Scope

RECALLED: Final = 1
DESTROYED: Final = 2
COLUMNS: Final = (
    Column("member", "Member"),
    Column("orders", "Batches to confirm", "batches"),
    Column("erasures", "Erasures ordered", "records"),
    Column("recalled", "Confirmed: own hits recalled", "batches"),
    Column("destroyed", "Confirmed: data destroyed", "batches"),
    Column("missing", "Not confirmed", "batches"),
    Column("oldest_missing", "Oldest not confirmed", "UTC"),
    Column("slowest", "Slowest confirmation", "ms of ledger time"),
)
NOTES: Final = (
    "What a member confirmed is its signed word; that the bytes are gone is seen on its disks.",
    "A batch without an erasure needs no destruction to be confirmed.",
)


@dataclass(slots=True)
class _Row:
    recalled: int = 0
    destroyed: int = 0
    missing: int = 0
    oldest_missing_ms: int | None = None
    slowest_ms: int | None = None


def erasures(scope: Scope) -> Report:
    """The whole table."""
    lives = Lives(scope)
    from_ms = scope.scan.time_of(Height(min(scope.first, scope.scan.last)))
    orders = [order for order in lives.orders.values() if order.time_ms >= from_ms]
    said: dict[tuple[MemberId, bytes], tuple[int, int]] = {}
    for made in lives.confirmations:
        reason, time_ms = said.get((made.member, made.root), (0, made.time_ms))
        said[made.member, made.root] = (reason | made.reason, max(time_ms, made.time_ms))
    members = sorted({*scope.members, *(member for member, _ in said)})
    rows: list[tuple[Cell, ...]] = []
    for member in members:
        if scope.wants(member):
            row = _Row()
            for order in orders:
                _count(row, order, said.get((member, order.root)))
            rows.append(_cells(member, orders, row))
    return scope.report("erasures", COLUMNS, rows, NOTES)


def _count(row: _Row, order: Order, said: tuple[int, int] | None) -> None:
    reason, time_ms = said or (0, 0)
    row.recalled += bool(reason & RECALLED)
    row.destroyed += bool(reason & DESTROYED)
    if said is None or (order.erasures and not reason & DESTROYED):
        row.missing += 1
        oldest = row.oldest_missing_ms
        row.oldest_missing_ms = order.time_ms if oldest is None else min(oldest, order.time_ms)
    else:
        row.slowest_ms = max(row.slowest_ms or 0, time_ms - order.time_ms)


def _cells(member: MemberId, orders: list[Order], row: _Row) -> tuple[Cell, ...]:
    oldest = row.oldest_missing_ms
    return (
        member,
        len(orders),
        sum(order.erasures for order in orders),
        row.recalled,
        row.destroyed,
        row.missing,
        None if oldest is None else time_text(oldest),
        row.slowest_ms,
    )

"""Breaches: statements that break the policy they name, one row a record, with the rule's id.

Rules: such a record never scores at any node; its reporter's own node refuses to send it, so one
that is on the ledger was made by a node that breaks the rules or before the policy changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from bulwark.audit.report import Cell, Column, Report, time_text
from bulwark.indicators.vocabulary import Kind
from bulwark.ledger.ids import TimestampMs
from bulwark.ledger.lifecycle import STATEMENTS
from bulwark.ledger.record import Record
from node.audit.reports.scope import Scope, label
from node.audit.scan import MAX_ENTRIES, Placed
from node.chain.records import StoredRecord
from node.storage.schema import number8

PORTION: Final = 100
"""Statements that are judged in one turn of the event loop: a few ms."""
Judge = Callable[[Sequence[StoredRecord]], list[str | None]]

COLUMNS: Final = (
    Column("record", "Record", "record id, hex"),
    Column("time", "Time", "UTC"),
    Column("height", "Block"),
    Column("reporter", "Reporter"),
    Column("kind", "Kind"),
    Column("policy", "Policy", "hex, empty for the default policy"),
    Column("rule", "Rule broken"),
)


def breaches(scope: Scope) -> Report:
    """A page of breaches in ledger order."""
    if scope.breaches is None:
        note = "This node knows no policies: it can not say what breaks one."
        return scope.report("breaches", COLUMNS, (), (note,))
    rows: list[tuple[Cell, ...]] = []
    read = 0
    for placed in scope.scan.anchors(scope.first, scope.after):
        anchor = placed.anchor
        if not anchor.count or not scope.wants(scope.scan.member_of(anchor.account)):
            continue
        if read and (read + anchor.count > MAX_ENTRIES or len(rows) >= scope.most):
            return scope.report("breaches", COLUMNS, rows, (), placed.index)
        read += anchor.count
        rows += _of_batch(scope, placed, scope.breaches)
    return scope.report("breaches", COLUMNS, rows)


def _of_batch(scope: Scope, placed: Placed, judge: Judge) -> Iterator[tuple[Cell, ...]]:
    stored = list(_statements(scope, placed))
    for at in range(0, len(stored), PORTION):
        portion = stored[at : at + PORTION]
        for record, rule in zip(portion, judge(portion), strict=True):
            if rule is not None:
                yield _row(scope, placed, record, rule)


def _statements(scope: Scope, placed: Placed) -> Iterator[StoredRecord]:
    anchor = placed.anchor
    time_ms = TimestampMs(scope.scan.time_of(anchor.height))
    before = number8(anchor.height) + anchor.transaction_index.to_bytes(4, "big")
    for position, entry in enumerate(scope.scan.entries(anchor)):
        if isinstance(entry, Record) and entry.operation in STATEMENTS:
            yield StoredRecord(
                entry.record_id,
                anchor.account,
                anchor.height,
                time_ms,
                entry.payload,
                before + position.to_bytes(4, "big"),
            )


def _row(scope: Scope, placed: Placed, record: StoredRecord, rule: str) -> tuple[Cell, ...]:
    anchor = placed.anchor
    return (
        record.record_id.hex(),
        time_text(record.timestamp_ms),
        anchor.height,
        scope.scan.member_of(anchor.account),
        label(Kind, record.payload.kind),
        anchor.reference.hex() if any(anchor.reference) else "",
        rule,
    )

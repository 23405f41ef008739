"""Breaches: statements that break the policy they name, one row a record, with the rule's id.

Rules: such a record never scores at any node; its reporter's own node refuses to send it, so one
that is on the ledger was made by a node that breaks the rules or before the policy changed.
"""

from __future__ import annotations

from typing import Final

from bulwark.audit.report import Cell, Column, Report, time_text
from bulwark.indicators.vocabulary import Kind
from bulwark.ledger.ids import TimestampMs
from bulwark.ledger.lifecycle import STATEMENTS
from bulwark.ledger.record import Record
from node.audit.reports.scope import Scope, label
from node.audit.scan import MAX_ENTRIES
from node.chain.records import StoredRecord

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
    if scope.breach is None:
        note = "This node knows no policies: it can not say what breaks one."
        return scope.report("breaches", COLUMNS, (), (note,))
    rows: list[tuple[Cell, ...]] = []
    read = 0
    for placed in scope.scan.anchors(scope.first, scope.after):
        anchor = placed.anchor
        if not anchor.count or not scope.wants(scope.scan.member_of(anchor.account)):
            continue
        if read and (read + anchor.count > MAX_ENTRIES or len(rows) >= scope.most):
            return scope.report("breaches", COLUMNS, rows[: scope.most], (), placed.index)
        read += anchor.count
        time_ms = scope.scan.time_of(anchor.height)
        for entry in scope.scan.entries(anchor):
            if not isinstance(entry, Record) or entry.operation not in STATEMENTS:
                continue
            stored = StoredRecord(
                entry.record_id, anchor.account, anchor.height, TimestampMs(time_ms), entry.payload
            )
            rule = scope.breach(stored)
            if rule is not None:
                rows.append(
                    (
                        entry.record_id.hex(),
                        time_text(time_ms),
                        anchor.height,
                        scope.scan.member_of(anchor.account),
                        label(Kind, entry.kind),
                        anchor.reference.hex() if any(anchor.reference) else "",
                        rule,
                    )
                )
    return scope.report("breaches", COLUMNS, rows)

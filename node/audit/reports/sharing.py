"""The sharing register: every instance of sharing (AMLR art. 75), one row a batch.

Rules: a row says what was shared by whom, when and why, by counts; it holds no tag and no value.
Erased records are counted and have no kind any more.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from bulwark.audit.report import Cell, Column, Report, time_text
from bulwark.indicators.vocabulary import Kind, LawfulBasis, Purpose
from bulwark.ledger.lifecycle import STATEMENTS, Operation
from bulwark.ledger.record import Record
from node.audit.reports.scope import Scope, counted, label
from node.audit.scan import MAX_ENTRIES, Placed

COLUMNS: Final = (
    Column("time", "Time", "UTC"),
    Column("height", "Block"),
    Column("batch", "Batch root", "hex"),
    Column("reporter", "Reporter"),
    Column("policy", "Policy", "hex, empty for the default policy"),
    Column("records", "Records", "records"),
    Column("statements", "Statements", "records"),
    Column("follow_ups", "Follow-ups", "records"),
    Column("erased", "Erased since", "records"),
    Column("kinds", "Kinds", "word and records"),
    Column("bases", "Lawful bases", "word and records"),
    Column("purposes", "Purposes", "word and records"),
    Column("operations", "Operations", "word and records"),
)
NOTES: Final = (
    "Every batch went to every member: the alliance has no smaller audience.",
    "Kinds, bases and purposes count statements that are not erased.",
)


def sharing(scope: Scope) -> Report:
    """A page of the register."""
    rows: list[tuple[Cell, ...]] = []
    read = 0
    for placed in scope.scan.anchors(scope.first, scope.after):
        anchor = placed.anchor
        if not anchor.count or not scope.wants(scope.scan.member_of(anchor.account)):
            continue
        if len(rows) >= scope.most or (rows and read + anchor.count > MAX_ENTRIES):
            return scope.report("sharing", COLUMNS, rows, NOTES, placed.index)
        rows.append(_row(scope, placed))
        read += anchor.count
    return scope.report("sharing", COLUMNS, rows, NOTES)


def _row(scope: Scope, placed: Placed) -> tuple[Cell, ...]:
    anchor = placed.anchor
    kinds, bases, purposes = Counter[str](), Counter[str](), Counter[str]()
    operations = Counter[str]()
    statements = follow_ups = erased = 0
    for entry in scope.scan.entries(anchor):
        if not isinstance(entry, Record):
            erased += 1
            continue
        operations[_operation(entry.operation)] += 1
        if entry.operation not in STATEMENTS:
            follow_ups += 1
            continue
        statements += 1
        payload = entry.payload
        kinds[label(Kind, payload.kind)] += 1
        bases[label(LawfulBasis, payload.lawful_basis)] += 1
        purposes[label(Purpose, payload.purpose)] += 1
    return (
        time_text(scope.scan.time_of(anchor.height)),
        anchor.height,
        anchor.digest.hex(),
        scope.scan.member_of(anchor.account),
        anchor.reference.hex() if any(anchor.reference) else "",
        anchor.count,
        statements,
        follow_ups,
        erased,
        *(counted(words) for words in (kinds, bases, purposes, operations)),
    )


def _operation(code: int) -> str:
    try:
        return Operation(code).name.lower()
    except ValueError:
        return f"code {code}"

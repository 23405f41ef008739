"""Consents: given, renewed, withdrawn, expired, one row a consent.

Rules: a consent is listed under its first event; how it stands is read from all its events up to
the report's block, by that block's day. A record that rests on it is restricted by the very state
of the block that has the withdrawal, so nothing lies between the two but the block itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bulwark.audit.report import Cell, Column, Report, time_text
from bulwark.consents.ending import Ending
from bulwark.indicators.vocabulary import LawfulBasis, Purpose
from bulwark.ledger.anchor import AnchorKind
from node.audit.reports.scope import Scope, label
from node.audit.scan import Placed
from node.reporting.payload import day_text

DAY_MS: Final = 86_400_000
COLUMNS: Final = (
    Column("consent", "Consent", "anchor id, hex"),
    Column("issuer", "Issuer"),
    Column("purpose", "Purpose"),
    Column("basis", "Lawful basis"),
    Column("given", "Given", "UTC"),
    Column("renewals", "Renewals", "events"),
    Column("valid_until", "Valid until", "day"),
    Column("status", "Status"),
    Column("withdrawn", "Withdrawn", "UTC"),
    Column("reason", "Reason of the withdrawal"),
    Column("restricted_from", "Records restricted from", "block"),
    Column("blocks_to_restriction", "Withdrawal to restriction", "blocks"),
)
NOTES: Final = (
    "The restriction is part of the state that the withdrawal's block leaves: 0 blocks lie between "
    "them. How long a withdrawal took from the person to the ledger is in the issuer's receipts.",
)


def consents(scope: Scope) -> Report:
    """A page of consents in the order in which they were given."""
    rows: list[tuple[Cell, ...]] = []
    for placed in scope.scan.anchors(scope.first, scope.after):
        anchor = placed.anchor
        if anchor.kind is not AnchorKind.CONSENT_GIVEN:
            continue
        if not scope.wants(scope.scan.member_of(anchor.account)):
            continue
        if len(rows) >= scope.most:
            return scope.report("consents", COLUMNS, rows, NOTES, placed.index)
        rows.append(_row(scope, placed, list(scope.scan.anchors_named(anchor.reference))))
    return scope.report("consents", COLUMNS, rows, NOTES)


def _row(scope: Scope, given: Placed, events: Sequence[Placed]) -> tuple[Cell, ...]:
    own = [e.anchor for e in events if e.anchor.kind is not AnchorKind.RECORDS]
    renewed = [e for e in own if e.kind is AnchorKind.CONSENT_RENEWED]
    ended = next((e for e in own if e.kind is AnchorKind.CONSENT_WITHDRAWN), None)
    first, current = given.anchor, (renewed or [given.anchor])[-1]
    until = current.valid_until_day
    today = scope.scan.basis.time_ms // DAY_MS
    status = "withdrawn" if ended else "expired" if until and today > until else "given"
    return (
        first.reference.hex(),
        scope.scan.member_of(first.account),
        label(Purpose, current.purpose),
        label(LawfulBasis, current.basis),
        time_text(scope.scan.time_of(first.height)),
        len(renewed),
        day_text(until) if until else "",
        status,
        time_text(scope.scan.time_of(ended.height)) if ended else "",
        _reason(ended.basis) if ended else None,
        ended.height if ended else None,
        0 if ended else None,
    )


def _reason(code: int) -> str:
    return Ending(code).label if code in set(Ending) else f"code {code}"

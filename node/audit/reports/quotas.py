"""Questions served: what evaluators anchored of their query logs, one row an evaluator and epoch.

Rules: counts are those under anchored roots; a question that t - 1 evaluators answered is in t - 1
of the logs. Refused questions leave nothing on the ledger: each evaluator counts its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bulwark.audit.report import Cell, Column, Report, time_text
from bulwark.ledger.ids import MemberId
from contracts.members import member_id_text
from contracts.privacy.query_log import (
    QUERY_LOG,
    STATEMENTS_ANCHORED_TOPIC,
    StatementsAnchored,
    decode_query_log_event,
)
from node.audit.reports.scope import Scope

COLUMNS: Final = (
    Column("epoch", "Quota epoch"),
    Column("evaluator", "Evaluator"),
    Column("served", "Questions served", "statements"),
    Column("intervals", "Anchored intervals", "intervals"),
    Column("last_interval", "Last interval"),
    Column("last_anchored", "Last anchored", "UTC"),
    Column("quota_small", "Quota in force now, small", "questions a member and epoch"),
    Column("quota_bulk", "Quota in force now, bulk", "questions a member and epoch"),
)
NOTES: Final = (
    "A member whose quota is used up is refused by its own node; evaluators can not tell members "
    "apart, so no refusal is on the ledger. Each node counts its own (`bulwark_guarded_` metrics).",
)


@dataclass(slots=True)
class _Served:
    count: int = 0
    intervals: int = 0
    last: int = 0
    last_ms: int = 0


def quotas(scope: Scope) -> Report:
    """A page of the table; `after` counts rows."""
    found: dict[tuple[int, MemberId], _Served] = {}
    for logged in scope.scan.logs(QUERY_LOG, STATEMENTS_ANCHORED_TOPIC, scope.first):
        event = decode_query_log_event(logged.log.address, logged.log.topics, logged.log.data)
        if not isinstance(event, StatementsAnchored):
            continue
        evaluator = MemberId(member_id_text(event.id))
        if scope.wants(evaluator):
            served = found.setdefault((event.epoch, evaluator), _Served())
            served.count += event.count
            served.intervals += 1
            served.last, served.last_ms = event.interval, logged.time_ms
    rows: list[tuple[Cell, ...]] = [
        (
            epoch,
            evaluator,
            served.count,
            served.intervals,
            served.last,
            time_text(served.last_ms),
            scope.quotas.get("small"),
            scope.quotas.get("bulk"),
        )
        for (epoch, evaluator), served in sorted(found.items())
    ]
    page = rows[scope.after : scope.after + scope.most]
    following = scope.after + scope.most
    return scope.report(
        "quotas", COLUMNS, page, NOTES, following if following < len(rows) else None
    )

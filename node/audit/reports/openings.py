"""Openings: who asked to have which question opened, how members voted, what became of it.

Rules: read from the events of the contract up to the report's block. A case names no asker: who
asked the question is for the regulator and the court's file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from bulwark.audit.report import Cell, Column, Report, time_text
from bulwark.ledger.ids import MemberId
from contracts.members import member_id_text
from contracts.privacy.opening_events import (
    EVENTS,
    CaseApproved,
    CaseClosed,
    CaseOpened,
    CaseRefused,
    PartialPosted,
    Voted,
    decode_opening_event,
)
from contracts.privacy.openings import OPENINGS
from node.audit.reports.scope import Scope
from node.audit.scan import Logged

COLUMNS: Final = (
    Column("case", "Case", "hex"),
    Column("opened", "Opened", "UTC"),
    Column("height", "Block"),
    Column("regulator", "Regulator"),
    Column("evaluator", "Evaluator of the statement"),
    Column("statement", "Statement", "hex"),
    Column("basis", "Legal basis", "SHA-256, hex"),
    Column("needed", "Approvals needed", "votes"),
    Column("approvals", "Approvals", "members"),
    Column("rejections", "Rejections", "members"),
    Column("parts", "Members that posted a part", "members"),
    Column("state", "State"),
    Column("ended", "Closed or refused", "UTC"),
    Column("result", "Result", "hash, hex"),
)
NOTES: Final = ("A case whose time ran out before it was closed is expired.",)


@dataclass(slots=True)
class _Case:
    opened: CaseOpened
    at: Logged
    deadline_s: int
    approvals: list[MemberId] = field(default_factory=list)
    rejections: list[MemberId] = field(default_factory=list)
    posted: set[MemberId] = field(default_factory=set)
    state: str = "open"
    ended_ms: int | None = None
    result: bytes | None = None


def openings(scope: Scope) -> Report:
    """A page of the cases in the order in which they were opened; `after` counts rows."""
    cases: dict[bytes, _Case] = {}
    found = [logged for topic in EVENTS for logged in scope.scan.logs(OPENINGS, topic)]
    # Topics are read one by one; within a case only this order matters: it opens, then the rest.
    for logged in sorted(found, key=lambda each: each.height):
        _take(cases, logged)
    now_s = scope.scan.basis.time_ms // 1000
    rows = [
        _row(case, now_s)
        for case in cases.values()
        if case.at.height >= scope.first and scope.wants(_name(case.opened.regulator))
    ]
    page = rows[scope.after : scope.after + scope.most]
    following = scope.after + scope.most
    return scope.report(
        "openings", COLUMNS, page, NOTES, following if following < len(rows) else None
    )


def _take(cases: dict[bytes, _Case], logged: Logged) -> None:
    event = decode_opening_event(logged.log.address, logged.log.topics, logged.log.data)
    if isinstance(event, CaseOpened):
        cases[event.request.case_id] = _Case(event, logged, event.deadline_s)
        return
    case = None if event is None else cases.get(event.case_id)
    if case is None:
        return
    match event:
        case Voted():
            (case.approvals if event.approve else case.rejections).append(_name(event.id))
        case CaseApproved():
            case.state, case.deadline_s = "approved", event.deadline_s
        case CaseRefused():
            case.state, case.ended_ms = "refused", logged.time_ms
        case PartialPosted():
            case.posted.add(_name(event.id))
        case CaseClosed():
            case.state, case.ended_ms = "closed", logged.time_ms
            case.result = event.result_hash


def _row(case: _Case, now_s: int) -> tuple[Cell, ...]:
    is_over = case.state in ("open", "approved") and now_s >= case.deadline_s
    request = case.opened.request
    return (
        request.case_id.hex(),
        time_text(case.at.time_ms),
        case.at.height,
        _name(case.opened.regulator),
        _name(request.evaluator),
        request.statement_hash.hex(),
        request.basis_hash.hex(),
        case.opened.needed,
        " ".join(sorted(case.approvals)),
        " ".join(sorted(case.rejections)),
        " ".join(sorted(case.posted)),
        "expired" if is_over else case.state,
        None if case.ended_ms is None else time_text(case.ended_ms),
        None if case.result is None else case.result.hex(),
    )


def _name(member_id: bytes) -> MemberId:
    return MemberId(member_id_text(member_id))

"""A member's desks over a store in memory; the ledger around them is a list of statements."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from bulwark.indicators.model import IndicatorReport, ScreeningRequest
from bulwark.indicators.normalise import normalise
from bulwark.indicators.usage import Limit
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Height, MemberId, RecordId
from bulwark.ledger.lifecycle import Operation, State
from bulwark.ledger.standing import Standing
from node.disputes.port import DisputePage, DisputeView, FollowUpOutcome, Wish
from node.guarded.atrest import AtRest
from node.interaction.coolingdesk import CoolingOffDesk, CoolingParts, token_key
from node.interaction.feedbackdesk import FeedbackDesk, FeedbackParts
from node.interaction.protectiondesk import ProtectionDesk, ProtectionParts
from node.interaction.reportdesk import CustomerReportDesk, ReportDeskParts
from node.interaction.restating import Restater
from node.interaction.settings import InteractionConfig
from node.interaction.shelf import Shelf
from node.interaction.wiring import COOLING_OFFS, FEEDBACK, PROTECTIONS, REPORTS
from node.reporting.idempotency import IdempotencyStore
from node.reporting.payload import day_text
from node.service import (
    Caller,
    Idempotency,
    NotFound,
    RecordView,
    Refusal,
    ReportOutcome,
    Role,
    ScreeningAnswer,
    Stage,
)
from node.storage.durability import Durability
from node.storage.memory import MemoryStore

VAULT_KEY = b"v" * 32
NOW_MS = 1_790_000_000_000
BY = Caller("desk-7", Role.REPORTER)
ANALYST = Caller("desk-8", Role.ANALYST)
CLEAN = ScreeningAnswer(False, "none", 0, (), (), Height(1), 0, True)
PERMITTED = ("assess", "warn_customer", "ask_confirmation")
WARNED = replace(
    CLEAN, hit=True, band="high", score=60, permitted_actions=PERMITTED,
    limits=(Limit("own_assessment", ""),),
)  # fmt: skip


@dataclass
class Ledger:
    """What this member and others stated, and what followed; dedups as the reporter does."""

    statements: dict[RecordId, RecordView] = field(default_factory=dict)
    reports: list[IndicatorReport] = field(default_factory=list)
    wishes: list[Wish] = field(default_factory=list)
    own: dict[tuple[object, ...], RecordId] = field(default_factory=dict)
    refusal: Refusal | None = None
    answer: ScreeningAnswer = WARNED
    asked: list[ScreeningRequest] = field(default_factory=list)

    async def report(
        self, reports: Sequence[IndicatorReport], *, by: Caller, wait: Stage
    ) -> list[ReportOutcome]:
        (report,) = reports
        self.reports.append(report)
        if self.refusal is not None:
            return [ReportOutcome(None, refusal=self.refusal)]
        known = self.own.get(_name(report))
        if known is not None:
            return [ReportOutcome(known, Stage.EXECUTED, Height(1), duplicate=True)]
        record_id = self.add(report, "bank-a")
        self.own[_name(report)] = record_id
        return [ReportOutcome(record_id, Stage.EXECUTED, Height(1))]

    def add(self, report: IndicatorReport, reporter: str) -> RecordId:
        record_id = RecordId(sha256(f"record {len(self.statements)}".encode()))
        fields: dict[str, str | int | None] = {
            "kind": report.kind.label,
            "distinct_customers": report.distinct_customers,
            "valid_until": day_text(report.valid_until_day),
        }
        self.statements[record_id] = RecordView(
            record_id, MemberId(reporter), Height(1), NOW_MS, fields, standing=Standing()
        )
        return record_id

    def becomes(self, record_id: RecordId, state: State) -> None:
        view = self.statements[record_id]
        self.statements[record_id] = replace(
            view, standing=Standing(state=state), erased=state is State.ERASED
        )

    def view(self, record_id: RecordId) -> RecordView:
        if record_id not in self.statements:
            raise NotFound("this node has no such record")
        return self.statements[record_id]

    async def follow(
        self, wish: Wish, *, by: Caller, wait: Stage, idempotency: Idempotency | None
    ) -> FollowUpOutcome:
        self.wishes.append(wish)
        became = {
            Operation.RETRACT: State.RETRACTED,
            Operation.EXPIRE: State.EXPIRED,
            Operation.ERASE: State.ERASED,
            Operation.DISPUTE: State.DISPUTED,
        }[wish.operation]
        self.becomes(wish.subject, became)
        reference = sha256(wish.subject).hex()
        return FollowUpOutcome(
            RecordId(sha256(wish.subject)), wish.subject, wish.operation, None, Stage.EXECUTED,
            Height(2), None, became.label, reference,
        )  # fmt: skip

    async def release(self, report: IndicatorReport) -> None:
        self.own.pop(_name(report), None)

    async def screen(
        self, requests: Sequence[ScreeningRequest], *, by: Caller
    ) -> list[ScreeningAnswer]:
        self.asked += requests
        return [self.answer for _ in requests]


def _name(report: IndicatorReport) -> tuple[object, ...]:
    value = normalise(report.kind, report.value, str(report.region) or None).value
    return report.kind, value, report.fraud_type, report.object_role


class Office:
    """The desks of one member."""

    def __init__(
        self,
        store: MemoryStore | None = None,
        ledger: Ledger | None = None,
        *,
        now_ms: int = NOW_MS,
        **settings: Any,
    ) -> None:
        self.store = MemoryStore() if store is None else store
        self.ledger = Ledger() if ledger is None else ledger
        self.settings = InteractionConfig(**settings)
        self.given = settings
        self.now_ms = now_ms
        self.disputes: list[DisputeView] = []
        restater = Restater(
            self.ledger.report, self.ledger.follow, self.ledger.view, self.ledger.release
        )
        durability = Durability(self.store)
        self.reports = CustomerReportDesk(
            ReportDeskParts(
                self.store, self.shelf(REPORTS), durability,
                IdempotencyStore(self.store, b"i" * 32),
                restater, self.settings, "bank-a", lambda: self.now_ms, os.urandom,
            )
        )  # fmt: skip
        self.cooling_offs = CoolingOffDesk(
            CoolingParts(
                self.store, self.shelf(COOLING_OFFS), durability, self.ledger.screen,
                token_key(VAULT_KEY), self.settings.thresholds(), self.settings, "bank-a",
                lambda: self.now_ms, os.urandom,
            )
        )  # fmt: skip
        self.protections = ProtectionDesk(
            ProtectionParts(
                self.store, self.shelf(PROTECTIONS), durability, restater, self.ledger.view,
                lambda: self.now_ms,
            )
        )  # fmt: skip
        self.feedback = FeedbackDesk(
            FeedbackParts(
                self.store, self.shelf(FEEDBACK), AtRest(VAULT_KEY, b"figures", os.urandom),
                durability, self.ledger.follow, self._page, self._shares, self.ledger.view,
                self.settings, "bank-a", lambda: self.now_ms,
            )
        )  # fmt: skip
        self.status = None

    def shelf(self, sort: bytes) -> Shelf:
        return Shelf(self.store, sort, VAULT_KEY, os.urandom)

    async def _page(self, cursor: bytes | None) -> DisputePage:
        return DisputePage(tuple(self.disputes), None)

    async def _shares(self) -> tuple[list[int], bool]:
        return [1_000, 3_000, 2_000], False

    def restarted(self) -> Office:
        """The same member after a power cut."""
        return Office(self.store.crash(), self.ledger, now_ms=self.now_ms, **self.given)

    def on_disk(self, text: str) -> bool:
        """Whether a text is anywhere in the store, in a key or a value."""
        wanted = text.encode()
        pairs = list(self.store.iterate(b""))
        return any(wanted in key or wanted in value for key, value in pairs)

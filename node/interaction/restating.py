"""The restater: makes a statement of this member, and makes it anew where it says more than before.

Rules: the reporter answers with the earlier record where this member said the same before. Such a
record is replaced by a new one (and the old one expires) if the new statement has more customers or
lasts longer, or if the old one no longer answers; one that is disputed or was overruled is not said
again: that is for a ruling or a person. The new record is there before the old one goes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, Protocol

from bulwark.indicators.model import IndicatorReport
from bulwark.ledger.ids import RecordId
from bulwark.ledger.lifecycle import Operation, State
from node.disputes.port import FollowUpOutcome, Wish
from node.reporting.payload import day_text
from node.service import (
    Caller,
    Idempotency,
    NotFound,
    RecordView,
    Refusal,
    ReportOutcome,
    RuleRefused,
    Stage,
)

DISPUTED: Final = Refusal(
    "restate.disputed", "this member's record of the same is disputed: it waits for a ruling"
)
OVERRULED: Final = Refusal(
    "restate.overruled", "this member's record of the same was overruled: it is not said again"
)


class Report(Protocol):
    """NodeService.report."""

    async def __call__(
        self, reports: Sequence[IndicatorReport], *, by: Caller, wait: Stage
    ) -> list[ReportOutcome]:
        """Outcomes in order."""
        ...


class Follow(Protocol):
    """DisputesService.follow."""

    async def __call__(
        self, wish: Wish, *, by: Caller, wait: Stage, idempotency: Idempotency | None
    ) -> FollowUpOutcome:
        """What became of it."""
        ...


class Restater:
    """Statements of one member."""

    def __init__(
        self,
        report: Report,
        follow: Follow,
        view: Callable[[RecordId], RecordView],
        release: Callable[[IndicatorReport], Awaitable[None]],
    ) -> None:
        """`release` makes the reporter forget that this member said a report before."""
        self._report = report
        self.follow = follow
        self._view = view
        self._release = release

    async def state(
        self, report: IndicatorReport, *, by: Caller, wait: Stage, longer: bool = False
    ) -> ReportOutcome:
        """What became of a statement. With `longer` a later end makes it a new one.

        Raises Busy, Unavailable, Forbidden.
        """
        outcome = (await self._report([report], by=by, wait=wait))[0]
        if not outcome.duplicate or outcome.record_id is None:
            return outcome
        try:
            before = self._view(outcome.record_id)
        except NotFound:
            return outcome  # on its way: the same thing was just said
        state = State.ACTIVE if before.standing is None else before.standing.state
        if state in (State.DISPUTED, State.OVERRULED):
            refusal = DISPUTED if state is State.DISPUTED else OVERRULED
            return ReportOutcome(None, refusal=refusal)
        if state is State.ACTIVE and not _says_more(report, before, longer=longer):
            return outcome
        await self._release(report)
        anew = (await self._report([report], by=by, wait=wait))[0]
        if state is State.ACTIVE and anew.record_id not in (None, before.record_id):
            with suppress(RuleRefused):  # somebody disputed it meanwhile: then that goes on
                wish = Wish(before.record_id, Operation.EXPIRE, case_ref=report.case_ref)
                await self.follow(wish, by=by, wait=wait, idempotency=None)
        return anew

    async def withdraw(
        self, record_id: RecordId, report: IndicatorReport, *, by: Caller, wait: Stage
    ) -> None:
        """Take a statement back, so that it can be made anew one day.

        Raises Busy, Forbidden, and Conflict where the ledger takes none of this member.
        """
        with suppress(RuleRefused):  # it is retracted, overruled or erased already
            wish = Wish(record_id, Operation.RETRACT, case_ref=report.case_ref)
            await self.follow(wish, by=by, wait=wait, idempotency=None)
        await self._release(report)


def _says_more(report: IndicatorReport, before: RecordView, *, longer: bool) -> bool:
    customers = before.fields.get("distinct_customers")
    if report.distinct_customers > (customers if isinstance(customers, int) else 0):
        return True
    until = str(before.fields.get("valid_until") or "")
    return longer and day_text(report.valid_until_day) > until

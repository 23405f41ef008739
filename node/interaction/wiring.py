"""Puts the interaction of one node together: five desks over the parts of a node."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from typing import Final

from msgspec import Struct
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from bulwark.indicators.model import IndicatorReport
from bulwark.indicators.normalise import normalise
from bulwark.ledger.ids import MemberId
from node.chain.standings import Standings
from node.disputes.casebook import Casebook
from node.disputes.desk import DisputeDesk
from node.disputes.inbox import Inbox
from node.ground import Ground
from node.guarded.atrest import AtRest
from node.interaction.coolingdesk import CoolingOffDesk, CoolingParts, Screen, token_key
from node.interaction.feedbackdesk import FeedbackDesk, FeedbackParts, all_disputes_page
from node.interaction.protectiondesk import ProtectionDesk, ProtectionParts
from node.interaction.reportdesk import CustomerReportDesk, ReportDeskParts
from node.interaction.restating import Report, Restater
from node.interaction.shelf import COOLING_OFFS, FEEDBACK, PROTECTIONS, REPORTS, Shelf
from node.interaction.statusdesk import StatusDesk
from node.reporting.recordviews import RecordViews
from node.service import NodeService, Unavailable
from node.tagging.tagger import TaggingUnavailable

FIRST_PRUNE_S: Final = 5
PRUNE_S: Final = 3_600
MAX_SHARES: Final = 10_000
"""Sorts of shelves."""


class Counters(Struct, frozen=True, kw_only=True):
    """What the desks work through, besides the ground."""

    standings: Standings
    views: RecordViews
    disputes: DisputeDesk
    report: Report
    """NodeService.report, with its checks and its entry in the access log."""
    screen: Screen
    """NodeService.screen, likewise."""


class Interaction:
    """The desks of one node, and what they do without being asked."""

    def __init__(self, ground: Ground, counters: Counters) -> None:
        """Raises StoreDamaged."""
        self._ground = ground
        self._counters = counters
        self._config = ground.home.config.interaction
        self._member = MemberId(str(ground.home.member.id))
        self._restater = Restater(
            counters.report, counters.disputes.follow, counters.views.view, self._released
        )
        self._report_shelf = self._shelf(REPORTS)
        self.reports = self._make_reports()
        self.cooling_offs = self._make_cooling_offs()
        self.protections = ProtectionDesk(
            ProtectionParts(
                store=ground.store,
                shelf=self._shelf(PROTECTIONS),
                durability=ground.durability,
                restater=self._restater,
                view=counters.views.view,
                now_ms=ground.clock.wall_ms,
            )
        )
        self.feedback = self._make_feedback()
        self.status = self._make_status() if self._config.status_page else None

    def _make_reports(self) -> CustomerReportDesk:
        ground = self._ground
        return CustomerReportDesk(
            ReportDeskParts(
                store=ground.store,
                shelf=self._report_shelf,
                durability=ground.durability,
                idempotency=ground.idempotency,
                restater=self._restater,
                settings=self._config,
                member=str(self._member),
                now_ms=ground.clock.wall_ms,
                random_bytes=os.urandom,
            )
        )

    def _make_cooling_offs(self) -> CoolingOffDesk:
        ground = self._ground
        return CoolingOffDesk(
            CoolingParts(
                store=ground.store,
                shelf=self._shelf(COOLING_OFFS),
                durability=ground.durability,
                screen=self._counters.screen,
                key=token_key(ground.home.secrets.vault_key),
                thresholds=self._config.thresholds(),
                settings=self._config,
                member=str(self._member),
                now_ms=ground.clock.wall_ms,
                random_bytes=os.urandom,
            )
        )

    def _make_feedback(self) -> FeedbackDesk:
        ground, disputes = self._ground, self._counters.disputes
        vault_key = ground.home.secrets.vault_key
        return FeedbackDesk(
            FeedbackParts(
                store=ground.store,
                shelf=self._shelf(FEEDBACK),
                at_rest=AtRest(vault_key, b"interaction/figures", os.urandom),
                durability=ground.durability,
                follow=disputes.follow,
                disputes=lambda cursor: all_disputes_page(disputes.disputes, cursor),
                shares=self._shares,
                view=self._counters.views.view,
                settings=self._config,
                member=str(self._member),
                now_ms=ground.clock.wall_ms,
            )
        )

    def _make_status(self) -> StatusDesk:
        ground = self._ground
        casebook = Casebook(ground.store, ground.home.secrets.vault_key, os.urandom)
        inbox = Inbox(ground.records, self._counters.standings, casebook, self._member)
        return StatusDesk(self.reports.by_code, casebook, inbox.view, ground.clock.wall_ms)

    def _shelf(self, sort: bytes) -> Shelf:
        key = self._ground.home.secrets.vault_key
        return Shelf(self._ground.store, sort, key, os.urandom)

    async def _released(self, report: IndicatorReport) -> None:
        """Make the reporter forget that this member said this before."""
        value = normalise(report.kind, report.value, str(report.region) or None).value
        (tag,) = await self._ground.tagger.tags_of_many([(report.kind.label, value)], 1)
        if isinstance(tag, TaggingUnavailable):
            raise Unavailable(f"the tag can not be computed now: {tag}")
        puts = self._ground.outbox.release_puts(tag, report.fraud_type, report.object_role)
        self._ground.store.write(puts, sync=False)

    async def _shares(self) -> tuple[list[int], bool]:
        """See feedbackdesk.Shares."""
        found: list[int] = []
        for looked, (_, identity) in enumerate(self._report_shelf.newest(), 1):
            document = self._report_shelf.get(identity)
            if document is not None and document.get("reported_ms") is not None:
                found.append(document["reported_ms"] - document["received_ms"])
            if looked >= MAX_SHARES:
                return found, True
            if looked % 20 == 0:
                await asyncio.sleep(0)
        return found, False

    async def run(self) -> None:
        """Let go of what is past its time, until cancelled. Raises StoreDamaged."""
        await asyncio.sleep(FIRST_PRUNE_S)
        while True:
            for desk in (self.reports, self.cooling_offs, self.protections, self.feedback):
                await desk.prune()
            await asyncio.sleep(PRUNE_S)

    def families(self) -> Iterable[Metric]:
        """Metrics of the desks; they name members and kinds, never an identifier or a person."""
        figures = self.feedback.figures
        counts = CounterMetricFamily(
            "bulwark_feedback", "Feedback taken, by verdict and band", labels=("verdict", "band")
        )
        for band, row in figures.by_band().items():
            for verdict, number in row.items():
                counts.add_metric((verdict, band), float(number))
        yield counts
        of = CounterMetricFamily(
            "bulwark_feedback_of_reporter",
            "Feedback taken, by reporter of the records, kind and verdict",
            labels=("reporter", "kind", "verdict"),
        )
        for row_of in figures.reporters():
            for verdict, number in row_of.verdicts.items():
                of.add_metric((row_of.reporter, row_of.kind, verdict), float(number))
        yield of
        threshold = self._config.thresholds().delay
        judged, right = figures.at_threshold(threshold)
        precision = GaugeMetricFamily(
            "bulwark_feedback_precision", "Right answers among the judged at the action threshold"
        )
        if judged:
            precision.add_metric((), right / judged)
        yield precision
        yield CounterMetricFamily(
            "bulwark_customer_reports", "Customers' reports taken since start",
            value=float(self.reports.taken),
        )  # fmt: skip
        ended = CounterMetricFamily(
            "bulwark_cooling_offs_ended", "Cooling-offs ended since start", labels=("state",)
        )
        for state, number in self.cooling_offs.ended.items():
            if state.value != "held":
                ended.add_metric((state.value,), float(number))
        yield ended


def make_interaction(
    ground: Ground,
    standings: Standings,
    views: RecordViews,
    disputes: DisputeDesk,
    service: NodeService,
) -> Interaction:
    """The desks of this node's member. Raises StoreDamaged."""
    return Interaction(
        ground,
        Counters(
            standings=standings,
            views=views,
            disputes=disputes,
            report=service.report,
            screen=service.screen,
        ),
    )

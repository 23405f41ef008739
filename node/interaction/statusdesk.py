"""The desk of status look-ups: from a person's code to how its case stands, and no further.

Rules: codes are looked up by keyed names, so the time of a look-up tells nothing about codes there
are; both books are always asked. What is shown names nobody.
"""

from __future__ import annotations

from collections.abc import Callable

from bulwark.ledger.ids import RecordId
from node.disputes.casebook import Casebook
from node.disputes.port import DisputeView
from node.interaction.reportport import ReportState, ReportView
from node.interaction.statusport import Sort, StatusView

_ANSWERED = frozenset(
    {ReportState.REPORTED, ReportState.DECLINED, ReportState.MERGED, ReportState.ERASED}
)


class StatusDesk:
    """Status of one member's cases."""

    def __init__(
        self,
        reports: Callable[[str], ReportView | None],
        casebook: Casebook,
        disputes: Callable[[RecordId], DisputeView | None],
        now_ms: Callable[[], int],
    ) -> None:
        self._reports = reports
        self._casebook = casebook
        self._disputes = disputes
        self._now_ms = now_ms

    def look(self, plain: str) -> StatusView | None:
        """See StatusLookup."""
        report = self._reports(plain)
        case = self._casebook.find(plain)
        if report is not None:
            return self._of_report(report)
        if case is None:
            return None
        return self._of_dispute(self._disputes(case.dispute_id))

    def _of_report(self, view: ReportView) -> StatusView:
        due = None if view.state in _ANSWERED else view.due_ms
        is_overdue = due is not None and self._now_ms() > due
        return StatusView(Sort.REPORT, view.state.value, view.received_ms, due, is_overdue)

    def _of_dispute(self, view: DisputeView | None) -> StatusView:
        if view is None:
            return StatusView(Sort.DISPUTE, "sent", None, None, False)
        due = view.due_ms if view.status == "open" else None
        return StatusView(Sort.DISPUTE, view.status, view.opened_ms, due, view.is_overdue)

"""The inbox: disputes on the executed ledger, newest first, with how each stands.

Rules: it is read from the index of follow-ups each time, so nothing of it can go stale; one page
looks at a bounded number of follow-ups and takes turns with the event loop. Whether a person is
behind a dispute is known at the member alone through which it came.
"""

from __future__ import annotations

import asyncio
from typing import Final

from bulwark.ledger.ids import MemberId, RecordId
from bulwark.ledger.lifecycle import Operation, State
from bulwark.ledger.standing import Dispute, Life
from node.chain.records import FoundRecord, RecordReader
from node.chain.standings import Standings
from node.disputes.casebook import Casebook
from node.disputes.port import DisputePage, DisputeView, Whose

MAX_PAGE: Final = 100
MAX_LOOKED_AT: Final = 2_000
"""Follow-ups that one page looks at, whether it shows them or not."""
TURN: Final = 20


class Inbox:
    """Disputes as one member sees them."""

    def __init__(
        self, records: RecordReader, standings: Standings, casebook: Casebook, member: MemberId
    ) -> None:
        self._records = records
        self._standings = standings
        self._casebook = casebook
        self._member = member

    async def page(
        self, whose: Whose, *, open_only: bool, cursor: bytes | None, most: int
    ) -> DisputePage:
        """A page of disputes, newest first; `cursor` is the `next` of the page before."""
        wanted = min(most, MAX_PAGE)
        shown: list[DisputeView] = []
        found, after = self._records.disputes(cursor, MAX_LOOKED_AT)
        for number, (order, dispute_id, subject) in enumerate(found, 1):
            view = self._view(dispute_id, subject)
            if view is not None and self._is_shown(view, whose, open_only=open_only):
                shown.append(view)
                if len(shown) >= wanted:
                    return DisputePage(tuple(shown), order)
            if number % TURN == 0:
                await asyncio.sleep(0)
        return DisputePage(tuple(shown), after)

    def view(self, dispute_id: RecordId) -> DisputeView | None:
        """One dispute, None where the executed ledger has none with this id."""
        found = self._records.by_id(dispute_id)
        if found is None or found.payload is None or found.payload.previous_record is None:
            return None
        is_dispute = found.payload.operation == Operation.DISPUTE
        return self._view(dispute_id, found.payload.previous_record) if is_dispute else None

    def _is_shown(self, view: DisputeView, whose: Whose, *, open_only: bool) -> bool:
        if open_only and view.status != "open":
            return False
        if whose is Whose.ALL:
            return True
        return self._member == (view.reporter if whose is Whose.INBOX else view.member)

    def _view(self, dispute_id: RecordId, subject: RecordId) -> DisputeView | None:
        found = self._records.by_id(subject)
        if found is None:
            return None
        life = self._standings.life(found)
        step = next((s for s in life.history if s.record_id == dispute_id), None)
        if step is None:
            return None
        taken = next((d for d in life.disputes if d.record_id == dispute_id), None)
        case = self._casebook.of_dispute(dispute_id)
        opened = taken or Dispute(
            dispute_id, step.member, step.reason, step.height, step.timestamp_ms
        )
        status = "refused" if step.refused else _status(life, opened)
        now_ms = self._records.tip.timestamp_ms
        return DisputeView(
            reference=dispute_id.hex() if case is None else case.code,
            dispute_id=dispute_id,
            record_id=subject,
            reporter=self._reporter(found),
            member=step.member,
            ground=step.reason,
            height=step.height,
            opened_ms=step.timestamp_ms,
            due_ms=opened.due_ms,
            ruling=opened.ruling,
            status=status,
            refused=step.refused,
            is_for_person=case is not None,
            is_overdue=status == "open" and now_ms > opened.due_ms,
        )

    def _reporter(self, found: FoundRecord) -> MemberId:
        return self._standings.member_of(found.reporter)


def _status(life: Life, dispute: Dispute) -> str:
    if dispute.ruling is not None:
        return dispute.ruling.name.lower()
    return "moot" if life.state in (State.RETRACTED, State.ERASED) else "open"

"""Records by id as readers of this member may see them, with where they stand.

Rules: no clear text, salt or tag; a record marked TLP red shows its fields, and proves them, to the
member alone that reported it; to others it shows that it is red. A follow-up has no standing.
"""

from __future__ import annotations

from bulwark.indicators.vocabulary import Tlp
from bulwark.ledger.ids import MemberId, RecordId
from bulwark.ledger.lifecycle import DAY_MS, State
from node.chain.records import FoundRecord, RecordReader
from node.chain.standings import Standings
from node.chain.store import ChainStore
from node.reporting.payload import fields_of
from node.service import Forbidden, NotFound, RecordView, Stage


class RecordViews:
    """Records of the executed ledger for one member's readers."""

    def __init__(
        self, chain: ChainStore, records: RecordReader, standings: Standings, member: MemberId
    ) -> None:
        self._chain = chain
        self._records = records
        self._standings = standings
        self._member = member

    def view(self, record_id: RecordId) -> RecordView:
        """A record with its standing. Raises NotFound, StoreDamaged."""
        found = self._found(record_id)
        fields: dict[str, str | int | None] = {}
        if found.payload is not None:
            fields = {"tlp": Tlp.RED.label} if self._is_hidden(found) else fields_of(found.payload)
        is_final = found.height <= self._chain.finalized
        return RecordView(
            record_id=record_id,
            reporter=self._standings.member_of(found.reporter),
            height=found.height,
            timestamp_ms=found.timestamp_ms,
            fields=fields,
            erased=found.payload is None,
            stage=Stage.FINALIZED if is_final else Stage.EXECUTED,
            standing=self._standings.shown(found),
        )

    def is_over(self, record_id: RecordId) -> bool:
        """Whether this member ended a record, or its last day is over: it may be said anew.

        One that is not executed yet is not over; one that is disputed or was overruled is not said
        again without a ruling or a person (docs/lifecycle.md). Raises StoreDamaged.
        """
        found = self._records.by_id(record_id)
        if found is None:
            return False
        standing = self._standings.shown(found)
        if standing is None or standing.state in (State.DISPUTED, State.OVERRULED):
            return False
        if standing.state is not State.ACTIVE or found.payload is None:
            return True
        return found.payload.valid_until_day < self._records.tip.timestamp_ms // DAY_MS

    def check_shown(self, record_id: RecordId) -> None:
        """Raises NotFound, and Forbidden for a red record of another member."""
        if self._is_hidden(self._found(record_id)):
            raise Forbidden("this record is marked TLP red: its reporter alone reads it")

    def _found(self, record_id: RecordId) -> FoundRecord:
        found = self._records.by_id(record_id)
        if found is None:
            raise NotFound("this node has no such record")
        return found

    def _is_hidden(self, found: FoundRecord) -> bool:
        is_red = found.payload is not None and found.payload.tlp == Tlp.RED
        return is_red and self._standings.member_of(found.reporter) != self._member

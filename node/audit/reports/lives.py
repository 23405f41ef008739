"""Lives: what became of every statement of a stretch of the ledger, folded as screenings fold it.

Rules: two passes over the records: the first keeps the follow-ups, which are few, the second goes
through the statements one by one, so that memory grows with the follow-ups alone. The fold is
`bulwark.ledger.standing`'s; this file only finds what belongs together.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from bulwark.ledger.ids import Digest, MemberId, RecordId
from bulwark.ledger.lifecycle import REFERENCE_KIND, STATEMENTS, ConsentStanding, Operation
from bulwark.ledger.record import Record
from bulwark.ledger.standing import FollowUp, Standing, standing_of
from node.audit.reports.scope import Scope
from node.audit.scan import Placed


class Statement(Struct, frozen=True):
    """One statement with what became of it."""

    placed: Placed
    record: Record
    reporter: MemberId
    standing: Standing


class Erased(Struct, frozen=True):
    """What is left of a record whose payload is destroyed: it may have been a follow-up."""

    placed: Placed
    record_id: RecordId
    reporter: MemberId
    standing: Standing


class Order(Struct, frozen=True):
    """A batch that holds follow-ups other than confirmations: every member confirms it."""

    root: Digest
    time_ms: int
    erasures: int
    recalls: int
    """Follow-ups that may end a record: rulings, retractions, erasures."""


class Confirmation(Struct, frozen=True):
    """A member's word that it carried out a batch."""

    member: MemberId
    root: RecordId
    reason: int
    time_ms: int


Place = tuple[int, int]
"""Position of an anchor in the record log, and of a record in its batch: ledger order."""
_CONSENT_BIT: Final = 2
_BITMAP: Final = 12
"""Where a payload says which references it has (`bulwark.ledger.record`)."""


class Lives:
    """The follow-ups of a stretch by what they are about, and the statements with them."""

    def __init__(self, scope: Scope) -> None:
        """Reads all records once."""
        self._scope = scope
        self._follow_ups: dict[RecordId, list[tuple[Place, FollowUp]]] = {}
        self.orders: dict[bytes, Order] = {}
        self.confirmations: list[Confirmation] = []
        for placed in scope.scan.anchors():
            if placed.anchor.count:
                self._read(placed)

    def _read(self, placed: Placed) -> None:
        scan, anchor = self._scope.scan, placed.anchor
        time_ms, member = scan.time_of(anchor.height), scan.member_of(anchor.account)
        erasures = recalls = 0
        for position, entry in enumerate(scan.entries(anchor)):
            if not isinstance(entry, Record) or entry.operation in STATEMENTS:
                continue
            if scan.is_copy(entry.record_id, anchor, position):
                continue
            payload = entry.payload
            subject = payload.previous_record
            if payload.kind != REFERENCE_KIND or subject is None:
                continue
            if payload.operation == Operation.CONFIRM:
                self.confirmations.append(Confirmation(member, subject, payload.reason, time_ms))
                continue
            erasures += payload.operation == Operation.ERASE
            recalls += payload.operation in (Operation.RULE, Operation.RETRACT, Operation.ERASE)
            follow_up = FollowUp(
                record_id=entry.record_id,
                operation=payload.operation,
                reason=payload.reason,
                member=member,
                is_regulator=self._scope.is_regulator(anchor.account, anchor.height),
                height=anchor.height,
                timestamp_ms=time_ms,
            )
            place = (placed.index, position)
            self._follow_ups.setdefault(subject, []).append((place, follow_up))
        if recalls:
            self.orders[anchor.digest] = Order(anchor.digest, time_ms, erasures, recalls)

    def standing(
        self,
        record_id: RecordId,
        reporter: MemberId,
        place: Place,
        consent: ConsentStanding = ConsentStanding.NONE,
    ) -> Standing:
        """Where a record stands at the end of the stretch; what came before it does not count."""
        found = self._follow_ups.get(record_id, ())
        return standing_of(reporter, (each for at, each in found if at > place), consent)

    def statements(self) -> Iterator[Statement | Erased]:
        """Statements in ledger order, and what is left of erased records."""
        scan = self._scope.scan
        for placed, position, entry in scan.records():
            reporter = scan.member_of(placed.anchor.account)
            if not self._scope.wants(reporter):
                continue
            place = (placed.index, position)
            if not isinstance(entry, Record):
                standing = self.standing(entry.record_id, reporter, place)
                yield Erased(placed, entry.record_id, reporter, standing)
            elif entry.operation in STATEMENTS:
                consent = self._consent(entry)
                standing = self.standing(entry.record_id, reporter, place, consent)
                yield Statement(placed, entry, reporter, standing)

    def _consent(self, record: Record) -> ConsentStanding:
        if not record.payload_bytes[_BITMAP] & _CONSENT_BIT:
            return ConsentStanding.NONE
        anchor_id = record.payload.consent_anchor
        return ConsentStanding.NONE if anchor_id is None else self._scope.consent(anchor_id)

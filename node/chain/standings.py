"""How records stand at a height: their follow-ups, read and folded, with consent and policy.

Rules: one ordered scan a statement; everything follows from the executed ledger up to the block
asked about, except that a record which is erased by now is erased at every height. Roles are those
of each follow-up's own block. A statement of an account without the role reporter breaks the rule
`record.not_a_reporter` and counts nowhere.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from bulwark.ledger.header import Header
from bulwark.ledger.ids import Address, Height, MemberId
from bulwark.ledger.lifecycle import STATEMENTS, ConsentStanding, State
from bulwark.ledger.standing import PLAIN, FollowUp, Life, Standing
from node.chain.records import FoundRecord, RecordReader, StoredRecord
from node.chain.roles import RoleBook

NOT_A_REPORTER = "record.not_a_reporter"
"""Rule id of a statement that a member without the role made."""

ConsentPort = Callable[[bytes, Header], ConsentStanding]
BreachPort = Callable[[StoredRecord], str | None]


class StandingPorts(Struct, frozen=True):
    """What interpretation needs besides the records."""

    member_of: Callable[[bytes], MemberId]
    """Member that holds or ever held an account."""
    consent_standing: ConsentPort
    """How a consent stands after a block."""
    breach: BreachPort
    """Id of the rule that a record breaks, if any."""


class Standings:
    """Standings of records, as of any executed block."""

    def __init__(self, records: RecordReader, roles: RoleBook, ports: StandingPorts) -> None:
        self._records = records
        self._roles = roles
        self._ports = ports

    def member_of(self, account: bytes) -> MemberId:
        """Member that holds or ever held an account."""
        return self._ports.member_of(account)

    def breach(self, record: StoredRecord) -> str | None:
        """Id of the rule that a statement breaks, None where it breaks none."""
        if not self._roles.is_reporter(record.reporter, record.height):
            return NOT_A_REPORTER
        return self._ports.breach(record)

    def of(self, record: StoredRecord | FoundRecord, header: Header) -> Standing:
        """Where a statement stands after the block with this header. Raises StoreDamaged."""
        payload = record.payload
        anchor = None if payload is None else payload.consent_anchor
        consent = ConsentStanding.NONE
        if anchor is not None:
            consent = self._ports.consent_standing(anchor, header)
        follow_ups = self._records.follow_ups(record.record_id)
        if not follow_ups:
            return PLAIN if anchor is None else Life(MemberId("")).standing(consent)
        life = Life(self.member_of(record.reporter))
        for follow_up in follow_ups:
            if follow_up.order < record.order:
                continue
            if follow_up.height <= header.height:
                life.take(self.follow_up(follow_up))
            elif life.state is not State.ERASED and self._is_erased(record, follow_ups):
                life.state = State.ERASED
                break
        return life.standing(consent)

    def shown(self, record: FoundRecord) -> Standing | None:
        """Where a statement stands now, None for a follow-up. Raises StoreDamaged."""
        if record.payload is not None and record.payload.operation not in STATEMENTS:
            return None
        return self.of(record, self._records.tip)

    def life(self, record: StoredRecord | FoundRecord) -> Life:
        """The whole life of a statement so far, for a desk. Raises StoreDamaged."""
        life = Life(self.member_of(record.reporter))
        for follow_up in self._records.follow_ups(record.record_id):
            if follow_up.order > record.order:
                life.take(self.follow_up(follow_up))
        return life

    def follow_up(self, record: StoredRecord) -> FollowUp:
        """A stored follow-up with who made it."""
        return FollowUp(
            record_id=record.record_id,
            operation=record.payload.operation,
            reason=record.payload.reason,
            member=self.member_of(record.reporter),
            is_regulator=self._roles.is_regulator(record.reporter, record.height),
            height=record.height,
            timestamp_ms=record.timestamp_ms,
        )

    def is_regulator(self, account: bytes, height: Height) -> bool:
        """Whether an account held the role regulator in a block."""
        return self._roles.is_regulator(Address(account), height)

    def _is_erased(
        self, record: StoredRecord | FoundRecord, follow_ups: list[StoredRecord]
    ) -> bool:
        life = Life(self.member_of(record.reporter))
        for follow_up in follow_ups:
            if follow_up.order > record.order:
                life.take(self.follow_up(follow_up))
        return life.state is State.ERASED


def in_no_breach(_record: StoredRecord) -> str | None:
    """A BreachPort of an alliance without policies."""
    return None

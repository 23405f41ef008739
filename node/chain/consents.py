"""How consents stand at a height: what a screening, an issuing check and an auditor ask.

Rules: the answer follows from the executed ledger alone. The last event of a consent up to a
block decides; a withdrawal counts from its own block on, a last day by the time in the block's
header (the day after it is the first that is not covered, UTC). What lies above the executed blocks
is not seen. An unknown reason code ends a consent like any other.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from msgspec import Struct

from bulwark.consents.ending import Ending
from bulwark.ledger.anchor import AnchorKind
from bulwark.ledger.header import Header
from bulwark.ledger.ids import DIGEST_BYTES, Address, Digest, Height
from bulwark.ledger.lifecycle import ConsentStanding
from node.chain.store import ChainStore
from node.storage import schema
from node.storage.port import KeyValueStore
from node.storage.seal import unseal
from node.storage.values import ConsentEvent, decode_number

MS_PER_DAY = 86_400_000
_ANCHOR_ID = slice(1, 1 + DIGEST_BYTES)
_HEIGHT = slice(1 + DIGEST_BYTES, 1 + DIGEST_BYTES + 8)


class ConsentFacts(Struct, frozen=True):
    """Everything that the ledger says of one consent up to a block."""

    anchor_id: Digest
    issuer: Address
    """Account that gave it."""
    given_height: Height
    purpose: int
    """Purpose code."""
    basis: int
    """Lawful-basis code."""
    valid_until_day: int
    """Last day after the last renewal, days since 1970-01-01; 0 without end."""
    commitment: Digest
    """Commitment to the receipt that counts."""
    changed_height: Height
    """Block of the last event."""
    ended_height: Height
    """Block of the withdrawal, 0 for none."""
    reason: int
    """Reason code of the withdrawal, 0 for none."""


class _Placed(Struct, frozen=True):
    """An event with its block."""

    height: Height
    event: ConsentEvent

    @classmethod
    def read(cls, key: bytes, stored: bytes) -> _Placed:
        height = Height(decode_number(key, key[_HEIGHT]))
        return cls(height, ConsentEvent.decode(key, unseal(key, stored)))


class ConsentReader:
    """Look-ups of consents by anchor id."""

    def __init__(self, store: KeyValueStore, chain: ChainStore) -> None:
        self._store = store
        self._chain = chain

    def standing(self, anchor_id: bytes, header: Header) -> ConsentStanding:
        """How a consent stands after the block with this header; one read.

        UNKNOWN for a consent that is not on the ledger by then, and for a block that this node has
        not executed. Raises StoreDamaged.
        """
        if header.height > self._chain.applied or len(anchor_id) != DIGEST_BYTES:
            return ConsentStanding.UNKNOWN
        last = self._last(anchor_id, header.height)
        if last is None:
            return ConsentStanding.UNKNOWN
        return standing_of(last.event, header.timestamp_ms)

    def facts(self, anchor_id: bytes, at: Height | None = None) -> ConsentFacts | None:
        """A consent with its fields after a block, the last executed one unless given.

        None for one that was not given by then. Raises StoreDamaged.
        """
        if len(anchor_id) != DIGEST_BYTES:
            return None
        seen = self._chain.applied if at is None else min(at, self._chain.applied)
        last = self._last(anchor_id, Height(seen))
        if last is None:
            return None
        events = self._store.iterate(schema.consent_states(anchor_id))
        first = next((_Placed.read(key, stored) for key, stored in events), last)
        return _facts(Digest(anchor_id), first, last)

    def all(self, at: Height | None = None) -> Iterator[ConsentFacts]:
        """Every consent after a block in the order of anchor ids; for reports, it reads them all.

        Raises StoreDamaged.
        """
        seen = self._chain.applied if at is None else min(at, self._chain.applied)
        pairs = self._store.iterate(schema.CONSENT_STATES)
        for anchor_id, group in groupby(pairs, key=lambda pair: pair[0][_ANCHOR_ID]):
            read = (_Placed.read(key, stored) for key, stored in group)
            events = [each for each in read if each.height <= seen]
            if events:
                yield _facts(Digest(anchor_id), events[0], events[-1])

    def _last(self, anchor_id: bytes, height: Height) -> _Placed | None:
        start = schema.last_consent_state(anchor_id, height)
        prefix = schema.consent_states(anchor_id)
        newest_first = self._store.iterate(prefix, start=start, reverse=True)
        return next((_Placed.read(key, stored) for key, stored in newest_first), None)


def standing_of(last: ConsentEvent, timestamp_ms: int) -> ConsentStanding:
    """What the last event of a consent means at a block's time."""
    if last.kind is AnchorKind.CONSENT_WITHDRAWN:
        expired = last.code == Ending.EXPIRED
        return ConsentStanding.EXPIRED if expired else ConsentStanding.WITHDRAWN
    if last.valid_until_day and timestamp_ms // MS_PER_DAY > last.valid_until_day:
        return ConsentStanding.EXPIRED
    return ConsentStanding.GIVEN


def _facts(anchor_id: Digest, first: _Placed, last: _Placed) -> ConsentFacts:
    event = last.event
    ended = event.kind is AnchorKind.CONSENT_WITHDRAWN
    return ConsentFacts(
        anchor_id=anchor_id,
        issuer=event.issuer,
        given_height=first.height,
        purpose=event.purpose,
        basis=first.event.code,
        valid_until_day=event.valid_until_day,
        commitment=event.commitment,
        changed_height=last.height,
        ended_height=last.height if ended else Height(0),
        reason=event.code if ended else 0,
    )

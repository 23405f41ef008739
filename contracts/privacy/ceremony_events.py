"""Events of KeyCeremony as a closed union: what a node follows a ceremony by.

Rules it owns: which log entries are ceremony events and how they are laid out. Replaying the
events of a session in ledger order gives every node the same board.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from bulwark.ledger.hashing import keccak256
from contracts.members import MAX_MEMBERS
from contracts.privacy.ceremony import (
    KEY_CEREMONY,
    MAX_POST_BYTES,
    CeremonyKind,
    CeremonyPhase,
    KeyPurpose,
    SessionTerms,
)
from contracts.privacy.logs import EventFields, EventShape, event_fields

EVENTS: Final[Mapping[bytes, EventShape]] = {
    keccak256(
        b"SessionOpened(bytes32,uint256,uint256,uint256,uint256,uint256,uint256,uint256,bytes32,"
        b"bytes32[],bytes32[],bytes32[])"
    ): EventShape("SessionOpened", 3, 6, lists=3, most_items=MAX_MEMBERS),
    keccak256(b"Posted(bytes32,uint256,uint256,bytes)"): EventShape(
        "Posted", 3, 0, most_bytes=MAX_POST_BYTES
    ),
    keccak256(b"PhaseClosed(bytes32,uint256,uint256,uint256)"): EventShape("PhaseClosed", 2, 2),
    keccak256(b"Confirmed(bytes32,uint256,bytes32)"): EventShape("Confirmed", 2, 1),
    keccak256(b"FailureNamed(bytes32,uint256,bytes32,uint256)"): EventShape("FailureNamed", 2, 2),
    keccak256(b"SharingActivated(uint256,bytes32,bytes32,uint256,uint256,uint256)"): EventShape(
        "SharingActivated", 2, 4
    ),
    keccak256(b"SharingPublished(uint256,bytes32,bytes32)"): EventShape("SharingPublished", 2, 1),
    keccak256(b"SessionFailed(bytes32,uint256,bytes32)"): EventShape("SessionFailed", 2, 1),
}


class SessionOpened(Struct, frozen=True):
    """A session opened with these terms; COMMIT is over at block time `deadline_s`."""

    session: bytes
    purpose: KeyPurpose
    kind: CeremonyKind
    number: int
    key_id: int
    share_epoch: int
    threshold: int
    deadline_s: int
    previous: bytes
    holders: tuple[bytes, ...]
    sealing_keys: tuple[bytes, ...]
    leaving: tuple[bytes, ...]

    def terms(self, chain_id: int, block_number: int) -> SessionTerms:
        """What the session's id covers, for a log of this block."""
        return SessionTerms(
            chain_id=chain_id,
            number=self.number,
            purpose=self.purpose,
            kind=self.kind,
            key_id=self.key_id,
            share_epoch=self.share_epoch,
            previous=self.previous,
            threshold=self.threshold,
            block_number=block_number,
            holders=self.holders,
            sealing_keys=self.sealing_keys,
            leaving=self.leaving,
        )


class Posted(Struct, frozen=True):
    """A party's one post in a phase; empty data says "nothing to say"."""

    session: bytes
    phase: CeremonyPhase
    index: int
    data: bytes


class PhaseClosed(Struct, frozen=True):
    """A phase closed after so many posts; the next one is over at block time `deadline_s`."""

    session: bytes
    phase: CeremonyPhase
    posts: int
    deadline_s: int


class Confirmed(Struct, frozen=True):
    """A holder confirmed a result."""

    session: bytes
    index: int
    result_hash: bytes


class FailureNamed(Struct, frozen=True):
    """A holder wants to give up for this reason, as do so many by now."""

    session: bytes
    index: int
    reason: bytes
    count: int


class SharingActivated(Struct, frozen=True):
    """A session ended with a new active sharing."""

    purpose: KeyPurpose
    session: bytes
    result_hash: bytes
    key_id: int
    share_epoch: int
    confirmations: int


class SharingPublished(Struct, frozen=True):
    """The active sharing's public keys are in the state: it is in force."""

    purpose: KeyPurpose
    session: bytes
    public_key: bytes


class SessionFailed(Struct, frozen=True):
    """A session ended in this phase without a result; the sharing before it stays."""

    session: bytes
    phase: CeremonyPhase
    reason: bytes


CeremonyEvent = (
    SessionOpened
    | Posted
    | PhaseClosed
    | Confirmed
    | FailureNamed
    | SharingActivated
    | SharingPublished
    | SessionFailed
)


def decode_ceremony_event(
    address: bytes, topics: Sequence[bytes], data: bytes
) -> CeremonyEvent | None:
    """The event in a log entry, or None for a log entry of any other kind."""
    found = event_fields(EVENTS, topics, data) if address == KEY_CEREMONY else None
    if found is None:
        return None
    try:
        return _event(found)
    except ValueError:
        return None


def _event(found: EventFields) -> CeremonyEvent:
    """Raises ValueError for a number that stands for no purpose, kind or phase."""
    match found.name:
        case "SessionOpened":
            return _opened(found)
        case "SharingActivated":
            purpose, session = KeyPurpose(found.indexed(0)), found.topics[1]
            numbers = (found.number(1), found.number(2), found.number(3))
            return SharingActivated(purpose, session, found.words[0], *numbers)
        case "SharingPublished":
            purpose = KeyPurpose(found.indexed(0))
            return SharingPublished(purpose, found.topics[1], found.words[0])
        case "Confirmed":
            return Confirmed(found.topics[0], found.indexed(1), found.words[0])
        case "FailureNamed":
            index, reason = found.indexed(1), found.words[0]
            return FailureNamed(found.topics[0], index, reason, found.number(1))
    session, phase = found.topics[0], CeremonyPhase(found.indexed(1))
    if found.name == "Posted":
        return Posted(session, phase, found.indexed(2), found.blob)
    if found.name == "PhaseClosed":
        return PhaseClosed(session, phase, found.number(0), found.number(1))
    return SessionFailed(session, phase, found.words[0])


def _opened(found: EventFields) -> SessionOpened:
    holders, sealing_keys, leaving = found.lists
    return SessionOpened(
        session=found.topics[0],
        purpose=KeyPurpose(found.indexed(1)),
        kind=CeremonyKind(found.indexed(2)),
        number=found.number(0),
        key_id=found.number(1),
        share_epoch=found.number(2),
        threshold=found.number(3),
        deadline_s=found.number(4),
        previous=found.words[5],
        holders=holders,
        sealing_keys=sealing_keys,
        leaving=leaving,
    )

"""Reads of KeyCeremony's storage: sessions, sharings, posts, and what is due.

Rules it owns: the byte layout of sessions and sharings. Every read equals the contract's own view
on the same state (a test holds them together) and needs no EVM.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from bulwark.ledger.ids import Address
from contracts.errors import DamagedStorage
from contracts.members import MAX_MEMBERS, MEMBER_REGISTRY, VALIDATORS_SLOT, Role, read_members
from contracts.privacy.ceremony import (
    KEY_CEREMONY,
    MAX_SHARING_BYTES,
    CeremonyKind,
    CeremonyPhase,
    KeyPurpose,
    roster_hash,
)
from contracts.privacy.keys import read_keys_at
from contracts.privacy.parameters import read_privacy_parameter
from contracts.slots import ReadSlot, mapped_slot, read_bytes, read_length, read_word
from contracts.words import bytes32_word, uint_word

COUNT_SLOT: Final = 0
SESSIONS_SLOT: Final = 1
OPEN_SLOT: Final = 2
SHARINGS_SLOT: Final = 3
POSTS_SLOT: Final = 4
CONFIRMATIONS_SLOT: Final = 5
REASONS_SLOT: Final = 6
REASON_COUNTS_SLOT: Final = 7
PUBLISHED_SLOT: Final = 8
_HOLDERS: Final = 4
_LEAVING: Final = _HOLDERS + 1 + MAX_MEMBERS
_WORD32: Final = (1 << 32) - 1
_WORD64: Final = (1 << 64) - 1


class SessionState(Struct, frozen=True):
    """One session as it stands.

    Attributes:
        id: 32 bytes.
        phase: the open one as stored: one whose time is over is closed by the next call.
        purpose, kind, key_id, share_epoch, threshold: as fixed at its opening.
        posts: of the open phase; `spoken` are those that are not empty.
        dealers_needed: non-empty posts without which COMMIT, DEAL, and in a generation EXTRACT,
            end the session.
        deadline_s: block time in seconds at which the phase is over.
        phase_seconds: length of every phase.
        refresh_order: the parameter of that name when it opened.
        opened_block: block that opened it, where its SessionOpened event is.
        leading: result with the most confirmations so far, 32 bytes, zero for none.
        holders: member ids, the first has index 1.
        leaving: ids of those that deal for the last time.
    """

    id: bytes
    phase: CeremonyPhase
    purpose: KeyPurpose
    kind: CeremonyKind
    key_id: int
    share_epoch: int
    threshold: int
    posts: int
    spoken: int
    dealers_needed: int
    deadline_s: int
    phase_seconds: int
    refresh_order: int
    opened_block: int
    roster_hash: bytes
    leading: bytes
    holders: tuple[bytes, ...]
    leaving: tuple[bytes, ...]

    def index_of(self, member_id: bytes) -> int | None:
        """Index of a party, None for a member that takes no part."""
        parties = (*self.holders, *self.leaving)
        return parties.index(member_id) + 1 if member_id in parties else None


class SharingState(Struct, frozen=True):
    """The active sharing of a key.

    Attributes:
        session: 32-byte id of the session that made it.
        result_hash: what its holders confirmed.
        key_id, share_epoch: which key, which sharing of it.
        block_number, time_s: of the block that made it active.
        refresh_order: the parameter of that name when its session opened.
    """

    session: bytes
    result_hash: bytes
    key_id: int
    share_epoch: int
    block_number: int
    time_s: int
    refresh_order: int


class Roster(Struct, frozen=True):
    """Who would hold a share if a session opened now."""

    holders: tuple[bytes, ...]
    sealing_keys: tuple[bytes, ...]
    threshold: int
    validators: int
    """All of them, those without keys in force too."""

    @property
    def is_enough(self) -> bool:
        """Whether the holders are a quorum of the validators; else no session can open."""
        return len(self.holders) >= ceremony_threshold(self.validators)


def ceremony_threshold(count: int) -> int:
    """Shares of so many holders that make the key: ceil((n + f + 1) / 2), 0 for none."""
    return 0 if count == 0 else (count + (count - 1) // 3 + 2) // 2


def read_session_count(read_slot: ReadSlot) -> int:
    """Sessions ever opened, of all purposes."""
    return read_slot(Address(KEY_CEREMONY), COUNT_SLOT)


def read_open_session(read_slot: ReadSlot, purpose: KeyPurpose) -> bytes | None:
    """Id of the open session of a purpose, None for none."""
    slot = mapped_slot(OPEN_SLOT, uint_word("purpose", purpose, 256))
    found = read_word(read_slot, Address(KEY_CEREMONY), slot)
    return found if any(found) else None


def read_session(read_slot: ReadSlot, session: bytes) -> SessionState | None:
    """A session, None when there is none of this id. Raises DamagedStorage, WrongLength."""
    contract = Address(KEY_CEREMONY)
    place = mapped_slot(SESSIONS_SLOT, bytes32_word("session", session))
    packed = read_slot(contract, place)
    if packed == 0:
        return None
    opened = read_slot(contract, place + 1)
    try:
        phase = CeremonyPhase(packed & 255)
        purpose = KeyPurpose(packed >> 8 & 255)
        kind = CeremonyKind(packed >> 16 & 255)
    except ValueError as error:
        raise DamagedStorage(contract, place, f"holds a session with {error}") from error
    return SessionState(
        id=session,
        phase=phase,
        purpose=purpose,
        kind=kind,
        threshold=packed >> 32 & 255,
        posts=packed >> 40 & 255,
        spoken=packed >> 48 & 255,
        dealers_needed=packed >> 56 & 255,
        key_id=packed >> 64 & _WORD32,
        share_epoch=packed >> 96 & _WORD32,
        deadline_s=packed >> 128 & _WORD64,
        phase_seconds=packed >> 192 & _WORD32,
        opened_block=opened & _WORD64,
        refresh_order=opened >> 64,
        roster_hash=read_word(read_slot, contract, place + 2),
        leading=read_word(read_slot, contract, place + 3),
        holders=_list(read_slot, place + _HOLDERS),
        leaving=_list(read_slot, place + _LEAVING),
    )


def read_sharing(read_slot: ReadSlot, purpose: KeyPurpose) -> SharingState | None:
    """The active sharing of a purpose, None before the first."""
    contract = Address(KEY_CEREMONY)
    place = mapped_slot(SHARINGS_SLOT, uint_word("purpose", purpose, 256))
    session = read_word(read_slot, contract, place)
    if not any(session):
        return None
    packed = read_slot(contract, place + 2)
    return SharingState(
        session=session,
        result_hash=read_word(read_slot, contract, place + 1),
        key_id=packed & _WORD32,
        share_epoch=packed >> 32 & _WORD32,
        block_number=packed >> 64 & _WORD64,
        time_s=packed >> 128 & _WORD64,
        refresh_order=packed >> 192 & _WORD32,
    )


class PublishedState(Struct, frozen=True):
    """The sharing in force: its session, its public key, and digest and sharing as confirmed."""

    session: bytes
    public_key: bytes
    data: bytes


def read_published(read_slot: ReadSlot, purpose: KeyPurpose) -> PublishedState | None:
    """The sharing in force of a purpose, None before the first. Raises DamagedStorage."""
    contract = Address(KEY_CEREMONY)
    place = mapped_slot(PUBLISHED_SLOT, uint_word("purpose", purpose, 256))
    session = read_word(read_slot, contract, place)
    if not any(session):
        return None
    return PublishedState(
        session=session,
        public_key=read_word(read_slot, contract, place + 1),
        data=read_bytes(read_slot, contract, place + 2, MAX_SHARING_BYTES),
    )


def read_public_key(read_slot: ReadSlot, purpose: KeyPurpose) -> bytes | None:
    """The public key in force of a purpose, 32 bytes, None before the first."""
    place = mapped_slot(PUBLISHED_SLOT, uint_word("purpose", purpose, 256))
    key = read_word(read_slot, Address(KEY_CEREMONY), place + 1)
    return key if any(key) else None


def read_post_hash(
    read_slot: ReadSlot, session: bytes, phase: CeremonyPhase, index: int
) -> bytes | None:
    """Keccak of a party's post in a phase, in CONFIRM the result itself; None for no post."""
    of_session = mapped_slot(POSTS_SLOT, bytes32_word("session", session))
    slot = mapped_slot(of_session, uint_word("place", phase << 8 | index, 256))
    found = read_word(read_slot, Address(KEY_CEREMONY), slot)
    return found if any(found) else None


def read_confirmations(read_slot: ReadSlot, session: bytes, result_hash: bytes) -> int:
    """Holders that confirmed this result. Raises WrongLength."""
    of_session = mapped_slot(CONFIRMATIONS_SLOT, bytes32_word("session", session))
    slot = mapped_slot(of_session, bytes32_word("result_hash", result_hash))
    return read_slot(Address(KEY_CEREMONY), slot)


def read_failure(read_slot: ReadSlot, session: bytes, index: int) -> tuple[bytes, int] | None:
    """The reason that a holder named to give up and how many name it, None for none."""
    contract = Address(KEY_CEREMONY)
    of_session = mapped_slot(REASONS_SLOT, bytes32_word("session", session))
    slot = mapped_slot(of_session, uint_word("index", index, 256))
    reason = read_word(read_slot, contract, slot)
    if not any(reason):
        return None
    counts = mapped_slot(REASON_COUNTS_SLOT, bytes32_word("session", session))
    return reason, read_slot(contract, mapped_slot(counts, reason))


def read_roster(read_slot: ReadSlot, epoch: int) -> Roster:
    """Validators with keys in force in a quota epoch, in registry order. Raises DamagedStorage."""
    holders: list[bytes] = []
    sealing_keys: list[bytes] = []
    for member in read_members(read_slot):
        keys = read_keys_at(read_slot, member.id, epoch) if member.roles & Role.VALIDATOR else None
        if keys is not None:
            holders.append(member.id)
            sealing_keys.append(keys.sealing_key)
    validators = read_slot(Address(MEMBER_REGISTRY), VALIDATORS_SLOT)
    threshold = ceremony_threshold(len(holders))
    return Roster(tuple(holders), tuple(sealing_keys), threshold, validators)


def read_due(
    read_slot: ReadSlot, purpose: KeyPurpose, now_s: int, epoch: int
) -> CeremonyKind | None:
    """The kind of session that may open in a block of this time and quota epoch, None for none.

    As the contract's view, an open session is not looked at. Raises DamagedStorage.
    """
    roster = read_roster(read_slot, epoch)
    if not roster.is_enough:
        return None
    active = read_sharing(read_slot, purpose)
    if active is None:
        return CeremonyKind.GENERATE
    published = mapped_slot(PUBLISHED_SLOT, uint_word("purpose", purpose, 256))
    if read_word(read_slot, Address(KEY_CEREMONY), published) != active.session:
        return None
    place = mapped_slot(SESSIONS_SLOT, active.session)
    held_by = read_word(read_slot, Address(KEY_CEREMONY), place + 2)
    if held_by != roster_hash(roster.threshold, roster.holders):
        return CeremonyKind.RESHARE
    ordered = read_privacy_parameter(read_slot, "refresh_order") & _WORD32
    ends = active.time_s + read_privacy_parameter(read_slot, "refresh_seconds")
    if ordered <= active.refresh_order and now_s < ends:
        return None
    holders = read_slot(Address(KEY_CEREMONY), place) >> 24 & 255
    confirmed = read_confirmations(read_slot, active.session, active.result_hash)
    return CeremonyKind.REFRESH if confirmed >= holders else CeremonyKind.RESHARE


def _list(read_slot: ReadSlot, slot: int) -> tuple[bytes, ...]:
    contract = Address(KEY_CEREMONY)
    length = read_length(read_slot, contract, slot, MAX_MEMBERS)
    return tuple(read_word(read_slot, contract, slot + 1 + at) for at in range(length))

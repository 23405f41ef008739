"""The ring in a state: whose keys prove membership now, and to whom proofs can be opened.

Rules it owns: the ring holds the keys in force in the quota epoch of the block's own time, of
members that have a role now, ascending by member id: a removed or suspended member leaves at once,
a new key waits for the next epoch. The opener is the sum of the regulator's part and the council's
key; without a regulator it is the council's alone, without a council there is none. A key of
genesis that is no group element is left out. Consensus code reads it, so it is a function of
storage alone.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from bulwark.privacy.errors import PrivacyError
from bulwark.privacy.group import Element, decode_element
from bulwark.privacy.ring.ristretto import MemberRing, member_ring
from contracts.members import read_members
from contracts.privacy.ceremony import KeyPurpose
from contracts.privacy.ceremony_reads import read_public_key
from contracts.privacy.keys import KeysInForce, quota_epoch, read_keys_at, read_regulator_key_at
from contracts.slots import ReadSlot

ReadCouncil = Callable[[ReadSlot], bytes | None]
"""The council's public key in a state, 32 bytes, None before the first ceremony."""


class Opener(Struct, frozen=True):
    """Whom a proof can be opened by."""

    key: Element
    epoch: int
    """Quota epoch in which the regulator's part came into force."""


class RingState(Struct, frozen=True):
    """Ring and opener of one state."""

    epoch: int
    """Quota epoch."""
    members: tuple[bytes, ...]
    """Member ids, 32 bytes each, in the order of the ring's keys."""
    ring: MemberRing | None
    """None while nobody has a key in force."""
    opener: Opener | None
    keys: tuple[tuple[bytes, KeysInForce], ...]
    """Member id and keys of all members with a role and keys in force, in registry order."""
    refused: tuple[bytes, ...]
    """Ring keys in force that are no group elements, and no part of the ring."""


def read_council(read_slot: ReadSlot) -> bytes | None:
    """The council's public key in force, 32 bytes, None before the first ceremony."""
    return read_public_key(read_slot, KeyPurpose.COUNCIL)


def read_ring_state(
    read_slot: ReadSlot,
    timestamp_s: int,
    epoch_seconds: int,
    council: ReadCouncil = read_council,
) -> RingState:
    """Ring and opener in a state at a block time in seconds.

    About 15 reads a member. Raises DamagedStorage, and `RingRefused` for a key that two have.
    """
    epoch = quota_epoch(timestamp_s, epoch_seconds)
    asking: list[tuple[bytes, Element]] = []
    in_force: list[tuple[bytes, KeysInForce]] = []
    refused: list[bytes] = []
    for member in read_members(read_slot):
        keys = read_keys_at(read_slot, member.id, epoch)
        if keys is None or not member.roles:
            continue
        in_force.append((member.id, keys))
        key = element_or_none(keys.ring_key)
        if key is None:
            refused.append(keys.ring_key)
        else:
            asking.append((member.id, key))
    asking.sort(key=lambda pair: pair[0])
    return RingState(
        epoch=epoch,
        members=tuple(id_ for id_, _ in asking),
        ring=member_ring([key for _, key in asking]) if asking else None,
        opener=_opener(read_slot, epoch, council),
        keys=tuple(in_force),
        refused=tuple(refused),
    )


def element_or_none(encoding: bytes) -> Element | None:
    """A key of the state; genesis may hold one that nobody proved to be an element."""
    try:
        return decode_element(encoding)
    except PrivacyError:
        return None


def _opener(read_slot: ReadSlot, epoch: int, council: ReadCouncil) -> Opener | None:
    shared = council(read_slot)
    key = None if shared is None else element_or_none(shared)
    if key is None:
        return None
    regulator = read_regulator_key_at(read_slot, epoch)
    if regulator is None:
        return Opener(key, 0)
    part = element_or_none(regulator.key)
    if part is None or (key + part).is_identity:
        return None
    return Opener(key + part, regulator.since)

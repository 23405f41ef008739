"""The ring at a height: whose keys prove membership now, to whom proofs can be opened, the quotas.

Rules: everything is read from the state of a block, never from a request. The ring holds the keys
in force in the quota epoch of the block's own time, of members that have a role now, ascending by
member id: a removed or suspended member leaves at once, a new key waits for the next epoch. The
opener is the sum of the regulator's part and the council's key; without a regulator it is the
council's alone, without a council there is none and nothing can be asked. Only the latest rings
are kept: an older one is refused by height.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from bulwark.ledger.ids import Height, MemberId
from bulwark.privacy.errors import PrivacyError
from bulwark.privacy.group import Element, decode_element
from bulwark.privacy.query import Scope
from bulwark.privacy.ring.ristretto import MemberRing, member_ring
from contracts.bindings import member_id_text
from contracts.members import read_members
from contracts.privacy.keys import quota_epoch, read_keys_at, read_regulator_key_at
from contracts.privacy.parameters import read_privacy_parameter
from contracts.slots import ReadSlot
from node.logs import Log

KEPT_RINGS: Final = 4
ROUNDING: Final = 64
"""Heights that askers name are multiples of this where they can be, so that they tell little."""

log = Log("rings")


@dataclass(frozen=True, slots=True)
class Opener:
    """Whom a proof can be opened by."""

    key: Element
    epoch: int
    """Quota epoch in which the regulator's part came into force."""


@dataclass(frozen=True, slots=True)
class RingView:
    """What membership proofs are about from a height on."""

    since: Height
    """First height that this node knows to have it."""
    epoch: int
    """Quota epoch."""
    members: tuple[MemberId, ...]
    """In the order of the ring's keys."""
    ring: MemberRing | None
    """None while nobody has a key in force."""
    opener: Opener | None
    sealing_keys: Mapping[MemberId, bytes]
    """X25519 keys of all members that have one in force."""
    quotas: Mapping[Scope, int]

    @property
    def is_ready(self) -> bool:
        """Whether anything can be asked."""
        return self.ring is not None and self.opener is not None

    def same_as(self, other: RingView) -> bool:
        """Whether a proof over one is about the other as well."""
        mine, its = self.ring, other.ring
        if mine is None or its is None:
            return mine is its and self.epoch == other.epoch
        same = mine.root == its.root and self.opener == other.opener
        return same and self.epoch == other.epoch


ReadCouncil = Callable[[ReadSlot], bytes | None]
"""The council's public key in a state, 32 bytes, None before the first ceremony."""


def read_ring(
    read_slot: ReadSlot,
    height: Height,
    timestamp_ms: int,
    epoch_seconds: int,
    council: ReadCouncil,
) -> RingView:
    """The ring in the state of a block. Raises DamagedStorage."""
    epoch = quota_epoch(timestamp_ms // 1000, epoch_seconds)
    asking: list[tuple[bytes, Element]] = []
    sealing: dict[MemberId, bytes] = {}
    for member in read_members(read_slot):
        keys = read_keys_at(read_slot, member.id, epoch)
        if keys is None or not member.roles:
            continue
        sealing[MemberId(member_id_text(member.id))] = keys.sealing_key
        key = _element(keys.ring_key)
        if key is not None:
            asking.append((member.id, key))
    asking.sort(key=lambda pair: pair[0])
    return RingView(
        since=height,
        epoch=epoch,
        members=tuple(MemberId(member_id_text(id_)) for id_, _ in asking),
        ring=member_ring([key for _, key in asking]) if asking else None,
        opener=_opener(read_slot, epoch, council),
        sealing_keys=sealing,
        quotas={
            Scope.SMALL: read_privacy_parameter(read_slot, "quota_small"),
            Scope.BULK: read_privacy_parameter(read_slot, "quota_bulk"),
        },
    )


def _opener(read_slot: ReadSlot, epoch: int, council: ReadCouncil) -> Opener | None:
    shared = council(read_slot)
    key = None if shared is None else _element(shared)
    if key is None:
        return None
    regulator = read_regulator_key_at(read_slot, epoch)
    if regulator is None:
        return Opener(key, 0)
    part = _element(regulator.key)
    if part is None or (key + part).is_identity:
        return None
    return Opener(key + part, regulator.since)


def _element(encoding: bytes) -> Element | None:
    """A key of the state; genesis may hold one that nobody proved to be an element."""
    try:
        return decode_element(encoding)
    except PrivacyError:
        log.warning("a key of the ledger is no group element", key=encoding.hex())
        return None


class RingBook:
    """The latest rings of the chain, followed block by block."""

    def __init__(self, epoch_seconds: int, council: ReadCouncil) -> None:
        self._epoch_seconds = epoch_seconds
        self._council = council
        self._views: list[RingView] = []

    @property
    def now(self) -> RingView | None:
        """The ring after the last block followed."""
        return self._views[-1] if self._views else None

    def begin(self, view_at: Callable[[Height], RingView], lowest: Height, tip: Height) -> None:
        """Start with the ring of the tip, from the first height on that has it.

        Not below `lowest`. After a restart a node else would know no ring of the heights that
        others name, and name a height that shows its restart. `view_at` reads the ring of a height.
        """
        now, low, high = view_at(tip), lowest, tip
        while low < high:
            middle = Height((low + high) // 2)
            if view_at(middle).same_as(now):
                high = middle
            else:
                low = Height(middle + 1)
        self._views = [replace(now, since=high)]

    @property
    def is_ready(self) -> bool:
        """Whether there is a ring and an opener."""
        return self.now is not None and self.now.is_ready

    def follow(
        self, read_slot: ReadSlot, height: Height, timestamp_ms: int, *, is_changed: bool
    ) -> bool:
        """A block was executed; whether the ring is another one now.

        `is_changed`: the block touched a contract that rings are read from. Without that only a new
        quota epoch can make another ring, so the state is not read.
        """
        now = self.now
        epoch = quota_epoch(timestamp_ms // 1000, self._epoch_seconds)
        if now is not None and not is_changed and epoch == now.epoch:
            return False
        view = self.read(read_slot, height, timestamp_ms)
        if now is not None and now.same_as(view):
            same = (now.sealing_keys, now.quotas) == (view.sealing_keys, view.quotas)
            if same:
                return False
        self._views.append(view)
        del self._views[:-KEPT_RINGS]
        return True

    def at(self, height: Height) -> RingView | None:
        """The ring of a height, None for one below those that are kept."""
        return next((view for view in reversed(self._views) if view.since <= height), None)

    def lowest_needed(self, tip: Height) -> Height:
        """The lowest height that anybody may name now, some blocks behind this node included."""
        return Height(max(0, tip - tip % ROUNDING - 2 * ROUNDING))

    def read(self, read_slot: ReadSlot, height: Height, timestamp_ms: int) -> RingView:
        """The ring of a height in its state. Raises DamagedStorage."""
        return read_ring(read_slot, height, timestamp_ms, self._epoch_seconds, self._council)

    def height_to_name(self, tip: Height) -> Height:
        """The height that a question names: rounded, so that it does not show when it was made."""
        now = self.now
        since = tip if now is None else now.since
        return Height(max(since, tip - tip % ROUNDING))

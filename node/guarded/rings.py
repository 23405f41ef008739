"""The ring at a height: whose keys prove membership now, to whom proofs can be opened, the quotas.

Rules: everything is read from the state of a block, never from a request; `contracts.privacy.rings`
has what a state's ring and opener are. Without an opener nothing can be asked. Only the latest
rings are kept: an older one is refused by height.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from bulwark.ledger.ids import Height, MemberId
from bulwark.privacy.query import Scope
from bulwark.privacy.ring.ristretto import MemberRing
from contracts.bindings import member_id_text
from contracts.privacy.keys import quota_epoch
from contracts.privacy.parameters import read_quota
from contracts.privacy.rings import Opener, ReadCouncil, read_ring_state
from contracts.slots import ReadSlot
from node.logs import Log

__all__ = ["Opener", "ReadCouncil", "RingBook", "RingView", "read_ring"]

KEPT_RINGS: Final = 4
ROUNDING: Final = 64
"""Heights that askers name are multiples of this where they can be, so that they tell little."""

log = Log("rings")


class RingView(Struct, frozen=True):
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


def read_ring(
    read_slot: ReadSlot,
    height: Height,
    timestamp_ms: int,
    epoch_seconds: int,
    council: ReadCouncil,
) -> RingView:
    """The ring in the state of a block. Raises DamagedStorage."""
    state = read_ring_state(read_slot, timestamp_ms // 1000, epoch_seconds, council)
    for key in state.refused:
        log.warning("a key of the ledger is no group element", key=key.hex())
    return RingView(
        since=height,
        epoch=state.epoch,
        members=tuple(MemberId(member_id_text(id_)) for id_ in state.members),
        ring=state.ring,
        opener=state.opener,
        sealing_keys={MemberId(member_id_text(id_)): keys.sealing_key for id_, keys in state.keys},
        quotas={
            Scope.SMALL: read_quota(read_slot, "quota_small", state.epoch),
            Scope.BULK: read_quota(read_slot, "quota_bulk", state.epoch),
        },
    )


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

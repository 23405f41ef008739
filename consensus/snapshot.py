"""A plain frozen picture of a replica for tests, the API and "why is there no block".

It holds copies only; nothing that reads it can change the replica.
"""

from __future__ import annotations

from msgspec import Struct

from bulwark.ledger.ids import Digest, Epoch, Height, ValidatorIndex, View
from consensus.log import Slot, Votes
from consensus.transitions import Phase
from consensus.types import Status, TimerName


class SlotSnapshot(Struct, frozen=True):
    """One height: its phase and who voted."""

    height: Height
    phase: Phase
    digest: Digest | None
    prepares: tuple[ValidatorIndex, ...]
    commits: tuple[ValidatorIndex, ...]
    checkpoints: tuple[ValidatorIndex, ...]
    dissent: tuple[ValidatorIndex, ...]
    """Whose CHECKPOINT names another block than the one executed here."""
    has_body: bool
    refusal: str
    """Why the driver refused the proposal, empty if it did not."""
    timely: bool


class PeerSnapshot(Struct, frozen=True):
    """What another validator last said of itself in a STATUS; a claim, nothing more."""

    index: ValidatorIndex
    view: View
    changing: bool
    executed: Height
    stable: Height
    silent: bool
    """It does not vote yet, having lost its records (P6)."""
    at_ms: int
    """When it arrived, on this replica's clock."""


class Snapshot(Struct, frozen=True):
    """A replica between two steps."""

    me: ValidatorIndex
    epoch: Epoch
    start: Height
    """The epoch orders the heights above this one."""
    epoch_end: Height | None
    """Its last height, once an executed block decided it (E1)."""
    view: View
    active_view: View
    status: Status
    proposer: ValidatorIndex
    """Of the next height without a proposal."""
    next_height: Height
    executed: Height
    executed_hash: Digest
    stable: Height
    low: Height
    high: Height
    executing: Height | None
    syncing: bool
    silent_until: Height | None
    pending_requests: int
    timeout_ms: int
    attempt: int
    timers: tuple[tuple[TimerName, int], ...]
    view_changes: tuple[tuple[ValidatorIndex, View], ...]
    """Kept VIEW-CHANGEs: who asks for which view."""
    slots: tuple[SlotSnapshot, ...]
    buffered: int
    """Messages held for the next window or a later view."""
    live_records: int
    peers: tuple[PeerSnapshot, ...]
    """Those heard of since the start, ascending."""
    halted: str
    """Why it halted, empty if it did not."""


def slot_snapshot(slot: Slot, executed: Height) -> SlotSnapshot:
    """Picture of one slot."""
    digest = slot.digest
    certified = slot.committed
    if slot.height <= executed:
        phase = Phase.EXECUTED
    elif certified is not None:
        phase, digest = Phase.COMMITTED, certified.subject.digest
    elif digest is None:
        phase = Phase.EMPTY
    elif digest in slot.refused:
        phase = Phase.REFUSED
    else:
        prepared = slot.prepared is not None and slot.prepared.subject.digest == digest
        phase = Phase.PREPARED if prepared else Phase.PROPOSED
    return SlotSnapshot(
        slot.height,
        phase,
        digest,
        _voters(slot.prepares),
        _voters(slot.commits),
        _voters(slot.checkpoints),
        _dissent(slot),
        digest is not None and digest in slot.bodies,
        "" if digest is None else slot.refused.get(digest, ""),
        slot.timely,
    )


def _voters(votes: Votes) -> tuple[ValidatorIndex, ...]:
    return tuple(sorted(votes))


def _dissent(slot: Slot) -> tuple[ValidatorIndex, ...]:
    own = slot.header_hash
    if own is None:
        return ()
    votes = slot.checkpoints
    return tuple(sorted(index for index in votes if votes[index].subject.digest != own))

"""Everything that can happen to a replica: a closed union of frozen values.

`Received` comes from peers and may say anything; the others come from the driver, which answers
for them. Late answers are normal (a view may have changed meanwhile) and are ignored.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from bulwark.ledger.batch import Batch
from bulwark.ledger.ids import Digest, Height, ValidatorIndex, View
from bulwark.ledger.votes import Certificate
from consensus.authentication import Authenticated
from consensus.messages import Message
from consensus.types import TimerName


class Start(Struct, frozen=True):
    """The first event, once: sends the last own messages again, asks for STATUS, sets timers."""


class Received(Struct, frozen=True):
    """An authenticated message; `sender` is the peer whose connection it came through."""

    sender: ValidatorIndex
    message: Authenticated[Message]


class TimerFired(Struct, frozen=True):
    """A timer's time came; one that was moved or cancelled meanwhile is ignored."""

    name: TimerName


class ProposalReady(Struct, frozen=True):
    """Answer to NeedProposal; `batch` passed the driver's own check, its sidecars are durable."""

    view: View
    height: Height
    batch: Batch


class BatchChecked(Struct, frozen=True):
    """Answer to CheckBatch; ok means: valid, and body and sidecars are durable here."""

    digest: Digest
    ok: bool
    reason: str = ""


class Executed(Struct, frozen=True):
    """Answer to Execute: the block of this height is durable and this is its header's hash."""

    height: Height
    header_hash: Digest
    epoch_end: Height | None = None
    """E1: last height of this epoch, from the block on that decided it."""


class TxPending(Struct, frozen=True):
    """The mempool changed: when its oldest unexecuted request arrived here, and how many wait."""

    oldest_arrival_ms: int | None
    count: int


class StateInstalled(Struct, frozen=True):
    """Block sync brought the applied state to a certified height, asked (SyncTo) or unasked.

    A height beyond the epoch is not told: the driver builds the replica of the next epoch instead.
    """

    height: Height
    header_hash: Digest
    certificate: Certificate
    epoch_end: Height | None = None
    """E1: last height of this epoch, once a block decided it."""


class SyncFailed(Struct, frozen=True):
    """Block sync gave up; the core goes on with what it has and may ask again."""


class ClockSet(Struct, frozen=True):
    """The wall clock is `now_ms` plus this, until told otherwise; timers do not care (O3)."""

    offset_ms: int


class PeerUp(Struct, frozen=True):
    """A validator's connection was established: it is told the own STATUS at once."""

    index: ValidatorIndex


class PeerDown(Struct, frozen=True):
    """A validator's connection closed: a hint that shortens a wait, never a vote."""

    index: ValidatorIndex


Event: TypeAlias = (
    Start
    | Received
    | TimerFired
    | ProposalReady
    | BatchChecked
    | Executed
    | TxPending
    | StateInstalled
    | SyncFailed
    | ClockSet
    | PeerUp
    | PeerDown
)

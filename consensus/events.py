"""Everything that can happen to a replica: a closed union of frozen values.

`Received` comes from peers and may say anything; the others come from the driver, which answers
for them. Late answers are normal (a view may have changed meanwhile) and are ignored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from bulwark.ledger.batch import Batch
from bulwark.ledger.ids import Digest, Height, ValidatorIndex, View
from bulwark.ledger.votes import Certificate
from consensus.authentication import Authenticated
from consensus.messages import Message
from consensus.types import TimerName


@dataclass(frozen=True, slots=True)
class Start:
    """The first event, once: sends the last own messages again, asks for STATUS, sets timers."""


@dataclass(frozen=True, slots=True)
class Received:
    """An authenticated message; `sender` is the peer whose connection it came through."""

    sender: ValidatorIndex
    message: Authenticated[Message]


@dataclass(frozen=True, slots=True)
class TimerFired:
    """A timer's time came; one that was moved or cancelled meanwhile is ignored."""

    name: TimerName


@dataclass(frozen=True, slots=True)
class ProposalReady:
    """Answer to NeedProposal; `batch` passed the driver's own check, its sidecars are durable."""

    view: View
    height: Height
    batch: Batch


@dataclass(frozen=True, slots=True)
class BatchChecked:
    """Answer to CheckBatch; ok means: valid, and body and sidecars are durable here."""

    digest: Digest
    ok: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Executed:
    """Answer to Execute: the block of this height is durable and this is its header's hash."""

    height: Height
    header_hash: Digest
    epoch_end: Height | None = None
    """E1: last height of this epoch, from the block on that decided it."""


@dataclass(frozen=True, slots=True)
class TxPending:
    """The mempool changed: when its oldest unexecuted request arrived here, and how many wait."""

    oldest_arrival_ms: int | None
    count: int


@dataclass(frozen=True, slots=True)
class StateInstalled:
    """Block sync brought the applied state to a certified height, asked (SyncTo) or unasked.

    A height beyond the epoch is not told: the driver builds the replica of the next epoch instead.
    """

    height: Height
    header_hash: Digest
    certificate: Certificate
    epoch_end: Height | None = None
    """E1: last height of this epoch, once a block decided it."""


@dataclass(frozen=True, slots=True)
class SyncFailed:
    """Block sync gave up; the core goes on with what it has and may ask again."""


@dataclass(frozen=True, slots=True)
class ClockSet:
    """The wall clock is `now_ms` plus this, until told otherwise; timers do not care (O3)."""

    offset_ms: int


@dataclass(frozen=True, slots=True)
class PeerUp:
    """A validator's connection was established: it is told the own STATUS at once."""

    index: ValidatorIndex


@dataclass(frozen=True, slots=True)
class PeerDown:
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

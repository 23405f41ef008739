"""What a replica asks its driver to do: a closed union, to be carried out strictly in order.

The driver's duties:

1.  It calls `step` from one task only and appends the returned effects to one queue that it works
    off in order. `now_ms` never decreases and does not jump when the wall clock is set; timers are
    absolute in it. `ClockSet` says by how much the wall clock differs, since proposals are judged
    by that one (O3).
2.  `Persist` is one atomic write with fsync. No effect behind it may take place before that fsync
    returned; later calls of `step` may go on meanwhile, their effects wait in the queue. Several
    `Persist` that stand in the queue may share one write if everything behind each of them waits.
    A failed write stops the node: nothing is ever sent after it.
3.  `Send` and `Broadcast` may lose messages; the core sends again what is missed. `Broadcast` goes
    to all other validators, never to the own replica.
4.  `SetTimer` replaces the timer of that name; at `at_ms` (or later) the driver gives `TimerFired`.
5.  `NeedProposal` asks for one batch for (view, height): answer `ProposalReady` when the mempool
    has something that no batch of `in_flight` contains, or at once with an empty batch if
    `allow_empty`. A newer `NeedProposal` replaces an older one. The batch's time is
    the driver's wall clock.
6.  `CheckBatch` asks whether a batch is valid; `BatchChecked(ok=True)` promises that its body's
    sidecars are durable here. If sidecars are still missing the answer waits for them. The same
    digest is asked for once at a time. The body itself is in the `Persist` before the vote.
7.  `Execute` comes for one height at a time, in order. The driver writes block, state, receipts,
    commit certificate and `applied` in one synced write, then gives `Executed`. A driver that block
    sync brought past the height drops the `Execute`; `StateInstalled` is the answer then.
8.  `Stable` is finality: store the certificate beside its block. Heights may be skipped (the header
    chain covers them). It need not be synced: the core and its peers have it.
9.  `SyncTo` asks for block sync up to a certified height, from `from_` or anyone. Let a running
    `Execute` finish first, then install blocks and give one `StateInstalled` at a certified
    height, or `SyncFailed`. A newer `SyncTo` moves the target forward.
10. `Report` is evidence against a validator: store it, show it.
11. `Halt`: the own state contradicts what a quorum certified. Stop with the reason; do not restart
    by yourself.
12. `EpochEnded` comes once, as the last effect of all: the last block of the epoch is executed
    and certified. Make the certificate durable, delete the records of this epoch, and build the
    `Replica` of the next one (`Terms.start` is the certified height, no records, view 0); a replica
    that was silent (P6) stays so: `wiped=True`.
13. On start: read all records under the core's prefix back into `Recovery.from_records` with the
    applied height, hash and highest finality certificate, build `Replica`, give `Start`, then
    `PeerUp` for each connection and `TxPending` for the mempool (changes may be coalesced).
    `wiped=True` if the records are gone although this validator voted before: a marker outside the
    store must tell, since an empty store looks like a first start. `RecordsDamaged` is fatal.
14. Messages from peers pass `authenticate` first (a pool of threads may do it, order per sender
    kept); what fails is dropped and counted against the sender.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from bulwark.ledger.batch import Batch
from bulwark.ledger.ids import Digest, Height, ValidatorIndex, View
from bulwark.ledger.votes import Certificate
from consensus.evidence import Evidence
from consensus.messages import Message
from consensus.types import TimerName


class Persist(Struct, frozen=True):
    """One atomic synced write; a value None deletes. Everything after it waits for its fsync."""

    records: tuple[tuple[bytes, bytes | None], ...]
    """Keys are distinct and relative to the driver's prefix for the core."""


class Send(Struct, frozen=True):
    """Send a message to one validator."""

    to: ValidatorIndex
    message: Message


class Broadcast(Struct, frozen=True):
    """Send a message to all other validators."""

    message: Message


class SetTimer(Struct, frozen=True):
    """Wake the core with TimerFired(name) at an absolute time; replaces an earlier setting."""

    name: TimerName
    at_ms: int


class CancelTimer(Struct, frozen=True):
    """Forget a timer."""

    name: TimerName


class NeedProposal(Struct, frozen=True):
    """This replica proposes (view, height): give ProposalReady when there is something to order."""

    view: View
    height: Height
    allow_empty: bool
    """The heartbeat is due: an empty batch is wanted now if the mempool is empty."""
    in_flight: tuple[Batch, ...] = ()
    """Known batches of the heights below that are not executed: what they contain is not proposed
    again."""


class CheckBatch(Struct, frozen=True):
    """Check a proposed batch and make its sidecars durable; answer BatchChecked."""

    digest: Digest
    batch: Batch


class Execute(Struct, frozen=True):
    """Execute the next block; answer Executed."""

    height: Height
    batch: Batch
    commit_certificate: Certificate


class Stable(Struct, frozen=True):
    """Finality: a quorum certified this executed header."""

    certificate: Certificate


class SyncTo(Struct, frozen=True):
    """This replica is too far behind: block-sync to at least the certified height."""

    certificate: Certificate
    from_: ValidatorIndex | None
    """Who proved the height, None if the votes came from several."""


class Report(Struct, frozen=True):
    """A validator provably broke the protocol."""

    evidence: Evidence


class EpochEnded(Struct, frozen=True):
    """E3: the last block of the epoch is certified; this replica is done."""

    certificate: Certificate


class Halt(Struct, frozen=True):
    """The replica stopped for ever; the reason is for the operator."""

    reason: str


Effect: TypeAlias = (
    Persist
    | Send
    | Broadcast
    | SetTimer
    | CancelTimer
    | NeedProposal
    | CheckBatch
    | Execute
    | Stable
    | SyncTo
    | Report
    | EpochEnded
    | Halt
)

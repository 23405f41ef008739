"""STATUS and what it drives: whatever a peer lacks and this replica holds is sent again.

Rules owned: R1..R5 (docs/protocol.md). The paper leaves retransmission to the reader; here nothing
else repairs a lost message. Every answer is bounded in number and rate, and the claims in a STATUS
steer only what its sender is sent (pitfall S11).
"""

from __future__ import annotations

from typing import Final

from bulwark.ledger.ids import Height, ValidatorIndex
from bulwark.ledger.votes import VoteKind
from consensus.effects import Send
from consensus.log import Slot, Votes, bitmap
from consensus.messages import (
    Decision,
    Message,
    SlotStatus,
    StableProof,
    StatusReport,
)
from consensus.ordering import Ordering
from consensus.pacemaker import Pacemaker
from consensus.snapshot import PeerSnapshot
from consensus.state import ReplicaState
from consensus.types import Status
from consensus.viewchange import ViewChanger

MAX_REPLY_BODY_BYTES: Final = 4 * 1024 * 1024
"""Batch bytes in the answer to one STATUS."""
MAX_REPLY_VOTES: Final = 1024
"""Votes in the answer to one STATUS: a window of a mid-sized alliance."""


class Retransmission:
    """Tells others where this replica is, and sends them what they lack."""

    __slots__ = ("_answered_ms", "_changer", "_ordering", "_pace", "_peers", "_state")

    def __init__(
        self, state: ReplicaState, pace: Pacemaker, ordering: Ordering, changer: ViewChanger
    ) -> None:
        self._state = state
        self._pace = pace
        self._ordering = ordering
        self._changer = changer
        self._answered_ms: dict[ValidatorIndex, int] = {}
        self._peers: dict[ValidatorIndex, tuple[StatusReport, int]] = {}
        """The last STATUS of each, and when it came."""

    # -- telling -----------------------------------------------------------------------------

    def report(self) -> StatusReport:
        """R1: the own STATUS: position, and bitmaps of the slots that are not complete."""
        state = self._state
        slots = tuple(
            self._slot_status(slot) for slot in state.log.above(state.low) if not self._done(slot)
        )
        changing = state.status is Status.CHANGING
        claims = (
            state.view,
            changing,
            state.executed,
            state.stable_height,
            state.silent,
            slots,
            state.me,
        )
        body = StatusReport(*claims, b"").signed_body()
        return StatusReport(*claims, state.keyring.sign(StatusReport.TAG, body))

    def _done(self, slot: Slot) -> bool:
        return slot.height <= self._state.stable_height

    def _slot_status(self, slot: Slot) -> SlotStatus:
        has_body = slot.digest is not None and slot.digest in slot.bodies
        settled = slot.committed is not None
        full = (1 << self._state.n) - 1
        return SlotStatus(
            slot.height,
            has_body or settled,
            full if settled else bitmap(slot.prepares),
            full if settled else bitmap(slot.commits),
            bitmap(slot.checkpoints),
        )

    def tick(self) -> None:
        """R1, O5: broadcast STATUS, ask the next peers for bodies still missing."""
        state = self._state
        state.flush()  # a stable certificate that nothing else made durable meanwhile
        state.broadcast(self.report())
        self._pace.on_status(state.now_ms)
        for slot in state.log.above(state.executed):
            wanted = slot.wanted_body()
            if wanted is not None:
                self._ordering.ask_body(slot, wanted)

    def greet(self, peer: ValidatorIndex) -> None:
        """R2: a new connection is told at once where this replica is."""
        self._send(peer, self.report())
        own = self._changer.own
        if own is not None:
            self._send(peer, own)

    def peers(self) -> tuple[PeerSnapshot, ...]:
        """What the others last said of themselves."""
        return tuple(
            PeerSnapshot(
                index,
                status.view,
                status.changing,
                status.executed,
                status.stable,
                status.silent,
                at_ms,
            )
            for index, (status, at_ms) in sorted(self._peers.items())
        )

    # -- answering ---------------------------------------------------------------------------

    def on_status(self, sender: ValidatorIndex, status: StatusReport) -> None:
        """R3: send what the other lacks, at most once per half STATUS interval."""
        state = self._state
        self._peers[sender] = (status, state.now_ms)
        self._pace.on_silent(sender, status.silent)
        last = self._answered_ms.get(sender)
        if last is not None and state.now_ms < last + state.config.status_interval_ms // 2:
            return
        self._answered_ms[sender] = state.now_ms
        if status.stable < state.stable_height and state.stable is not None:
            self._send(sender, StableProof(state.stable))
        self._send_decisions(sender, status)
        self._send_view(sender, status)
        if status.view == state.active_view and not status.changing:
            self._send_slots(sender, status)
        else:
            self._send_checkpoints(sender, status)

    def _send_decisions(self, peer: ValidatorIndex, status: StatusReport) -> None:
        """R3: COMMIT certificates with bodies, from the next height the other executes."""
        budget = MAX_REPLY_BODY_BYTES
        for slot in self._state.log.above(status.executed):
            if slot.committed is None or not self._aged(slot.committed_ms):
                continue
            body = slot.bodies.get(slot.committed.subject.digest)
            if body is None or slot.height > status.executed + self._state.config.window:
                continue
            budget -= sum(len(raw) for raw in body.transactions) + 16 * 1024
            if budget < 0:
                return
            self._send(peer, Decision(slot.committed, body))

    def _send_view(self, peer: ValidatorIndex, status: StatusReport) -> None:
        """R5: prove the active view to a replica below it; show the own VIEW-CHANGE to others."""
        state = self._state
        proof = self._changer.proof
        behind = status.view < state.active_view or (
            status.view == state.active_view and status.changing
        )
        if behind and proof is not None:
            self._send(peer, proof.new_view)
            for change in proof.view_changes:
                if change.signer != peer:
                    self._send(peer, change)
        own = self._changer.own
        if own is not None and status.view <= own.view:
            self._send(peer, own)

    def _send_slots(self, peer: ValidatorIndex, status: StatusReport) -> None:
        """R3: proposals and votes of the common view."""
        state = self._state
        theirs = {slot.height: slot for slot in status.slots}
        budget = MAX_REPLY_VOTES
        bodies = MAX_REPLY_BODY_BYTES
        top = status.stable + state.config.window
        for slot in state.log.above(max(status.stable, Height(0))):
            if slot.height > top or not self._aged(slot.opened_ms):
                continue
            their = theirs.get(slot.height)
            if their is None:
                their = SlotStatus(slot.height, False, 0, 0, 0)
            votes: list[tuple[Votes, int]] = [(slot.checkpoints, their.checkpoints)]
            if slot.height > status.executed and slot.committed is None:
                if not their.has_body and slot.pre_prepare is not None:
                    bodies -= sum(len(raw) for raw in slot.pre_prepare.batch.transactions)
                    if bodies >= 0:
                        self._send(peer, slot.pre_prepare)
                votes += [(slot.prepares, their.prepares), (slot.commits, their.commits)]
            for known, held in votes:
                budget = self._send_votes(peer, known, held, budget)

    def _send_checkpoints(self, peer: ValidatorIndex, status: StatusReport) -> None:
        """R3: CHECKPOINT votes count in every view."""
        theirs = {slot.height: slot.checkpoints for slot in status.slots}
        budget = MAX_REPLY_VOTES
        for slot in self._state.log.above(status.stable):
            held = theirs.get(slot.height, 0)
            budget = self._send_votes(peer, slot.checkpoints, held, budget)

    def _send_votes(self, peer: ValidatorIndex, votes: Votes, held: int, budget: int) -> int:
        lacking = [index for index in votes if not held >> index & 1 and index != peer]
        chosen = sorted(lacking)[:budget]
        for index in chosen:
            self._send(peer, votes[index])
        return budget - len(chosen)

    def _aged(self, since_ms: int) -> bool:
        """Younger things are still on their normal way."""
        return self._state.now_ms >= since_ms + self._state.config.retransmit_after_ms

    def _send(self, peer: ValidatorIndex, message: Message) -> None:
        self._state.outbox.append(Send(peer, message))

    # -- restart -----------------------------------------------------------------------------

    def resend_own(self) -> None:
        """P4: after a start, the last own messages again; they are on disk already."""
        state = self._state
        for slot in state.log.above(state.low):
            for kind in VoteKind:
                vote = slot.own.get(kind)
                if vote is None or not state.voted(slot, kind):
                    continue
                if kind is not VoteKind.CHECKPOINT and not state.ordering:
                    continue
                if kind is VoteKind.PREPARE and slot.pre_prepare is not None:
                    state.broadcast(slot.pre_prepare)
                else:
                    state.broadcast(vote)
        own = self._changer.own
        if own is not None:
            state.broadcast(own)

"""Rebuilds a replica's state from a `Recovery`, before its first step.

Rule owned: P4 (docs/protocol.md): what was recorded is exactly what is known again; nothing is
inferred from the absence of a record. A first start is the case without records.
"""

from __future__ import annotations

from bulwark.ledger.votes import VoteKind
from consensus.errors import RecordsDamaged
from consensus.journal import (
    KEY_NEW_VIEW,
    KEY_VIEW,
    body_key,
    prepared_key,
    vote_key,
    vouched_key,
)
from consensus.newview import select_new_view
from consensus.ordering import Ordering
from consensus.recovery import Recovery
from consensus.state import ReplicaState
from consensus.types import Status
from consensus.viewchange import ViewChanger


def restore(
    state: ReplicaState, changer: ViewChanger, ordering: Ordering, recovery: Recovery
) -> None:
    """Put the records back; raises RecordsDamaged if they contradict each other."""
    _restore_view(state, changer, recovery)
    _restore_slots(state, recovery)
    for slot in state.log.above(state.low):
        for kind in (VoteKind.PREPARE, VoteKind.COMMIT):
            vote = slot.own.get(kind)
            if vote is not None and vote.subject.view == state.active_view:
                slot.digest = vote.subject.digest
                slot.votes(kind)[state.me] = vote
        ordering.restore_pre_prepare(slot)
    if state.low > 0:
        state.journal.prune(state.low)


def _restore_view(state: ReplicaState, changer: ViewChanger, recovery: Recovery) -> None:
    proof = recovery.proof
    if proof is not None:
        changer.proof = proof
        state.active_view = proof.new_view.view
        state.plan = select_new_view(proof.view_changes, state.terms.start)
        if state.plan.digests != proof.new_view.digests:
            raise RecordsDamaged(KEY_NEW_VIEW, "O does not follow from the VIEW-CHANGEs")
    state.view, state.status = recovery.view, recovery.status
    own = recovery.view_change
    if state.status is Status.CHANGING:
        if own is None or own.view != state.view or own.signer != state.me:
            raise RecordsDamaged(KEY_VIEW, "no own VIEW-CHANGE for the view that is awaited")
        changer.pool[state.me] = own
    elif state.view != state.active_view:
        raise RecordsDamaged(KEY_VIEW, "no NEW-VIEW for the view that was entered")


def _restore_slots(state: ReplicaState, recovery: Recovery) -> None:
    """Records above the window stay on disk and in the guard: the window grows back to them."""
    state.log.open(state.executed, 0).header_hash = state.executed_hash
    for vote in recovery.votes:
        subject = vote.subject
        state.journal.note_live(subject.height, vote_key(subject.kind, subject.height))
        slot = state.log.open(subject.height, 0)
        slot.own[subject.kind] = vote
        if subject.kind is VoteKind.PREPARE:
            slot.vouch(subject.digest)
        if subject.kind is VoteKind.CHECKPOINT:
            slot.checkpoints[state.me] = vote
            if subject.height <= state.executed:
                slot.header_hash = subject.digest
    for certificate in recovery.prepared:
        height = certificate.subject.height
        state.journal.note_live(height, prepared_key(height))
        state.log.open(height, 0).prepared = certificate
    for height, batch in recovery.bodies:
        state.journal.note_live(height, body_key(height, batch.digest))
        slot = state.log.open(height, 0)
        slot.bodies[batch.digest] = batch
        slot.approved.add(batch.digest)
        slot.vouch(batch.digest)
    for height, digests in recovery.vouched:
        state.journal.note_live(height, vouched_key(height))
        for digest in digests:
            state.log.open(height, 0).vouch(digest)
    state.log.collect(state.low)

"""Planted bugs of the liveness rows L1 to L9, of bounds (D1), and of rules beside the table."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from bulwark.ledger.ids import View
from consensus.checkpoints import Checkpoints
from consensus.config import Config
from consensus.effects import SyncTo
from consensus.log import LaterBuffer
from consensus.messages import NewView
from consensus.newview import select_new_view
from consensus.ordering import Ordering
from consensus.pacemaker import Pacemaker
from consensus.recovery import NewViewProof
from consensus.retransmission import Retransmission
from consensus.state import ReplicaState
from consensus.types import Place
from consensus.viewchange import ViewChanger
from tests.simulation.planted.bug import (
    UNSETTLED,
    Catch,
    PlantedBug,
    honest,
    instead,
    liar,
    nothing,
    swap,
)
from tests.simulation.planted.worlds import (
    a_full_pipeline_keeps_its_pace,
    a_late_sync_answer_changes_nothing,
    lost_messages_alone_change_no_view,
    requests_are_ordered_once,
)

PATIENT = Config(heartbeat_ms=5_000, base_timeout_ms=20_000)


def _other_subset(self: Any, signers: Any) -> None:
    state = self._state
    chosen = tuple(self.pool[signer] for signer in signers)
    plan = select_new_view(chosen[: state.validators.faulty + 1], state.terms.start)
    references = tuple((change.signer, change.hash()) for change in chosen)
    unsigned = NewView(state.view, references, plan.digests, state.me, b"")
    signature = state.keyring.sign(NewView.TAG, unsigned.signed_body())
    self._enter(NewViewProof(replace(unsigned, signature=signature), chosen), plan, announce=True)


def _at_once(true: Any) -> Any:
    def on_leaving(self: Pacemaker, view: View, now_ms: int) -> None:
        true(self, view, now_ms)
        self._quorum_ms = now_ms

    return on_leaving


def _uncapped(self: Config, attempt: int, base_ms: int | None = None) -> int:
    value = self.base_timeout_ms if base_ms is None else base_ms
    for _ in range(attempt):
        value = value * 3 // 2
    return value


def _only_in_order(true: Any) -> Any:
    def on_decision(self: Ordering, message: Any) -> None:
        if self._state.ordering:
            true(self, message)

    return on_decision


def _reset(self: Checkpoints, event: Any) -> bool:
    state = self._state
    state.syncing = False
    state.executed, state.executed_hash = event.height, event.header_hash
    state.executing = None
    self.learn(event.certificate, None)
    self.settle()
    return True


def _deaf(true: Any) -> Any:
    def on_pending(self: Pacemaker, oldest_ms: int | None, count: int) -> None:
        true(self, None, count)

    return on_pending


def _anywhere(true: Any) -> Any:
    def place(self: ReplicaState, view: Any, height: Any) -> Place:
        if height > self.high and view == self.active_view:
            return Place.NOW
        return Place(true(self, view, height))

    return place


def _endless(true: Any) -> Any:
    def init(self: LaterBuffer, most: int) -> None:
        true(self, 1 << 40)

    return init


def _flapping(self: Checkpoints) -> None:
    state = self._state
    if state.stable is not None and state.stable_height > state.executed:
        state.syncing = True
        state.outbox.append(SyncTo(state.stable, state.stable_from))


FAR_BEHIND = honest(30, wipe=True, settle_ms=30_000, request_every_ms=1_000)

LIVENESS: tuple[PlantedBug, ...] = (
    PlantedBug(
        "L1-buffer", "L1, W2", "Messages for the next window or view are not kept",
        instead(LaterBuffer, "add", nothing), a_full_pipeline_keeps_its_pace,
    ),
    PlantedBug(
        "L2-subset", "L2, V5", "The leader computes O from f + 1 of the VIEW-CHANGEs that it names",
        instead(ViewChanger, "_open", _other_subset), UNSETTLED,
    ),
    PlantedBug(
        "L3-never", "L3, C4", "A node that is far behind never asks for block sync",
        instead(Checkpoints, "_maybe_sync", nothing), FAR_BEHIND,
    ),
    PlantedBug(
        "L3-flap", "L3, C4", "A node asks for block sync whenever a certificate is ahead",
        instead(Checkpoints, "_maybe_sync", _flapping), UNSETTLED,
    ),
    PlantedBug(
        "L4-early", "L4, T3", "The new leader's time starts before a quorum asks for its view",
        swap(Pacemaker, "on_leaving", _at_once), UNSETTLED,
    ),
    PlantedBug(
        "L4-cap", "L4, T4", "Timeouts grow without bound",
        instead(Config, "timeout_ms", _uncapped), Catch(0, changes={"config": PATIENT}),
    ),
    PlantedBug(
        "L4-reset", "L4, T4", "Timeouts stay long after a view works",
        instead(Pacemaker, "on_view_works", nothing), UNSETTLED,
    ),
    PlantedBug(
        "L5-join", "L5, V4", "Views that f + 1 others ask for are not joined",
        instead(ViewChanger, "join", nothing), UNSETTLED,
    ),
    PlantedBug(
        "L5-proof", "L5, R5", "A node in an old view is not shown the NEW-VIEW",
        instead(Retransmission, "_send_view", nothing), liar("partial"),
    ),
    PlantedBug(
        "L6-block", "L6, O8", "Nothing commits while a view change is under way",
        swap(Ordering, "on_decision", _only_in_order), UNSETTLED,
    ),
    PlantedBug(
        "L7-reset", "L7, C5", "A late sync answer resets the executed height",
        instead(Checkpoints, "on_installed", _reset), a_late_sync_answer_changes_nothing,
    ),
    PlantedBug(
        "L8-fair", "L8, T2", "The fairness timer is off",
        swap(Pacemaker, "on_pending", _deaf), UNSETTLED,
    ),
    PlantedBug(
        "R1-status", "R1, R3", "STATUS is not answered: lost messages stay lost",
        instead(Retransmission, "on_status", nothing), lost_messages_alone_change_no_view,
    ),
    PlantedBug(
        "D1-window", "D1, W1", "Heights above the window open slots",
        swap(ReplicaState, "place", _anywhere), liar("seq-jumper"),
    ),
    PlantedBug(
        "D1-buffer", "D1, W2", "The buffer for later messages has no bound",
        swap(LaterBuffer, "__init__", _endless), liar("view-spammer"),
    ),
    PlantedBug(
        "E1-end", "E1", "The end of an epoch is ignored",
        instead(ReplicaState, "end_epoch_at", nothing), honest(epoch_changes=1),
    ),
    PlantedBug(
        "O10-again", "O10", "Proposers repeat what is in flight",
        instead(Ordering, "_in_flight", lambda self, below: ()), requests_are_ordered_once,
    ),
)  # fmt: skip

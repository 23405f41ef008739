"""Planted bugs of the safety rows S1 to S14, D2 and D3."""

from __future__ import annotations

import dataclasses
from typing import Any

from msgspec.structs import replace

from bulwark.ledger import validators
from bulwark.ledger.ids import Epoch, Height, ValidatorIndex
from bulwark.ledger.signing import SigningDomain
from bulwark.ledger.votes import VoteSubject
from consensus import authentication, log, newview
from consensus.amnesia import Amnesia
from consensus.authentication import Authenticated
from consensus.checkpoints import Checkpoints
from consensus.effects import Execute, Persist
from consensus.journal import Journal
from consensus.log import Slot
from consensus.newview import NewViewPlan
from consensus.ordering import Ordering
from consensus.recovery import NewViewProof
from consensus.replica import Replica
from consensus.state import ReplicaState
from consensus.types import Place
from consensus.viewchange import ViewChanger
from tests.simulation.alliance import FastDomain
from tests.simulation.network import Weather
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
from tests.simulation.planted.worlds import a_forgotten_view_change_opens_no_view


def _without_kind(self: VoteSubject, domain: Any) -> Any:
    body = self.view.to_bytes(8, "big") + self.height.to_bytes(8, "big") + self.digest
    return domain.digest(b"vote", body)


def _believe_new_view(self: Any, signer: Any) -> None:
    pending = self._pending[signer]
    if pending.missing:
        return
    del self._pending[signer]
    new_view = pending.new_view
    changes = tuple(pending.found[digest] for _, digest in new_view.view_changes)
    plan = newview.select_new_view(changes, self._state.terms.start)
    plan = dataclasses.replace(plan, digests=new_view.digests)
    if new_view.view >= self._state.view and new_view.view > self._state.active_view:
        self._enter(NewViewProof(new_view, changes), plan, announce=False)


def _forgetting(true: Any) -> Any:
    def enter_view(self: Slot, now_ms: int, again: Any) -> Any:
        dropped = true(self, now_ms, again)
        self.prepared = None
        return dropped

    return enter_view


def _trusting(true: Any) -> Any:
    def check(certificate: Any, kind: Any, terms: Any) -> None:
        if kind.name != "PREPARE":
            true(certificate, kind, terms)

    return check


def _count_again(true: Any) -> Any:
    def record(self: ReplicaState, slot: Slot, vote: Any) -> bool:
        votes = slot.votes(vote.subject.kind)
        if votes.get(vote.signer) == vote:
            votes[ValidatorIndex(100 + len(votes))] = vote
            return True
        return bool(true(self, slot, vote))

    return record


def _late_persist(true: Any) -> Any:
    def step(self: Replica, event: Any, now_ms: int) -> Any:
        effects = true(self, event, now_ms)
        return sorted(effects, key=lambda effect: isinstance(effect, Persist))

    return step


def _no_amnesia(true: Any) -> Any:
    def init(self: Any, state: Any, recovery: Any) -> None:
        true(self, state, replace(recovery, wiped=False, silent_until=None))

    return init


def _any_view(true: Any) -> Any:
    def place(self: ReplicaState, view: Any, height: Any) -> Place:
        return Place(true(self, self.active_view, height))

    return place


def _gaps(self: Ordering) -> None:
    state = self._state
    if state.executing is not None or state.syncing:
        return
    for slot in state.log.above(state.executed):
        body = slot.bodies.get(slot.committed.subject.digest) if slot.committed else None
        if body is not None and slot.committed is not None:
            state.executing = slot.height
            state.outbox.append(Execute(slot.height, body, slot.committed))
            return


def _rewind(self: Checkpoints, certificate: Any, source: Any) -> None:
    self._state.stable, self._state.stable_from = certificate, source
    self._state.journal.stable(certificate)
    self.settle()


def _unproved(self: Amnesia, status: Any) -> None:
    state = self._state
    if state.silent_until is not None and status.signer != state.me:
        claimed = max(status.stable, state.stable_height)
        state.silent_until = Height(claimed + 4 * state.config.window)


def _skip_proof(true: Any) -> Any:
    def check(message: Any, terms: Any) -> None:
        if type(message).__name__ != "StableProof":
            true(message, terms)

    return check


def _unchecked(true: Any) -> Any:
    def prepare(self: Ordering, slot: Slot, digest: Any) -> None:
        slot.approved.add(digest)
        true(self, slot, digest)

    return prepare


def _fresh(self: NewViewPlan) -> None:
    object.__setattr__(self, "first_fresh", Height(self.base + 1))


def _forget_votes(true: Any) -> Any:
    def restore_slots(state: Any, recovery: Any) -> None:
        true(state, replace(recovery, votes=()))

    return restore_slots


def _keep_votes(true: Any) -> Any:
    def enter_view(self: Slot, now_ms: int, again: Any) -> Any:
        prepares, commits = self.prepares, self.commits
        dropped = true(self, now_ms, again)
        self.prepares, self.commits = prepares, commits
        return dropped

    return enter_view


def _any_digest(votes: Any, quorum: int) -> Any:
    return next(iter(votes.values())).subject.digest if len(votes) >= quorum else None


def _all_signatures(votes: Any, digest: Any) -> Any:
    return {index: vote.signature for index, vote in votes.items()}


def _authentic(data: Any, terms: Any) -> Any:
    from consensus.messages import decode_message

    return Authenticated(decode_message(data) if isinstance(data, bytes) else data)


def _any_epoch(true: Any) -> Any:
    def digest(self: SigningDomain, tag: bytes, body: bytes) -> Any:
        return true(dataclasses.replace(self, epoch=Epoch(0)), tag, body)

    return digest


def _soon(self: Amnesia, status: Any) -> None:
    state = self._state
    if state.silent_until is not None and state.silent_until > state.stable_height + 1:
        state.silent_until = Height(state.stable_height + 1)


def _prune_early(true: Any) -> Any:
    return lambda self, low: true(self, Height(low + 2))


STORM = Weather(100, loss=0.3, slow=0.05)

SAFETY: tuple[PlantedBug, ...] = (
    PlantedBug(
        "S1-kind", "S1", "A vote signs no kind, so a PREPARE counts as a COMMIT",
        instead(VoteSubject, "signing_digest", _without_kind), UNSETTLED,
    ),
    PlantedBug(
        "S2-believe", "S2", "A NEW-VIEW's O is not compared with its VIEW-CHANGEs",
        instead(ViewChanger, "_try_enter", _believe_new_view), liar("wrong-o"),
    ),
    PlantedBug(
        "S2-forget", "S2", "Entering a view forgets what was prepared before",
        swap(Slot, "enter_view", _forgetting), UNSETTLED,
    ),
    PlantedBug(
        "S2-lowest", "S2", "O takes the certificate of the lowest view",
        swap(newview, "_rank", lambda true: lambda c: (-c.subject.view, c.subject.digest)),
        honest(30, gst_ms=60_000, weather=STORM, clog_every_ms=1_000, request_every_ms=50),
    ),
    PlantedBug(
        "S3-trust", "S3", "Certificates inside a VIEW-CHANGE are not verified",
        swap(authentication, "_check_certificate", _trusting), liar("forged-prepared"),
    ),
    PlantedBug(
        "S4-twice", "S4", "A repeated vote counts once more",
        swap(ReplicaState, "record", _count_again), UNSETTLED,
    ),
    PlantedBug(
        "S5-2f1", "S5", "A quorum is 2f + 1, also for six validators",
        instead(validators, "quorum_size", lambda n: 2 * ((n - 1) // 3) + 1),
        Catch(0, n=6, blocks=10),
    ),
    PlantedBug(
        "S5-less", "S5", "A quorum is one vote short",
        instead(validators, "quorum_size", lambda n: (n + (n - 1) // 3 + 2) // 2 - 1),
        UNSETTLED,
    ),
    PlantedBug(
        "S6-late", "S6", "Messages leave before the records behind them are written",
        swap(Replica, "step", _late_persist), UNSETTLED,
    ),
    PlantedBug(
        "S6-unwritten", "S6", "Votes are not recorded", instead(Journal, "vote", nothing), UNSETTLED
    ),
    PlantedBug(
        "S6-unread", "S6", "A restart does not read the own votes back",
        swap(__import__("consensus.restoring", fromlist=["x"]), "_restore_slots", _forget_votes),
        UNSETTLED,
    ),
    PlantedBug(
        "S6-view", "S6", "The view that a VIEW-CHANGE asks for is not recorded",
        instead(Journal, "view", nothing), UNSETTLED,
    ),
    PlantedBug(
        "S7-amnesia", "S7, P6", "A wiped validator votes at once",
        swap(Amnesia, "__init__", _no_amnesia), honest(30, wipe=True),
    ),
    PlantedBug(
        "S8-view", "S8", "Messages of any view are handled under the active one",
        swap(ReplicaState, "place", _any_view), UNSETTLED,
    ),
    PlantedBug(
        "S8-votes", "S8, V9", "Votes of the view before survive into the next",
        swap(Slot, "enter_view", _keep_votes), UNSETTLED,
    ),
    PlantedBug(
        "S9-gap", "S9, O9", "A committed height is executed before the one below it",
        instead(Ordering, "execute", _gaps), UNSETTLED,
    ),
    PlantedBug(
        "S10-vote", "S10, V8", "A replica goes on voting in the view that it left",
        instead(ReplicaState, "ordering", property(lambda self: True)), UNSETTLED,
    ),
    PlantedBug(
        "S10-stable", "S10, C2", "An old stable certificate replaces a newer one",
        instead(Checkpoints, "learn", _rewind), UNSETTLED,
    ),
    PlantedBug(
        "S11-claim", "S11, P6", "A wiped validator believes the heights that peers claim",
        instead(Amnesia, "on_status", _unproved), honest(12, wipe=True, settle_ms=60_000),
    ),
    PlantedBug(
        "S11-proof", "S11", "A STABLE-PROOF is not verified",
        swap(authentication, "_check", _skip_proof), liar("sync-liar"),
    ),
    PlantedBug(
        "S12-body", "S12, P1", "The body behind a PREPARE is not durable",
        instead(Journal, "body", nothing), UNSETTLED,
    ),
    PlantedBug(
        "S12-unchecked", "S12, O4", "A batch gets a PREPARE before it is checked",
        swap(Ordering, "_prepare", _unchecked), liar("bad-batch"),
    ),
    PlantedBug(
        "S12-drop", "S12, V9", "Entering a view drops bodies that own PREPAREs stand behind",
        instead(Slot, "vouch", nothing), UNSETTLED,
    ),
    PlantedBug(
        "S13-time", "S13, O3", "A proposal's time is not looked at",
        instead(Ordering, "_timely", lambda self, batch, received_ms: True), liar("clock-liar"),
    ),
    PlantedBug(
        "S14-fresh", "S14, V6", "A new view proposes new batches where it must repeat old ones",
        (*instead(NewViewPlan, "__post_init__", _fresh),
         *instead(Ordering, "adopt_plan", nothing)),
        UNSETTLED,
    ),
    PlantedBug(
        "P3-early", "P3", "Records are deleted two heights too early",
        swap(Journal, "prune", _prune_early), UNSETTLED,
    ),
    PlantedBug(
        "D2-trust", "D2", "Messages reach the core unauthenticated",
        instead(authentication, "authenticate", _authentic), liar("mutator"),
    ),
    PlantedBug(
        "L9-forged", "L9", "The signature of a vote is not checked",
        instead(authentication, "_check_vote", nothing),
        liar("mutator"),
    ),
    PlantedBug(
        "S1-epoch", "S1", "Signatures do not cover the epoch",
        (*swap(FastDomain, "digest", _any_epoch), *swap(SigningDomain, "digest", _any_epoch)),
        UNSETTLED,
    ),
    PlantedBug(
        "V10-stale", "S7, V10", "A NEW-VIEW on a VIEW-CHANGE that its sender forgot is entered",
        instead(ViewChanger, "_stale", lambda self, changes, plan: False),
        a_forgotten_view_change_opens_no_view,
    ),
    PlantedBug(
        "P6-early", "S7, P6", "A wiped validator votes again at the first checkpoint it knows",
        instead(Amnesia, "on_status", _soon),
        honest(12, wipe=True),
    ),
    PlantedBug(
        "D3-part", "D3", "Votes are counted whatever digest they name",
        (*instead(log, "tally", _any_digest), *instead(log, "signatures_for", _all_signatures)),
        UNSETTLED,
    ),
)  # fmt: skip

"""The state that the parts of a replica share, and the two gates every part goes through.

Rules owned: W1 the window is (low, low + L] with low = min(stable, executed); P1 `cast` is the only
place that signs votes: it refuses a second vote that differs (sign guard), stages the record and
emits `Persist` before the message. It has no protocol logic beside these gates.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from bulwark.ledger.ids import Digest, Height, ValidatorIndex, View
from bulwark.ledger.validators import ValidatorSet
from bulwark.ledger.votes import Certificate, VoteKind, VoteSubject
from consensus.config import Config
from consensus.effects import Broadcast, Effect, Report
from consensus.errors import require
from consensus.evidence import DoubleVote
from consensus.journal import Journal
from consensus.keyring import Keyring
from consensus.log import MAX_VOUCHED_BODIES, LaterBuffer, Log, Slot
from consensus.messages import Message, Vote
from consensus.newview import NewViewPlan, first_plan
from consensus.terms import Terms
from consensus.transitions import Cause, turned
from consensus.types import FIRST_VIEW, Place, Status, leader_of, proposer_of

T = TypeVar("T")


@dataclass(slots=True)
class ReplicaState:
    """One validator's view of the protocol."""

    config: Config
    terms: Terms
    keyring: Keyring
    me: ValidatorIndex
    executed: Height
    """Height of the last block that is durable here; this replica's only owner of it (S9)."""
    executed_hash: Digest
    stable: Certificate | None
    """Highest CHECKPOINT certificate known, possibly above `executed`."""
    stable_from: ValidatorIndex | None = None
    """Who sent it, None if it was assembled here."""
    view: View = FIRST_VIEW
    status: Status = Status.NORMAL
    active_view: View = FIRST_VIEW
    """The last view entered; slots hold its votes. Equal to `view` when NORMAL."""
    epoch_end: Height | None = None
    """E1: the last height this replica takes part in, once an executed block decided it."""
    plan: NewViewPlan = field(init=False)
    """How the active view started."""
    executing: Height | None = None
    """Height handed to the driver and not yet answered."""
    syncing: bool = False
    """C4: block sync owns the applied state; nothing is handed out for execution."""
    silent_until: Height | None = None
    """P6: no vote before this height is stable here."""
    version: int = 0
    """Grows with every change that proposer, pipeline or deadlines depend on; see `Replica`."""
    now_ms: int = 0
    clock_offset_ms: int = 0
    """The wall clock is `now_ms` plus this."""
    outbox: list[Effect] = field(default_factory=list)
    journal: Journal = field(default_factory=Journal)
    log: Log = field(init=False)
    later: LaterBuffer = field(init=False)

    n: int = field(init=False)
    """Number of validators."""
    stable_height: Height = field(init=False)
    """Height of the stable checkpoint; the start of the epoch before its first."""
    low: Height = field(init=False)
    """W1: everything at or below is settled and executed here."""
    high: Height = field(init=False)
    """W1, E2: the last height this replica takes part in now."""

    def __post_init__(self) -> None:
        self.plan = first_plan(self.terms.start)
        self.log = Log(self.config.window)
        self.later = LaterBuffer(6 * self.config.window)
        self.n = len(self.terms.validators)
        self.moved()

    def moved(self) -> None:
        """W1: derive the window anew; called wherever stable, executed or the epoch's end moved."""
        self.stable_height = self.terms.start if self.stable is None else self.stable.subject.height
        self.low = min(self.stable_height, self.executed)
        top = Height(self.low + self.config.window)
        self.high = top if self.epoch_end is None else min(top, self.epoch_end)
        self.version += 1

    @property
    def validators(self) -> ValidatorSet:
        """The validators of the epoch."""
        return self.terms.validators

    @property
    def ended(self) -> bool:
        """E3: the last block of the epoch is executed and certified."""
        return self.status is Status.ENDED

    def turn(self, cause: Cause) -> None:
        """Change the status as the table says (`consensus.transitions`)."""
        self.status = turned(self.status, cause)
        self.version += 1

    def end_epoch_at(self, height: Height | None) -> None:
        """E1: learn where the epoch ends; it is told once and never moves."""
        if height is None or height == self.epoch_end:
            return
        require(self.epoch_end is None, "E1", f"epoch end {self.epoch_end} moved to {height}")
        voted = [slot.height for slot in self.log.above(height) if slot.own]
        require(not voted, "E1", f"voted at {voted} above the epoch's end {height}")
        self.epoch_end = height
        self.moved()

    @property
    def leader(self) -> ValidatorIndex:
        """Leader of the current view."""
        return leader_of(self.view, self.n)

    @property
    def ordering(self) -> bool:
        """Whether this replica may vote in the active view (V8)."""
        return self.status is Status.NORMAL

    @property
    def silent(self) -> bool:
        """P6: whether this replica must not sign anything that counts."""
        return self.silent_until is not None

    @property
    def first_fresh(self) -> Height:
        """n0 of the active view."""
        return self.plan.first_fresh

    def proposer(self, height: Height) -> ValidatorIndex:
        """O1 in the active view."""
        return proposer_of(self.active_view, height, self.first_fresh, self.config.rotation, self.n)

    def place(self, view: View, height: Height) -> Place:
        """W1, W2: whether a PRE-PREPARE, PREPARE or COMMIT belongs here now, later or never."""
        if view == self.active_view and self.low < height <= self.high:
            return Place.NOW
        if height <= self.low or height > self.high + self.config.window:
            return Place.NEVER
        if self.epoch_end is not None and height > self.epoch_end:
            return Place.NEVER
        return Place.NEVER if view < self.active_view else Place.LATER

    def slot(self, height: Height) -> Slot:
        """The slot of a height inside the window."""
        known = self.log.get(height)
        if known is not None and height <= self.high:
            return known  # W3: only slots of the window are kept
        require(
            self.low - self.config.window < height <= self.high,
            "W1",
            f"height {height} with low mark {self.low}",
        )
        return self.log.open(height, self.now_ms)

    def flush(self) -> None:
        """P1: emit what is staged, so that what follows in the outbox waits for it."""
        persist = self.journal.flush()
        if persist is not None:
            self.outbox.append(persist)

    def broadcast(self, message: Message) -> None:
        """Send to all others what needs no record."""
        self.outbox.append(Broadcast(message))

    def cast(self, slot: Slot, kind: VoteKind, digest: Digest) -> Vote:
        """Sign guard: cast the own vote for `slot`, staged but not yet sent.

        Raises InvariantViolation instead of ever signing two votes that differ in digest only, or
        one of a view already left.
        """
        view = View(0) if kind is VoteKind.CHECKPOINT else self.active_view
        require(not self.silent, "P6", "a wiped replica does not vote")
        require(kind is VoteKind.CHECKPOINT or self.ordering, "V8", "vote while changing view")
        last = slot.own.get(kind)
        if last is not None:
            known = last.subject
            require(
                view > known.view or (view == known.view and digest == known.digest),
                "P1",
                f"{kind.name} at {slot.height} would contradict the one of view {known.view}",
            )
        subject = VoteSubject(kind, view, slot.height, digest)
        vote = Vote(subject, self.me, self.keyring.sign_vote(subject))
        slot.own[kind] = vote
        if kind is VoteKind.PREPARE:
            slot.vouch(digest)
            if len(slot.vouched) > 1:
                self.journal.vouched(slot.height, slot.vouched[-MAX_VOUCHED_BODIES:])
        slot.votes(kind)[self.me] = vote
        self.journal.vote(vote)
        return vote

    def voted(self, slot: Slot, kind: VoteKind) -> bool:
        """Whether the own vote of this kind was cast in the active view (CHECKPOINT: at all)."""
        last = slot.own.get(kind)
        if last is None:
            return False
        return last.subject.view == self.active_view or kind is VoteKind.CHECKPOINT

    def record(self, slot: Slot, vote: Vote) -> bool:
        """W4: keep another's vote; False for a repetition. A contradiction is reported once."""
        votes = slot.votes(vote.subject.kind)
        known = votes.get(vote.signer)
        if known is None:
            votes[vote.signer] = vote
            return True
        if known is not vote and known.subject != vote.subject:
            mark = (vote.subject.kind, vote.signer)
            if mark not in slot.reported:
                slot.reported.add(mark)
                self.outbox.append(Report(DoubleVote(known, vote)))
        return False

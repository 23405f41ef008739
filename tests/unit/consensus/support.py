"""One replica under test, and the signed messages that the others would send it."""

from __future__ import annotations

from typing import TypeVar

from msgspec.structs import replace

from bulwark.ledger.batch import Batch
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Digest, Height, TimestampMs, ValidatorIndex, View
from bulwark.ledger.votes import Certificate, VoteKind, VoteSubject
from consensus.authentication import authenticate
from consensus.config import Config
from consensus.effects import Broadcast, CheckBatch, Effect, Execute, NeedProposal, Persist, Send
from consensus.events import BatchChecked, Event, Executed, ProposalReady, Received, Start
from consensus.messages import Message, NewView, PrePrepare, StatusReport, ViewChange, Vote
from consensus.newview import select_new_view
from consensus.recovery import Recovery
from consensus.replica import Replica
from tests.simulation.alliance import make_alliance

START_MS = 1_700_000_000_000
E = TypeVar("E")


def batch_of(*transactions: bytes, at_ms: int = START_MS) -> Batch:
    """A batch with the given transactions."""
    return Batch(TimestampMs(at_ms), transactions)


def header_of(height: int, digest: Digest) -> Digest:
    """The header hash that everybody's toy execution yields."""
    return sha256(b"header %d" % height + digest)


class Peers:
    """Everybody's keys: makes any message of any validator."""

    def __init__(self, n: int = 4) -> None:
        self.n = n
        self.alliance = make_alliance(n)
        self.quorum = self.alliance.validators.quorum

    def vote(self, kind: VoteKind, view: int, height: int, digest: Digest, signer: int) -> Vote:
        """A signed vote."""
        subject = VoteSubject(kind, View(view), Height(height), digest)
        signature = self.alliance.keyrings[signer].sign_vote(subject)
        return Vote(subject, ValidatorIndex(signer), signature)

    def certificate(
        self,
        kind: VoteKind,
        view: int,
        height: int,
        digest: Digest,
        signers: range | tuple[int, ...] | None = None,
    ) -> Certificate:
        """A certificate of a quorum."""
        chosen = range(self.quorum) if signers is None else signers
        votes = [self.vote(kind, view, height, digest, signer) for signer in chosen]
        return Certificate(votes[0].subject, tuple((v.signer, v.signature) for v in votes))

    def checkpoint(self, height: int, digest: Digest | None = None) -> Certificate:
        """A CHECKPOINT certificate of a header."""
        hashed = digest if digest is not None else sha256(b"checkpoint %d" % height)
        return self.certificate(VoteKind.CHECKPOINT, 0, height, hashed)

    def pre_prepare(self, view: int, height: int, batch: Batch, signer: int) -> PrePrepare:
        """A signed proposal."""
        keyring = self.alliance.keyrings[signer]
        vote = self.vote(VoteKind.PREPARE, view, height, batch.digest, signer)
        message = PrePrepare(
            View(view), Height(height), batch.digest, vote.signer, b"", vote.signature, batch
        )
        return replace(message, signature=keyring.sign(PrePrepare.TAG, message.signed_body()))

    def view_change(
        self,
        view: int,
        signer: int,
        checkpoint: Certificate | None = None,
        prepared: tuple[Certificate, ...] = (),
    ) -> ViewChange:
        """A signed VIEW-CHANGE."""
        message = ViewChange(View(view), checkpoint, prepared, ValidatorIndex(signer), b"")
        signature = self.alliance.keyrings[signer].sign(ViewChange.TAG, message.signed_body())
        return replace(message, signature=signature)

    def new_view(
        self, changes: list[ViewChange], digests: tuple[Digest, ...] | None = None
    ) -> NewView:
        """The leader's NEW-VIEW over these VIEW-CHANGEs."""
        view = changes[0].view
        ordered = sorted(changes, key=lambda change: change.signer)
        plan = select_new_view(ordered)
        signer = ValidatorIndex(view % self.n)
        message = NewView(
            view,
            tuple((change.signer, change.hash()) for change in ordered),
            plan.digests if digests is None else digests,
            signer,
            b"",
        )
        signature = self.alliance.keyrings[signer].sign(NewView.TAG, message.signed_body())
        return replace(message, signature=signature)

    def status(
        self, signer: int, view: int = 0, executed: int = 0, stable: int = 0, changing: bool = False
    ) -> StatusReport:
        """A signed STATUS without slots."""
        message = StatusReport(
            View(view),
            changing,
            Height(executed),
            Height(stable),
            False,
            (),
            ValidatorIndex(signer),
            b"",
        )
        signature = self.alliance.keyrings[signer].sign(StatusReport.TAG, message.signed_body())
        return replace(message, signature=signature)


class Subject(Peers):
    """The replica under test with its driver's answers; validator `me` of n."""

    def __init__(
        self,
        me: int = 1,
        n: int = 4,
        config: Config | None = None,
        recovery: Recovery | None = None,
        start: bool = True,
    ) -> None:
        super().__init__(n)
        self.me = me
        self.now = START_MS
        self.records: dict[bytes, bytes] = {}
        if recovery is None:
            recovery = Recovery(Height(0), self.alliance.genesis_hash)
        self.replica = Replica(
            config or Config(),
            replace(self.alliance.terms, window=(config or Config()).window),
            self.alliance.keyrings[me],
            recovery,
        )
        self.started = self.give(Start()) if start else []

    def give(self, event: Event) -> list[Effect]:
        """One step; what it persists is remembered as on a disk."""
        effects = self.replica.step(event, self.now)
        for effect in effects:
            if isinstance(effect, Persist):
                for key, value in effect.records:
                    if value is None:
                        self.records.pop(key, None)
                    else:
                        self.records[key] = value
        return effects

    def hear(self, message: Message, sender: int | None = None) -> list[Effect]:
        """A peer's message, authenticated."""
        signer = getattr(message, "signer", 0) if sender is None else sender
        passed = authenticate(message, self.alliance.terms)
        return self.give(Received(ValidatorIndex(signer), passed))

    def approve(self, effects: list[Effect], ok: bool = True) -> list[Effect]:
        """Answer every CheckBatch; returns all effects, the given ones first."""
        result = list(effects)
        for check in only(effects, CheckBatch):
            result += self.give(BatchChecked(check.digest, ok, "" if ok else "bad"))
        return result

    def vote_all(self, kind: VoteKind, height: int, digest: Digest, view: int = 0) -> list[Effect]:
        """The votes of all others."""
        result: list[Effect] = []
        for signer in range(self.n):
            if signer != self.me:
                result += self.hear(self.vote(kind, view, height, digest, signer))
        return result

    def execute(self, effects: list[Effect]) -> list[Effect]:
        """Answer every Execute, also the ones that follow."""
        result: list[Effect] = []
        waiting = only(effects, Execute)
        while waiting:
            execute = waiting.pop(0)
            hashed = header_of(execute.height, execute.batch.digest)
            more = self.give(Executed(execute.height, hashed))
            waiting += only(more, Execute)
            result += more
        return result

    def propose(self, effects: list[Effect], *transactions: bytes) -> list[Effect]:
        """Answer the newest NeedProposal."""
        need = only(effects, NeedProposal)[-1]
        return self.give(
            ProposalReady(need.view, need.height, batch_of(*transactions, at_ms=self.now))
        )

    def run_block(self, height: int, view: int = 0, proposer: int = 0) -> Batch:
        """One block through all phases, proposed by another, up to its stable checkpoint."""
        batch = batch_of(b"block %d" % height, at_ms=self.now)
        self.approve(self.hear(self.pre_prepare(view, height, batch, proposer)))
        self.vote_all(VoteKind.PREPARE, height, batch.digest, view)
        self.execute(self.vote_all(VoteKind.COMMIT, height, batch.digest, view))
        self.vote_all(VoteKind.CHECKPOINT, height, header_of(height, batch.digest))
        return batch

    def enter(self, view: int, changes: list[ViewChange] | None = None) -> list[Effect]:
        """Bring the replica into a view that another leads."""
        if changes is None:
            signers = [i for i in range(self.n) if i != self.me][: self.quorum]
            changes = [self.view_change(view, signer) for signer in signers]
        result: list[Effect] = []
        for change in changes:
            result += self.hear(change)
        return result + self.hear(self.new_view(changes))

    def recover(self, applied: int, applied_hash: Digest) -> Subject:
        """The same replica after a crash, from what it persisted."""
        recovery = Recovery.from_records(
            self.records.items(), applied_height=Height(applied), applied_hash=applied_hash
        )
        again = Subject(self.me, self.n, recovery=recovery, start=False)
        again.records = dict(self.records)
        again.now = self.now
        again.started = again.give(Start())
        return again


def only(effects: list[Effect], kind: type[E]) -> list[E]:
    """The effects of one class."""
    return [effect for effect in effects if isinstance(effect, kind)]


def sent(effects: list[Effect], kind: type[E]) -> list[E]:
    """The messages of one class that are sent to anyone."""
    messages = [e.message for e in effects if isinstance(e, Broadcast | Send)]
    return [message for message in messages if isinstance(message, kind)]


def votes(effects: list[Effect], kind: VoteKind) -> list[Vote]:
    """The votes of one kind that are sent."""
    return [vote for vote in sent(effects, Vote) if vote.subject.kind is kind]


def persisted_before_sending(effects: list[Effect], kind: type[E]) -> bool:
    """Whether a Persist stands before the first message of a class."""
    for effect in effects:
        if isinstance(effect, Persist):
            return True
        if isinstance(effect, Broadcast | Send) and isinstance(effect.message, kind):
            return False
    return False

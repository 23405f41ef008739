"""Insiders against real replicas: signed messages with any field, in any order, at any time."""

from __future__ import annotations

from typing import ClassVar

from msgspec.structs import replace

from bulwark.ledger.batch import NULL_BATCH, Batch
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Digest, Height, TimestampMs, ValidatorIndex, View
from bulwark.ledger.votes import Certificate, VoteKind, VoteSubject
from consensus.config import Config
from consensus.events import PeerDown, PeerUp
from consensus.messages import (
    Body,
    BodyRequest,
    Decision,
    Message,
    NewView,
    PrePrepare,
    SlotStatus,
    StableProof,
    StatusReport,
    ViewChange,
    ViewChangeRequest,
    Vote,
)
from tests.fuzz.choices import Choices
from tests.fuzz.ring import Ring
from tests.fuzz.target import Finding, Target
from tests.fuzz.targets.messages import resigned

MAX_STEPS = 160
"""Steps that one input steers."""
CONFIGS = (Config(), Config(checkpoint_interval=3, rotation=1, pipeline=8), Config(rotation=1))
NONE = b""


class Play:
    """One input at work on one ring."""

    def __init__(self, data: bytes) -> None:
        self.choices = Choices(data)
        shape = self.choices.byte()
        self.settles = bool(shape & 64)
        self.ring = Ring(7 if shape & 128 else 4, CONFIGS[shape % len(CONFIGS)])
        self.words: set[str] = set()
        self.number = 0

    def run(self) -> str:
        """The steps, then, if the input says so, a quiet network."""
        steps = 0
        while self.choices.left and steps < MAX_STEPS:
            steps += 1
            self._step(self.choices.byte())
            if steps % 4 == 0:
                self.ring.check()
        self.ring.check()
        if self.settles and not self.ring.settle():
            raise Finding("no request is executed in a quiet network")
        views = max(member.replica.snapshot().view for member in self.ring.members)
        return f"{min(len(self.ring.chain), 3)} blocks view {min(views, 3)} {len(self.words) // 4}"

    def _step(self, how: int) -> None:
        ring, choices = self.ring, self.choices
        member = ring.members[choices.below(ring.honest)]
        if how < 40:
            ring.deliver_all(1 + how % 3)
        elif how < 60:
            pairs = sorted(ring.queues)
            if pairs:
                ring.deliver(choices.one(pairs), 1 + choices.below(8))
        elif how < 70:
            pairs = sorted(ring.queues)
            if pairs:
                ring.queues[choices.one(pairs)].clear()
        elif how < 90:
            self.number += 1
            member.submit(b"tx %d" % self.number)
        elif how < 110:
            ring.advance((1, 50, 150, 500, 1_000, 5_000, 30_000)[choices.below(7)])
        elif how < 114:
            member.start()
        elif how < 118:
            peer = ValidatorIndex(choices.below(ring.n))
            member.give(PeerUp(peer) if choices.flag() else PeerDown(peer))
        elif how < 140:
            self._imitate()
        elif how < 144:
            self._flood()
        else:
            self._speak(how)

    def _imitate(self) -> None:
        """An insider forwards what it heard, or says it in its own name."""
        ring, choices = self.ring, self.choices
        if not ring.heard:
            return
        message = ring.heard[choices.below(len(ring.heard))]
        if choices.flag():
            signer = self._insider()
            if hasattr(message, "signer"):
                changed = replace(message, signer=signer)
                message = resigned(changed, ring.keyrings[signer])
        self._say(message)

    def _flood(self) -> None:
        """An insider sends one member many votes and proposals of later views and heights."""
        ring, choices = self.ring, self.choices
        signer, to = self._insider(), choices.below(ring.honest)
        view, height, digest = self._view(), self._height(), self._digest()
        batch = Batch(TimestampMs(ring.now), (b"tx" + bytes(100),))
        for number in range(8 * ring.config.window):
            at = View(min(view + number % 9 + 1, 2**64 - 1))
            place = Height(min(height + number % 5, 2**64 - 1))
            message: Message = Vote(VoteSubject(VoteKind.COMMIT, at, place, digest), signer, NONE)
            if number % 8 == 7:
                message = PrePrepare(at, place, batch.digest, signer, NONE, NONE, batch)
            signed = resigned(message, ring.keyrings[signer])
            for sender in range(ring.honest, ring.n):
                ring.insider(sender, to, signed)

    def _speak(self, how: int) -> None:
        signer = self._insider()
        message = self._message(how % 10, signer)
        self._say(resigned(message, self.ring.keyrings[signer]))

    def _say(self, message: Message) -> None:
        ring, choices = self.ring, self.choices
        everybody = range(ring.honest)
        to = choices.below(ring.honest + 2)
        sender = self._insider()
        for receiver in everybody if to >= ring.honest else [to]:
            word = ring.insider(sender, receiver, message)
            self.words.add(f"{type(message).__name__} {word}"[:24])

    # -- fields ------------------------------------------------------------------------------

    def _insider(self) -> ValidatorIndex:
        ring = self.ring
        return ValidatorIndex(ring.honest + self.choices.below(ring.n - ring.honest))

    def _view(self) -> View:
        snapshot = self.ring.members[self.choices.below(self.ring.honest)].replica.snapshot()
        return View(self.choices.near(snapshot.view, snapshot.view + 1, snapshot.active_view))

    def _height(self) -> Height:
        snapshot = self.ring.members[self.choices.below(self.ring.honest)].replica.snapshot()
        window = self.ring.config.window
        near = (snapshot.next_height, snapshot.executed, snapshot.low, snapshot.high)
        return Height(self.choices.near(*near, snapshot.high + window))

    def _batch(self) -> Batch:
        choices = self.choices
        how = choices.below(5)
        if how == 0:
            return NULL_BATCH
        at = TimestampMs(self.ring.now + choices.one((0, 0, -1_000, 2_000, -9_000)))
        if how == 1:
            return Batch(at, ())
        if how == 2:
            return Batch(at, (b"bad %d" % choices.byte(),))
        return Batch(at, (b"tx %d" % choices.below(8),))

    def _digest(self) -> Digest:
        choices, ring = self.choices, self.ring
        how = choices.below(5)
        if how == 0:
            return self._batch().digest
        if how == 1 and ring.chain:
            return choices.one(ring.chain)
        slots = ring.members[choices.below(ring.honest)].replica.snapshot().slots
        digests = [slot.digest for slot in slots if slot.digest is not None]
        return choices.one(digests) if digests and how < 4 else sha256(bytes((choices.byte(),)))

    def _certificate(self) -> Certificate | None:
        """One that honest members made, or a forged one of insiders alone."""
        choices, ring = self.choices, self.ring
        member = ring.members[choices.below(ring.honest)]
        known = [c for _, _, c in member.blocks[-12:] if c is not None]
        known += [member.stable] if member.stable is not None else []
        known += [c for m in ring.heard if isinstance(m, ViewChange) for c in m.prepared]
        if known and not choices.flag(6):
            return choices.one(known)
        subject = VoteSubject(choices.one(list(VoteKind)), View(0), self._height(), self._digest())
        signers = [ValidatorIndex(i) for i in range(ring.honest, ring.n)]
        votes = tuple((i, ring.keyrings[i].sign_vote(subject)) for i in signers)
        return Certificate(subject, votes)

    def _message(self, kind: int, signer: ValidatorIndex) -> Message:
        choices = self.choices
        match kind:
            case 0:
                batch = self._batch()
                view, height = self._view(), self._height()
                return PrePrepare(view, height, batch.digest, signer, NONE, NONE, batch)
            case 1 | 2:
                kind_of = choices.one(list(VoteKind))
                view = View(0) if kind_of is VoteKind.CHECKPOINT else self._view()
                subject = VoteSubject(kind_of, view, self._height(), self._digest())
                return Vote(subject, signer, NONE)
            case 3:
                return self._view_change(signer)
            case 4:
                return self._new_view(signer)
            case 5:
                return self._status(signer)
            case 6:
                return BodyRequest(self._height(), self._digest(), signer, NONE)
            case 7:
                return Body(self._height(), self._batch())
            case 8:
                hashes = tuple(self._hash() for _ in range(choices.below(6)))
                return ViewChangeRequest(self._view(), hashes, signer, NONE)
            case _:
                certificate = self._certificate()
                if certificate is None or choices.flag():
                    return Body(self._height(), self._batch())
                if certificate.subject.kind is VoteKind.CHECKPOINT:
                    return StableProof(certificate)
                return Decision(certificate, self._body(certificate.subject.digest))

    def _body(self, digest: Digest) -> Batch:
        for member in self.ring.members:
            for _, batch, _ in member.blocks:
                if batch.digest == digest:
                    return batch
        return self._batch()

    def _hash(self) -> Digest:
        changes = [m for m in self.ring.heard if isinstance(m, ViewChange)]
        if changes and not self.choices.flag(4):
            return self.choices.one(changes).hash()
        return self._digest()

    def _view_change(self, signer: ValidatorIndex) -> ViewChange:
        choices = self.choices
        stable = choices.one([member.stable for member in self.ring.members])
        prepared = [c for c in (self._certificate() for _ in range(choices.below(4))) if c]
        if not choices.flag(4):
            prepared.sort(key=lambda c: c.subject.height)
        return ViewChange(self._view(), stable, tuple(prepared), signer, NONE)

    def _new_view(self, signer: ValidatorIndex) -> NewView:
        choices, ring = self.choices, self.ring
        heard = [m for m in ring.heard if isinstance(m, ViewChange)]
        view = choices.one(heard).view if heard and not choices.flag(4) else self._view()
        named = {m.signer: m.hash() for m in heard if m.view == view or choices.flag(4)}
        for index in range(ring.n):
            if choices.flag(3):
                named[ValidatorIndex(index)] = self._hash()
        quorum = ring.terms.validators.quorum
        references = tuple(sorted(named.items()))[: quorum + choices.one((0, 0, 0, 1))]
        digests = tuple(self._digest() for _ in range(choices.below(4)))
        return NewView(view, references, digests, signer, NONE)

    def _status(self, signer: ValidatorIndex) -> StatusReport:
        choices = self.choices
        slots = tuple(
            SlotStatus(
                self._height(), choices.flag(), choices.near(1, 7), choices.near(0), choices.byte()
            )
            for _ in range(choices.one((0, 1, 3, 64)))
        )
        return StatusReport(
            view=self._view(),
            changing=choices.flag(),
            executed=self._height(),
            stable=self._height(),
            silent=choices.flag(4),
            slots=slots,
            signer=signer,
            signature=NONE,
        )


class ReplicaTarget(Target):
    """Steps of a ring steered by bytes."""

    name: ClassVar = "replica"
    about: ClassVar = "insiders' signed messages against real replicas: no raise, halt, fork, leak"
    most_bytes: ClassVar = 1_500
    seconds: ClassVar = 5.0
    trace_every: ClassVar = 25

    def seeds(self) -> list[bytes]:
        block = bytes((70, 0, 0, 2, 0, 2, 0, 2, 0))
        views = bytes((70, 1, 100, 0, 3, 100, 0, 4, 2, 0, 100, 0, 5, 2, 0))
        speaks = bytes(
            byte for kind in range(10) for byte in (150 + kind, 0, *range(3, 40, 5), 0, 2, 0)
        )
        flood = bytes((140, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 100, 0, 3))
        bodies = (flood + block, block * 3, views * 3, block + speaks, views + speaks + block)
        made = [bytes((shape,)) + body for shape in (64, 1, 2, 192) for body in bodies]
        return [bytes((64,)), *made]

    def run(self, data: bytes) -> str:
        return Play(data).run()

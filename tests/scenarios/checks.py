"""What must hold in every net, whatever happens; a breach raises `Violation`.

It looks at what machines send, execute and report, never into a replica. Rules are judged by
`tests.reference`, not by the code under test. Validators in `faulty` are excused from the duties.
"""

from __future__ import annotations

from bulwark.ledger.votes import Certificate, VoteKind
from consensus.effects import Effect, Execute, Halt, Report, Stable
from consensus.evidence import Evidence
from consensus.messages import Message, NewView, PrePrepare, ViewChange, Vote
from consensus.terms import Terms
from tests.reference.new_view import claim_of, reference_o
from tests.reference.quorums import certificate_holds
from tests.scenarios.machine import Block, Machine


class Violation(AssertionError):
    """A rule that must hold for honest validators was broken."""


class Watch:
    """All checks of one net in one epoch."""

    def __init__(self, terms: Terms, faulty: frozenset[int] = frozenset()) -> None:
        self.terms = terms
        self.faulty = faulty
        self.chain: dict[int, Block] = {}
        self.committed: dict[int, int] = {}
        """Lowest view of a COMMIT certificate, by height."""
        self.statements: dict[tuple[object, ...], object] = {}
        self.left: dict[int, int] = {}
        self.changes: dict[bytes, ViewChange] = {}
        self.verified: set[Certificate] = set()
        self.prepared: dict[tuple[int, int], bytes] = {}
        self.evidence: list[Evidence] = []
        self.forked = False
        """A faulty validator proposed two batches for one view and height."""
        self.carried = 0
        """NEW-VIEWs that propose a prepared batch again."""
        self.new_views = 0

    def fail(self, rule: str, detail: str) -> None:
        """Raise the breach."""
        raise Violation(f"{rule}: {detail}")

    def on_block(self, machine: Machine, block: Block) -> None:
        """Agreement, total order, and a certificate for exactly this batch."""
        if machine.index in self.faulty:
            return
        known = self.chain.setdefault(block.height, block)
        if (known.batch.digest, known.header_hash) != (block.batch.digest, block.header_hash):
            self.fail("agreement", f"two blocks at height {block.height}, one at {machine.index}")
        commit = block.commit
        if commit is not None:
            self.certificate(commit, VoteKind.COMMIT, block.height)
            view = commit.subject.view
            self.committed[block.height] = min(view, self.committed.get(block.height, view))
            if commit.subject.digest != block.batch.digest:
                self.fail("certificate", f"block {block.height} has that of another batch")

    def certificate(self, certificate: Certificate, kind: VoteKind, height: int) -> None:
        """It holds by the reference's judgement, and is of this kind and height."""
        subject = certificate.subject
        if subject.kind is not kind or subject.height != height:
            self.fail("certificate", f"{subject.kind.name} of {subject.height} used at {height}")
        if certificate in self.verified:
            return
        terms = self.terms
        if not certificate_holds(certificate.encode(), terms.validators, terms.domain, terms.check):
            self.fail("certificate", f"{kind.name} certificate of {height} does not hold")
        self.verified.add(certificate)

    def on_effect(self, machine: Machine, effect: Effect) -> None:
        """Certificates, halts and evidence of an honest machine."""
        if machine.index in self.faulty:
            return
        if isinstance(effect, Execute):
            self.certificate(effect.commit_certificate, VoteKind.COMMIT, effect.height)
        elif isinstance(effect, Stable):
            subject = effect.certificate.subject
            self.certificate(effect.certificate, VoteKind.CHECKPOINT, subject.height)
            if subject.height > len(machine.disk.blocks):
                self.fail("durability", f"{machine.index} announces {subject.height} unwritten")
            if self.chain[subject.height].header_hash != subject.digest:
                self.fail("finality", f"another header is certified at {subject.height}")
        elif isinstance(effect, Halt):
            self.fail("halt", f"{machine.index}: {effect.reason}")
        elif isinstance(effect, Report):
            self.evidence.append(effect.evidence)
            if effect.evidence.culprit not in self.faulty:
                self.fail("evidence", f"{machine.index} accuses honest {effect.evidence.culprit}")
            if not effect.evidence.holds(self.terms):
                self.fail("evidence", f"{machine.index} reports what proves nothing")

    def on_message(self, machine: Machine, message: Message) -> None:
        """No honest validator ever contradicts itself, over all it ever sent."""
        if isinstance(message, ViewChange):
            self.changes[message.hash()] = message
            for certificate in message.prepared:
                self._prepared(certificate)
        if isinstance(message, NewView):
            self._new_view(message)
        index = machine.index
        if index in self.faulty:
            if isinstance(message, PrePrepare) and message.signer == index:
                key = (index, "proposal", message.view, message.height)
                known = self.statements.setdefault(key, message.digest)
                self.forked = self.forked or known != message.digest
            return
        if isinstance(message, Vote):
            if message.signer == index:
                self._vote(machine, message)
        elif isinstance(message, PrePrepare):
            if message.signer == index:
                self._state(index, ("proposal", message.view, message.height), message.digest)
                key = (VoteKind.PREPARE, message.view, message.height)
                self._state(index, key, message.digest)
        elif isinstance(message, ViewChange) and message.signer == index:
            if not machine.wiped:  # it forgot its VIEW-CHANGEs; V10 bears with that
                self._state(index, ("view change", message.view), message)
            self.left[index] = max(self.left.get(index, 0), message.view)
        elif isinstance(message, NewView) and message.signer == index:
            self._state(index, ("new view", message.view), message)

    def _vote(self, machine: Machine, vote: Vote) -> None:
        subject, index = vote.subject, machine.index
        key = (subject.kind, subject.view, subject.height)
        new = (index, *key) not in self.statements
        self._state(index, key, subject.digest)
        left = self.left.get(index, 0)
        late = new and subject.kind is not VoteKind.CHECKPOINT and subject.view < left
        if late and not machine.wiped:
            self.fail("V8", f"{index} votes in {subject.view} after leaving for {left}")

    def _state(self, index: int, key: tuple[object, ...], value: object) -> None:
        if self.statements.setdefault((index, *key), value) != value:
            self.fail("contradiction", f"{index} contradicts itself about {key}")

    def _prepared(self, certificate: Certificate) -> None:
        subject = certificate.subject
        key = (subject.view, subject.height)
        if self.prepared.setdefault(key, subject.digest) != subject.digest:
            self.fail("prepared", f"two batches prepared at {key}")

    def _new_view(self, message: NewView) -> None:
        """O is the reference's, and never replaces what was executed."""
        key = ("checked", message)
        if key in self.statements:
            return
        self.statements[key] = True
        named = [self.changes.get(digest) for _, digest in message.view_changes]
        found = [change for change in named if change is not None]
        if len(found) != len(named) or message.signer in self.faulty:
            return
        base, digests = reference_o([claim_of(change, self.terms.start) for change in found])
        self.new_views += 1
        self.carried += any(change.prepared for change in found)
        if digests != list(message.digests):
            self.fail("V6", f"NEW-VIEW {message.view} has another O than the reference")
        for height, digest in enumerate(digests, base + 1):
            block = self.chain.get(height)
            if self.committed.get(height, message.view) >= message.view or block is None:
                continue  # a late NEW-VIEW of a lower view may miss what a higher one decided
            if block.batch.digest != digest:
                self.fail("V6", f"NEW-VIEW {message.view} replaces executed {height}")

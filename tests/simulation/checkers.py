"""What must hold in every world; a violation raises `Violation` with the rule it breaks.

The checkers see what nodes send, what they make durable and `snapshot()`, no replica internals.
Byzantine nodes are excluded from the duties but their messages are looked at too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulwark.ledger.votes import Certificate, VoteKind
from consensus.effects import Effect, Execute, Halt, Stable
from consensus.events import Event
from consensus.evidence import Evidence
from consensus.messages import Message, NewView, PrePrepare, ViewChange, Vote
from consensus.newview import select_new_view
from tests.simulation.disk import Block

if TYPE_CHECKING:
    from tests.simulation.node import SimNode
    from tests.simulation.world import World


class Violation(AssertionError):
    """A rule that must hold for honest nodes was broken."""


class Checkers:
    """All invariants of one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.chain: dict[int, Block] = {}
        self.statements: dict[tuple[object, ...], object] = {}
        self.left: dict[int, int] = {}
        """Highest view each node sent a VIEW-CHANGE for."""
        self.views: dict[int, int] = {}
        self.verified: set[bytes] = set()
        self.stable: dict[int, int] = {}
        self.reports = 0
        self.changes: dict[tuple[int, bytes], ViewChange] = {}

    def fail(self, rule: str, detail: str) -> None:
        """Stop the world."""
        raise Violation(f"{rule} at {self.world.now} ms: {detail}")

    # -- blocks ------------------------------------------------------------------------------

    def on_block(self, node: SimNode, block: Block) -> None:
        """Agreement and total order: one batch and one header a height (invariants 1, 2, 3)."""
        if node.index in self.world.byzantine:
            return
        known = self.chain.setdefault(block.height, block)
        same = (known.batch.digest, known.header_hash)
        if same != (block.batch.digest, block.header_hash):
            self.fail("agreement", f"two blocks at height {block.height}, one at {node.index}")
        self.certificate(block.commit, VoteKind.COMMIT, block.height)
        if block.commit.subject.digest != block.batch.digest:
            self.fail("certificate", f"block {block.height} has the certificate of another batch")

    def certificate(self, certificate: Certificate, kind: VoteKind, height: int) -> None:
        """Every certificate verifies, with distinct signers, for its height (invariant 8)."""
        data = certificate.encode()
        if data in self.verified:
            return
        alliance = self.world.alliance
        signers = {signer for signer, _ in certificate.signatures}
        if len(signers) < alliance.validators.quorum or certificate.subject.kind is not kind:
            self.fail("certificate", f"{kind.name} of {height} has {len(signers)} signers")
        if certificate.subject.height != height:
            self.fail("certificate", f"for height {certificate.subject.height}, used at {height}")
        Certificate.decode(data).verify(alliance.validators, alliance.domain)
        self.verified.add(data)

    # -- messages ----------------------------------------------------------------------------

    def on_send(self, node: SimNode, message: Message) -> None:
        """Non-equivocation over everything ever sent, across restarts (invariants 5, 6)."""
        if isinstance(message, Vote) and message.signer == node.index:
            subject = message.subject
            key = (subject.kind, subject.view, subject.height, message.signer)
            new = key not in self.statements
            self._state(node, key, subject.digest)
            left = self.left.get(node.index, -1)
            if node.wiped:
                return  # it forgot its VIEW-CHANGEs; that no vote is contradicted is checked above
            if new and subject.kind is not VoteKind.CHECKPOINT and subject.view < left:
                self.fail("V8", f"{node.index} votes in {subject.view} after leaving for {left}")
        elif isinstance(message, PrePrepare) and message.signer == node.index:
            self._state(node, ("pp", message.view, message.height, node.index), message.digest)
            key = (VoteKind.PREPARE, message.view, message.height, node.index)
            self._state(node, key, message.digest)
        elif isinstance(message, ViewChange):
            self.changes[(message.signer, message.hash())] = message
            if message.signer == node.index:
                self._state(node, ("vc", message.view, node.index), message.hash())
                self.left[node.index] = max(self.left.get(node.index, -1), message.view)
        elif isinstance(message, NewView) and message.signer == node.index:
            self._state(node, ("nv", message.view, node.index), message)
            self._new_view(message)

    def _state(self, node: SimNode, key: tuple[object, ...], value: object) -> None:
        if self.statements.setdefault(key, value) != value:
            self.fail("non-equivocation", f"{node.index} contradicts itself about {key}")

    def _new_view(self, message: NewView) -> None:
        """O follows from the named VIEW-CHANGEs, and never drops what was executed (7)."""
        named = [self.changes.get(reference) for reference in message.view_changes]
        if any(change is None for change in named):
            return  # the leader's own, not sent before a crash
        plan = select_new_view([change for change in reversed(named) if change is not None])
        if plan.digests != message.digests:
            self.fail("V6", f"NEW-VIEW {message.view} has another O than its VIEW-CHANGEs")
        for offset, digest in enumerate(message.digests):
            block = self.chain.get(plan.base + 1 + offset)
            if block is not None and block.batch.digest != digest:
                self.fail("V6", f"NEW-VIEW {message.view} replaces executed {block.height}")

    # -- replicas ----------------------------------------------------------------------------

    def after_step(self, node: SimNode, event: Event, effects: list[Effect]) -> None:
        """Bounds, monotony and finality of one honest replica (invariants 6, 9, 10)."""
        if node.index in self.world.byzantine or node.replica is None:
            return
        for effect in effects:
            if isinstance(effect, Halt):
                self.fail("halt", f"node {node.index}: {effect.reason}")
            elif isinstance(effect, Execute):
                self.certificate(effect.commit_certificate, VoteKind.COMMIT, effect.height)
            elif isinstance(effect, Stable):
                subject = effect.certificate.subject
                self.certificate(effect.certificate, VoteKind.CHECKPOINT, subject.height)
                block = self.chain.get(subject.height)
                if block is None or block.header_hash != subject.digest:
                    self.fail("finality", f"height {subject.height} certified, never executed")
                if len(node.disk.blocks) < subject.height:
                    self.fail("durability", f"{node.index} announces {subject.height} unwritten")
        self.world.steps += 1
        if self.world.steps % 16 == 0:
            self._bounds(node)

    def on_crash(self, node: SimNode) -> None:
        """A view that was not synced when the power failed was never spoken of (seed 323)."""
        self.views[node.index] = max(0, self.left.get(node.index, 0)) if not node.wiped else 0

    def _bounds(self, node: SimNode) -> None:
        if node.replica is None:
            return
        shot = node.replica.snapshot()
        window = node.config.window
        if len(shot.slots) > 3 * window + 1 or shot.buffered > 6 * window * self.world.n:
            self.fail("bounds", f"{node.index} keeps {len(shot.slots)} slots, {shot.buffered}")
        if shot.live_records > 24 * window:
            self.fail("bounds", f"{node.index} keeps {shot.live_records} records")
        if shot.view < self.views.get(node.index, 0) and not node.wiped:
            self.fail("S10", f"{node.index} went back to view {shot.view}")
        self.views[node.index] = shot.view

    def on_report(self, node: SimNode, evidence: Evidence) -> None:
        """Evidence holds and never accuses an honest node (invariant of section 4.13)."""
        self.reports += 1
        if evidence.culprit not in self.world.byzantine:
            self.fail("evidence", f"{node.index} accuses honest {evidence.culprit}")
        if not evidence.holds(self.world.terms):
            self.fail("evidence", f"{node.index} reports what proves nothing")

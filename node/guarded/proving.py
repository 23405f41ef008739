"""From blinded elements to a proven question: this member's side of a slot and a ring proof.

Rules: one slot, one proof and one reply key for a question, whoever evaluates it; nothing in it is
this member's alone: expiries are rounded to EXPIRY_STEP_MS, since a clock that is off would else
name its owner, heights are rounded and lie behind the tip, numbers are drawn. The proof is made on
a thread and the question is held until the next PROVING_STEP_MS, so that the time it took, which
depends on this member's place in the ring, does not show (reference note 2.6).

It sends nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Final

from msgspec import Struct

from bulwark.ledger.ids import Height
from bulwark.ledger.signing import SigningDomain
from bulwark.privacy.group import RandomBytes
from bulwark.privacy.memberkeys import RingSecret
from bulwark.privacy.query import (
    NONCE_BYTES,
    EvaluationRequest,
    GuardedRequest,
    Scope,
)
from bulwark.privacy.ring.prover import prove
from bulwark.privacy.ring.ristretto import MemberRing
from bulwark.privacy.ring.statement import RingStatement
from bulwark.privacy.sealing import SealingKey
from bulwark.privacy.slotclaim import Slot, SlotClaim, make_claim
from node.guarded.claims import asked_for
from node.guarded.envelope import pad_question
from node.guarded.freshness import Rings
from node.guarded.ports import LiveKey
from node.guarded.rings import Opener, RingView
from node.guarded.slotbook import QuotaExhausted, SlotBook
from node.tagging.rounds import CannotAsk, QuotaUsed

PROVING_STEP_MS: Final = 10
EXPIRY_STEP_MS: Final = 10_000
EXPIRY_STEPS: Final = 5
"""An expiry lies 40 to 50 s ahead, evaluators allow 60."""
BEHIND_TIP: Final = 4
"""Blocks: evaluators that are so far behind still have the height that is named."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A proven question, ready to be sealed to evaluators."""

    view: RingView
    slot: int
    question: GuardedRequest
    padded: bytes = field(repr=False)
    reply_key: SealingKey = field(repr=False)

    @property
    def request(self) -> EvaluationRequest:
        """What the proof covers."""
        return self.question.request


class ProverParts(Struct, frozen=True, kw_only=True):
    """What proving works with."""

    domain: SigningDomain
    secret: Callable[[], RingSecret | None]
    """This member's ring key in force, None while it has none."""
    rings: Rings
    tip: Callable[[], Height]
    slots: SlotBook
    pool: Executor
    random_bytes: RandomBytes
    wall_ms: Callable[[], int]
    steady_ms: Callable[[], float]
    """A clock that never goes back, to measure with."""
    durable: Callable[[], Awaitable[None]]
    """Waits until all that was written before is on disk."""
    claim: Callable[[SlotClaim], None] = lambda _claim: None
    """Keeps what this member can show its auditor of a slot that it is about to spend."""
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    """Waits so many seconds."""


class _Place(Struct, frozen=True):
    """This member in the ring of now."""

    view: RingView
    ring: MemberRing
    opener: Opener
    secret: RingSecret
    position: int


class QuestionProver:
    """Makes proven questions."""

    def __init__(self, parts: ProverParts) -> None:
        self._parts = parts
        self.proofs = 0
        """Ring proofs made since start."""

    def view(self) -> RingView | None:
        """The ring that a question would be about now."""
        return self._parts.rings.now

    async def leap(self, spent: Prepared) -> None:
        """The slot of a question was spent by an earlier life of this node: skip many."""
        request = spent.request
        await self._parts.slots.leap(request.epoch, request.scope)

    async def prepare(
        self, live: LiveKey, blinded: tuple[bytes, ...], before: Prepared | None = None
    ) -> Prepared:
        """A question about the ring of now; `before` is the one it replaces.

        The slot of `before` is used again if its epoch still runs: it is the same question. Raises
        QuotaUsed, CannotAsk, StoreWriteFailed.
        """
        place = self._place()
        scope = Scope.SMALL if len(blinded) <= Scope.SMALL.most else Scope.BULK
        if before is not None and before.view.epoch == place.view.epoch:
            slot = before.slot
        else:
            slot = await self._draw(place.view, scope)
        reply_key = SealingKey.new(self._parts.random_bytes)
        request = EvaluationRequest(
            key_id=live.key_id,
            share_epoch=live.share_epoch,
            scope=scope,
            epoch=place.view.epoch,
            slot=slot,
            ring_height=self._height(),
            opener_epoch=place.opener.epoch,
            nonce=self._parts.random_bytes(NONCE_BYTES),
            expires_ms=expiry(self._parts.wall_ms()),
            reply_key=reply_key.public,
            blinded=blinded,
        )
        await self._claim(place, request)
        # No question leaves before the access log has its entry on disk.
        proof, _ = await asyncio.gather(self._proof(place, request), self._parts.durable())
        question = GuardedRequest(request, proof)
        self.proofs += 1
        padded = pad_question(question, len(place.ring))
        return Prepared(place.view, slot, question, padded, reply_key)

    def _place(self) -> _Place:
        view, secret = self._parts.rings.now, self._parts.secret()
        if view is None or view.ring is None:
            raise CannotAsk("no member has a ring key in force yet")
        if view.opener is None:
            raise CannotAsk("the council has not made its key yet")
        position = None if secret is None else view.ring.position(secret.public)
        if secret is None or position is None:
            raise CannotAsk(
                "this member has no ring key in force; one that is registered now counts from the "
                "next quota period on"
            )
        return _Place(view, view.ring, view.opener, secret, position)

    async def _draw(self, view: RingView, scope: Scope) -> int:
        """A fresh slot below the quota of now, which may be less than that of the first draw."""
        quota = view.quotas[scope]
        if not quota:
            raise QuotaUsed(f"the alliance allows no {scope.name.lower()} requests")
        try:
            while True:
                slot = await self._parts.slots.draw(view.epoch, scope, quota)
                if slot < quota:
                    return slot
        except QuotaExhausted as error:
            raise QuotaUsed(str(error)) from error

    def _height(self) -> Height:
        behind = max(0, self._parts.tip() - BEHIND_TIP)
        return self._parts.rings.height_to_name(Height(behind))

    async def _claim(self, place: _Place, request: EvaluationRequest) -> None:
        """Note whose entries the slot is spent for, before the barrier that the question awaits."""
        parts, entries = self._parts, asked_for.get()
        domain = parts.domain
        slot = Slot(
            domain.chain_id, domain.genesis_hash, request.epoch, request.scope, request.slot
        )
        made = await asyncio.get_running_loop().run_in_executor(
            parts.pool, make_claim, place.secret, slot, entries, parts.random_bytes
        )
        parts.claim(made)

    async def _proof(self, place: _Place, request: EvaluationRequest) -> bytes:
        parts = self._parts
        began_ms = parts.steady_ms()

        def work() -> bytes:
            statement = RingStatement(
                chain_id=parts.domain.chain_id,
                genesis_hash=parts.domain.genesis_hash,
                ring_height=request.ring_height,
                ring=place.ring,
                opener=place.opener.key,
                opener_epoch=place.opener.epoch,
                epoch=request.epoch,
                scope=request.scope,
                slot=request.slot,
                message=request.digest(),
            )
            secret = place.secret.secret
            return prove(statement, secret, place.position, parts.random_bytes).encode()

        try:
            return await asyncio.get_running_loop().run_in_executor(parts.pool, work)
        finally:
            await parts.pause(to_next_step_s(parts.steady_ms() - began_ms))


def expiry(now_ms: int) -> int:
    """When a question made now ends: the same for everybody who asks in these ten seconds."""
    return (now_ms // EXPIRY_STEP_MS + EXPIRY_STEPS) * EXPIRY_STEP_MS


def to_next_step_s(elapsed_ms: float) -> float:
    """Seconds from `elapsed_ms` to the next whole step of proving time."""
    return (-elapsed_ms % PROVING_STEP_MS) / 1000

"""Questions made by hand, right or wrong in one thing, and what an evaluator says to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from bulwark.ledger.ids import MemberId
from bulwark.privacy.group import Element, multiply_base, random_scalar
from bulwark.privacy.query import (
    EvaluationAnswer,
    EvaluationRequest,
    GuardedRequest,
    RefusalCode,
    Refused,
    Scope,
)
from bulwark.privacy.ring.prover import prove
from bulwark.privacy.ring.ristretto import Proof, Statement
from bulwark.privacy.ring.statement import RingStatement
from bulwark.privacy.ring.verifier import claim
from bulwark.privacy.sealing import SealingKey
from node.guarded.envelope import Envelopes, pad_question
from node.guarded.evaluator import Checkable
from node.guarded.rings import RingView
from tests.unit.node.guarded.world import DOMAIN, Member, World, deterministic

RELAY = MemberId("tel-e")
ENVELOPES = Envelopes(DOMAIN)
REPLY_KEY = SealingKey.new(deterministic(b"reply"))


def elements(count: int, label: bytes = b"elements") -> tuple[bytes, ...]:
    draw = deterministic(label)
    return tuple(multiply_base(random_scalar(draw)).encoding for _ in range(count))


def request_of(world: World, **changes: object) -> EvaluationRequest:
    """A request that every evaluator accepts, but for the changes."""
    request = EvaluationRequest(
        key_id=1,
        share_epoch=0,
        scope=Scope.SMALL,
        epoch=9,
        slot=5,
        ring_height=64,
        opener_epoch=3,
        nonce=bytes(16),
        expires_ms=world.now_ms + 30_000,
        reply_key=REPLY_KEY.public,
        blinded=elements(2),
    )
    return replace(request, **changes)  # type: ignore[arg-type]


def proven(
    asker: Member,
    request: EvaluationRequest,
    view: RingView,
    *,
    message: bytes | None = None,
    opener: Element | None = None,
) -> GuardedRequest:
    """The request with the asker's proof over the ring of `view`."""
    assert view.ring is not None and view.opener is not None
    statement: Statement = RingStatement(
        chain_id=DOMAIN.chain_id,
        genesis_hash=DOMAIN.genesis_hash,
        ring_height=request.ring_height,
        ring=view.ring,
        opener=opener or view.opener.key,
        opener_epoch=request.opener_epoch,
        epoch=request.epoch,
        scope=request.scope,
        slot=request.slot,
        message=message or request.digest(),
    )
    position = view.ring.position(asker.ring_secret.public)
    assert position is not None
    proof = prove(statement, asker.ring_secret.secret, position, asker.random)
    return GuardedRequest(request, proof.encode())


def sealed_to(evaluator: Member, question: GuardedRequest, ring_keys: int = 5) -> bytes:
    padded = pad_question(question, ring_keys)
    return ENVELOPES.seal_question(padded, evaluator.id, evaluator.sealing.public)


async def reply_to(
    evaluator: Member, question: GuardedRequest, *, relay: MemberId = RELAY
) -> EvaluationAnswer | Refused:
    """What the evaluator answers to a question that came through a relay."""
    sealed = await evaluator.evaluator.serve(relay, sealed_to(evaluator, question))
    return ENVELOPES.unseal_answer(sealed, question.request, REPLY_KEY)


async def code_of(evaluator: Member, question: GuardedRequest) -> RefusalCode | None:
    """The refusal's code, None for an answer."""
    reply = await reply_to(evaluator, question)
    return reply.code if isinstance(reply, Refused) else None


@dataclass
class Checks:
    """Counts what an evaluator checks of proofs, in its order."""

    seen: list[str]
    gate: Callable[[], None] = lambda: None

    def claim_of(self, statement: Statement, proof: Proof) -> Checkable:
        self.seen.append("claim")
        return _Counted(claim(statement, proof), self)


@dataclass
class _Counted:
    made: Checkable
    checks: Checks

    def check_links(self) -> None:
        self.checks.seen.append("links")
        self.checks.gate()
        self.made.check_links()

    def check_membership(self, random_bytes: Callable[[int], bytes]) -> None:
        self.checks.seen.append("membership")
        self.made.check_membership(random_bytes)


def counted(evaluator: Member) -> Checks:
    """Have the checks of an evaluator counted from now on."""
    checks = Checks([])
    evaluator.parts = replace(evaluator.parts, claim_of=checks.claim_of)
    evaluator.evaluator = type(evaluator.evaluator)(evaluator.parts)
    return checks


async def until(condition: Callable[[], bool], tasks: Sequence[asyncio.Task[object]] = ()) -> None:
    """Turn the loop until a condition holds, ten seconds at most."""
    loop = asyncio.get_running_loop()
    end = loop.time() + 10
    while not condition():
        if loop.time() > end:
            raise TimeoutError("the condition never held")
        await asyncio.sleep(0)

"""The evaluator of the guarded path: answers whoever proves to be some member with a slot left.

Rules: what is cheap is checked first, so that a refusal costs little: seal, encoding, expiry, key,
ring, slot, nullifier; only then the proof, on a thread. A nullifier is spent and the statement in
the query log, both on disk, before the answer leaves; a request asked again is answered again
without another proof, as a rule from memory. Work under way is bounded, in all and for each member
that passes questions on; beyond that the answer is BUSY. Every refusal has a code and is counted by
it; nothing else of a request is logged: the evaluator does not know who asks, and its log does not
help to guess.

A request that can not be opened gets no answer at all, since there is no key to seal one to.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Final, Protocol, TypeVar

from msgspec import Struct

from bulwark.ledger.ids import MemberId
from bulwark.ledger.signing import Signer, SigningDomain
from bulwark.privacy.errors import (
    BlindedElementRefused,
    EncodingRefused,
    InputRefused,
    PrivacyError,
    ProofRefused,
)
from bulwark.privacy.group import RandomBytes
from bulwark.privacy.query import (
    EvaluationAnswer,
    EvaluationRequest,
    RefusalCode,
    Refused,
    answer,
)
from bulwark.privacy.ring.ristretto import Proof, Statement, decode_proof
from bulwark.privacy.ring.statement import RingStatement
from bulwark.privacy.ring.verifier import claim
from bulwark.privacy.sealing import SealingKey
from bulwark.privacy.threshold import Evaluation, EvaluatorShare, evaluate
from node.guarded.envelope import EnvelopeRefused, Envelopes, open_question, question_size
from node.guarded.freshness import FreshRings, RequestRefused
from node.guarded.ports import Keys
from node.guarded.recent import RecentAnswers
from node.guarded.spent import Spending, SpentNullifiers
from node.logs import Log
from node.storage.durability import Durability

MAX_AHEAD_MS: Final = 60_000
"""Furthest expiry of a request."""
MAX_WAITING: Final = 64
"""Requests being proved or evaluated, those that wait for a thread included."""
MAX_WAITING_OF_ONE: Final = 32
"""Of them from one passing member, so that none keeps the others out."""

T = TypeVar("T")

log = Log("evaluator")


class Checkable(Protocol):
    """A claim of membership; see `bulwark.privacy.ring.verifier.Claim`."""

    def check_links(self) -> None:
        """The cheap equations."""
        ...

    def check_membership(self, random_bytes: RandomBytes) -> None:
        """The dear ones."""
        ...


def claimed(statement: Statement, proof: Proof) -> Checkable:
    """The claim that a proof shows a statement; raises ProofRefused."""
    return claim(statement, proof)


class EvaluatorParts(Struct, frozen=True, kw_only=True):
    """What an evaluator works with."""

    own: MemberId
    domain: SigningDomain
    """Of answers; its epoch is 0."""
    account_key: Signer
    sealing_keys: Callable[[], Sequence[SealingKey]]
    """Own keys that members may seal to now, the one in force first."""
    fresh: FreshRings
    keys: Keys
    spent: SpentNullifiers
    record_served: Callable[[Statement, Proof], None]
    """Puts a statement into the query log; visible at once, durable after the next barrier."""
    durability: Durability
    pool: Executor
    random_bytes: RandomBytes
    wall_ms: Callable[[], int]
    claim_of: Callable[[Statement, Proof], Checkable] = claimed


class _Sound(Struct, frozen=True):
    """A request that passed every cheap check."""

    request: EvaluationRequest
    statement: Statement
    name: bytes
    """Hash of the statement."""
    proof: Proof
    share: EvaluatorShare

    @property
    def slot(self) -> tuple[int, int, bytes, bytes]:
        """Epoch, scope, nullifier and statement hash, as the spent set wants them."""
        request = self.request
        return request.epoch, int(request.scope), self.proof.nullifier.encoding, self.name

    @property
    def copy(self) -> bytes:
        """What all copies of this request have in common, and no forged one: it shows T."""
        return self.name + self.proof.nullifier.encoding


class GuardedEvaluator:
    """Serves Topic.GUARDED."""

    def __init__(self, parts: EvaluatorParts) -> None:
        self._parts = parts
        self._envelopes = Envelopes(parts.domain)
        self._recent = RecentAnswers()
        self._waiting: Counter[MemberId] = Counter()
        self.waiting = 0
        """Requests being proved or evaluated."""
        self.refusals: Counter[RefusalCode] = Counter()
        """Refusals since start by code."""
        self.unreadable = 0
        """Requests that could not be opened."""
        self.answered = 0
        """Requests evaluated since start."""
        self.repeated = 0
        """Requests answered again since start."""
        self.evaluated = 0
        """Elements evaluated since start."""

    async def serve(self, relay: MemberId, sealed: bytes) -> bytes:
        """The sealed answer or refusal; raises ValueError for what can not be opened."""
        parts = self._parts
        try:
            padded = self._envelopes.unseal_question(sealed, parts.own, parts.sealing_keys())
            question = open_question(padded)
        except EnvelopeRefused:
            self.unreadable += 1
            raise
        request = question.request
        reply: EvaluationAnswer | Refused
        try:
            reply = await self._answered(relay, self._sound(request, question.proof, len(padded)))
        except RequestRefused as refused:
            self.refusals[refused.code] += 1
            log.debug("question refused", code=refused.code.name)
            reply = Refused(refused.code, refused.detail)
        return self._envelopes.seal_answer(reply, request)

    def _sound(self, request: EvaluationRequest, proof: bytes, size: int) -> _Sound:
        """Every check that needs no proof, the cheapest first; raises RequestRefused."""
        parts = self._parts
        if not 0 < request.expires_ms - parts.wall_ms() <= MAX_AHEAD_MS:
            raise RequestRefused(RefusalCode.EXPIRED, "past, or over a minute ahead")
        share = self._share(request)
        if parts.spent.is_forgotten(request.epoch):
            raise RequestRefused(RefusalCode.NOT_READY, "restored in that quota epoch")
        standing = parts.fresh.standing(request)
        if size != question_size(request.scope, len(standing.ring)):
            raise RequestRefused(RefusalCode.MALFORMED, "not the length of its scope")
        if request.slot >= standing.quotas[request.scope]:
            quota = standing.quotas[request.scope]
            raise RequestRefused(RefusalCode.NO_SUCH_SLOT, f"the quota is {quota}")
        try:
            decoded = decode_proof(proof, len(standing.ring))
            statement = RingStatement(
                chain_id=parts.domain.chain_id,
                genesis_hash=parts.domain.genesis_hash,
                ring_height=request.ring_height,
                ring=standing.ring,
                opener=standing.opener.key,
                opener_epoch=request.opener_epoch,
                epoch=request.epoch,
                scope=request.scope,
                slot=request.slot,
                message=request.digest(),
            )
        except (EncodingRefused, InputRefused):
            raise RequestRefused(RefusalCode.MALFORMED, "the proof's encoding") from None
        sound = _Sound(request, statement, statement.statement_hash(), decoded, share)
        self._is_spent(sound)
        return sound

    def _share(self, request: EvaluationRequest) -> EvaluatorShare:
        live = self._parts.keys.tag_key()
        if live is None or live.share is None:
            raise RequestRefused(RefusalCode.NOT_READY, "no share of the tag key")
        if (request.key_id, request.share_epoch) != (live.key_id, live.share_epoch):
            now = f"key {live.key_id}, share epoch {live.share_epoch} are in force"
            raise RequestRefused(RefusalCode.WRONG_KEY, now)
        return live.share

    async def _answered(self, relay: MemberId, sound: _Sound) -> EvaluationAnswer:
        """An answer within the bounds of work; raises RequestRefused."""
        if self.waiting >= MAX_WAITING or self._waiting[relay] >= MAX_WAITING_OF_ONE:
            raise RequestRefused(RefusalCode.BUSY, "too much work waits")
        self._waiting[relay] += 1
        self.waiting += 1
        try:
            async with self._recent.turn(sound.copy):
                return await self._answered_in_turn(sound)
        finally:
            self.waiting -= 1
            self._waiting[relay] -= 1
            if not self._waiting[relay]:
                del self._waiting[relay]

    async def _answered_in_turn(self, sound: _Sound) -> EvaluationAnswer:
        """Prove, spend, write, evaluate; or the answer of before."""
        parts = self._parts
        given = self._recent.get(sound.copy)
        if given is not None:
            self.repeated += 1
            return given
        is_repeated = self._is_spent(sound)
        if not is_repeated:
            await self._on_thread(self._check, sound)
            self._spend(sound)
        # A repeated one waits too: what an earlier run of this node wrote may not be on disk yet.
        await parts.durability.barrier()
        evaluation = await self._on_thread(self._evaluate, sound)
        self.answered += 1
        self.repeated += is_repeated
        self.evaluated += len(evaluation.elements)
        given = answer(sound.request, evaluation, parts.domain, parts.account_key)
        self._recent.put(sound.copy, given)
        return given

    def _check(self, sound: _Sound) -> None:
        try:
            made = self._parts.claim_of(sound.statement, sound.proof)
            made.check_links()
            made.check_membership(self._parts.random_bytes)
        except ProofRefused:
            raise RequestRefused(RefusalCode.BAD_PROOF, "the proof does not hold") from None

    def _is_spent(self, sound: _Sound) -> bool:
        """Whether the slot was spent for this very request; raises RequestRefused for another."""
        found = self._parts.spent.look(*sound.slot)
        if found is Spending.CONFLICT:
            raise RequestRefused(RefusalCode.SPENT, "this slot was used for another request")
        return found is Spending.REPEATED

    def _spend(self, sound: _Sound) -> None:
        """Spend the slot, the log first: a crash between the two must not leave a served gap."""
        if not self._is_spent(sound):
            self._parts.record_served(sound.statement, sound.proof)
            self._parts.spent.spend(*sound.slot)

    def _evaluate(self, sound: _Sound) -> Evaluation:
        try:
            return evaluate(sound.share, sound.request.blinded, self._parts.random_bytes)
        except BlindedElementRefused as error:
            detail = f"element {error.position} is not canonical"
            raise RequestRefused(RefusalCode.MALFORMED, detail) from None
        except PrivacyError:
            raise RequestRefused(RefusalCode.MALFORMED, "the elements") from None

    async def _on_thread(self, work: Callable[[_Sound], T], sound: _Sound) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._parts.pool, work, sound)

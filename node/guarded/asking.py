"""The asker of the guarded path: sealed questions through relays, answers checked and attributed.

Rules: an evaluator is reached only through a third member, the relay, drawn anew for each try and
not one that evaluates in this round if there is another; in an alliance of two there is none, and
nobody to hide among. The own share needs no relay, no slot and no proof. A try that brings no sound
answer is repeated through another relay, within bounds of number and time. A refusal for a stale
ring or epoch makes the question anew, once, if this node knows a newer ring; one because the slot
is spent means that this node lost its count with its database: it leaps ahead to a free one. An
answer counts only if it is for this request, key and sharing, from this evaluator and signed by its
account; if it is then proved wrong it is evidence and is handed on.

The signature is the evaluator's and the request names nobody, but whoever publishes such evidence
shows that it asked that question: so it is handed on with the relay's name, and others publish it
(`node.guarded.accuser`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Final

from msgspec import Struct

from bulwark.ledger.errors import SignatureInvalid
from bulwark.ledger.ids import Address, MemberId
from bulwark.ledger.signing import SigningDomain
from bulwark.privacy.errors import PrivacyError
from bulwark.privacy.group import RandomBytes
from bulwark.privacy.query import EvaluationAnswer, RefusalCode, Refused
from bulwark.privacy.threshold import Evaluation
from node.guarded.envelope import EnvelopeRefused, Envelopes
from node.guarded.ports import LiveKey
from node.guarded.proving import Prepared, QuestionProver
from node.guarded.relay import encode_pass
from node.logs import Log
from node.requests import Mesh, PeerUnavailable, Topic
from node.tagging.evaluators import LocalEvaluator
from node.tagging.rounds import EvaluatorRefused, EvaluatorUnavailable, NoRelay

STALE: Final = frozenset({RefusalCode.WRONG_EPOCH, RefusalCode.FOREIGN_RING})
"""Refusals that a newer ring may mend."""

MAX_LEAPS: Final = 24
"""Each doubles the count of slots: enough to get past any quota."""


class WrongAnswer(Struct, frozen=True):
    """A signed answer that was proved wrong, with what it takes to show it."""

    request: bytes
    """Encoded request."""
    answer: bytes
    """Encoded signed answer."""
    index: int
    """The evaluator's."""
    relay: MemberId | None
    """Who passed the question on; None if it went the direct way."""


OnWrong = Callable[[WrongAnswer], None]
RELAY_POLL_MS = 50

log = Log("asking")


class Patience(Struct, frozen=True):
    """How often and how long an evaluator is tried."""

    tries: int = 3
    """Passes for one evaluator, each through another relay if there is one."""
    pass_ms: int = 5_000
    """Wait for one pass."""
    round_ms: int = 20_000
    """All passes of a round; less than the life of a question."""
    relay_ms: int = 3_000
    """Wait for a third member to pass a question on, when none is connected: peers end all
    connections of a member at once when its vote key or TLS key is another one."""


class AskerParts(Struct, frozen=True, kw_only=True):
    """What asking works with."""

    own: MemberId
    domain: SigningDomain
    """Of answers; its epoch is 0."""
    mesh: Mesh
    prover: QuestionProver
    account_of: Callable[[MemberId], Address | None]
    on_wrong: OnWrong
    pool: Executor
    random_bytes: RandomBytes
    steady_ms: Callable[[], float]
    patience: Patience = Patience()
    allow_direct: bool = False
    """Ask an evaluator without a relay if there is none: it then learns who asks."""


class _NoGood(Exception):
    """What came back through a relay is no answer."""


class GuardedEvaluators:
    """Opens rounds whose evaluators do not learn who asks."""

    def __init__(self, parts: AskerParts) -> None:
        self._parts = parts
        self.direct = 0
        """Questions sent without a relay since start."""

    async def open(self, live: LiveKey, blinded: Sequence[bytes]) -> GuardedRound:
        """A round; it costs nothing before the first foreign evaluator is asked."""
        return GuardedRound(self, self._parts, live, tuple(blinded))


class GuardedRound:
    """One question to the evaluators of one sharing."""

    def __init__(
        self,
        evaluators: GuardedEvaluators,
        parts: AskerParts,
        live: LiveKey,
        blinded: tuple[bytes, ...],
    ) -> None:
        self._evaluators = evaluators
        self._parts = parts
        self._live = live
        self._blinded = blinded
        self._envelopes = Envelopes(parts.domain)
        self._preparing = asyncio.Lock()
        self._prepared: Prepared | None = None
        self._was_remade = False
        self._answers: dict[int, tuple[Prepared, EvaluationAnswer, MemberId | None]] = {}
        self._ends_ms = parts.steady_ms() + parts.patience.round_ms
        self._evaluating: set[MemberId] = set()
        """Members asked in this round, and those that will be if all goes well."""
        self._order = self._drawn()
        first = self._order[: live.key.threshold]
        self._evaluating.update(live.holders[index] for index in first)

    def preferred(self) -> list[int]:
        """The own share, then connected evaluators, then the rest; drawn anew for each round."""
        return list(self._order)

    def _drawn(self) -> list[int]:
        own = self._live.index_of(self._parts.own)
        connected = set(self._parts.mesh.connected())
        others = [index for index in self._live.holders if index != own]
        # A turn that one could follow over the rounds would tell them apart by asker.
        others.sort(key=lambda index: self._parts.random_bytes(8))
        others.sort(key=lambda index: self._live.holders[index] not in connected)
        return others if own is None or self._live.share is None else [own, *others]

    async def ask(self, index: int) -> Evaluation:
        """One evaluator's answer, signed and for this question, its proof not yet checked.

        Raises EvaluatorUnavailable, EvaluatorRefused, NoRelay, QuotaUsed, CannotAsk.
        """
        share = self._live.share
        if share is not None and index == share.index:
            local = LocalEvaluator(share, self._parts.pool, self._parts.random_bytes)
            return await local.evaluate(self._blinded)
        self._evaluating.add(self._live.holders[index])
        prepared = await self._question(None)
        for _ in range(MAX_LEAPS):
            try:
                return await self._asked(prepared, index)
            except EvaluatorRefused as refused:
                if refused.code is not RefusalCode.SPENT:
                    raise
            prepared = await self._with_another_slot(prepared)
        return await self._asked(prepared, index)

    async def _asked(self, prepared: Prepared, index: int) -> Evaluation:
        """One evaluator's answer to a question, made anew once if it is stale."""
        try:
            return await self._tried(prepared, index)
        except EvaluatorUnavailable as failed:
            # Relays pass the lengths of the rings in time only: a stale one may not get through.
            may_be_stale = not isinstance(failed, EvaluatorRefused) or failed.code in STALE
            if not may_be_stale or not self._is_outdated(prepared):
                raise
        return await self._tried(await self._question(prepared), index)

    def wrong(self, index: int, reason: str) -> None:
        """Name the evaluator and hand its signed answer on as evidence."""
        member = self._live.holders.get(index)
        log.error("wrong evaluation refused", member=member, index=index, reason=reason)
        held = self._answers.get(index)
        if held is not None:
            prepared, answer, relay = held
            made = WrongAnswer(prepared.request.encode(), answer.encode(), index, relay)
            self._parts.on_wrong(made)

    async def _question(self, stale: Prepared | None) -> Prepared:
        """The round's question; made anew if it is still the stale one."""
        async with self._preparing:
            if self._prepared is None or self._prepared is stale:
                made = await self._parts.prover.prepare(self._live, self._blinded, stale)
                self._was_remade = stale is not None
                self._prepared = made
            return self._prepared

    async def _with_another_slot(self, spent: Prepared) -> Prepared:
        """The round's question with a slot far ahead, if it still is the spent one."""
        async with self._preparing:
            if self._prepared is spent:
                log.warning("a slot was spent before: this node lost its count, it leaps ahead")
                await self._parts.prover.leap(spent)
                self._prepared = await self._parts.prover.prepare(self._live, self._blinded)
            return self._prepared or spent

    def _is_outdated(self, prepared: Prepared) -> bool:
        """Whether another question than this one may do better, and may be made."""
        if prepared is not self._prepared:
            return True
        now = self._parts.prover.view()
        return not self._was_remade and now is not None and not now.same_as(prepared.view)

    async def _tried(self, prepared: Prepared, index: int) -> Evaluation:
        """Pass the question on until a sound answer comes; the request stays the same."""
        evaluator = self._live.holders[index]
        key = prepared.view.sealing_keys.get(evaluator)
        if key is None:
            raise EvaluatorUnavailable(index, "it has no sealing key in force")
        used: set[MemberId] = set()
        for _ in range(self._parts.patience.tries):
            left_ms = int(self._ends_ms - self._parts.steady_ms())
            if left_ms <= 0:
                raise EvaluatorUnavailable(index, "the time of the round is over")
            relay = await self._relay_in_time(index, used)
            used.add(evaluator if relay is None else relay)
            try:
                sealed = self._envelopes.seal_question(prepared.padded, evaluator, key)
                wait_ms = min(left_ms, self._parts.patience.pass_ms)
                back = await self._passed(relay, evaluator, sealed, wait_ms)
                reply = self._checked(prepared, index, back)
                self._answers[index] = (prepared, reply, relay)
                return reply.evaluation
            except (PeerUnavailable, PrivacyError, _NoGood) as error:
                log.debug("a pass failed", index=index, error=type(error).__name__)
        raise EvaluatorUnavailable(index, "no sound answer came back")

    async def _relay_in_time(self, index: int, used: set[MemberId]) -> MemberId | None:
        """As `_relay`, after a wait for connections to come back; raises NoRelay."""
        for _ in range(self._parts.patience.relay_ms // RELAY_POLL_MS):
            try:
                return self._relay(index, used)
            except NoRelay:
                await asyncio.sleep(RELAY_POLL_MS / 1000)
        return self._relay(index, used)

    def _relay(self, index: int, used: set[MemberId]) -> MemberId | None:
        """A random third member, None for the direct way; raises NoRelay.

        Members that were not tried yet come first, and before those that evaluate in this round:
        whoever did both could tell by the moment that it passed on what it was asked.
        """
        evaluator = self._live.holders[index]
        third = [m for m in self._parts.mesh.connected() if m not in (self._parts.own, evaluator)]
        if not third:
            if self._parts.allow_direct or not self._has_third_member():
                return None
            raise NoRelay(index)
        drawn = {member: self._parts.random_bytes(8) for member in third}
        return min(third, key=lambda m: (m in used, m in self._evaluating, drawn[m]))

    def _has_third_member(self) -> bool:
        """An alliance of two has nobody to pass a question on, and nobody to hide among."""
        view = self._parts.prover.view()
        return view is None or len(view.members) > 2

    async def _passed(
        self, relay: MemberId | None, evaluator: MemberId, sealed: bytes, wait_ms: int
    ) -> bytes:
        mesh = self._parts.mesh
        if relay is None:
            self._evaluators.direct += 1
            return await mesh.ask(evaluator, Topic.GUARDED, sealed, wait_ms)
        return await mesh.ask(relay, Topic.RELAY, encode_pass(evaluator, sealed), wait_ms)

    def _checked(self, prepared: Prepared, index: int, sealed: bytes) -> EvaluationAnswer:
        """The signed answer in a reply; raises EvaluatorRefused, _NoGood."""
        request = prepared.request
        try:
            reply = self._envelopes.unseal_answer(sealed, request, prepared.reply_key)
        except EnvelopeRefused as error:
            raise _NoGood from error
        if isinstance(reply, Refused):
            raise EvaluatorRefused(index, reply.code)
        said = (reply.request, reply.key_id, reply.share_epoch, reply.evaluation.index)
        if said != (request.digest(), request.key_id, request.share_epoch, index):
            raise _NoGood
        signer = self._parts.account_of(self._live.holders[index])
        if signer is None:
            raise EvaluatorUnavailable(index, "its account is not known")
        try:
            reply.check_signature(self._parts.domain, signer)
        except SignatureInvalid as error:
            raise _NoGood from error
        return reply

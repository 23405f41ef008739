"""This node's own share of the tag key, and evaluators asked straight over the mesh.

The direct way tells each evaluator which member asks (but not what); `node.guarded.asking` is the
way that does not. Wrong answers of the direct way are signed by nobody, so they are only logged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor

from bulwark.ledger.errors import DecodeError
from bulwark.ledger.ids import MemberId
from bulwark.privacy.errors import PrivacyError
from bulwark.privacy.group import RandomBytes
from bulwark.privacy.threshold import Evaluation, EvaluatorShare, ThresholdKey, evaluate
from node.guarded.ports import LiveKey
from node.logs import Log
from node.requests import Mesh, PeerUnavailable, Topic
from node.tagging.rounds import EvaluatorUnavailable
from node.tagging.wire import (
    decode_evaluation,
    decode_request,
    encode_evaluation,
    encode_request,
)

log = Log("tagging")


class LocalEvaluator:
    """This node's share of the key behind a thread pool."""

    def __init__(self, share: EvaluatorShare, pool: Executor, random_bytes: RandomBytes) -> None:
        self._share = share
        self._pool = pool
        self._random_bytes = random_bytes
        self.index = share.index
        self.evaluated = 0
        """Elements evaluated since start, own requests included."""

    async def evaluate(self, blinded: Sequence[bytes]) -> Evaluation:
        """Raises PrivacyError for a request that breaks a rule."""
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(
            self._pool, evaluate, self._share, blinded, self._random_bytes
        )
        self.evaluated += len(blinded)
        return answer

    async def serve(self, member: MemberId, payload: bytes) -> bytes:
        """Answer a peer's request; raises ValueError with a reason that names no element."""
        try:
            return encode_evaluation(await self.evaluate(decode_request(payload)))
        except (DecodeError, PrivacyError) as error:
            raise ValueError(str(error)) from error


class FixedKeys:
    """The keys of an alliance whose tag key was dealt at genesis and never changes."""

    def __init__(
        self,
        key: ThresholdKey,
        key_id: int,
        holders: Mapping[int, MemberId],
        share: EvaluatorShare | None,
    ) -> None:
        self._live = LiveKey(key, key_id, 0, holders, share)

    def tag_key(self) -> LiveKey | None:
        """The one tag key."""
        return self._live

    def council_key(self) -> LiveKey | None:
        """Genesis deals none."""
        return None


class DirectEvaluators:
    """Evaluators asked straight over the mesh, the own share first."""

    def __init__(
        self,
        members: Mapping[int, MemberId],
        local: LocalEvaluator | None,
        mesh: Mesh,
        timeout_ms: int,
    ) -> None:
        self._members = members
        self._local = local
        self._mesh = mesh
        self._timeout_ms = timeout_ms
        self._turn = 0

    async def open(self, live: LiveKey, blinded: Sequence[bytes]) -> DirectRound:
        """A round; it costs nothing."""
        return DirectRound(self, tuple(blinded))

    def preferred(self) -> list[int]:
        """Own share, then connected members in turn so that load spreads, then the rest."""
        self._turn += 1
        own = self._local.index if self._local is not None else None
        others = sorted(index for index in self._members if index != own)
        turn = self._turn % max(1, len(others))
        others = others[turn:] + others[:turn]
        connected = set(self._mesh.connected())
        others.sort(key=lambda index: self._members[index] not in connected)
        return others if own is None else [own, *others]

    async def ask(self, index: int, blinded: Sequence[bytes]) -> Evaluation:
        """Evaluate here or over the mesh; raises EvaluatorUnavailable."""
        if self._local is not None and index == self._local.index:
            return await self._local.evaluate(blinded)
        try:
            payload = await self._mesh.ask(
                self._members[index], Topic.EVALUATE, encode_request(blinded), self._timeout_ms
            )
            evaluation = decode_evaluation(payload)
        except (PeerUnavailable, DecodeError) as error:
            raise EvaluatorUnavailable(index, str(error)) from error
        if evaluation.index != index:
            # Else a wrong answer would be blamed on the one whose name it bears.
            raise EvaluatorUnavailable(index, f"answered as evaluator {evaluation.index}")
        return evaluation

    def member(self, index: int) -> MemberId | None:
        """Who an evaluator is."""
        return self._members.get(index)


class DirectRound:
    """One list of elements for evaluators that are asked directly."""

    def __init__(self, evaluators: DirectEvaluators, blinded: tuple[bytes, ...]) -> None:
        self._evaluators = evaluators
        self._blinded = blinded

    def preferred(self) -> list[int]:
        """As the evaluators are preferred now."""
        return self._evaluators.preferred()

    async def ask(self, index: int) -> Evaluation:
        """Raises EvaluatorUnavailable."""
        return await self._evaluators.ask(index, self._blinded)

    def wrong(self, index: int, reason: str) -> None:
        """Log who answered wrongly."""
        member = self._evaluators.member(index)
        log.error("wrong evaluation refused", member=member, index=index, reason=reason)

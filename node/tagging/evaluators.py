"""The evaluators of the OPRF round as this node reaches them, and its own share if it has one.

Here is the seam that the privacy issue replaces: today a request goes straight over the mesh to
each evaluator, which therefore learns which member asks (but not what); later it goes sealed
through a relay with a membership proof. Only this file knows how a request travels.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from typing import Protocol

from bulwark.ledger.errors import DecodeError
from bulwark.ledger.ids import MemberId
from bulwark.privacy.errors import PrivacyError
from bulwark.privacy.group import RandomBytes
from bulwark.privacy.threshold import Evaluation, EvaluatorShare, evaluate
from node.requests import Mesh, PeerUnavailable, Topic
from node.tagging.wire import (
    decode_evaluation,
    decode_request,
    encode_evaluation,
    encode_request,
)


class EvaluatorUnavailable(Exception):
    """An evaluator did not answer, or its answer is no evaluation."""

    def __init__(self, index: int, reason: str) -> None:
        self.index = index
        self.reason = reason
        super().__init__(f"evaluator {index}: {reason}")


class Evaluators(Protocol):
    """Who can evaluate, and how to ask."""

    def preferred(self) -> list[int]:
        """Indices of all evaluators, those that should be asked first at the front."""
        ...

    async def ask(self, index: int, blinded: Sequence[bytes]) -> Evaluation:
        """One evaluator's answer; raises EvaluatorUnavailable."""
        ...


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

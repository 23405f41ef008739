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


class Requester(Protocol):
    """What this part needs of the mesh."""

    async def ask_evaluator(self, member: MemberId, payload: bytes, timeout_ms: int) -> bytes:
        """Send a request and wait for its answer; raises ConnectionError or TimeoutError."""
        ...

    def is_connected(self, member: MemberId) -> bool:
        """Whether there is a live connection to this member."""
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

    async def serve(self, payload: bytes) -> bytes:
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
        requester: Requester,
        timeout_ms: int,
    ) -> None:
        self._members = members
        self._local = local
        self._requester = requester
        self._timeout_ms = timeout_ms
        self._turn = 0

    def preferred(self) -> list[int]:
        """Own share, then connected members in turn so that load spreads, then the rest."""
        self._turn += 1
        own = self._local.index if self._local is not None else None
        others = sorted(index for index in self._members if index != own)
        turn = self._turn % max(1, len(others))
        others = others[turn:] + others[:turn]
        others.sort(key=lambda index: not self._requester.is_connected(self._members[index]))
        return others if own is None else [own, *others]

    async def ask(self, index: int, blinded: Sequence[bytes]) -> Evaluation:
        """Evaluate here or over the mesh; raises EvaluatorUnavailable."""
        if self._local is not None and index == self._local.index:
            return await self._local.evaluate(blinded)
        try:
            payload = await self._requester.ask_evaluator(
                self._members[index], encode_request(blinded), self._timeout_ms
            )
            return decode_evaluation(payload)
        except TimeoutError as error:
            raise EvaluatorUnavailable(index, f"no answer in {self._timeout_ms} ms") from error
        except (ConnectionError, DecodeError) as error:
            raise EvaluatorUnavailable(index, str(error)) from error

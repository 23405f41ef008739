"""This node's own share of the tag key: evaluation on a thread, for its own questions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor

from bulwark.privacy.group import RandomBytes
from bulwark.privacy.threshold import Evaluation, EvaluatorShare, evaluate


class LocalEvaluator:
    """This node's share of the key behind a thread pool."""

    def __init__(self, share: EvaluatorShare, pool: Executor, random_bytes: RandomBytes) -> None:
        self._share = share
        self._pool = pool
        self._random_bytes = random_bytes

    async def evaluate(self, blinded: Sequence[bytes]) -> Evaluation:
        """Raises PrivacyError for a request that breaks a rule."""
        return await asyncio.get_running_loop().run_in_executor(
            self._pool, evaluate, self._share, blinded, self._random_bytes
        )

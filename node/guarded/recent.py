"""The latest answers of this evaluator, to be given again without work, and one turn a request.

Rules: whoever passes a question on can pass it on again until it expires, and an asker does so when
an answer got lost; both must cost next to nothing. An answer is kept in memory only, by its
statement, up to KEPT_ANSWERS of them; what is kept is durable already, since it was given. Two
copies of one request take turns, so that the second finds the answer of the first.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from bulwark.privacy.query import EvaluationAnswer

KEPT_ANSWERS: Final = 128
"""At most 1.1 MB, if all are bulk answers."""


class RecentAnswers:
    """Answers by statement hash."""

    def __init__(self, most: int = KEPT_ANSWERS) -> None:
        self._most = most
        self._answers: OrderedDict[bytes, EvaluationAnswer] = OrderedDict()
        self._turns: dict[bytes, asyncio.Lock] = {}
        self._users: Counter[bytes] = Counter()

    @asynccontextmanager
    async def turn(self, statement: bytes) -> AsyncIterator[None]:
        """Wait for earlier copies of the request."""
        lock = self._turns.setdefault(statement, asyncio.Lock())
        self._users[statement] += 1
        try:
            async with lock:
                yield
        finally:
            self._users[statement] -= 1
            if not self._users[statement]:
                del self._users[statement], self._turns[statement]

    def get(self, statement: bytes) -> EvaluationAnswer | None:
        """The answer given before, if it is still kept."""
        return self._answers.get(statement)

    def put(self, statement: bytes, given: EvaluationAnswer) -> None:
        """Keep an answer; the oldest goes."""
        self._answers[statement] = given
        if len(self._answers) > self._most:
            self._answers.popitem(last=False)

    def __len__(self) -> int:
        return len(self._answers)

    @property
    def under_way(self) -> int:
        """Requests that have or wait for their turn."""
        return self._users.total()

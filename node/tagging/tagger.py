"""The tagger: tags of indicators, from the cache or from a round with the evaluators.

Rules: identical questions in flight share one round; a round asks t evaluators at once and another
one for each that fails; a wrong answer is logged with its evaluator's index and never used. Group
arithmetic runs on threads, since a round of 256 is 100 ms of it and the event loop has votes to
send. If fewer than t evaluators can be reached the caller is told so, never given a guess.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor

from bulwark.ledger.ids import Tag
from bulwark.privacy.errors import BadEvaluation
from bulwark.privacy.group import RandomBytes
from bulwark.privacy.tags import tag_input
from bulwark.privacy.threshold import MAX_BATCH, Evaluation, TaggingRound, ThresholdKey
from node.logs import Log
from node.tagging.cache import TagCache
from node.tagging.evaluators import Evaluators, EvaluatorUnavailable

MAX_ROUNDS = 8
"""Rounds of this node under way at once."""
SMALL_ROUND = 64
"""Preferred elements in a round: keeps a thread's turn near 25 ms and rounds overlapping."""

log = Log("tagging")


class TaggingUnavailable(Exception):
    """Fewer than t evaluators gave a good answer."""

    def __init__(self, good: int, needed: int) -> None:
        self.good = good
        self.needed = needed
        super().__init__(f"{good} of {needed} evaluators answered")


class Tagger:
    """Tags for (kind label, normalised value) pairs."""

    def __init__(
        self,
        key: ThresholdKey,
        tag_version: int,
        evaluators: Evaluators,
        cache: TagCache,
        pool: Executor,
        random_bytes: RandomBytes,
    ) -> None:
        self._key = key
        self._tag_version = tag_version
        self._evaluators = evaluators
        self._pool = pool
        self._random_bytes = random_bytes
        self._under_way: dict[bytes, asyncio.Future[Tag]] = {}
        self._rounds = asyncio.Semaphore(MAX_ROUNDS)
        self._waiting: list[tuple[bytes, bytes]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.cache = cache
        self.rounds = 0
        self.bad_evaluations = 0

    def input_of(self, kind: str, value: str) -> bytes:
        """OPRF input of a normalised indicator."""
        return tag_input(self._tag_version, kind, value)

    def cached(self, kind: str, value: str) -> Tag | None:
        """The tag if it is known, without any round."""
        return self.cache.get(self.cache.name(self.input_of(kind, value)))

    async def tags(self, indicators: Sequence[tuple[str, str]]) -> list[Tag | TaggingUnavailable]:
        """One tag an indicator in order, or the reason why there is none now."""
        found: list[Tag | asyncio.Future[Tag]] = []
        for kind, value in indicators:
            data = self.input_of(kind, value)
            name = self.cache.name(data)
            tag = self.cache.get(name)
            found.append(tag if tag is not None else self._wanted(name, data))
        self._start_rounds()
        answers: list[Tag | TaggingUnavailable] = []
        for item in found:
            if not isinstance(item, asyncio.Future):
                answers.append(item)
                continue
            try:
                answers.append(await asyncio.shield(item))
            except TaggingUnavailable as error:
                answers.append(error)
        return answers

    def _wanted(self, name: bytes, data: bytes) -> asyncio.Future[Tag]:
        future = self._under_way.get(name)
        if future is None:
            future = asyncio.get_running_loop().create_future()
            # A caller that gave up must not turn into a "never retrieved" warning.
            future.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._under_way[name] = future
            self._waiting.append((name, data))
        return future

    def _start_rounds(self) -> None:
        """Start rounds for everything that waits, as even in size as the limits allow."""
        while self._waiting:
            size = SMALL_ROUND if len(self._waiting) <= SMALL_ROUND * MAX_ROUNDS else MAX_BATCH
            wanted, self._waiting = self._waiting[:size], self._waiting[size:]
            task = asyncio.get_running_loop().create_task(self._run(wanted))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self, wanted: list[tuple[bytes, bytes]]) -> None:
        """One round; settles the future of every wanted name whatever happens."""
        try:
            async with self._rounds:
                tags = await self._round([data for _, data in wanted])
        except asyncio.CancelledError:
            for name, _ in wanted:
                self._under_way.pop(name).cancel()
            raise
        except Exception as error:
            if not isinstance(error, TaggingUnavailable):
                log.error("round failed", trace=True)
                error = TaggingUnavailable(0, self._key.threshold)
            for name, _ in wanted:
                self._under_way.pop(name).set_exception(error)
            return
        for (name, _), tag in zip(wanted, tags, strict=True):
            self.cache.put(name, tag)
            self._under_way.pop(name).set_result(tag)

    async def _round(self, inputs: list[bytes]) -> list[Tag]:
        loop = asyncio.get_running_loop()
        self.rounds += 1
        tagging = await loop.run_in_executor(
            self._pool, TaggingRound, self._key, inputs, self._random_bytes
        )
        blinded = tagging.blinded_elements()
        spare = self._evaluators.preferred()
        asked: set[asyncio.Task[Evaluation]] = set()
        try:
            while not tagging.ready:
                missing = self._key.threshold - len(tagging.accepted)
                while spare and len(asked) < missing:
                    asked.add(loop.create_task(self._evaluators.ask(spare.pop(0), blinded)))
                if not asked:
                    raise TaggingUnavailable(len(tagging.accepted), self._key.threshold)
                done, asked = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    await self._accept(tagging, task)
        finally:
            for task in asked:
                task.cancel()
        return [Tag(tag) for tag in await loop.run_in_executor(self._pool, tagging.tags)]

    async def _accept(self, tagging: TaggingRound, task: asyncio.Task[Evaluation]) -> None:
        try:
            evaluation = task.result()
        except EvaluatorUnavailable as error:
            log.warning("evaluator unavailable", index=error.index, reason=error.reason)
            return
        try:
            await asyncio.get_running_loop().run_in_executor(self._pool, tagging.accept, evaluation)
        except BadEvaluation as error:
            self.bad_evaluations += 1
            log.error("wrong evaluation refused", reason=str(error))

    async def close(self) -> None:
        """Stop rounds under way."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

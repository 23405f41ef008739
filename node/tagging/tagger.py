"""The tagger: tags of indicators, from the cache or from a round with the evaluators.

Rules: identical questions in flight share one round; a round asks t evaluators at once and another
one for each that fails; a wrong answer is named with its evaluator and never used. A round takes
the key as it is in force when it begins, and never mixes sharings: if the key changed meanwhile it
begins anew, once. Group arithmetic runs on threads, since a round of 256 is 100 ms of it and the
event loop has votes to send. If fewer than t evaluators give a good answer the caller is told so
and why, never given a guess.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Final

from bulwark.ledger.ids import Tag
from bulwark.privacy.errors import BadEvaluation
from bulwark.privacy.group import RandomBytes
from bulwark.privacy.query import RefusalCode
from bulwark.privacy.tags import tag_input
from bulwark.privacy.threshold import MAX_BATCH, Evaluation, TaggingRound
from node.guarded.ports import Keys, LiveKey
from node.logs import Log
from node.tagging.cache import TagCache
from node.tagging.rounds import (
    CannotAsk,
    EvaluatorRefused,
    Evaluators,
    EvaluatorUnavailable,
    NoRelay,
    QuotaUsed,
    Round,
)

MAX_ROUNDS = 8
"""Rounds of this node under way at once."""
SWEEP_PAUSE_S = 0.005
"""Between two deletions of 256 old tags each, so that votes do not wait for them."""
BULK_TRIES = 3
"""Rounds for a row of an upload, as long as some bring tags."""
BULK_PAUSE_S = 1.0
SMALL_ROUND = 64
"""Preferred elements in a round: keeps a thread's turn near 25 ms and rounds overlapping."""

log = Log("tagging")


NO_KEY: Final = "the tag key is not made yet"


class TaggingUnavailable(Exception):
    """There is no tag now: fewer than t evaluators gave a good answer, or none can be asked."""

    def __init__(self, good: int, needed: int, reason: str | None = None) -> None:
        """`reason` replaces the count in the message, for people."""
        self.good = good
        self.needed = needed
        super().__init__(reason or f"{good} of {needed} evaluators answered")


class QuotaUsedUp(TaggingUnavailable):
    """This member has used its quota of this period."""


def _may_be_tried_again(tag: Tag | TaggingUnavailable) -> bool:
    return (
        isinstance(tag, TaggingUnavailable) and not isinstance(tag, QuotaUsedUp) and tag.needed > 0
    )


class _KeyChanged(Exception):
    """Evaluators use another key or sharing than the round."""


@dataclass(slots=True)
class _Under:
    """A round under way: what it asks with and what was said so far."""

    live: LiveKey
    tagging: TaggingRound
    asking: Round
    said: set[str] = field(default_factory=set)
    """Why evaluators did not answer, as far as people should know."""

    def failed(self) -> TaggingUnavailable:
        good, needed = len(self.tagging.accepted), self.live.key.threshold
        said = f"{good} of {needed} evaluators answered"
        if self.said:
            said += f"; {', '.join(sorted(self.said))}"
        return TaggingUnavailable(good, needed, said)


class Tagger:
    """Tags for (kind label, normalised value) pairs."""

    def __init__(
        self,
        keys: Keys,
        tag_version: int,
        evaluators: Evaluators,
        cache: TagCache,
        pool: Executor,
        random_bytes: RandomBytes,
        round_size: int = SMALL_ROUND,
    ) -> None:
        """`round_size`: elements in a round, if no more than some rounds of it wait.

        Small rounds overlap better; where a round costs a slot of a quota, MAX_BATCH saves slots.
        """
        self._round_size = round_size
        self._keys = keys
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
        self._live()
        return self.cache.get(self.cache.name(self.input_of(kind, value)))

    async def tags(self, indicators: Sequence[tuple[str, str]]) -> list[Tag | TaggingUnavailable]:
        """One tag an indicator in order, or the reason why there is none now."""
        self._live()
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

    async def tags_of_many(
        self, indicators: Sequence[tuple[str, str]], tries: int = BULK_TRIES
    ) -> list[Tag | TaggingUnavailable]:
        """As `tags`, for rows of an upload: what no round could tag is tried again after a pause.

        A new round goes to evaluators in another order and through other relays. A quota that is
        used up, or a key that is not made yet, is not tried again.
        """
        found = await self.tags(indicators)
        for turn in range(1, tries):
            failed = [at for at, tag in enumerate(found) if _may_be_tried_again(tag)]
            if not failed:
                break
            log.info("tags of an upload are tried again", rows=len(failed), turn=turn)
            await asyncio.sleep(BULK_PAUSE_S * turn)
            again = await self.tags([indicators[at] for at in failed])
            for at, tag in zip(failed, again, strict=True):
                found[at] = tag
        return found

    def _live(self) -> LiveKey | None:
        """The key in force; the cache follows it."""
        live = self._keys.tag_key()
        if live is not None and self.cache.turn_to(live.key_id):
            task = asyncio.get_running_loop().create_task(self._sweep())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return live

    async def _sweep(self) -> None:
        """Delete the tags of a key that is over, with turns of the event loop between."""
        is_left = True
        while is_left:
            is_left = self.cache.sweep()
            await asyncio.sleep(SWEEP_PAUSE_S)

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
            few = len(self._waiting) <= self._round_size * MAX_ROUNDS
            size = self._round_size if few else MAX_BATCH
            wanted, self._waiting = self._waiting[:size], self._waiting[size:]
            task = asyncio.get_running_loop().create_task(self._run(wanted))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self, wanted: list[tuple[bytes, bytes]]) -> None:
        """One round; settles the future of every wanted name whatever happens."""
        try:
            async with self._rounds:
                key_id, tags = await self._round([data for _, data in wanted])
        except asyncio.CancelledError:
            for name, _ in wanted:
                self._under_way.pop(name).cancel()
            raise
        except Exception as error:
            if not isinstance(error, TaggingUnavailable):
                log.error("round failed", trace=True)
                error = TaggingUnavailable(0, 0, "the round failed in this node")
            for name, _ in wanted:
                self._under_way.pop(name).set_exception(error)
            return
        for (name, _), tag in zip(wanted, tags, strict=True):
            self._under_way.pop(name).set_result(tag)
        if key_id == self.cache.key_id:
            names = [self.cache.name(data) for _, data in wanted]
            self.cache.put_all(dict(zip(names, tags, strict=True)))

    async def _round(self, inputs: list[bytes]) -> tuple[int, list[Tag]]:
        """Key id and tags; begins anew once if the key changes on the way."""
        for _ in range(2):
            live = self._live()
            if live is None:
                raise TaggingUnavailable(0, 0, NO_KEY)
            try:
                return live.key_id, await self._round_with(live, inputs)
            except _KeyChanged:
                log.info("the tag key changed during a round", key=live.key_id)
        raise TaggingUnavailable(0, 0, "the tag key is being changed")

    async def _round_with(self, live: LiveKey, inputs: list[bytes]) -> list[Tag]:
        loop = asyncio.get_running_loop()
        self.rounds += 1
        tagging = await loop.run_in_executor(
            self._pool, TaggingRound, live.key, inputs, self._random_bytes
        )
        asking = await self._evaluators.open(live, tagging.blinded_elements())
        under = _Under(live, tagging, asking)
        spare = asking.preferred()
        asked: set[asyncio.Task[Evaluation]] = set()
        try:
            while not tagging.ready:
                missing = live.key.threshold - len(tagging.accepted)
                while spare and len(asked) < missing:
                    asked.add(loop.create_task(asking.ask(spare.pop(0))))
                if not asked:
                    raise under.failed()
                done, asked = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
                # What was paid for is looked at before anything is given up.
                for task in sorted(done, key=lambda task: task.exception() is not None):
                    await self._accept(under, task)
        finally:
            for task in asked:
                task.cancel()
        return [Tag(tag) for tag in await loop.run_in_executor(self._pool, tagging.tags)]

    async def _accept(self, under: _Under, task: asyncio.Task[Evaluation]) -> None:
        if under.tagging.ready:
            # Settled without this one; its error, if any, is of no interest any more.
            return
        try:
            evaluation = task.result()
        except EvaluatorUnavailable as error:
            self._note(under, error)
            return
        except CannotAsk as error:
            kind = QuotaUsedUp if isinstance(error, QuotaUsed) else TaggingUnavailable
            good = len(under.tagging.accepted)
            raise kind(good, under.live.key.threshold, error.reason) from error
        try:
            await asyncio.get_running_loop().run_in_executor(
                self._pool, under.tagging.accept, evaluation
            )
        except BadEvaluation as error:
            self.bad_evaluations += 1
            under.asking.wrong(error.index, error.reason)

    def _note(self, under: _Under, error: EvaluatorUnavailable) -> None:
        """Remember why an evaluator did not answer; raises _KeyChanged if the round is stale."""
        log.warning("evaluator unavailable", index=error.index, reason=error.reason)
        if isinstance(error, EvaluatorRefused | NoRelay):
            under.said.add(error.reason)
        if isinstance(error, EvaluatorRefused) and error.code is RefusalCode.WRONG_KEY:
            now = self._live()
            used = (under.live.key_id, under.live.share_epoch)
            if now is not None and (now.key_id, now.share_epoch) != used:
                raise _KeyChanged

    async def close(self) -> None:
        """Stop rounds under way."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

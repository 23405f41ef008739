"""A member's job desk over a real chain, log, cache and folder; it may die at any write.

The tagger knows the tags that the office was told and no evaluator: other values have none.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from bulwark.indicators.normalise import normalise
from bulwark.indicators.vocabulary import Kind
from bulwark.jobs.manifest import Manifest, read_signed
from bulwark.ledger.ids import MemberId, Tag
from bulwark.ledger.signing import SigningKey
from node.clock import Clock
from node.guarded.accessdesk import AccessDesk
from node.guarded.atrest import AtRest
from node.guarded.claims import ClaimBook
from node.guarded.ports import LiveKey
from node.jobs.answers import AnswerGround
from node.jobs.book import JobBook
from node.jobs.desk import DeskGround, JobDesk
from node.jobs.port import JobView, Wish
from node.jobs.settings import JobsConfig
from node.jobs.shelf import Shelf
from node.jobs.worker import Rates, Unbounded, Worker, WorkGround
from node.recall.hits import HitLog
from node.screening.screener import Screener, Seen
from node.service import Caller, Role
from node.storage.durability import Durability
from node.storage.memory import MemoryStore
from node.tagging.cache import TagCache
from node.tagging.tagger import Tagger
from tests.unit.node.chain.lifecycle_world import World, statement
from tests.unit.node.execution.alliance import NAMES, Node
from tests.unit.node.guarded.test_accesslog import access

BY: Final = Caller("desk-7", Role.ANALYST)
KEY: Final = SigningKey(b"\x07" * 32)
WHY: Final = {"purpose": "fraud_prevention", "lawful_basis": "legitimate_interests"}
PHONES: Final = [f"+44 7911 1234{number:02d}" for number in range(40)]
REPORTED: Final = PHONES[:5]


class Killed(BaseException):
    """The process ends here."""


class DyingStore(MemoryStore):
    """A store whose process dies before one of its writes."""

    dies_at: int | None = None
    writes = 0

    def write(self, puts: Mapping[bytes, bytes | None], *, sync: bool) -> None:
        self.writes += 1
        if self.dies_at is not None and self.writes >= self.dies_at:
            raise Killed
        super().write(puts, sync=sync)


class NoKey:
    """Members that have made no key yet."""

    def tag_key(self) -> LiveKey | None:
        return None

    def council_key(self) -> LiveKey | None:
        return None


def tag_of(number: int) -> Tag:
    return Tag(bytes([number + 1]) * 32)


def ledger() -> World:
    """A chain on which some phones are reported."""
    world = World()
    for number, _ in enumerate(REPORTED):
        world.say(0, statement(world.number(), tag=tag_of(number)))
    return world


class Office:
    """One start of the member's node."""

    def __init__(
        self,
        folder: Path,
        node: Node,
        store: MemoryStore | None = None,
        rates: Rates | None = None,
        **settings: Any,
    ) -> None:
        self.rates = Unbounded() if rates is None else rates
        self.node = node
        self.store = DyingStore() if store is None else store
        self.config = JobsConfig(**({"chunk_rows": 7, "wait_seconds": 1, "waits": 0} | settings))
        self.durability = Durability(self.store)
        self.behind: str | None = None
        unused: Any = None
        self.tagger = Tagger(NoKey(), 1, unused, TagCache(b"i" * 32, 1_000), unused, os.urandom)
        for number, phone in enumerate(PHONES):
            self.know(phone, tag_of(number))
        self.screener = Screener(
            tagger=self.tagger,
            replica=node.records,
            standings=node.standings,
            now_ms=lambda: 0,
            lag=lambda: self.behind,
        )
        self.log = access(self.store)
        claims = ClaimBook(self.store, AtRest(bytes(32), b"claims", os.urandom))
        member = MemberId(NAMES[0])
        self.access = AccessDesk(
            self.log, self.store, unused, self.durability, unused, Clock(), member, claims
        )
        self.hits = HitLog(
            self.store,
            AtRest(b"v" * 32, b"own-hits", os.urandom),
            b"i" * 32,
            self.durability,
            lambda: 0,
            10_000,
        )
        self.shelf = Shelf(folder)
        self.remembered: list[tuple[str, str, Tag, str]] = []
        self.now_ms = 1_800_000_000_000
        self.desk = JobDesk(self._ground())

    def _ground(self) -> DeskGround:
        book = JobBook(self.store, AtRest(b"v" * 32, b"screening-jobs", os.urandom))
        answers = AnswerGround(
            tagger=self.tagger,
            screener=self.screener,
            access=self.access,
            hits=self.hits,
            tip=lambda: self.node.records.tip,
            now_ms=lambda: self.now_ms,
            remember=self._remember,
        )

        def make_worker(desk: JobDesk) -> Worker:
            return Worker(
                WorkGround(
                    config=self.config,
                    book=book,
                    shelf=self.shelf,
                    answers=answers,
                    screener=self.screener,
                    records=self.node.records,
                    durability=self.durability,
                    finish=desk.finish,
                    moved=desk.moved,
                    rates=self.rates,
                ),
                desk.jobs_by_id,
                desk.going,
            )

        return DeskGround(
            config=self.config,
            book=book,
            shelf=self.shelf,
            records=self.node.records,
            durability=self.durability,
            genesis=self.node.genesis,
            member=MemberId(NAMES[0]),
            key=KEY,
            tool_version="test",
            now_ms=lambda: self.now_ms,
            make_worker=make_worker,
        )

    def _remember(self, by: Caller) -> Seen:
        return lambda rows: self.remembered.extend(
            (by.key_id, request.case_ref, tag, answer.band) for request, tag, answer in rows
        )

    def know(self, phone: str, tag: Tag) -> None:
        value = normalise(Kind.PHONE, phone, None).value
        cache = self.tagger.cache
        cache.put(cache.name(self.tagger.input_of("phone", value)), tag)

    async def send(self, body: bytes, form: str = "csv", **wish: Any) -> JobView:
        """Take a file."""
        given: dict[str, Any] = {"format": form, "columns": {}, "kind": "phone", **WHY, **wish}
        promise = given.pop("promise", "")
        view, _ = await self.desk.submit(Wish(**given), pieces(body), by=BY, promise=promise)
        return view

    async def work_as(self, job_id: str, key_id: str) -> JobView:
        """Let the desk work until a job of a key is over."""
        return await self.work(job_id, by=Caller(key_id, Role.ADMIN))

    async def work(self, job_id: str, *states: str, by: Caller = BY) -> JobView:
        """Let the desk work until a job is in one of some states, or over."""
        async with asyncio.timeout(30):
            running = asyncio.create_task(self.desk.run())
            try:
                async for view in self.desk.changes(job_id, by=by):
                    if view.state.value in states or running.done():
                        break
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
        return self.desk.job(job_id, by=by)

    async def rows(self, job_id: str, form: str = "ndjson", **how: Any) -> bytes:
        """The result in a format."""
        asked: dict[str, Any] = {"first": 1, "most": None, **how}
        stream = await self.desk.result(job_id, by=BY, form=form, **asked)
        return b"".join([piece async for piece in stream.pieces])

    def manifest(self, job_id: str) -> Manifest:
        """The manifest, verified."""
        return read_signed(self.desk.manifest(job_id, by=BY), self.node.genesis, KEY.address)

    def noted(self) -> list[tuple[str, int]]:
        """Case and number of rows of each entry of the access log."""
        return [(entry.case_ref, entry.count) for entry in access(self.store).page()]

    async def close(self) -> None:
        """End, after what waits for the disk."""
        flushes = [task for task in (self.access._flush, self.hits._flush) if task is not None]
        await asyncio.gather(*flushes, return_exceptions=True)
        self.durability.close()


async def pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 1_000):
        yield body[start : start + 1_000]


def csv_of(*phones: str) -> bytes:
    lines = ["id,value", *(f"K{number},{phone}" for number, phone in enumerate(phones, 1))]
    return "\n".join(lines).encode() + b"\n"


def read(lines: bytes) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in lines.splitlines()]

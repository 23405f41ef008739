"""The worker: takes one job after another and works it part by part, over every restart.

Rules: a part is read, asked, written to the result file and put on disk, and only then is its entry
written that moves the job on; so whatever ends the process, work goes on at the first part without
an entry, and its rows come out the same, as after the same block. A part whose values have no tag
now is asked again later, while other jobs go on; after a number of times its rows are marked as not
complete. One job is worked at a time, in the order in which they came. Rows are paid from the rate
of rows of who sent them: in debt, a job waits before its next part, and others go on.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from bulwark.ledger.header import Header
from bulwark.ledger.ids import Height
from node.chain.records import RecordReader
from node.jobs.answers import AnswerGround, Answers, Made, Untagged
from node.jobs.book import JobBook, JobRecord, Part
from node.jobs.inputs import Opened, open_input
from node.jobs.port import InputRefused, State
from node.jobs.rowsource import Raw
from node.jobs.sealedfile import FileDamaged, Frames, InputReader
from node.jobs.settings import JobsConfig
from node.jobs.share import Share
from node.jobs.shelf import Shelf
from node.logs import Log
from node.screening.screener import Screener
from node.service import Caller, Role
from node.storage.durability import Durability
from node.storage.errors import StorageError, StoreDamaged

TAKE: Final = 500
"""Rows read at once: about 1 ms in which other threads wait."""
PART_BYTES: Final = 8 << 20
"""Rows of a part are fewer if they are that large together."""
BEHIND_POLL_S: Final = 1.0
WINDOW_S: Final = 10.0
"""Length of the time that the speed is measured over."""

log = Log("jobs")


class _NoRoom(Exception):
    """A part can not be written now."""


class _Owing(Exception):
    """The rows so far are not paid by the caller's rate yet."""

    def __init__(self, wait_s: float) -> None:
        self.wait_s = wait_s
        super().__init__(wait_s)


class Rates(Protocol):
    """Rates of rows of all callers."""

    def owed_s(self, by: Caller) -> float:
        """Seconds until a caller's rows so far are paid."""
        ...

    def charge(self, by: Caller, rows: int) -> None:
        """Pay rows."""
        ...


class Unbounded:
    """Rates that bound nobody."""

    def owed_s(self, by: Caller) -> float:
        """See Rates."""
        return 0.0

    def charge(self, by: Caller, rows: int) -> None:
        """See Rates."""


@dataclass(slots=True)
class Going:
    """What is known of a job between its parts, in memory."""

    parts: int
    last: Part
    speeds: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=256))
    """Moment and rows at the end of recent parts."""
    waits: int = 0
    not_before: float = 0.0
    """Monotonic time before which it is not worked."""
    total_bytes: int | None = None

    def speed(self, now: float) -> float:
        """Rows a second of late."""
        while self.speeds and now - self.speeds[0][0] > WINDOW_S and len(self.speeds) > 2:
            self.speeds.popleft()
        if len(self.speeds) < 2:
            return 0.0
        seconds = self.speeds[-1][0] - self.speeds[0][0]
        return (self.speeds[-1][1] - self.speeds[0][1]) / seconds if seconds > 0 else 0.0


class WorkGround(Struct, frozen=True, kw_only=True):
    """What the worker stands on."""

    config: JobsConfig
    book: JobBook
    shelf: Shelf
    answers: AnswerGround
    screener: Screener
    records: RecordReader
    durability: Durability
    finish: Callable[[JobRecord, State, str | None], None]
    """A job is over: manifest, files, record and whoever waits for it."""
    moved: Callable[[JobRecord], None]
    """A job's view changed."""
    rates: Rates = msgspec.field(default_factory=Unbounded)


class Worker:
    """Works the jobs of one member."""

    def __init__(
        self, ground: WorkGround, jobs: Mapping[str, JobRecord], going: dict[str, Going]
    ) -> None:
        """`jobs`: all of them, the desk's own; `going`: what is known of those not over."""
        self._ground = ground
        self._jobs = jobs
        self._going = going
        self._wake = asyncio.Event()
        self.rows = 0
        """Rows worked since the start."""
        self._free = asyncio.Event()
        self._free.set()
        self._current: str | None = None
        """Id of the job whose files are in use."""

    def wake(self) -> None:
        """A job came, or one that waited may go on."""
        self._wake.set()

    async def let_go(self, job_id: str) -> None:
        """Wait until the files of a job that is over are not in use."""
        while self._current == job_id:
            await self._free.wait()

    async def run(self) -> None:
        """Work until cancelled. Raises StoreWriteFailed."""
        while True:
            self._wake.clear()
            job, pause = self._next()
            if job is not None:
                await self._one(job)
                continue
            try:
                await asyncio.wait_for(self._wake.wait(), pause)
            except TimeoutError:
                continue

    def _next(self) -> tuple[JobRecord | None, float | None]:
        """The job to work now, or how long to wait for one."""
        now = time.monotonic()
        waiting = [job for job in self._jobs.values() if job.state is State.QUEUED]
        waiting.sort(key=lambda job: job.created_ms)
        for job in waiting:
            if self._going[job.id].not_before <= now:
                return job, None
        times = [self._going[job.id].not_before - now for job in waiting]
        return None, min(times, default=None)

    async def _one(self, job: JobRecord) -> None:
        """Work a job until it is over or has to wait."""
        ground = self._ground
        job.state, job.reason = State.RUNNING, None
        job.started_ms = job.started_ms or ground.answers.now_ms()
        ground.book.put(job)
        ground.moved(job)
        opened: Opened | None = None
        self._current = job.id
        self._free.clear()
        try:
            opened = await asyncio.to_thread(self._open, job)
            self._going[job.id].total_bytes = opened.total_bytes
            header = await self._pinned(job)
            if header is not None:
                await self._parts(job, opened, header)
        except Untagged as error:
            self._put_off(job, error)
        except _Owing as error:
            self._let_pay(job, error.wait_s)
        except _NoRoom as error:
            job.state, job.reason = State.PAUSED, f"{error}; resume it when there is"
            ground.book.put(job)
            ground.moved(job)
        except (FileDamaged, InputRefused) as error:
            ground.finish(job, State.FAILED, str(error))
        except StoreDamaged as error:
            log.error("a job can not go on", job=job.id, where=error.where)
            ground.finish(job, State.FAILED, "the node's database is damaged; see its log")
        except asyncio.CancelledError:
            if job.state is State.RUNNING:
                job.state = State.QUEUED
            raise
        except StorageError:
            raise
        except Exception:
            log.error("a job failed", trace=True, job=job.id)
            row = self._going[job.id].last.all_rows + 1
            ground.finish(job, State.FAILED, f"the node failed behind row {row}; see its log")
        finally:
            self._current = None
            self._free.set()
            if opened is not None:
                opened.source.close()

    def _open(self, job: JobRecord) -> Opened:
        raw = InputReader(
            self._ground.shelf.input(job), self._ground.shelf.cipher(job), job.input_bytes
        )
        opened = open_input(
            raw, job.format, job.columns, tuple(job.references), job.defaults, self._ground.config
        )
        opened.source.seek(self._going[job.id].last.next)
        return opened

    async def _pinned(self, job: JobRecord) -> Header | None:
        """The header as after whose block all rows are answered; None if the job was stopped."""
        ground = self._ground
        if job.block_hash:
            return ground.records.header(_height(job))
        patience = time.monotonic() + ground.config.wait_seconds
        while (behind := ground.screener.behind()) is not None:
            if time.monotonic() >= patience:
                break
            job.reason = f"waits for the alliance: {behind}"
            ground.moved(job)
            await asyncio.sleep(BEHIND_POLL_S)
            if job.state is not State.RUNNING:
                return None
        tip = ground.records.tip
        header = tip if job.at_height is None else ground.records.header(_height(job))
        job.at_height, job.block_hash = header.height, header.hash()
        job.block_ms, job.behind, job.reason = header.timestamp_ms, behind, None
        ground.book.put(job)
        ground.moved(job)
        return header

    async def _parts(self, job: JobRecord, opened: Opened, header: Header) -> None:
        config, going = self._ground.config, self._going[job.id]
        by = Caller(job.by, Role(job.role))
        answers = Answers(
            self._ground.answers,
            opened.questions,
            by,
            header,
            job.behind,
            values=job.values,
            is_past=job.is_past,
        )
        share = Share(config.share_percent, config.slice_ms)
        going.speeds.append((time.monotonic(), going.last.all_rows))
        while job.state is State.RUNNING:
            began = time.monotonic()
            rows = await self._take(opened)
            if not rows:
                self._ground.finish(job, State.DONE, None)
                return
            if (owed_s := self._ground.rates.owed_s(by)) > 0:
                raise _Owing(owed_s)
            share.begin()
            made = await answers.part(
                rows,
                going.last.all_rows + 1,
                share,
                self._ground.book.noted(job, going.parts),
                lambda noted: self._ground.book.mark(job, going.parts, noted),
                is_last_try=going.waits >= config.waits,
            )
            await self._keep(job, opened, made, len(rows), began)
            self._ground.rates.charge(by, len(rows))

    async def _take(self, opened: Opened) -> list[Raw]:
        """The rows of the next part; where it ends depends on the input alone."""
        rows: list[Raw] = []
        size, most = 0, self._ground.config.chunk_rows
        while len(rows) < most and size < PART_BYTES:
            more = await asyncio.to_thread(opened.source.take, min(TAKE, most - len(rows)))
            if not more:
                break
            rows += more
            size += sum(raw.size for raw in more)
        return rows

    async def _keep(
        self, job: JobRecord, opened: Opened, made: Made, rows: int, began: float
    ) -> None:
        """Put a part on disk, then move the job on. Raises _NoRoom."""
        ground, going = self._ground, self._going[job.id]
        last, number = going.last, going.parts
        frames = Frames(ground.shelf.result(job), ground.shelf.cipher(job))
        if ground.shelf.free() < ground.config.free_bytes:
            raise _NoRoom("the disk has no room for more of the result")
        try:
            end = await asyncio.to_thread(frames.append, number, last.result_end, made.lines)
        except OSError as error:
            raise _NoRoom(f"the result can not be written: {error.strerror}") from error
        part = Part(
            rows=rows,
            digest=made.digest,
            next=opened.source.place,
            read_bytes=opened.source.read_bytes,
            all_rows=last.all_rows + rows,
            result_end=end,
            outcomes=_added(last.outcomes, made.outcomes),
            bands=_added(last.bands, made.bands),
            errors=_added(last.errors, made.errors),
            busy_ms=last.busy_ms + round((time.monotonic() - began) * 1000),
        )
        ground.book.finish_part(job, number, part, made.hits)
        await ground.durability.barrier()
        going.parts, going.last, going.waits = number + 1, part, 0
        self.rows += rows
        going.speeds.append((time.monotonic(), part.all_rows))
        ground.moved(job)

    def _put_off(self, job: JobRecord, error: Untagged) -> None:
        """Come back to a job later; others go on meanwhile."""
        going = self._going[job.id]
        going.waits += 1
        pause = self._ground.config.wait_seconds * min(going.waits, 10)
        going.not_before = time.monotonic() + pause
        log.info("a job waits for tags", job=job.id, values=error.rows, pause_s=pause)
        self._queue_again(job, f"waits {pause} s: {error}")

    def _let_pay(self, job: JobRecord, wait_s: float) -> None:
        """Come back to a job when its rows so far are paid; others go on meanwhile."""
        self._going[job.id].not_before = time.monotonic() + wait_s
        self._queue_again(job, f"waits {wait_s:.0f} s: the rate of rows of {job.by} is used up")

    def _queue_again(self, job: JobRecord, reason: str) -> None:
        if job.state is State.RUNNING:
            job.state = State.QUEUED
        job.reason = reason
        self._ground.book.put(job)
        self._ground.moved(job)


def _height(job: JobRecord) -> Height:
    return Height(job.at_height or 0)


def _added(before: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    return dict(Counter(before) + Counter(more))

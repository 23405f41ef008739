"""The job desk: takes files, shows how far their jobs are, and hands out results and manifests.

Rules: a file is taken whole or not at all, bounded while it arrives, and looked at before it is a
job: what can not be worked is refused with where and what is allowed. A job is seen by who sent it
(the id of a key outlives the rotation of its secret), and by operators and admins, who may stop and
delete it; its result is for who sent it, and for admins where that one is no more.
An input is destroyed as soon as its job is over; a job and its result after their time, or when
they are deleted. Who waits for a job's end is told once, after it is durable.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Final

from msgspec import Struct

from bulwark.indicators.scoring import VERSION
from bulwark.jobs.manifest import Manifest, signed
from bulwark.jobs.manifest import Part as ManifestPart
from bulwark.jobs.row import OUTCOMES
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.ids import Digest, Height, MemberId
from bulwark.ledger.signing import Signer
from node.chain.records import RecordReader
from node.jobs.book import JobBook, JobRecord, Part
from node.jobs.intake import Intake, new_job, wish_digest
from node.jobs.port import (
    FORMATS,
    InputRefused,
    JobView,
    ResultStream,
    State,
    Wish,
)
from node.jobs.render import renderer
from node.jobs.results import Kept
from node.jobs.settings import JobsConfig
from node.jobs.shelf import Shelf
from node.jobs.views import view_of
from node.jobs.worker import Going, Worker
from node.logs import Log
from node.service import Busy, Caller, Conflict, IdempotencyMismatch, NotFound, Role
from node.storage.durability import Durability
from node.storage.errors import StorageError

UPLOADS: Final = 2
"""Files that are taken at a time."""
SWEEP_S: Final = 60.0
ALL_SEEN_BY: Final = frozenset({Role.OPERATOR, Role.ADMIN})

log = Log("jobs")
Finished = Callable[[JobView], object]
"""Told the view of a job that is over."""


class DeskGround(Struct, frozen=True, kw_only=True):
    """What the desk stands on."""

    config: JobsConfig
    book: JobBook
    shelf: Shelf
    records: RecordReader
    durability: Durability
    genesis: Genesis
    member: MemberId
    key: Signer
    """Signs manifests."""
    tool_version: str
    now_ms: Callable[[], int]
    make_worker: Callable[[JobDesk], Worker]


class JobDesk:
    """JobsService of one node."""

    def __init__(self, ground: DeskGround) -> None:
        """Reads all jobs; raises StoreDamaged, OSError."""
        self._ground = ground
        self.jobs_by_id: dict[str, JobRecord] = {}
        self.going: dict[str, Going] = {}
        self._intake = Intake(ground.config, ground.shelf)
        self._listeners: list[Finished] = []
        self._changed: dict[str, asyncio.Event] = {}
        self._uploads = 0
        for job in ground.book.all():
            if job.state is State.RUNNING:
                job.state = State.QUEUED
            self._know(job)
        ground.shelf.sweep(self.jobs_by_id)
        self._worker = ground.make_worker(self)

    def _know(self, job: JobRecord) -> None:
        self.jobs_by_id[job.id] = job
        parts, last = self._ground.book.last_part(job)
        self.going[job.id] = Going(parts, last or _NO_PART)

    def listen(self, told: Finished) -> None:
        """Tell somebody of every job that is over and was not told; at least once each."""
        self._listeners.append(told)

    @property
    def rows_worked(self) -> int:
        """Rows worked since the start."""
        return self._worker.rows

    @property
    def used_bytes(self) -> int:
        """Bytes of all inputs and results."""
        return self._ground.shelf.used()

    async def run(self) -> None:
        """Work jobs and drop old ones until cancelled. Raises StoreWriteFailed."""
        for job in self.jobs_by_id.values():
            if job.state.is_over and not job.told:
                self._tell(job)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._worker.run())
            group.create_task(self._sweep())

    async def _sweep(self) -> None:
        while True:
            now_ms = self._ground.now_ms()
            for job in list(self.jobs_by_id.values()):
                if job.ended_ms is not None and self._expires_ms(job) <= now_ms:
                    self._drop(job)
            await asyncio.sleep(SWEEP_S)

    def _expires_ms(self, job: JobRecord) -> int:
        return (job.ended_ms or 0) + self._ground.config.keep_hours * 3_600_000

    # Taking

    async def submit(
        self, wish: Wish, body: AsyncIterator[bytes], *, by: Caller, promise: str
    ) -> tuple[JobView, bool]:
        """See JobsService."""
        self._check_room(by, promise)
        self._check_height(wish)
        job = new_job(wish, by, promise, self._ground.now_ms())
        self._uploads += 1
        try:
            await self._intake.receive(job, body)
            opened = await asyncio.to_thread(self._intake.look, job)
            job.ignored, job.expected_rows = list(opened.ignored), opened.source.expected_rows
            if job.result == "parquet":
                renderer("parquet", job.references, values=job.values)
            job.wish_digest = wish_digest(job)
            known = self._promised(by, promise)
            if known is not None:
                if known.wish_digest != job.wish_digest:
                    raise IdempotencyMismatch("this key was used with another file or wish")
                self._ground.shelf.drop(job)
                return self._view(known), False
            await asyncio.to_thread(self._ground.shelf.settle)
            self._know(job)
            self._ground.book.put(job)
            await self._ground.durability.barrier()
        except BaseException:
            self.jobs_by_id.pop(job.id, None)
            self._ground.shelf.drop(job)
            raise
        finally:
            self._uploads -= 1
        self._worker.wake()
        return self._view(job), True

    def _check_room(self, by: Caller, promise: str) -> None:
        config = self._ground.config
        if self._uploads >= UPLOADS:
            raise Busy(f"{UPLOADS} files are being taken, come back when one is done")
        if self._promised(by, promise) is not None:
            return
        if len(self.jobs_by_id) + self._uploads >= config.max_jobs:
            raise Busy(f"{config.max_jobs} jobs are kept; delete one that is over")
        own = [job for job in self.jobs_by_id.values() if job.by == by.key_id]
        if sum(not job.state.is_over for job in own) >= config.max_waiting:
            raise Busy(f"{config.max_waiting} jobs of this key are not over yet")

    def _check_height(self, wish: Wish) -> None:
        tip = self._ground.records.tip.height
        if wish.at_height is not None and not 0 <= wish.at_height <= tip:
            raise InputRefused(f"height {wish.at_height}: the last block here is {tip}")

    def _promised(self, by: Caller, promise: str) -> JobRecord | None:
        if not promise:
            return None
        jobs = self.jobs_by_id.values()
        return next((j for j in jobs if j.promise == promise and j.by == by.key_id), None)

    # Showing

    def jobs(self, *, by: Caller) -> list[JobView]:
        """See JobsService."""
        seen = [job for job in self.jobs_by_id.values() if _may_see(job, by)]
        return [self._view(job) for job in sorted(seen, key=lambda job: -job.created_ms)]

    def job(self, job_id: str, *, by: Caller) -> JobView:
        """See JobsService."""
        return self._view(self._found(job_id, by))

    def _found(self, job_id: str, by: Caller) -> JobRecord:
        job = self.jobs_by_id.get(job_id)
        if job is None or not _may_see(job, by):
            raise NotFound("no job of this key has this id")
        return job

    def _own(self, job_id: str, by: Caller) -> JobRecord:
        job = self._found(job_id, by)
        if job.by != by.key_id and by.role is not Role.ADMIN:
            raise NotFound("a result is for the key that sent the job, and for administrators")
        return job

    def _view(self, job: JobRecord) -> JobView:
        expires = None if job.ended_ms is None else self._expires_ms(job)
        return view_of(job, self.going[job.id], time.monotonic(), expires)

    async def changes(self, job_id: str, *, by: Caller) -> AsyncIterator[JobView]:
        """See JobsService."""
        while True:
            job = self._found(job_id, by)
            changed = self._changed.setdefault(job_id, asyncio.Event())
            view = self._view(job)
            yield view
            if view.state.is_over:
                return
            await changed.wait()

    def moved(self, job: JobRecord) -> None:
        """A job's view changed."""
        changed = self._changed.pop(job.id, None)
        if changed is not None:
            changed.set()

    # Results

    async def result(
        self, job_id: str, *, by: Caller, form: str, first: int, most: int | None
    ) -> ResultStream:
        """See JobsService."""
        job = self._own(job_id, by)
        form = form or job.result
        if form not in FORMATS:
            raise InputRefused(f"the format {form[:16]!r} is not made; csv, ndjson, parquet are")
        if self.going[job_id].parts and not self._ground.shelf.result(job).exists():
            raise Conflict("the result file is not here; send the file again")
        last = None if most is None else first + most - 1
        kept = Kept(self._ground.book, self._ground.shelf, job, self.going[job.id].parts)
        make = renderer(form, job.references, values=job.values)
        return ResultStream(form, kept.pieces(make, first, last))

    def manifest(self, job_id: str, *, by: Caller) -> bytes:
        """See JobsService."""
        job = self._own(job_id, by)
        if job.state is not State.DONE:
            raise Conflict(f"the job is {job.state}; a manifest is made when it is done")
        return job.manifest

    def _sign(self, job: JobRecord) -> bytes:
        ground, last = self._ground, self.going[job.id].last
        parts = [part for _, part in ground.book.parts(job)]
        return signed(
            Manifest(
                alliance=ground.genesis.alliance,
                genesis_hash=ground.genesis.hash,
                member=ground.member,
                key=ground.key.address,
                job=job.id,
                input_format=job.format,
                input_bytes=job.input_bytes,
                input_sha256=Digest(bytes.fromhex(job.input_sha256)),
                height=Height(job.at_height or 0),
                block_hash=Digest(job.block_hash),
                block_time_ms=job.block_ms,
                behind=job.behind,
                scoring=VERSION,
                tool_version=ground.tool_version,
                started_ms=job.started_ms or 0,
                ended_ms=job.ended_ms or 0,
                references=tuple(job.references),
                values=job.values,
                outcomes=dict.fromkeys(OUTCOMES, 0) | last.outcomes,
                bands=last.bands,
                errors=last.errors,
                parts=tuple(ManifestPart(p.rows, Digest(p.digest)) for p in parts),
            ),
            ground.genesis,
            ground.key,
        )

    # Steering

    async def pause(self, job_id: str, *, by: Caller) -> JobView:
        """See JobsService."""
        return await self._turn(job_id, by, State.PAUSED, (State.QUEUED, State.RUNNING))

    async def resume(self, job_id: str, *, by: Caller) -> JobView:
        """See JobsService."""
        view = await self._turn(job_id, by, State.QUEUED, (State.PAUSED, State.QUEUED))
        going = self.going[job_id]
        going.not_before, going.waits = 0.0, 0
        self._worker.wake()
        return view

    async def cancel(self, job_id: str, *, by: Caller) -> JobView:
        """See JobsService."""
        job = self._found(job_id, by)
        if job.state.is_over:
            raise Conflict(f"the job is {job.state} already")
        self.finish(job, State.CANCELLED, None)
        await self._ground.durability.barrier()
        return self._view(job)

    async def _turn(self, job_id: str, by: Caller, state: State, of: tuple[State, ...]) -> JobView:
        job = self._found(job_id, by)
        if job.state not in of:
            raise Conflict(f"the job is {job.state}; it wants one that is {' or '.join(of)}")
        job.state, job.reason = state, None
        self._ground.book.put(job)
        self.moved(job)
        await self._ground.durability.barrier()
        return self._view(job)

    async def delete(self, job_id: str, *, by: Caller) -> None:
        """See JobsService."""
        job = self._found(job_id, by)
        if not job.state.is_over:
            raise Conflict(f"the job is {job.state}; cancel it, then delete it")
        await self._worker.let_go(job_id)
        if job_id in self.jobs_by_id:
            self._drop(job)
        await self._ground.durability.barrier()

    def finish(self, job: JobRecord, state: State, reason: str | None) -> None:
        """A job is over; called once for each. Raises StoreWriteFailed."""
        if job.state.is_over:
            return
        job.state, job.reason, job.ended_ms = state, reason, self._ground.now_ms()
        if state is State.DONE:
            job.manifest = self._sign(job)
        self._ground.book.put(job)
        self._ground.shelf.drop_input(job)
        self.moved(job)
        log.info(
            "a job is over", job=job.id, state=state.value, rows=self.going[job.id].last.all_rows
        )
        self._tell(job)

    def _tell(self, job: JobRecord) -> None:
        """Tell who listens; a listener that fails keeps nobody else from it."""
        view = self._view(job)
        for told in self._listeners:
            try:
                told(view)
            except StorageError:
                raise
            except Exception:
                log.error("who listens for jobs failed", trace=True, job=job.id)
        job.told = True
        self._ground.book.put(job)

    def _drop(self, job: JobRecord) -> None:
        self._ground.book.drop(job)
        self._ground.shelf.drop(job)
        del self.jobs_by_id[job.id], self.going[job.id]
        self.moved(job)


_NO_PART: Final = Part(rows=0, digest=b"", next=(0, 0, 0), read_bytes=0)


def _may_see(job: JobRecord, by: Caller) -> bool:
    return job.by == by.key_id or by.role in ALL_SEEN_BY

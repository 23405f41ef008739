"""The gatherer: joins records into sidecars, so that one transaction anchors many.

Rules: a batch goes out when it is full, or at once if nothing of this member waits for execution,
or when its oldest record waited `gather_ms`. So a lone report is fast and a busy desk is cheap.
While an upload adds rows the clock waits: its turns of the event loop must not cut it into pieces.
The record is durable when the future of `add` is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bulwark.ledger.ids import Address, RecordId
from bulwark.ledger.limits import MAX_RECORDS_PER_SIDECAR
from bulwark.ledger.record import Record
from bulwark.ledger.sidecar import Sidecar
from bulwark.ledger.transaction import Transaction
from contracts.bindings import RECORD_REGISTRY, encode_anchor
from node.reporting.anchorer import Anchorer
from node.reporting.tracker import StageTracker
from node.storage.durability import Durability
from node.storage.errors import StorageError

RECORD_SCHEMA = 1
"""Schema number of the record layout (bulwark.ledger.record, version 1)."""
NO_POLICY = bytes(32)
"""Policy id until a policy registry names one."""


@dataclass(slots=True)
class _Open:
    """The batch that is being filled."""

    future: asyncio.Future[Transaction]
    records: list[Record] = field(default_factory=list)
    own: dict[bytes, RecordId] = field(default_factory=dict)
    timer: asyncio.TimerHandle | None = None


class Gatherer:
    """Records of this member on their way into anchors."""

    def __init__(
        self,
        anchorer: Anchorer,
        tracker: StageTracker,
        durability: Durability,
        gather_ms: int,
    ) -> None:
        self._anchorer = anchorer
        self._tracker = tracker
        self._durability = durability
        self._tasks: set[asyncio.Task[None]] = set()
        self._gather_ms = gather_ms
        self._open: _Open | None = None
        self._uploads = 0
        self._unflushed: list[_Open] = []
        """Batches that are in the outbox and not surely on disk."""

    @property
    def waiting(self) -> int:
        """Records in the batch that is being filled."""
        return 0 if self._open is None else len(self._open.records)

    @property
    def backlog(self) -> int:
        """Records that wait here or for execution."""
        return self.waiting + self._anchorer.waiting_records

    def pending_own(self, name: bytes) -> tuple[RecordId, asyncio.Future[Transaction]] | None:
        """Own record of that name that is not on disk yet; it is with the future."""
        batches = self._unflushed if self._open is None else [*self._unflushed, self._open]
        for batch in batches:
            record_id = batch.own.get(name)
            if record_id is not None:
                return record_id, batch.future
        return None

    def add(self, record: Record, own_name: bytes) -> asyncio.Future[Transaction]:
        """Put a record into the next anchor; the future is done when it is in the outbox.

        All records of a batch share the future: await it shielded.
        """
        if self._open is None:
            self._open = _Open(asyncio.get_running_loop().create_future())
        batch = self._open
        batch.records.append(record)
        batch.own[own_name] = record.record_id
        if len(batch.records) >= MAX_RECORDS_PER_SIDECAR:
            self.flush()
        else:
            self._start_clock(batch)
        return batch.future

    @contextmanager
    def upload(self) -> Iterator[None]:
        """Hold the clock while many rows are added; what is left over goes by the clock again."""
        self._uploads += 1
        try:
            yield
        finally:
            self._uploads -= 1
            if self._open is not None:
                self._start_clock(self._open)

    def _start_clock(self, batch: _Open) -> None:
        if batch.timer is None and not self._uploads:
            wait_ms = self._gather_ms if self._tracker.unexecuted() else 0
            loop = asyncio.get_running_loop()
            batch.timer = loop.call_later(wait_ms / 1000, self._due, batch)

    def _due(self, batch: _Open) -> None:
        batch.timer = None
        if batch is self._open and not self._uploads:
            self.flush()

    def flush(self) -> None:
        """Send out what was gathered; a failure reaches every waiting caller."""
        batch, self._open = self._open, None
        if batch is None:
            return
        if batch.timer is not None:
            batch.timer.cancel()
        try:
            sidecar = Sidecar(tuple(batch.records))
            call = encode_anchor(sidecar.root, sidecar.count, RECORD_SCHEMA, NO_POLICY)
            transaction = self._anchorer.send(
                Address(RECORD_REGISTRY),
                call,
                sidecar=sidecar,
                own_records=batch.own,
            )
        except Exception as error:
            _settle(batch.future, error)
            return
        self._unflushed.append(batch)
        task = asyncio.get_running_loop().create_task(self._acknowledge(batch, transaction))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _acknowledge(self, batch: _Open, transaction: Transaction) -> None:
        """Tell the waiting callers once the outbox entry is on disk."""
        try:
            await self._durability.barrier()
        except StorageError as error:
            _settle(batch.future, error)
            return
        finally:
            self._unflushed.remove(batch)
        if not batch.future.done():
            batch.future.set_result(transaction)


def _settle(future: asyncio.Future[Transaction], error: Exception) -> None:
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    if not future.done():
        future.set_exception(error)

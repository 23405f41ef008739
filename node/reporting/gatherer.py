"""The gatherer: joins records into sidecars, so that one transaction anchors many.

Rules: an anchor names one policy, so records are gathered by policy; a batch goes out when it is
full, or at once if nothing of this member waits for execution, or when its oldest record waited
`gather_ms`. So a lone report is fast and a busy desk is cheap.
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
"""Policy word of an anchor whose records are under the alliance's default policy."""


@dataclass(slots=True)
class _Open:
    """A batch that is being filled."""

    policy: bytes
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
        self._open: dict[bytes, _Open] = {}
        """By policy."""
        self._uploads = 0
        self._unflushed: list[_Open] = []
        """Batches that are in the outbox and not surely on disk."""

    @property
    def waiting(self) -> int:
        """Records in the batches that are being filled."""
        return sum(len(batch.records) for batch in self._open.values())

    @property
    def backlog(self) -> int:
        """Records that wait here or for execution."""
        return self.waiting + self._anchorer.waiting_records

    def pending_own(self, name: bytes) -> tuple[RecordId, asyncio.Future[Transaction]] | None:
        """Own record of that name that is not on disk yet; it is with the future."""
        for batch in (*self._unflushed, *self._open.values()):
            record_id = batch.own.get(name)
            if record_id is not None:
                return record_id, batch.future
        return None

    def add(
        self, record: Record, own_name: bytes, policy: bytes = NO_POLICY
    ) -> asyncio.Future[Transaction]:
        """Put a record into the next anchor of its policy; done when that is in the outbox.

        All records of a batch share the future: await it shielded.
        """
        batch = self._open.get(policy)
        if batch is None:
            batch = _Open(policy, asyncio.get_running_loop().create_future())
            self._open[policy] = batch
        batch.records.append(record)
        batch.own[own_name] = record.record_id
        if len(batch.records) >= MAX_RECORDS_PER_SIDECAR:
            self._send(batch)
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
            for batch in self._open.values():
                self._start_clock(batch)

    def _start_clock(self, batch: _Open) -> None:
        if batch.timer is None and not self._uploads:
            wait_ms = self._gather_ms if self._tracker.unexecuted() else 0
            loop = asyncio.get_running_loop()
            batch.timer = loop.call_later(wait_ms / 1000, self._due, batch)

    def _due(self, batch: _Open) -> None:
        batch.timer = None
        if batch is self._open.get(batch.policy) and not self._uploads:
            self._send(batch)

    def flush(self) -> None:
        """Send out what was gathered; a failure reaches every waiting caller."""
        for batch in list(self._open.values()):
            self._send(batch)

    def _send(self, batch: _Open) -> None:
        del self._open[batch.policy]
        if batch.timer is not None:
            batch.timer.cancel()
        try:
            sidecar = Sidecar(tuple(batch.records))
            call = encode_anchor(sidecar.root, sidecar.count, RECORD_SCHEMA, batch.policy)
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

"""The scan: one final stretch of this node's ledger, read in order, for reports and samples.

Rules: it reads up to one final block and nothing above it, so that the same block gives the same
rows at every node and at any time, but for what was erased meanwhile. It streams: one block, one
sidecar or one anchor at a time. It goes past the chain store's caches, since it runs on a thread
of its own; whatever needs the state is asked through `Names`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Struct

from bulwark.audit.report import Basis
from bulwark.ledger.anchor import Anchor
from bulwark.ledger.ids import Address, Height, MemberId, RecordId
from bulwark.ledger.receipt import Log
from bulwark.ledger.sidecar import Entry
from bulwark.ledger.transaction import Transaction
from node.service import HistoryPruned
from node.storage import blocks, schema
from node.storage.errors import StoreDamaged
from node.storage.port import KeyValueStore
from node.storage.seal import unseal
from node.storage.values import RecordPlace, decode_number

MAX_ENTRIES: Final = 100_000
"""Records that one page of a report reads at most, if it can stop: about a second."""


class Placed(Struct, frozen=True):
    """An anchor with its position in the record log."""

    index: int
    anchor: Anchor


class Logged(Struct, frozen=True):
    """A log entry with its place."""

    height: Height
    time_ms: int
    log: Log


class LedgerScan:
    """Reads of the ledger up to a final block."""

    def __init__(
        self, store: KeyValueStore, last: Height, member_of: Callable[[bytes], MemberId]
    ) -> None:
        """`last` is final at this node; `member_of` names the holder of an account."""
        self._store = store
        self.last = last
        self._member_of = member_of
        self._names: dict[bytes, MemberId] = {}
        self._time = (Height(0), self._header_time(Height(0)))

    @property
    def basis(self) -> Basis:
        """The block that everything here rests on."""
        return self.basis_at(self.last)

    def basis_at(self, height: Height) -> Basis:
        """One block at or below the last."""
        header = blocks.read_header(self._store, height)
        return Basis(height, header.hash(), header.timestamp_ms)

    def member_of(self, account: bytes) -> MemberId:
        """Who holds or held an account."""
        known = self._names.get(account)
        if known is None:
            known = self._names[account] = self._member_of(account)
        return known

    def time_of(self, height: Height) -> int:
        """A block's timestamp, ms since 1970."""
        if self._time[0] != height:
            self._time = (height, self._header_time(height))
        return self._time[1]

    def _header_time(self, height: Height) -> int:
        return blocks.read_header(self._store, height).timestamp_ms

    def anchors(self, first: int = 0, after: int = 0) -> Iterator[Placed]:
        """Leaves of the record log in order: from block `first`, and position `after`, on."""
        if first > self.last:
            return
        before = blocks.read_header(self._store, Height(first - 1)) if first > 0 else None
        start = max(after, 0 if before is None else before.record_log_size)
        for key, stored in self._store.iterate(schema.LOG_LEAVES, start=schema.log_leaf(start)):
            anchor = Anchor.decode(unseal(key, stored))
            if anchor.height > self.last:
                return
            yield Placed(decode_number(key, key[1:]), anchor)

    def anchors_named(self, name: bytes) -> Iterator[Placed]:
        """Leaves of one root or anchor id in order."""
        for key, _ in self._store.iterate(schema.LOG_INDEX + name):
            index = decode_number(key, key[-8:])
            anchor = blocks.read_anchor(self._store, index)
            if anchor is not None and anchor.height <= self.last:
                yield Placed(index, anchor)

    def entries(self, anchor: Anchor) -> tuple[Entry, ...]:
        """Records of a batch in order. Raises StoreDamaged."""
        sidecar = blocks.read_sidecar(self._store, anchor.digest)
        if sidecar is None:
            lowest = blocks.read_pruned_from(self._store)
            if anchor.height < lowest:
                raise HistoryPruned(f"batch {anchor.digest.hex()}", lowest)
            raise StoreDamaged(f"sidecar {anchor.digest.hex()}", "it is anchored and not there")
        return sidecar.entries

    def records(self) -> Iterator[tuple[Placed, int, Entry]]:
        """Every record of the ledger in order with its position, erased ones too, no copies."""
        for placed in self.anchors():
            if placed.anchor.count:
                for position, entry in enumerate(self.entries(placed.anchor)):
                    if not self.is_copy(entry.record_id, placed.anchor, position):
                        yield placed, position, entry

    def is_copy(self, record_id: RecordId, anchor: Anchor, position: int) -> bool:
        """Whether a record stands elsewhere first: whoever anchors a copy is not its reporter."""
        first = self._first_place(record_id)
        here = (anchor.height, anchor.transaction_index, position)
        return first is not None and (first.height, first.transaction_index, first.position) < here

    def _first_place(self, record_id: RecordId) -> RecordPlace | None:
        found = next(self._store.iterate(schema.record(record_id)), None)
        return None if found is None else RecordPlace.decode(*found)

    def record_place(self, record_id: RecordId) -> tuple[Placed, int] | None:
        """Anchor and position of a record, None if it is not on the ledger by then."""
        place = self._first_place(record_id)
        found = None if place is None else next(self.anchors_named(place.root), None)
        return None if place is None or found is None else (found, place.position)

    def logs(self, address: bytes, topic: bytes, first: int = 0) -> Iterator[Logged]:
        """Log entries of a contract with this first topic, in order, from block `first` on."""
        prefix = schema.event(Address(address), topic, Height(0))[:-8]
        for key, _ in self._store.iterate(prefix, start=prefix + schema.number8(first)):
            height = Height(decode_number(key, key[-8:]))
            if height > self.last:
                return
            for _, receipt in blocks.read_receipts(self._store, height):
                for log in receipt.logs:
                    if log.address == address and log.topics[:1] == (topic,):
                        yield Logged(height, self.time_of(height), log)

    def senders(self, height: Height) -> frozenset[Address]:
        """Accounts whose transactions a block has."""
        if height == 0:
            return frozenset()
        batch = blocks.read_batch(self._store, height)
        placed = blocks.read_receipts(self._store, height)
        raws = (batch.transactions[position] for position, _ in placed)
        return frozenset(Transaction.decode(raw).sender for raw in raws)

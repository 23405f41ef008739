"""The query log: what this evaluator served, interval by interval, for auditors and openings.

Rules: one entry a served statement, kept under the interval of block time in which it was served
and there under its leaf, so that nothing shows the order of arrival; an interval whose anchor was
sent takes no more entries, later ones go to the next, so a root stays what it was; an entry is
durable after the caller's barrier, before the answer leaves. Entries are dropped when their quota
epoch is old enough, never while their interval waits for its anchor.

It sends nothing: `node.guarded.loganchor` closes intervals and anchors them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from msgspec import Struct

from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.ids import Digest
from bulwark.ledger.merkle import inclusion_path, root_of
from bulwark.privacy.openingcase import Anchor, Anchorage, sides_of_path
from bulwark.privacy.ring.ristretto import MemberRing
from contracts.privacy.keys import quota_epoch
from node.guarded.served import (
    ServedStatement,
    decode_ring,
    decode_with_ring,
    encode_ring,
    ring_root_of,
)
from node.storage.errors import StoreDamaged
from node.storage.port import KeyValueStore
from node.storage.schema import EVALUATIONS, number8
from node.storage.seal import seal, unseal

SERVED: Final = EVALUATIONS + b"\x03"
"""epoch8 | interval4 | leaf32 -> statement hash32 | statement without its ring, sealed."""
BY_STATEMENT: Final = EVALUATIONS + b"\x04"
"""statement hash32 | leaf32 -> epoch8 | interval4, sealed."""
RINGS: Final = EVALUATIONS + b"\x05"
"""ring root64 -> epoch8 in which it was last used | keys, sealed."""
CLOSED: Final = EVALUATIONS + b"\x06"
"""epoch8 | interval4 -> how the interval is anchored, sealed."""
WAITING: Final = EVALUATIONS + b"\x07"
"""epoch8 | interval4 -> its anchor as it was sent, until the ledger has it, sealed."""
LAST: Final = EVALUATIONS + b"\x08"
"""-> epoch8 | interval4 of the highest anchor ever sent, sealed."""
OPEN: Final = EVALUATIONS + b"\x09"
"""epoch8 | interval4 -> empty: it has entries and its anchor was not sent."""
INTERVAL_S: Final = 60
KEEP_EPOCHS: Final = 400
MAX_IN_INTERVAL: Final = 1 << 16
"""Statements of one interval; beyond that the next one begins early."""
MAX_PAGE: Final = 64
_KEPT_RINGS: Final = 4
_PLACE_BYTES: Final = 12


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """One interval of block time in a quota epoch."""

    epoch: int
    number: int

    @property
    def after(self) -> Interval:
        """The next one of the same epoch."""
        return Interval(self.epoch, self.number + 1)

    def key(self) -> bytes:
        """12 bytes in the order of time."""
        return number8(self.epoch) + self.number.to_bytes(4, "big")


def interval_of_key(key: bytes) -> Interval:
    """Inverse of Interval.key()."""
    return Interval(int.from_bytes(key[:8], "big"), int.from_bytes(key[8:_PLACE_BYTES], "big"))


class Anchoring(Struct, frozen=True):
    """How an interval is anchored, or is to be."""

    number: Interval
    """Its name on the ledger; the interval's own unless that one was passed already."""
    count: int
    root: Digest
    transaction: bytes
    """The transaction that was sent, 32 bytes."""
    sent_ms: int
    """Block time when it was sent."""

    def encode(self) -> bytes:
        """Canonical bytes."""
        writer = Writer().fixed(self.number.key(), _PLACE_BYTES).uint(self.count, 4)
        writer.fixed(self.root, 32).fixed(self.transaction, 32)
        return writer.uint(self.sent_ms, 8).done()

    @classmethod
    def decode(cls, data: bytes) -> Anchoring:
        """Inverse of encode(); raises DecodeError."""
        reader = Reader(data, "anchoring")
        found = cls(
            number=interval_of_key(reader.fixed(_PLACE_BYTES, "number")),
            count=reader.uint(4, "count"),
            root=Digest(reader.fixed(32, "root")),
            transaction=reader.fixed(32, "transaction"),
            sent_ms=reader.uint(8, "sent"),
        )
        reader.end()
        return found


class Entry(Struct, frozen=True):
    """One entry as auditors read it."""

    interval: Interval
    leaf: Digest
    served: ServedStatement


class Page(Struct, frozen=True):
    """Some entries in order, and where the next page begins; None after the last."""

    entries: tuple[Entry, ...]
    next: bytes | None


class QueryLog:
    """Served statements of one evaluator."""

    def __init__(
        self,
        store: KeyValueStore,
        *,
        epoch_seconds: int,
        interval_s: int = INTERVAL_S,
        keep_epochs: int = KEEP_EPOCHS,
    ) -> None:
        self._store = store
        self._epoch_seconds = epoch_seconds
        self._interval_s = interval_s
        self._keep_epochs = keep_epochs
        self._counts: Counter[Interval] = Counter()
        last = store.get(LAST)
        self.last_sent = None if last is None else interval_of_key(unseal(LAST, last))
        """Highest anchor ever sent under this store."""
        self._floor = Interval(0, 0) if self.last_sent is None else self.last_sent.after
        self._rings: dict[bytes, MemberRing] = {}
        for key, _ in store.iterate(OPEN):
            interval = interval_of_key(key[len(OPEN) :])
            self._counts[interval] = len(self.leaves(interval))
        self.recorded = 0
        """Statements recorded since start."""

    # Writing

    def interval_at(self, now_ms: int) -> Interval:
        """The interval of a block time."""
        now_s = now_ms // 1000
        epoch = quota_epoch(now_s, self._epoch_seconds)
        return Interval(epoch, (now_s - epoch * self._epoch_seconds) // self._interval_s)

    def record(self, served: ServedStatement, now_ms: int) -> bool:
        """Note a statement that is about to be answered, at this block time; False if it is known.

        Visible at once and durable after the caller's next barrier. Raises StoreWriteFailed,
        StoreDamaged.
        """
        leaf = served.leaf
        index = BY_STATEMENT + served.statement_hash + leaf
        if self._store.get(index) is not None:
            return False
        interval = max(self.interval_at(now_ms), self._floor)
        while self._counts[interval] >= MAX_IN_INTERVAL:
            interval = interval.after
        place = interval.key()
        key = SERVED + place + leaf
        puts: dict[bytes, bytes | None] = {
            key: seal(key, served.statement_hash + served.encode_without_ring()),
            index: seal(index, place),
            OPEN + place: b"",
            **self._ring_puts(served, interval.epoch),
        }
        self._store.write(puts, sync=False)
        self._counts[interval] += 1
        self.recorded += 1
        return True

    def _ring_puts(self, served: ServedStatement, epoch: int) -> dict[bytes, bytes | None]:
        ring = served.statement.ring
        key = RINGS + ring.root
        held = self._store.get(key)
        if held is not None and int.from_bytes(unseal(key, held)[:8], "big") >= epoch:
            return {}
        return {key: seal(key, number8(epoch) + encode_ring(ring))}

    def close_before(self, now_ms: int) -> list[Interval]:
        """Intervals that are over and not sent yet, in order; they take no more entries."""
        current = self.interval_at(now_ms)
        over = sorted(i for i in self._counts if i < current)
        if over:
            self._floor = max(self._floor, over[-1].after)
        return over

    def sent(self, interval: Interval, anchoring: Anchoring) -> dict[bytes, bytes | None]:
        """The puts that go with the transaction that anchors an interval."""
        key = WAITING + interval.key()
        self.last_sent = max(anchoring.number, self.last_sent or anchoring.number)
        self._floor = max(self._floor, interval.after, self.last_sent.after)
        self._counts.pop(interval, None)
        last = seal(LAST, self.last_sent.key())
        return {
            key: seal(key, anchoring.encode()),
            OPEN + interval.key(): None,
            LAST: last,
        }

    def anchored(self, interval: Interval, anchoring: Anchoring) -> None:
        """The ledger has the anchor of an interval."""
        place = interval.key()
        done = seal(CLOSED + place, anchoring.encode())
        self._counts.pop(interval, None)
        puts = {WAITING + place: None, OPEN + place: None, CLOSED + place: done}
        self._store.write(puts, sync=False)

    # Reading

    def waiting(self) -> list[tuple[Interval, Anchoring]]:
        """Intervals whose anchor was sent and is not known to be on the ledger."""
        return list(self._anchorings(WAITING))

    def anchorings(
        self, after: Interval | None = None, most: int = MAX_PAGE
    ) -> list[tuple[Interval, Anchoring]]:
        """Anchored intervals behind `after`, oldest first, at most `most`."""
        found: list[tuple[Interval, Anchoring]] = []
        start = None if after is None else CLOSED + after.after.key()
        for entry in self._anchorings(CLOSED, start):
            if len(found) >= min(most, MAX_PAGE):
                break
            found.append(entry)
        return found

    def leaves(self, interval: Interval) -> list[Digest]:
        """Leaves of an interval in the order of its tree: ascending."""
        prefix = SERVED + interval.key()
        return [Digest(key[len(prefix) :]) for key, _ in self._store.iterate(prefix)]

    def root(self, interval: Interval) -> tuple[Digest, int]:
        """Root and number of the leaves of an interval."""
        leaves = self.leaves(interval)
        return root_of(leaves), len(leaves)

    def find(self, statement_hash: bytes, most: int = MAX_PAGE) -> list[Entry]:
        """The entries of a statement; more than one if several members made the same request."""
        prefix = BY_STATEMENT + statement_hash
        found: list[Entry] = []
        for key, value in self._store.iterate(prefix):
            if len(found) >= most:
                break
            interval, leaf = interval_of_key(unseal(key, value)), Digest(key[len(prefix) :])
            found.append(Entry(interval, leaf, self._entry(interval, leaf)))
        return found

    def anchorage(self, entry: Entry, evaluator: bytes) -> Anchorage | None:
        """Where on the ledger an entry stands; None while its interval is not anchored.

        `evaluator` is the own member id, 32 bytes. Raises StoreDamaged.
        """
        key = CLOSED + entry.interval.key()
        held = self._store.get(key)
        if held is None:
            return None
        anchoring = Anchoring.decode(unseal(key, held))
        leaves = self.leaves(entry.interval)
        if root_of(leaves) != anchoring.root or entry.leaf not in leaves:
            raise StoreDamaged(f"interval {entry.interval}", "the entries do not give its root")
        number, place = anchoring.number, leaves.index(entry.leaf)
        anchor = Anchor(evaluator, number.epoch, number.number, anchoring.root)
        path = tuple(inclusion_path(leaves, place))
        return Anchorage(anchor, sides_of_path(place, len(leaves)), path)

    def page(self, after: bytes | None = None, most: int = MAX_PAGE) -> Page:
        """Entries of intervals that were sent, oldest interval first, behind a cursor.

        What still collects is left out: an auditor gains nothing by seeing it arrive. Raises
        StoreDamaged.
        """
        most = max(1, min(most, MAX_PAGE))
        start = None if after is None else SERVED + after
        entries: list[Entry] = []
        for key, value in self._store.iterate(SERVED, start=start):
            name = key[len(SERVED) :]
            interval, leaf = interval_of_key(name), Digest(name[_PLACE_BYTES:])
            if interval in self._counts or name == after:
                continue
            if len(entries) == most:
                last = entries[-1]
                return Page(tuple(entries), last.interval.key() + last.leaf)
            entries.append(Entry(interval, leaf, self._decoded(key, value)))
        return Page(tuple(entries), None)

    def prune(self, epoch: int, most: int = 10_000) -> int:
        """Drop what is older than `keep_epochs` epochs, at most `most` entries; how many."""
        first = max(0, epoch - self._keep_epochs + 1)
        waiting = {interval for interval, _ in self.waiting()} | set(self._counts)
        old: dict[bytes, bytes | None] = {}
        dropped = 0
        for key, value in self._store.iterate(SERVED):
            interval = interval_of_key(key[len(SERVED) :])
            if interval.epoch >= first or dropped >= most:
                break
            if interval in waiting:
                continue
            statement_hash, leaf = unseal(key, value)[:32], key[-32:]
            old[key] = old[BY_STATEMENT + statement_hash + leaf] = None
            old[CLOSED + interval.key()] = None
            dropped += 1
        if not dropped:
            self._prune_rings(first, old)
        if old:
            self._store.write(old, sync=False)
        return dropped

    def _prune_rings(self, first: int, old: dict[bytes, bytes | None]) -> None:
        for key, value in self._store.iterate(RINGS):
            if int.from_bytes(unseal(key, value)[:8], "big") < first:
                old[key] = None

    def _entry(self, interval: Interval, leaf: Digest) -> ServedStatement:
        key = SERVED + interval.key() + leaf
        value = self._store.get(key)
        if value is None:
            raise StoreDamaged(f"key {key.hex()}", "an indexed statement is not there")
        return self._decoded(key, value)

    def _decoded(self, key: bytes, value: bytes) -> ServedStatement:
        stored = unseal(key, value)[32:]
        return decode_with_ring(stored, self._ring(ring_root_of(stored)))

    def _ring(self, root: bytes) -> MemberRing:
        found = self._rings.get(root)
        if found is None:
            key = RINGS + root
            held = self._store.get(key)
            if held is None:
                raise StoreDamaged(f"key {key.hex()}", "the ring of a statement is not there")
            if len(self._rings) >= _KEPT_RINGS:
                self._rings.clear()
            found = self._rings[root] = decode_ring(unseal(key, held)[8:])
        return found

    def _anchorings(
        self, prefix: bytes, start: bytes | None = None
    ) -> Iterator[tuple[Interval, Anchoring]]:
        for key, value in self._store.iterate(prefix, start=start):
            yield interval_of_key(key[len(prefix) :]), Anchoring.decode(unseal(key, value))

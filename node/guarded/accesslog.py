"""The member's own access log: every request that asked or said something, and why.

Rules: an entry is chained to the one before and encrypted under a key of its own from the vault
key before it is written; it never holds an identifier, a tag or an answer. Entries are durable
after the caller's next barrier; a power cut takes the last ones at most, never one in the middle.
The head is anchored on the ledger every interval in which something was added, after a barrier:
from then on an auditor finds whatever is changed or missing (`bulwark.ledger.accesslog`). Old
entries are dropped up to an anchored head, which is kept as the new start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from bulwark.ledger.accesslog import (
    AccessEntry,
    AccessKind,
    Gap,
    Head,
    chain_start,
    verify_chain,
)
from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.errors import DecodeError
from bulwark.ledger.ids import Address, Digest
from contracts.privacy.query_log import QUERY_LOG, encode_anchor_access, read_access_anchor
from node.guarded.atrest import AtRest
from node.guarded.loganchor import RETRY_MS, AnchorLedger
from node.logs import Log
from node.reporting.evidence_poster import Lane
from node.service import Busy
from node.storage.durability import Durability
from node.storage.errors import StoreDamaged
from node.storage.port import KeyValueStore
from node.storage.schema import EVALUATIONS, number8
from node.storage.seal import seal, unseal

ENTRIES: Final = EVALUATIONS + b"\x20"
"""number8 -> entry, encrypted."""
START: Final = EVALUATIONS + b"\x21"
"""-> count8 | hash32 of the head before the oldest entry that is kept, sealed; absent: none was
dropped."""
SENT: Final = EVALUATIONS + b"\x22"
"""-> the anchor that was sent last, sealed."""
ANCHORED: Final = EVALUATIONS + b"\x23"
"""count8 -> time8 | hash32 of a head that the ledger has, sealed."""
BRIDGED: Final = EVALUATIONS + b"\x25"
"""-> number8 of the last entry before a gap that a restore left | time8 of the restore, sealed."""
ANCHOR_GAS: Final = 200_000
"""Gas limit: the dearest measured one takes under 100,000."""
INTERVAL_MS: Final = 600_000
MAX_PAGE: Final = 1_000
_NOTHING: Final[Mapping[bytes, bytes | None]] = MappingProxyType({})

log = Log("accesslog")


class AccessLog:
    """Entries of one member."""

    def __init__(
        self, store: KeyValueStore, at_rest: AtRest, genesis_hash: bytes, member_id: bytes
    ) -> None:
        """`member_id` has 32 bytes. Raises StoreDamaged."""
        self._store = store
        self._at_rest = at_rest
        self.start = chain_start(genesis_hash, member_id)
        """Head before the oldest entry that is kept."""
        held = store.get(START)
        if held is not None:
            self.start = _read_head(unseal(START, held))
        self.head = self.start
        """Head after the newest entry."""
        newest = next(iter(store.iterate(ENTRIES, reverse=True)), None)
        if newest is not None:
            self.head = max(self.head, self._entry(*newest).head, key=lambda head: head.count)

    def record(
        self,
        *,
        who: str,
        role: str,
        purpose: str,
        lawful_basis: str,
        case_ref: str,
        kind: AccessKind,
        count: int,
        now_ms: int,
        action: str = "",
        subject: str = "",
        also: Mapping[bytes, bytes | None] = _NOTHING,
    ) -> AccessEntry:
        """Add an access; visible at once, durable after the next barrier.

        `also` is written with it, both or none. Raises LimitExceeded, StoreWriteFailed.
        """
        entry = AccessEntry(
            number=self.head.count + 1,
            previous=self.head.digest,
            time_ms=now_ms,
            who=who,
            role=role,
            purpose=purpose,
            lawful_basis=lawful_basis,
            case_ref=case_ref,
            kind=kind,
            count=count,
            action=action,
            subject=subject,
        )
        key = ENTRIES + number8(entry.number)
        stored = self._at_rest.encrypt(key, entry.encode())
        self._store.write({**also, key: stored}, sync=False)
        self.head = entry.head
        return entry

    def page(self, after: int = 0, most: int = MAX_PAGE) -> list[AccessEntry]:
        """Entries behind number `after`, at most `most`. Raises StoreDamaged."""
        found: list[AccessEntry] = []
        for entry in self._entries(after + 1):
            if len(found) >= min(most, MAX_PAGE):
                break
            found.append(entry)
        return found

    def readable(self, after: int, most: int) -> tuple[list[AccessEntry], Gap | None]:
        """As `page`, but it ends before an entry that does not open and says which one."""
        damaged: list[Gap] = []
        found = list(islice(self._until_damage(after + 1, damaged), most))
        return found, damaged[0] if damaged else None

    def check(self, anchors: list[Head]) -> Gap | None:
        """The first gap against heads that the ledger has; reads the whole log.

        An entry that does not open is one. May run on a thread while entries are added.
        """
        damaged: list[Gap] = []
        gap = verify_chain(self._until_damage(0, damaged), anchors, self.start)
        if damaged and (gap is None or gap.number >= damaged[0].number):
            return damaged[0]
        return gap

    def _until_damage(self, first: int, damaged: list[Gap]) -> Iterator[AccessEntry]:
        """Entries from a number on up to one that does not open, which goes into `damaged`."""
        first = max(first, self.start.count + 1)
        for key, value in self._store.iterate(ENTRIES, start=ENTRIES + number8(first)):
            try:
                entry = self._entry(key, value)
            except (StoreDamaged, DecodeError):
                number = int.from_bytes(key[len(ENTRIES) :], "big")
                damaged.append(Gap(number, "it does not open under this member's key"))
                return
            yield entry

    def anchors(self) -> list[tuple[Head, int]]:
        """Heads that the ledger is known to have, with the block time in ms."""
        found: list[tuple[Head, int]] = []
        for key, value in self._store.iterate(ANCHORED):
            stored = unseal(key, value)
            count = int.from_bytes(key[len(ANCHORED) :], "big")
            time_ms = int.from_bytes(stored[:8], "big")
            found.append((Head(count, Digest(stored[8:])), time_ms))
        return found

    def note_anchored(self, head: Head, now_ms: int) -> None:
        """The ledger has this head."""
        key = ANCHORED + number8(head.count)
        if self._store.get(key) is None:
            self._store.write({key: seal(key, number8(now_ms) + head.digest)}, sync=False)

    def bridge(self, head: Head, now_ms: int) -> None:
        """Go on behind an anchored head whose entries this node lost with its disk.

        The chain and its check begin at that head, which the ledger has; entries from before the
        gap stay readable (`page`) for as long as any. Raises StoreWriteFailed.
        """
        start = seal(START, number8(head.count) + head.digest)
        bridged = seal(BRIDGED, number8(self.head.count) + number8(now_ms))
        self.start = self.head = head
        self._store.write({START: start, BRIDGED: bridged}, sync=False)
        self.note_anchored(head, now_ms)

    def _bridged(self) -> tuple[int, int]:
        """Last entry before a gap, and when it was bridged; zeros without one."""
        held = self._store.get(BRIDGED)
        if held is None:
            return 0, 0
        value = unseal(BRIDGED, held)
        return int.from_bytes(value[:8], "big"), int.from_bytes(value[8:], "big")

    def prune(self, before_ms: int, most: int = 10_000) -> int:
        """Drop entries up to the newest head that was anchored before a time; how many.

        At most `most` at once: the start moves first, and never to a head that the ledger has not.
        """
        heads = [head for head, time_ms in self.anchors() if time_ms < before_ms]
        puts: dict[bytes, bytes | None] = {}
        if heads and heads[-1].count > self.start.count:
            self.start = heads[-1]
            puts[START] = seal(START, number8(self.start.count) + self.start.digest)
            puts |= {ANCHORED + number8(head.count): None for head in heads[:-1]}
        dropped = 0
        last, bridged_ms = self._bridged()
        kept = last if bridged_ms >= before_ms else 0
        for key, _ in self._store.iterate(ENTRIES):
            number = int.from_bytes(key[len(ENTRIES) :], "big")
            if number > self.start.count or dropped >= most or number <= kept:
                break
            puts[key] = None
            dropped += 1
        if puts:
            self._store.write(puts, sync=False)
        return dropped

    def _entries(self, first: int) -> Iterator[AccessEntry]:
        first = max(first, 1 if self._bridged()[0] else self.start.count + 1)
        for key, value in self._store.iterate(ENTRIES, start=ENTRIES + number8(first)):
            yield self._entry(key, value)

    def _entry(self, key: bytes, value: bytes) -> AccessEntry:
        return AccessEntry.decode(self._at_rest.decrypt(key, value))


class _Sent(Struct, frozen=True):
    """An anchor that was sent."""

    sequence: int
    head: Head
    transaction: Digest
    sent_ms: int

    def encode(self) -> bytes:
        writer = Writer().uint(self.sequence, 8).uint(self.head.count, 8)
        writer.fixed(self.head.digest, 32).fixed(self.transaction, 32)
        return writer.uint(self.sent_ms, 8).done()

    @classmethod
    def decode(cls, data: bytes) -> _Sent:
        reader = Reader(data, "access anchor")
        sent = cls(
            sequence=reader.uint(8, "sequence"),
            head=Head(reader.uint(8, "count"), Digest(reader.fixed(32, "head"))),
            transaction=Digest(reader.fixed(32, "transaction")),
            sent_ms=reader.uint(8, "sent"),
        )
        reader.end()
        return sent


class AccessAnchorer:
    """Anchors the head of the access log, one anchor at a time."""

    def __init__(
        self,
        access: AccessLog,
        store: KeyValueStore,
        lane: Lane,
        ledger: AnchorLedger,
        durability: Durability,
        member_id: bytes,
        interval_ms: int = INTERVAL_MS,
    ) -> None:
        self._access = access
        self._store = store
        self._lane = lane
        self._ledger = ledger
        self._durability = durability
        self._id = member_id
        self._interval_ms = interval_ms
        self._busy = False
        self.sent = 0
        """Anchors sent since start."""
        self.shrank = False
        """Whether the ledger was found to have more entries than this node."""

    async def follow(self, now_ms: int) -> None:
        """A block with this time was executed. Raises StoreWriteFailed, StoreDamaged."""
        if self._busy:
            return
        self._busy = True
        try:
            last = self._last()
            if last is not None and not self._is_settled(last, now_ms):
                return
            head = self._access.head
            if head.count == 0 or (last is not None and not self._is_due(last, head, now_ms)):
                return
            await self._durability.barrier()
            self._send(head, last, now_ms)
        finally:
            self._busy = False

    def _last(self) -> _Sent | None:
        held = self._store.get(SENT)
        return None if held is None else _Sent.decode(unseal(SENT, held))

    def _is_settled(self, last: _Sent, now_ms: int) -> bool:
        """Whether the last anchor is on the ledger, or lost for good."""
        found = read_access_anchor(self._ledger.read_slot, self._id)
        if found is not None and found.root == last.head.digest:
            self._access.note_anchored(last.head, now_ms)
            return True
        if self._ledger.waits(last.transaction):
            return False
        return now_ms - last.sent_ms >= RETRY_MS

    def _is_due(self, last: _Sent, head: Head, now_ms: int) -> bool:
        found = read_access_anchor(self._ledger.read_slot, self._id)
        if found is None or found.root != last.head.digest:
            return True
        return head != last.head and now_ms - last.sent_ms >= self._interval_ms

    def _send(self, head: Head, last: _Sent | None, now_ms: int) -> None:
        found = read_access_anchor(self._ledger.read_slot, self._id)
        if found is not None and found.count > head.count:
            # The ledger takes no shorter log; what was lost stays visible to every auditor.
            if not self.shrank:
                log.error("the ledger has more of the access log than this node", has=found.count)
            self.shrank = True
            return
        used = (0 if found is None else found.sequence, 0 if last is None else last.sequence)
        sequence = max(used) + 1
        data = encode_anchor_access(sequence, head.count, head.digest)

        def puts(transaction: Digest) -> dict[bytes, bytes | None]:
            return {SENT: seal(SENT, _Sent(sequence, head, transaction, now_ms).encode())}

        try:
            self._lane.send(
                Address(QUERY_LOG), data, extra=lambda signed: puts(signed.hash), gas=ANCHOR_GAS
            )
        except Busy:
            return
        self.sent += 1


def _read_head(data: bytes) -> Head:
    return Head(int.from_bytes(data[:8], "big"), Digest(data[8:]))

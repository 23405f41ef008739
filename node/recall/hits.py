"""The hit log: which of this member's questions were answered with which records, encrypted.

Rules: it holds record ids, the time, the API key's id and the case reference of the question, never
an identifier or a tag; values are encrypted and records are looked up by names under a key of this
member, so that a thief of the disk learns how many answers there were and nothing else. An entry is
written before its answer is given, without a wait: the end of the process loses none, a power cut
those of the last FLUSH_MS and one flush, as with the access log (ADR-0018). Old entries go by age
and by number.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from itertools import islice
from typing import Final

from bulwark.indicators.model import ScreeningRequest
from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.ids import RecordId
from node.guarded.atrest import AtRest
from node.recall.port import OwnQuestion
from node.rotation.keyline import Renaming, first_key
from node.service import Caller, RecordView, ScreeningAnswer
from node.storage.durability import Durability
from node.storage.errors import StorageError
from node.storage.port import KeyValueStore
from node.storage.schema import OWN_HITS, number8

ENTRIES: Final = OWN_HITS + b"\x00"
"""number8 -> time8 | who | case reference | (record id32, consent32 or zero) each, encrypted."""
NAMES: Final = OWN_HITS + b"\x01"
"""keyed name16 of a record or consent | number8 -> empty."""
FLUSH_MS: Final = 20
TURN: Final = 200
PRUNE: Final = 1_000
"""Entries dropped at once."""
MAX_RECORDS: Final = 200
"""Records of one answer that are noted; an answer shows fewer."""
MAX_TEXT: Final = 1_024


class HitLog:
    """Own hits of one member."""

    def __init__(
        self,
        store: KeyValueStore,
        at_rest: AtRest,
        index_key: bytes,
        durability: Durability,
        wall_ms: Callable[[], int],
        most: int,
    ) -> None:
        """`index_key`: the member's 32 bytes; `most`: entries kept."""
        self._wall_ms = wall_ms
        self._store = store
        self._at_rest = at_rest
        self._key, self._renamed = first_key(index_key), Renaming(index_key)
        self._durability = durability
        self._most = most
        newest = next(iter(store.iterate(ENTRIES, reverse=True)), None)
        self._last = 0 if newest is None else _number(newest[0])
        self._flush: asyncio.Task[None] | None = None
        self._is_unflushed = False

    async def note(
        self,
        by: Caller,
        requests: Sequence[ScreeningRequest],
        answers: Sequence[ScreeningAnswer],
    ) -> int:
        """Note the answers that hold records; how many. Raises StoreWriteFailed."""
        count, now_ms = 0, self._wall_ms()
        for row, (request, answer) in enumerate(zip(requests, answers, strict=True), 1):
            if answer.records:
                self._store.write(
                    self.entry(by.key_id, request.case_ref, answer.records, now_ms), sync=False
                )
                count += 1
            if row % TURN == 0:
                await asyncio.sleep(0)
        if count:
            self._is_unflushed = True
            if self._flush is None or self._flush.done():
                self._flush = asyncio.get_running_loop().create_task(self._flushed())
        return count

    def entry(
        self, who: str, case_ref: str, records: Sequence[RecordView], now_ms: int
    ) -> dict[bytes, bytes | None]:
        """The next entry, for the caller to write: a job writes it with what it answers."""
        pairs = sorted((view.record_id, _consent_of(view)) for view in records)
        self._last += 1
        number = number8(self._last)
        writer = Writer().uint(now_ms, 8)
        writer.blob(who.encode()[:MAX_TEXT]).blob(case_ref.encode()[:MAX_TEXT])
        writer.sequence(pairs[:MAX_RECORDS], lambda w, pair: w.fixed(b"".join(pair), 64))
        key = ENTRIES + number
        puts: dict[bytes, bytes | None] = dict.fromkeys(self._name_keys(pairs, number), b"")
        puts[key] = self._at_rest.encrypt(key, writer.done())
        return puts

    def _name_keys(self, pairs: Sequence[tuple[bytes, bytes]], number: bytes) -> set[bytes]:
        subjects = {subject for pair in pairs[:MAX_RECORDS] for subject in pair if any(subject)}
        return {NAMES + self._name(subject) + number for subject in subjects}

    async def _flushed(self) -> None:
        """Make durable what was noted; a failed flush fails the store for everybody."""
        while self._is_unflushed:
            await asyncio.sleep(FLUSH_MS / 1000)
            self._is_unflushed = False
            with contextlib.suppress(StorageError):
                await self._durability.barrier()

    def questions(self, subject: bytes, most: int) -> list[OwnQuestion]:
        """The newest questions that a record, or records on a consent, answered; oldest first.

        Raises StoreDamaged.
        """
        return [question for question, _ in self._found(subject, most)][::-1]

    def records_on(
        self, consent: bytes, after: int, most: int
    ) -> tuple[list[RecordId], int | None]:
        """Records on a consent in the next `most` answers with one behind entry `after`.

        Each once a page, and the entry behind which the next page begins, None for the last page:
        page by page all answers are seen, in memory for one page. Raises StoreDamaged.
        """
        found: dict[RecordId, None] = {}
        prefix = NAMES + self._name(consent)
        names = self._store.iterate(prefix, start=prefix + number8(after + 1))
        page = [name[len(prefix) :] for name, _ in islice(names, most)]
        for number in page:
            held = self._store.get(ENTRIES + number)
            if held is not None:
                _, pairs = self._read(ENTRIES + number, held)
                found |= dict.fromkeys(RecordId(record) for record, on in pairs if on == consent)
        end = int.from_bytes(page[-1], "big") if len(page) == most else None
        return list(found), end

    def _found(
        self, subject: bytes, most: int
    ) -> Iterator[tuple[OwnQuestion, list[tuple[bytes, bytes]]]]:
        prefix = NAMES + self._name(subject)
        for name, _ in islice(self._store.iterate(prefix, reverse=True), most):
            key = ENTRIES + name[len(prefix) :]
            held = self._store.get(key)
            if held is not None:
                yield self._read(key, held)

    def _read(self, key: bytes, held: bytes) -> tuple[OwnQuestion, list[tuple[bytes, bytes]]]:
        reader = Reader(self._at_rest.decrypt(key, held), "own hit")
        time_ms = reader.uint(8, "time")
        who = reader.blob("who", MAX_TEXT).decode("utf-8", "replace")
        case_ref = reader.blob("case", MAX_TEXT).decode("utf-8", "replace")
        pairs = reader.sequence("records", MAX_RECORDS, lambda r: r.fixed(64, "record"))
        reader.end()
        question = OwnQuestion(_number(key), time_ms, who, case_ref)
        return question, [(pair[:32], pair[32:]) for pair in pairs]

    def prune(self, before_ms: int) -> int:
        """Drop up to PRUNE of the oldest entries that are too old or too many; how many."""
        puts: dict[bytes, bytes | None] = {}
        dropped = 0
        for key, held in islice(self._store.iterate(ENTRIES), PRUNE):
            question, pairs = self._read(key, held)
            if question.time_ms >= before_ms and question.number > self._last - self._most:
                break
            puts[key] = None
            puts |= dict.fromkeys(self._name_keys(pairs, key[len(ENTRIES) :]))
            dropped += 1
        if puts:
            self._store.write(puts, sync=False)
        return dropped

    def _name(self, subject: bytes) -> bytes:
        name = blake2b(subject, digest_size=16, key=self._key, person=b"own-hit").digest()
        return self._renamed(name)


def _consent_of(view: RecordView) -> bytes:
    anchor = view.fields.get("consent_anchor")
    if not isinstance(anchor, str) or not anchor:
        return bytes(32)
    return bytes.fromhex(anchor.removeprefix("0x"))


def _number(key: bytes) -> int:
    return int.from_bytes(key[len(ENTRIES) :], "big")

"""The book of own questions: what this member asked about lately, so that later news finds it.

Rules: a question is found by a name of its tag under a key of this member; the book has no value,
no tag and no answer but the band, and what it has (time, API key, case reference, band) is
encrypted. It never leaves the node. The same case asked again by the same key takes the place of
the question before. It goes by age and by number, and with the tag when the last record of a tag is
erased (ADR-0031). An entry is written in the same turn of the event loop as its answer is read, so
that no block falls between the two; it is flushed with what comes next, a power cut may take the
last ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from itertools import islice
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from bulwark.indicators.vocabulary import Band
from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.ids import Height, Tag
from node.guarded.atrest import AtRest
from node.rotation.keyline import Renaming, first_key
from node.screening.screener import Seen
from node.service import Caller
from node.storage.port import KeyValueStore
from node.storage.schema import PUSH, number8
from node.storage.seal import seal, unseal

QUESTIONS: Final = PUSH + b"\x10"
"""keyed name16 of a tag | keyed name8 of who asked for which case -> question, encrypted."""
ORDER: Final = PUSH + b"\x11"
"""number8 -> the two names, sealed."""
MARKS: Final = PUSH + b"\x12"
"""keyed name16 of a tag -> empty: there are questions about it. Absent keys are found by a filter
of the store, which makes a look-up of a tag that nobody asked about five times as cheap."""
PRUNE: Final = 500
MAX_LOOKED: Final = 1_000
"""Questions about one tag that are looked at."""
NAME: Final = 16
MAX_TEXT: Final = 1_024
BANDS: Final = {band.label: int(band) for band in Band}
"""Bands by name: a higher number warns more."""
Puts = dict[bytes, bytes | None]


class Asked(Struct, frozen=True):
    """One remembered question."""

    number: int
    """This member's own count of questions."""
    time_ms: int
    who: str
    """Id of the API key."""
    case_ref: str
    band: int
    """Of the last answer that this member knows."""
    height: int
    """Block that the answer was read at."""


class Noted(Struct, frozen=True):
    """A question to remember."""

    tag: Tag
    who: str
    case_ref: str
    band: str
    height: Height


class QuestionBook:
    """Own questions of one member."""

    def __init__(
        self,
        store: KeyValueStore,
        at_rest: AtRest,
        index_key: bytes,
        wall_ms: Callable[[], int],
        most: int,
        *,
        is_on: bool = True,
    ) -> None:
        """`index_key`: the member's 32 bytes; `most`: questions kept; off, it remembers nothing."""
        self._store = store
        self._at_rest = at_rest
        self._key, self._renamed = first_key(index_key), Renaming(index_key)
        self._wall_ms = wall_ms
        self._most = most
        self.is_on = is_on
        self.late: dict[Tag, Height] = {}
        """Tags with questions whose answers are older than the last block about them, with the
        height of the oldest such answer."""
        self._tip: Callable[[], Height] = lambda: Height(0)
        self._is_late: Callable[[Tag, Height], bool] = lambda tag, height: False
        newest = next(iter(store.iterate(ORDER, reverse=True)), None)
        self.last = 0 if newest is None else _number(newest[0])
        """Number of the newest question."""

    def note(self, asked: Iterable[Noted]) -> None:
        """Remember questions. Not flushed; raises StoreWriteFailed."""
        if not self.is_on:
            return
        puts: Puts = {}
        now_ms, tip = self._wall_ms(), self._tip()
        for each in asked:
            band = BANDS.get(each.band)
            if band is None:
                continue
            self.last += 1
            name = self._name(each.tag)
            names = name + self._ask_name(each.who, each.case_ref)
            key, order = QUESTIONS + names, ORDER + number8(self.last)
            question = Asked(self.last, now_ms, each.who, each.case_ref, band, each.height)
            puts[key] = self._at_rest.encrypt(key, _encoded(question))
            puts[order] = seal(order, names)
            puts[MARKS + name] = b""
            if each.height < tip and self._is_late(each.tag, each.height):
                self.late[each.tag] = min(each.height, self.late.get(each.tag, each.height))
        if puts:
            self._store.write(puts, sync=False)

    def of(self, by: Caller) -> Seen:
        """What remembers a caller's questions as a screening answers them."""
        return lambda rows: self.note(
            Noted(tag, by.key_id, request.case_ref, answer.band, answer.height)
            for request, tag, answer in rows
        )

    def follow(self, tip: Callable[[], Height], is_late: Callable[[Tag, Height], bool]) -> None:
        """Tell the book of blocks, which a job's answers may be older than.

        `is_late`: whether there are statements about a tag above a height.
        """
        self._tip, self._is_late = tip, is_late

    def find(self, tag: Tag) -> list[tuple[bytes, Asked]]:
        """Questions about a tag, up to MAX_LOOKED, oldest first, with their keys.

        Raises StoreDamaged.
        """
        name = self._name(tag)
        if self._store.get(MARKS + name) is None:
            return []
        held = islice(self._store.iterate(QUESTIONS + name), MAX_LOOKED)
        found = [(key, self._read(key, value)) for key, value in held]
        return sorted(found, key=lambda pair: pair[1].number)

    def raised(self, found: Sequence[tuple[bytes, Asked]], band: int, height: Height) -> Puts:
        """Puts that say which band the askers were told of by now."""
        return {
            key: self._at_rest.encrypt(
                key, _encoded(replace(asked, band=band, height=max(asked.height, height)))
            )
            for key, asked in found
        }

    async def forget(self, tags: Sequence[Tag]) -> int:
        """Drop the questions about these tags; how many went. Not flushed."""
        count = 0
        for tag in tags:
            name = self._name(tag)
            keys = [key for key, _ in self._store.iterate(QUESTIONS + name)]
            if keys:
                self._store.write(dict.fromkeys([*keys, MARKS + name]), sync=False)
                count += len(keys)
            self.late.pop(tag, None)
            await asyncio.sleep(0)
        return count

    def prune(self, before_ms: int) -> int:
        """Drop some of the oldest that are too old or too many; how many were looked at."""
        puts: Puts = {}
        looked = 0
        for order, held in islice(self._store.iterate(ORDER), PRUNE):
            number, key = _number(order), QUESTIONS + unseal(order, held)
            stored = self._store.get(key)
            asked = None if stored is None else self._read(key, stored)
            if asked is not None and asked.number == number:
                if asked.time_ms >= before_ms and number > self.last - self._most:
                    break
                puts[key] = None
            if number == self.last:
                break  # numbers never come again
            puts[order] = None
            looked += 1
        puts |= self._empty_marks(puts)
        if puts:
            self._store.write(puts, sync=False)
        return looked

    def _empty_marks(self, gone: Puts) -> Puts:
        """Puts that take away the marks of tags whose last questions go."""
        names = {key[len(QUESTIONS) :][:NAME] for key in gone if key.startswith(QUESTIONS)}
        return {
            MARKS + name: None
            for name in names
            if all(key in gone for key, _ in self._store.iterate(QUESTIONS + name))
        }

    def _read(self, key: bytes, held: bytes) -> Asked:
        reader = Reader(self._at_rest.decrypt(key, held), "own question")
        number, time_ms = reader.uint(8, "number"), reader.uint(8, "time")
        band, height = reader.uint(1, "band"), reader.uint(8, "height")
        who = reader.blob("who", MAX_TEXT).decode("utf-8", "replace")
        case_ref = reader.blob("case", MAX_TEXT).decode("utf-8", "replace")
        reader.end()
        return Asked(number, time_ms, who, case_ref, band, height)

    def _name(self, tag: bytes) -> bytes:
        name = blake2b(tag, digest_size=NAME, key=self._key, person=b"own-question").digest()
        return self._renamed(name)

    def _ask_name(self, who: str, case_ref: str) -> bytes:
        data = who.encode() + b"\x00" + case_ref.encode()
        name = blake2b(data, digest_size=8, key=self._key, person=b"own-asker").digest()
        return self._renamed(name)


def _encoded(asked: Asked) -> bytes:
    writer = Writer().uint(asked.number, 8).uint(asked.time_ms, 8)
    writer.uint(asked.band, 1).uint(asked.height, 8)
    writer.blob(asked.who.encode()[:MAX_TEXT]).blob(asked.case_ref.encode()[:MAX_TEXT])
    return writer.done()


def _number(key: bytes) -> int:
    return int.from_bytes(key[len(ORDER) :], "big")

"""The tag shelf: the tag cache on disk, encrypted, bounded, of one tag key at a time.

Rules: an entry lies under a keyed name and is encrypted with its place as associated data, so a
thief of the disk learns how many there are and nothing else; entries come in generations of a ninth
of the capacity, what is put or read again moves to the newest, and when it is full the oldest are
dropped whole as far as the bound asks: what was not asked for longest goes first. What is dropped
is deleted piece by piece, before another generation is full, so there are never more entries than
the capacity, and seven ninths of it can be read over and over without losing one.
Another tag key drops all generations. Writes are not synced: a power cut costs questions, not data.
An entry that does not open is dropped and asked for again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from itertools import islice
from typing import Final

from bulwark.ledger.ids import Tag
from node.guarded.atrest import AtRest
from node.logs import Log
from node.storage.errors import StoreDamaged
from node.storage.port import KeyValueStore
from node.storage.schema import TAG_CACHE, number8
from node.storage.seal import seal, unseal

STATE: Final = TAG_CACHE + b"\x00"
"""-> key id8 | newest generation8 | entries8 of each older live one, the oldest first, sealed."""
TAGS: Final = TAG_CACHE + b"\x01"
"""generation8 | name16 -> tag, encrypted."""
LIVE: Final = 8
"""Full generations that are read; one more is being deleted."""
MOST_GENERATIONS: Final = 16
"""Generations that one look-up goes through; those whose entries moved on are nearly empty."""
SWEEP: Final = 256
"""Entries deleted at once."""

log = Log("tagcache")


class TagShelf:
    """Tags on disk by 16-byte keyed names."""

    def __init__(self, store: KeyValueStore, at_rest: AtRest, capacity: int) -> None:
        """`capacity`: entries, at least LIVE + 1 of them. Raises StoreDamaged."""
        self._store = store
        self._at_rest = at_rest
        self._most = max(1, capacity // (LIVE + 1))
        """Entries of one generation."""
        self._step = max(1, min(SWEEP, self._most) // 2)
        """Puts between two sweeps: twice as fast as a generation fills."""
        self.key_id, self._newest = 0, 0
        older: list[int] = []
        held = store.get(STATE)
        if held is not None:
            state = unseal(STATE, held)
            numbers = [int.from_bytes(state[at : at + 8], "big") for at in range(0, len(state), 8)]
            self.key_id, self._newest, *older = numbers
        self._first = self._newest - len(older)
        self._counts = dict(enumerate(older, self._first))
        self._counts[self._newest] = sum(1 for _ in store.iterate(_prefix(self._newest)))
        self._swept = TAGS
        """Every key below is deleted."""
        self._since_sweep = 0
        if len(self) > LIVE * self._most:  # the capacity was larger when they were put
            store.write(self._turn_over(), sync=False)

    def __len__(self) -> int:
        """Entries that can be read."""
        return sum(self._counts.values())

    def turn_to(self, key_id: int) -> bool:
        """Tags of this key from now on; True if those of another one were dropped."""
        if key_id == self.key_id:
            return False
        self.key_id = key_id
        self._newest += 1
        self._first = self._newest
        self._counts = {self._newest: 0}
        self._store.write(self._state(), sync=False)
        return True

    def get(self, name: bytes) -> Tag | None:
        """The tag of a name; one of an older generation moves to the newest."""
        for generation in range(self._newest, self._first - 1, -1):
            key = _prefix(generation) + name
            held = self._store.get(key)
            if held is None:
                continue
            try:
                tag = Tag(self._at_rest.decrypt(key, held))
            except StoreDamaged as error:
                log.error("an entry of the tag cache is damaged and dropped", where=error.where)
                self._counts[generation] -= 1
                self._store.write({key: None}, sync=False)
                continue
            if generation != self._newest:
                self._counts[generation] -= 1
                self._put({name: tag}, {key: None})
            return tag
        return None

    def put(self, tags: Mapping[bytes, Tag]) -> None:
        """Keep tags by their names, as one write. Raises StoreWriteFailed."""
        self._put(tags, {})

    def _put(self, tags: Mapping[bytes, Tag], puts: dict[bytes, bytes | None]) -> None:
        """Keep tags, and write `puts` with them."""
        for name, tag in tags.items():
            key = _prefix(self._newest) + name
            if key not in puts and self._store.get(key) is None:
                if self._counts[self._newest] >= self._most:
                    puts |= self._turn_over()
                    key = _prefix(self._newest) + name
                self._counts[self._newest] += 1
            puts[key] = self._at_rest.encrypt(key, tag)
        self._store.write(puts, sync=False)
        self._since_sweep += len(tags)
        while self._since_sweep >= self._step:
            self._since_sweep -= self._step
            self.sweep()

    def sweep(self) -> bool:
        """Delete some of what was dropped; whether there may be more."""
        live = _prefix(self._first)
        pairs = self._store.iterate(TAGS, start=self._swept)
        old = [key for key, _ in islice(pairs, SWEEP) if key < live]
        if not old:
            return False
        self._store.write(dict.fromkeys(old), sync=False)
        self._swept = old[-1]
        return True

    def drop(self, tags: Collection[bytes], after: bytes) -> bytes | None:
        """Delete entries with one of these tags among the next SWEEP ones behind a key.

        The last key that was looked at, None at the end; the first `after` is TAGS. An entry that
        does not open stays, as nobody can read a tag from it.
        """
        last: bytes | None = None
        gone: dict[bytes, bytes | None] = {}
        for key, held in islice(self._store.iterate(TAGS, start=after + b"\x00"), SWEEP):
            last = key
            with suppress(StoreDamaged):
                if self._at_rest.decrypt(key, held) in tags:
                    gone[key] = None
        for key in gone:
            generation = int.from_bytes(key[len(TAGS) : len(TAGS) + 8], "big")
            if generation in self._counts:
                self._counts[generation] -= 1
        if gone:
            self._store.write(gone, sync=False)
        return last

    def _turn_over(self) -> dict[bytes, bytes | None]:
        """Begin a generation, drop the oldest ones as far as needed."""
        self._newest += 1
        self._counts[self._newest] = 0
        while self._first < self._newest and (
            self._counts[self._first] == 0
            or len(self) > (LIVE - 1) * self._most
            or len(self._counts) > MOST_GENERATIONS
        ):
            self._drop()
        return self._state()

    def _drop(self) -> None:
        del self._counts[self._first]
        self._first += 1

    def _state(self) -> dict[bytes, bytes | None]:
        older = [self._counts[generation] for generation in range(self._first, self._newest)]
        state = b"".join(number8(number) for number in (self.key_id, self._newest, *older))
        return {STATE: seal(STATE, state)}


def _prefix(generation: int) -> bytes:
    return TAGS + number8(generation)

"""The tag cache: what this member already asked for, under keyed names, bounded, over restarts.

An entry's name is a keyed BLAKE2b of the normalised indicator, so neither a memory image nor a disk
without the index key lists identifiers. Names differ between tag keys, and the entries of one key
are dropped when another comes into force: a tag is worth nothing beside those of another key (a new
sharing of the same key changes no tag). Memory holds the entries used last, the shelf all of them;
the least recently used goes first.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Mapping
from hashlib import blake2b
from typing import Final

from bulwark.ledger.ids import Tag
from node.rotation.keyline import Renaming, first_key
from node.tagging.shelf import TAGS, TagShelf

NAME_BYTES: Final = 16
MEMORY_ENTRIES: Final = 50_000
"""Entries in memory over a shelf, about 260 bytes each."""


class TagCache:
    """Tags by keyed indicator name, of one tag key at a time."""

    def __init__(self, index_key: bytes, capacity: int, shelf: TagShelf | None = None) -> None:
        """`index_key` is 32 bytes; `capacity` 0 keeps nothing; without a shelf all is memory."""
        self._key, self._renamed = first_key(index_key), Renaming(index_key)
        self._shelf = shelf if capacity else None
        self._capacity = capacity if shelf is None else min(capacity, MEMORY_ENTRIES)
        self._tags: OrderedDict[bytes, Tag] = OrderedDict()
        self.key_id = 0 if self._shelf is None else self._shelf.key_id
        """The tag key whose tags are kept."""
        self._salt = self.key_id.to_bytes(blake2b.SALT_SIZE, "big")
        self.hits = 0
        self.misses = 0

    def turn_to(self, key_id: int) -> bool:
        """Tags of this key from now on; True if those of another one were dropped."""
        if key_id == self.key_id:
            return False
        self.key_id = key_id
        self._salt = key_id.to_bytes(blake2b.SALT_SIZE, "big")
        self._tags.clear()
        if self._shelf is not None:
            self._shelf.turn_to(key_id)
        return True

    def name(self, tag_input: bytes) -> bytes:
        """The 16-byte keyed name of an OPRF input under the tag key of now."""
        made = blake2b(tag_input, digest_size=NAME_BYTES, key=self._key, salt=self._salt)
        return self._renamed(made.digest())

    def get(self, name: bytes) -> Tag | None:
        """The tag of a name, None if it has to be asked for."""
        tag = self._tags.get(name)
        if tag is not None:
            self._tags.move_to_end(name)
        elif self._shelf is not None:
            tag = self._shelf.get(name)
            if tag is not None:
                self._remember(name, tag)
        if tag is None:
            self.misses += 1
            return None
        self.hits += 1
        return tag

    def put(self, name: bytes, tag: Tag) -> None:
        """Keep a tag; drops the least recently used one past the capacity."""
        self.put_all({name: tag})

    def put_all(self, tags: Mapping[bytes, Tag]) -> None:
        """Keep tags, on the shelf as one write. Raises StoreWriteFailed."""
        if self._capacity == 0:
            return
        for name, tag in tags.items():
            self._remember(name, tag)
        if self._shelf is not None:
            self._shelf.put(tags)

    def sweep(self) -> bool:
        """Delete some of what another tag key left on the shelf; whether there may be more."""
        return self._shelf is not None and self._shelf.sweep()

    async def forget(self, tags: Collection[bytes]) -> int:
        """Drop the entries of these tags, wherever their names are; how many were in memory.

        Names say nothing about tags, so the whole shelf is read, with turns of the loop between.
        Raises StoreWriteFailed.
        """
        if not tags:
            return 0
        after: bytes | None = TAGS
        while self._shelf is not None and after is not None:
            after = self._shelf.drop(tags, after)
            await asyncio.sleep(0)
        held = [name for name, tag in self._tags.items() if tag in tags]
        for name in held:
            del self._tags[name]
        return len(held)

    def _remember(self, name: bytes, tag: Tag) -> None:
        self._tags[name] = tag
        self._tags.move_to_end(name)
        if len(self._tags) > self._capacity:
            self._tags.popitem(last=False)

    def __len__(self) -> int:
        return len(self._tags) if self._shelf is None else len(self._shelf)

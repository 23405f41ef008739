"""The tag cache: what this member already asked for, under keyed names, bounded, in memory.

An entry's name is a keyed BLAKE2b of the normalised indicator, so a memory image without the index
key lists no identifiers. Nothing of it reaches a disk. The least recently used entry goes first.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b

from bulwark.ledger.ids import Tag

NAME_BYTES = 16


class TagCache:
    """Tags by keyed indicator name."""

    def __init__(self, index_key: bytes, capacity: int) -> None:
        """`index_key` is 32 bytes; `capacity` 0 keeps nothing."""
        self._key = index_key
        self._capacity = capacity
        self._tags: OrderedDict[bytes, Tag] = OrderedDict()
        self.hits = 0
        self.misses = 0

    def name(self, tag_input: bytes) -> bytes:
        """The 16-byte keyed name of an OPRF input."""
        return blake2b(tag_input, digest_size=NAME_BYTES, key=self._key).digest()

    def get(self, name: bytes) -> Tag | None:
        """The tag of a name, None if it has to be asked for."""
        tag = self._tags.get(name)
        if tag is None:
            self.misses += 1
            return None
        self.hits += 1
        self._tags.move_to_end(name)
        return tag

    def put(self, name: bytes, tag: Tag) -> None:
        """Keep a tag; drops the least recently used one past the capacity."""
        if self._capacity == 0:
            return
        self._tags[name] = tag
        self._tags.move_to_end(name)
        if len(self._tags) > self._capacity:
            self._tags.popitem(last=False)

    def __len__(self) -> int:
        return len(self._tags)

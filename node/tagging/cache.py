"""The tag cache: what this member already asked for, under keyed names, bounded, in memory.

An entry's name is a keyed BLAKE2b of the normalised indicator, so a memory image without the index
key lists no identifiers. Names differ between tag keys, and the entries of one key are dropped when
another comes into force: a tag is worth nothing beside those of another key. Nothing of it reaches
a disk. The least recently used entry goes first.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b

from bulwark.ledger.ids import Tag

NAME_BYTES = 16


class TagCache:
    """Tags by keyed indicator name, of one tag key at a time."""

    def __init__(self, index_key: bytes, capacity: int) -> None:
        """`index_key` is 32 bytes; `capacity` 0 keeps nothing."""
        self._key = index_key
        self._capacity = capacity
        self._tags: OrderedDict[bytes, Tag] = OrderedDict()
        self._salt = bytes(blake2b.SALT_SIZE)
        self.key_id = 0
        """The tag key whose tags are kept."""
        self.hits = 0
        self.misses = 0

    def turn_to(self, key_id: int) -> None:
        """Tags of this key from now on; those of another one are dropped."""
        if key_id == self.key_id:
            return
        self.key_id = key_id
        self._salt = key_id.to_bytes(blake2b.SALT_SIZE, "big")
        self._tags.clear()

    def name(self, tag_input: bytes) -> bytes:
        """The 16-byte keyed name of an OPRF input under the tag key of now."""
        made = blake2b(tag_input, digest_size=NAME_BYTES, key=self._key, salt=self._salt)
        return made.digest()

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

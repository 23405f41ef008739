"""The methods that the node needs of a key-value store, and the view a snapshot gives.

Rules: keys are not empty and ordered as bytes; one `write` is atomic, it happens whole or not at
all, in the order of the calls; after a `write` with `sync` it and all earlier writes survive a
power cut.
It knows no key: those are in `node.storage.schema`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from node.storage.errors import StoreWriteFailed


class ReadView(Protocol):
    """A consistent view of the store at one moment; close it, for it keeps old data alive."""

    def get(self, key: bytes) -> bytes | None:
        """Value of a key, None when there is none. Raises StoreDamaged."""
        ...

    def iterate(
        self, prefix: bytes, *, start: bytes | None = None, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Pairs whose key begins with `prefix`, ascending, or descending if `reverse`.

        `start` is a whole key at which to begin, itself included if it exists, in either
        direction. What is written during the iteration is not seen. Raises StoreDamaged.
        """
        ...

    def close(self) -> None:
        """Let go of the view."""
        ...


class KeyValueStore(Protocol):
    """An ordered key-value store with atomic batches."""

    def get(self, key: bytes) -> bytes | None:
        """Value of a key, None when there is none. Raises StoreDamaged."""
        ...

    def write(self, puts: Mapping[bytes, bytes | None], *, sync: bool) -> None:
        """Put every pair, delete the keys with None, as one atomic batch.

        With `sync` it returns after the flush to disk. Raises StoreWriteFailed, and from then on
        for every later write, since what is on disk is no longer known.
        """
        ...

    def flush(self) -> None:
        """Everything written before the call is on disk afterwards; may run on another thread.

        Raises StoreWriteFailed, and from then on every write does.
        """
        ...

    def iterate(
        self, prefix: bytes, *, start: bytes | None = None, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """As ReadView.iterate, on the state at the call's first item."""
        ...

    def snapshot(self, *, verify: bool = False) -> ReadView:
        """A view of this moment; with `verify` every block read is checked (audit reads)."""
        ...

    @property
    def failure(self) -> StoreWriteFailed | None:
        """The failed write after which all are refused, None while writes go on."""
        ...

    def compact(self, first: bytes = b"\x00", last: bytes = b"\xff" * 8) -> None:
        """Take what was deleted or replaced between two keys off the disk.

        Blocks the caller, no other; may run on any one thread. What an open view or iterator still
        sees stays, and so does what was flushed by this very call: write a key below and one above
        the range and call again.
        """
        ...

    def size_of(self, first: bytes, last: bytes) -> int:
        """About how many bytes of the disk the keys between two keys take, unflushed ones not."""
        ...

    def renew(self) -> bool:
        """Make the store's own files anew, which name old keys; False while somebody iterates.

        For the event loop's thread alone; takes some 20 ms.
        """
        ...

    def close(self) -> None:
        """Close the store; every later call raises StoreClosed."""
        ...


def after_prefix(prefix: bytes) -> bytes | None:
    """Smallest key above every key with this prefix; None when there is no such key."""
    trimmed = prefix.rstrip(b"\xff")
    if not trimmed:
        return None
    return trimmed[:-1] + bytes([trimmed[-1] + 1])

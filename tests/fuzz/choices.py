"""Choices: an input read as a stream of decisions, so that bytes steer a generator.

Rules: every stream means something, an exhausted one answers zero; so any cut or change of an input
is an input again, and a shorter one is a simpler one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
EDGES = (0, 1, 2, 3, 7, 8, 9, 15, 16, 63, 64, 65, 127, 128, 255, 256, 65_535, 65_536)
LARGE = (2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**48, 2**62, 2**63 - 1, 2**63, 2**64 - 1)


class Choices:
    """Reads decisions off an input."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        """Bytes not yet read."""
        return len(self._data) - self._at

    def byte(self) -> int:
        """The next byte, 0 at the end."""
        if self._at >= len(self._data):
            return 0
        self._at += 1
        return self._data[self._at - 1]

    def take(self, most: int) -> bytes:
        """Up to so many raw bytes."""
        taken = self._data[self._at : self._at + most]
        self._at += len(taken)
        return taken

    def rest(self) -> bytes:
        """Everything left."""
        return self.take(self.left)

    def below(self, limit: int) -> int:
        """A number in [0, limit), limit at most 65,536."""
        if limit <= 256:
            return self.byte() % limit
        return (self.byte() << 8 | self.byte()) % limit

    def flag(self, of: int = 2) -> bool:
        """True for one byte in `of`; never at the end of the stream."""
        return self.byte() % of == of - 1

    def one(self, among: Sequence[T]) -> T:
        """One of these."""
        return among[self.below(len(among))]

    def near(self, *values: int) -> int:
        """A number of 64 bits that matters here: one of these, next to it, or an extreme."""
        how = self.byte()
        if how < 160 and values:
            base = values[how % len(values)]
            return max(0, min(2**64 - 1, base + (0, 0, 0, 1, -1, 2, -2, 8)[self.byte() % 8]))
        if how < 200:
            return EDGES[how % len(EDGES)]
        if how < 240:
            return LARGE[how % len(LARGE)]
        return int.from_bytes(self.take(8), "big")

"""Bounded canonical encoding: one value has one encoding, and a decoder reads nothing unbounded.

Integers are big-endian of fixed width; byte strings are a 4-byte length and the bytes; lists are a
4-byte count and the items; optional values are one presence byte. There is no padding, no
alternative form and no trailing data, so equal values and equal bytes are the same thing.
The codec does not know any message: structures write themselves field by field in their own file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from bulwark.ledger.errors import DecodeError, LimitExceeded

T = TypeVar("T")


class Writer:
    """Collects the fields of one structure in order."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def uint(self, value: int, width: int) -> Writer:
        """Append `value` as `width` big-endian bytes; raises OverflowError if it does not fit."""
        self._parts.append(value.to_bytes(width, "big"))
        return self

    def fixed(self, value: bytes, width: int) -> Writer:
        """Append exactly `width` bytes."""
        if len(value) != width:
            raise DecodeError("fixed field", f"{len(value)} bytes given, {width} needed")
        self._parts.append(value)
        return self

    def blob(self, value: bytes) -> Writer:
        """Append a byte string with its 4-byte length."""
        self._parts.append(len(value).to_bytes(4, "big"))
        self._parts.append(value)
        return self

    def text(self, value: str) -> Writer:
        """Append a UTF-8 string with its 4-byte length."""
        return self.blob(value.encode("utf-8"))

    def flag(self, value: bool) -> Writer:
        """Append one byte, 0 or 1."""
        self._parts.append(b"\x01" if value else b"\x00")
        return self

    def sequence(self, items: Sequence[T], write: Callable[[Writer, T], object]) -> Writer:
        """Append a 4-byte count, then each item through `write`."""
        self._parts.append(len(items).to_bytes(4, "big"))
        for item in items:
            write(self, item)
        return self

    def optional(self, value: T | None, write: Callable[[Writer, T], object]) -> Writer:
        """Append a presence byte, then the value if there is one."""
        self.flag(value is not None)
        if value is not None:
            write(self, value)
        return self

    def done(self) -> bytes:
        """The encoding so far."""
        return b"".join(self._parts)


class Reader:
    """Reads one structure field by field; every length is checked before anything is taken."""

    __slots__ = ("_data", "_what", "offset")

    def __init__(self, data: bytes, what: str) -> None:
        self._data = data
        self._what = what
        self.offset = 0
        """Bytes read so far."""

    def _take(self, width: int, field: str) -> bytes:
        end = self.offset + width
        if end > len(self._data):
            left = len(self._data) - self.offset
            raise DecodeError(
                f"{self._what}.{field}", f"{width} bytes needed, {left} left", self.offset
            )
        taken = self._data[self.offset : end]
        self.offset = end
        return taken

    def uint(self, width: int, field: str, most: int | None = None) -> int:
        """Read a big-endian integer of `width` bytes, at most `most`."""
        start = self.offset
        value = int.from_bytes(self._take(width, field), "big")
        if most is not None and value > most:
            raise LimitExceeded(f"{self._what}.{field}", value, most, start)
        return value

    def fixed(self, width: int, field: str) -> bytes:
        """Read exactly `width` bytes."""
        return self._take(width, field)

    def blob(self, field: str, most: int) -> bytes:
        """Read a byte string of at most `most` bytes."""
        return self._take(self.uint(4, field, most), field)

    def text(self, field: str, most: int) -> str:
        """Read a UTF-8 string of at most `most` bytes."""
        start = self.offset
        raw = self.blob(field, most)
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DecodeError(f"{self._what}.{field}", "not UTF-8", start) from error

    def flag(self, field: str) -> bool:
        """Read one byte that must be 0 or 1."""
        start = self.offset
        value = self._take(1, field)
        if value not in (b"\x00", b"\x01"):
            raise DecodeError(f"{self._what}.{field}", "a flag is 0 or 1", start)
        return value == b"\x01"

    def sequence(self, field: str, most: int, read: Callable[[Reader], T]) -> tuple[T, ...]:
        """Read a count of at most `most`, then that many items through `read`."""
        count = self.uint(4, field, most)
        return tuple(read(self) for _ in range(count))

    def optional(self, field: str, read: Callable[[Reader], T]) -> T | None:
        """Read a presence byte, then the value if it is there."""
        return read(self) if self.flag(field) else None

    @property
    def left(self) -> int:
        """Bytes that were not read yet."""
        return len(self._data) - self.offset

    def end(self) -> None:
        """Refuse trailing bytes: a structure is exactly its encoding."""
        if self.offset != len(self._data):
            extra = len(self._data) - self.offset
            raise DecodeError(self._what, f"{extra} bytes after the end", self.offset)

"""The line of a key: the vault or index key of now with those before it, and names that follow it.

Rules: what is encrypted is encrypted under the key of now. A keyed name, which is one-way, can not
be made anew when its text is gone; so it is renamed: the name of generation n is a keyed hash,
under generation n, of the name of generation n - 1, and whoever knows the text goes the same way. A
name can then be tried out only by who has every key of the line. What stands encrypted keeps the
name of the first generation; each class renames where a name is a key of the database.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import Final

KEY_BYTES: Final = 32
MARK_BYTES: Final = 8
_RENAME: Final = b"bulwark/renamed/1"
_MARK: Final = b"bulwark/key-mark/1"


class KeyLine(bytes):
    """A key's 32 bytes, with the former keys of its line; equal to the plain bytes of the key."""

    former: tuple[bytes, ...]
    """Keys before it, the first one first."""

    def __new__(cls, key: bytes, former: Sequence[bytes] = ()) -> KeyLine:
        """Raises ValueError for a key of another length, or one that stands twice."""
        made = super().__new__(cls, key)
        made.former = tuple(bytes(each) for each in former)
        line = (*made.former, bytes(key))
        if any(len(each) != KEY_BYTES for each in line) or len(set(line)) != len(line):
            raise ValueError(f"a line has different keys of {KEY_BYTES} bytes")
        return made

    def __repr__(self) -> str:
        return f"KeyLine(key hidden, {len(self.former)} former)"


def generations(key: bytes) -> tuple[bytes, ...]:
    """All keys of a line, the first one first; plain bytes are a line of one."""
    return (*(key.former if isinstance(key, KeyLine) else ()), bytes(key))


def first_key(key: bytes) -> bytes:
    """The first key of a line: the one that first names are made with."""
    return generations(key)[0]


def mark_of(key: bytes) -> bytes:
    """8 bytes by which a key is known again; they say nothing about it."""
    return hmac.digest(bytes(key), _MARK, "sha256")[:MARK_BYTES]


class Renaming:
    """Brings names of an earlier generation, up to 32 bytes long, to the last one of a line."""

    def __init__(self, key: bytes, behind: int = 0) -> None:
        """`behind`: position in the line of the generation that the names are of."""
        later = generations(key)[behind + 1 :]
        self._steps = tuple(hmac.digest(each, _RENAME, "sha256") for each in later)

    def __call__(self, name: bytes) -> bytes:
        """The name of the last generation, as long as the one that was given."""
        for step in self._steps:
            name = hmac.digest(step, name, "sha256")[: len(name)]
        return name

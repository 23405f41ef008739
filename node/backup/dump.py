"""The database as bytes: one part a kind of key, pairs in key order, from one view of one moment.

    part: name | pairs: key length4 | value length4 | key | value

Rules: a part is one first byte of keys, named as in `node.storage.schema`; the core's records are
never in it (`left_out`): old votes are worse than none, for a validator that believes them can
contradict what it signed since. Keys are read with LevelDB's checksums. It opens no file.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Final

from node.backup.errors import NotABackup
from node.driver.start import CORE_RECORDS, OPENED
from node.storage import schema
from node.storage.port import ReadView

LEFT_OUT: Final = (CORE_RECORDS, OPENED, schema.META_RESTORED)
"""Keys that begin so stay where they are: this validator's votes, and that it has them."""
CHUNK_BYTES: Final = 256 * 1024
MAX_KEY_BYTES: Final = 4 * 1024
MAX_VALUE_BYTES: Final = 64 * 1024 * 1024
_PAIR: Final = struct.Struct(">II")

LEDGER: Final = frozenset(
    (
        schema.META, schema.HEADERS, schema.HEIGHTS_BY_HASH, schema.BATCHES, schema.RECEIPTS,
        schema.COMMIT_CERTIFICATES, schema.CHECKPOINTS, schema.TRANSACTIONS, schema.SIDECARS,
        schema.PENDING_SIDECARS, schema.RECORDS, schema.RECORDS_BY_TAG, schema.FOLLOW_UPS,
        schema.LOG_NODES, schema.LOG_LEAVES, schema.LOG_INDEX, schema.CONSENT_STATES,
        schema.EVENTS, schema.EPOCHS, schema.STATE, schema.CODES, schema.SAMPLES,
    )
)  # fmt: skip
"""Kinds that every node of the alliance has as well; all others only this one has."""


def part_name(prefix: bytes) -> str:
    """Name of the part with this kind of key, as `database/headers`."""
    return "database/" + _NAMES.get(prefix, f"kind-{prefix.hex()}")


def prefix_of(name: str) -> bytes | None:
    """Inverse of part_name(); None for what is no part of a database."""
    for prefix, known in _NAMES.items():
        if name == "database/" + known:
            return prefix
    text = name.removeprefix("database/kind-")
    return bytes.fromhex(text) if text != name and len(text) == 2 else None


_NAMES: Final = {
    value: name.lower().replace("_", "-")
    for name, value in vars(schema).items()
    if name.isupper() and isinstance(value, bytes) and value in schema.ALL_PREFIXES
}


def is_left_out(key: bytes) -> bool:
    """Whether a key never goes into a backup."""
    return key.startswith(LEFT_OUT)


def pairs_of(view: ReadView, prefix: bytes) -> Iterator[bytes]:
    """The pairs of one kind, encoded, in pieces of about CHUNK_BYTES. Raises StoreDamaged."""
    piece: list[bytes] = []
    size = 0
    for key, value in view.iterate(prefix):
        if is_left_out(key):
            continue
        piece += (_PAIR.pack(len(key), len(value)), key, value)
        size += _PAIR.size + len(key) + len(value)
        if size >= CHUNK_BYTES:
            yield b"".join(piece)
            piece, size = [], 0
    if piece:
        yield b"".join(piece)


class PairReader:
    """Takes a part's bytes in any pieces, gives its pairs."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._held = b""

    def take(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """Pairs that are whole now. Raises NotABackup."""
        held = self._held + data
        found: list[tuple[bytes, bytes]] = []
        at = 0
        while at + _PAIR.size <= len(held):
            key_bytes, value_bytes = _PAIR.unpack_from(held, at)
            if not 0 < key_bytes <= MAX_KEY_BYTES or value_bytes > MAX_VALUE_BYTES:
                raise NotABackup(self._name, "a pair's length is out of bounds")
            middle = at + _PAIR.size + key_bytes
            end = middle + value_bytes
            if end > len(held):
                break
            found.append((held[at + _PAIR.size : middle], held[middle:end]))
            at = end
        self._held = held[at:]
        return found

    def end(self) -> None:
        """Nothing is to come. Raises NotABackup if a pair is not whole."""
        if self._held:
            raise NotABackup(self._name, "ends in the middle of a pair")


def pairs_in(name: str, pieces: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """All pairs of a part. Raises NotABackup."""
    reader = PairReader(name)
    for piece in pieces:
        yield from reader.take(piece)
    reader.end()

"""A disk whose consensus records are a byte log: torn, full, or with a bit flipped.

A write is one frame: length, checksum of the length, checksum of the payload, payload. A frame that
ends early is a write that power cut off: it is dropped, nothing after it can exist. Any other fault
is damage, and damage stops the start (P5). Blocks are separate synced writes.
"""

from __future__ import annotations

from zlib import crc32

from bulwark.ledger.codec import Reader, Writer
from consensus.errors import RecordsDamaged
from tests.scenarios.machine import Disk

HEADER_BYTES = 12
COMPACT_BYTES = 32_768
LIMIT = 1 << 24

Records = tuple[tuple[bytes, bytes | None], ...]


class DiskFull(OSError):
    """ENOSPC: the write did not take place."""


def frame(records: Records) -> bytes:
    """One atomic write as bytes."""
    writer = Writer().sequence(
        records,
        lambda w, r: w.blob(r[0]).optional(r[1], lambda inner, value: inner.blob(value)),
    )
    payload = writer.done()
    length = len(payload).to_bytes(4, "big")
    return length + crc32(length).to_bytes(4, "big") + crc32(payload).to_bytes(4, "big") + payload


def _read(payload: bytes) -> Records:
    reader = Reader(payload, "frame")
    return reader.sequence(
        "records",
        4096,
        lambda r: (
            r.blob("key", 256),
            r.optional("value", lambda inner: inner.blob("value", LIMIT)),
        ),
    )


class LogDisk(Disk):
    """Consensus records as a log of frames."""

    def __init__(self) -> None:
        super().__init__()
        self.log = bytearray()
        self.full = False
        self.torn_at: int | None = None
        """Cut the next write after this many bytes, as a power failure does."""

    def write(self, records: Records) -> None:
        """Append a frame and sync; raises DiskFull."""
        if self.full:
            raise DiskFull("no space left on device")
        data = frame(records)
        if self.torn_at is not None:
            self.log += data[: self.torn_at % len(data)]
            self.torn_at = None
            return
        super().write(records)
        if len(self.log) > COMPACT_BYTES:
            self.log = bytearray(frame(tuple(self.records.items())))
        else:
            self.log += data

    def reopen(self) -> int:
        """Read the log back; how many bytes of a torn frame were dropped. Raises RecordsDamaged."""
        self.records, self.unsynced = {}, None
        at = 0
        while at < len(self.log):
            header = bytes(self.log[at : at + HEADER_BYTES])
            if len(header) < HEADER_BYTES:
                break
            if crc32(header[:4]) != int.from_bytes(header[4:8], "big"):
                raise RecordsDamaged(b"log", f"frame at {at} has a damaged header")
            length = int.from_bytes(header[:4], "big")
            payload = bytes(self.log[at + HEADER_BYTES : at + HEADER_BYTES + length])
            if len(payload) < length:
                break
            if crc32(payload) != int.from_bytes(header[8:], "big"):
                raise RecordsDamaged(b"log", f"frame at {at} is damaged")
            for key, value in _read(payload):
                if value is None:
                    self.records.pop(key, None)
                else:
                    self.records[key] = value
            at += HEADER_BYTES + length
        dropped = len(self.log) - at
        del self.log[at:]
        return dropped

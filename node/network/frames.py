"""Frames: 4-byte big-endian payload length, 1-byte kind, payload.

Rules: a header is judged as soon as its 5 bytes are there, before anything of the payload is kept
(pitfall D1), so the decoder never holds more than one allowed frame and one read of the socket.
The result does not depend on how the bytes were cut into reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from node.network.errors import PayloadTooLarge, PeerRefused, Reason
from node.network.kinds import HELLO_LIMITS, SIZE_LIMITS, Kind

HEADER_BYTES: Final = 5
_KINDS: Final[Mapping[int, Kind]] = {int(kind): kind for kind in Kind}


def encode_frame(kind: Kind, payload: bytes) -> bytes:
    """One frame as it goes on the wire; raises PayloadTooLarge."""
    if len(payload) > SIZE_LIMITS[kind]:
        raise PayloadTooLarge(kind.name, len(payload), SIZE_LIMITS[kind])
    return len(payload).to_bytes(4, "big") + bytes((kind,)) + payload


class FrameDecoder:
    """Cuts a stream into frames: `feed` what was read, then call `next` until it gives None."""

    __slots__ = ("_buffer", "_needed", "_position", "limits")

    def __init__(self, limits: Mapping[int, int] = HELLO_LIMITS) -> None:
        self.limits = limits
        """Allowed payload bytes by kind, from the next header on."""
        self._buffer: bytes | bytearray = b""
        self._position = 0
        self._needed = HEADER_BYTES

    @property
    def buffered(self) -> int:
        """Bytes held that are not yet given out."""
        return len(self._buffer) - self._position

    def feed(self, data: bytes) -> None:
        """Take bytes from the socket. Call only after `next` gave None."""
        if self._position == len(self._buffer):
            self._buffer = data
        else:
            kept = self._buffer
            if isinstance(kept, bytearray):
                del kept[: self._position]
            else:
                kept = bytearray(memoryview(kept)[self._position :])
            kept += data
            self._buffer = kept
        self._position = 0

    def next(self) -> tuple[Kind, bytes] | None:
        """The next complete frame, None if more bytes are needed; raises PeerRefused."""
        start = self._position
        if len(self._buffer) - start < self._needed:
            return None
        buffer = self._buffer
        length = int.from_bytes(buffer[start : start + 4], "big")
        kind = self._judge(buffer[start + 4], length)
        end = start + HEADER_BYTES + length
        if len(buffer) < end:
            self._needed = HEADER_BYTES + length
            return None
        self._position = end
        self._needed = HEADER_BYTES
        if isinstance(buffer, bytes):
            return kind, buffer[start + HEADER_BYTES : end]
        with memoryview(buffer) as view:  # one copy instead of two
            return kind, bytes(view[start + HEADER_BYTES : end])

    def _judge(self, number: int, length: int) -> Kind:
        kind = _KINDS.get(number)
        if kind is None:
            raise PeerRefused(Reason.UNKNOWN_KIND, f"frame kind {number}")
        most = self.limits.get(number)
        if most is None:
            raise PeerRefused(Reason.UNEXPECTED_FRAME, f"{kind.name} before the hello is complete")
        if length > most:
            raise PeerRefused(
                Reason.FRAME_TOO_LARGE, f"{kind.name} of {length} bytes announced, {most} allowed"
            )
        return kind

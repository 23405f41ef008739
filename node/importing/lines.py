"""Lines and records of a file, bounded: what is too long is skipped and never held whole.

Rules: lines end in LF or CRLF and are numbered from 1; a UTF-8 byte order mark at the start goes;
a CSV record with a line end inside quotes has the number of its first line. A quote that is never
closed costs its own line only: the lines after it are read afresh.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from typing import BinaryIO, Final

MAX_ROW_BYTES: Final = 32 * 1024
"""One row, as it stands in the file."""
MAX_ROW_LINES: Final = 64
"""Lines that a quoted CSV record may span."""
_CHUNK: Final = 256 * 1024
_BOM: Final = b"\xef\xbb\xbf"
_OPENING: Final = re.compile(rb'(?:^|[,;\t])[ ]*"')

Line = tuple[int, bytes | None]
"""Number and content without the line end; None where it is too long."""


class Lines:
    """The lines of a stream; `consumed` counts bytes read, for a progress display."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.consumed = 0

    def __iter__(self) -> Iterator[Line]:
        number = 0
        rest = b""
        skipping = False
        while True:
            chunk = self._stream.read(_CHUNK)
            if not chunk:
                break
            if not self.consumed:
                chunk = chunk.removeprefix(_BOM)
                self.consumed = len(_BOM)
            self.consumed += len(chunk)
            pieces = (rest + chunk).split(b"\n")
            rest = pieces.pop()
            for piece in pieces:
                number += 1
                too_long = skipping or len(piece) > MAX_ROW_BYTES
                skipping = False
                yield number, None if too_long else piece.removesuffix(b"\r")
            if len(rest) > MAX_ROW_BYTES:
                skipping, rest = True, b""
        if skipping:
            yield number + 1, None
        elif rest:
            yield number + 1, rest.removesuffix(b"\r")


def records(lines: Iterator[Line]) -> Iterator[Line]:
    """CSV records: lines joined while a quoted cell is open."""
    waiting: deque[Line] = deque()

    def following() -> Line | None:
        return waiting.popleft() if waiting else next(lines, None)

    while True:
        first = following()
        if first is None:
            return
        number, text = first
        if text is None or b'"' not in text or not _is_open(text):
            yield number, text
            continue
        held = [first]
        size = len(text)
        while True:
            more = following()
            if more is None:
                break
            held.append(more)
            size += len(more[1] or b"")
            if more[1] is None or size > MAX_ROW_BYTES or len(held) > MAX_ROW_LINES:
                break
            text += b"\n" + more[1]
            if b'"' in more[1] and not _is_open(text):
                held.clear()
                yield number, text
                break
        if held:
            # Never closed: this line by itself (its reader will refuse it), the others again.
            yield number, first[1]
            waiting.extendleft(reversed(held[1:]))


def _is_open(text: bytes) -> bool:
    """Whether a quoted cell is still open at the end of this text."""
    at = 0
    while True:
        opening = _OPENING.search(text, at)
        if opening is None:
            return False
        at = opening.end()
        while True:
            closing = text.find(b'"', at)
            if closing < 0:
                return True
            at = closing + 1
            if text[at : at + 1] != b'"':
                break
            at += 1

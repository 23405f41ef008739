"""Multipart: a form with one file at its end (RFC 7578), the file read as it arrives.

Rules: fields come first and are few and short, so the session's token is known before a byte of the
file is; the file is the last part and is never held in memory as a whole; its name is not read.
Whatever does not hold is Problem 400 or 413.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Final

from api.exchange import Exchange
from api.problems import Problem, malformed, too_large

MULTIPART: Final = b"multipart/form-data"
MAX_UPLOAD_BYTES: Final = 1 << 30
"""A larger file goes over REST."""
MAX_HEAD_BYTES: Final = 2_048
MAX_PARTS: Final = 24
MAX_FIELDS_BYTES: Final = 16_384
"""All fields beside the file: names of columns and a label, in any script."""
_BOUNDARY: Final = re.compile(rb"boundary=\"?([A-Za-z0-9'()+_,./:=?-]{1,70})\"?\s*(?:;|\Z)")
_NAME: Final = re.compile(rb'[;\s]name="([a-z_]{1,40})"')
_FILE: Final = re.compile(rb'[;\s]filename="')
_DISPOSITION: Final = b"content-disposition: form-data"


async def read_upload(exchange: Exchange) -> tuple[dict[str, str], AsyncIterator[bytes]]:
    """Fields of a form and its file's bytes. Raises Problem 400, 413, 415."""
    given = exchange.headers.get(b"content-type", b"")
    if given.partition(b";")[0].strip().lower() != MULTIPART:
        raise Problem(415, "unsupported-media-type", "send the form as multipart/form-data")
    found = _BOUNDARY.search(given)
    if found is None:
        raise malformed("the form has no boundary")
    reader = _Reader(exchange.chunks(MAX_UPLOAD_BYTES), b"\r\n--" + found[1])
    fields: dict[str, str] = {}
    size = 0
    for _ in range(MAX_PARTS):
        name, is_file = await reader.head()
        if is_file:
            return fields, reader.file()
        value = await reader.value()
        size += len(value)
        if name in fields:
            raise malformed("a field of the form is given twice")
        if size > MAX_FIELDS_BYTES:
            raise too_large(f"the fields of the form are over {MAX_FIELDS_BYTES} bytes")
        try:
            fields[name] = value.decode("utf-8")
        except UnicodeDecodeError:
            raise malformed("a field of the form is not UTF-8") from None
    raise malformed(f"the form has more than {MAX_PARTS} fields")


class _Reader:
    """Parts of a body, one after the other."""

    def __init__(self, chunks: AsyncIterator[bytes], delimiter: bytes) -> None:
        self._chunks = chunks
        self._delimiter = delimiter
        # The first delimiter has no line end before it; with one all are alike.
        self._held = b"\r\n"
        self._is_begun = False

    async def _more(self) -> None:
        piece = await anext(self._chunks, None)
        if piece is None:
            raise malformed("the form ends in the middle")
        self._held += piece

    async def _upto(self, mark: bytes, most: int) -> bytes:
        """What stands before a mark; the mark is passed."""
        while (at := self._held.find(mark)) < 0:
            if len(self._held) > most + len(mark):
                raise too_large(f"a part of the form is over {most} bytes")
            await self._more()
        if at > most:
            raise too_large(f"a part of the form is over {most} bytes")
        found, self._held = self._held[:at], self._held[at + len(mark) :]
        return found

    async def head(self) -> tuple[str, bool]:
        """Name of the next part, and whether it is a file."""
        if not self._is_begun:
            if await self._upto(self._delimiter, 0):
                raise malformed("the form does not begin with its boundary")
            self._is_begun = True
        while len(self._held) < 2:
            await self._more()
        if self._held[:2] != b"\r\n":
            raise malformed("the form has no file")
        head = await self._upto(b"\r\n\r\n", MAX_HEAD_BYTES)
        for line in head.split(b"\r\n"):
            if line.lower().startswith(_DISPOSITION):
                name = _NAME.search(line)
                if name is not None:
                    return name[1].decode("ascii"), _FILE.search(line) is not None
        raise malformed("a part of the form has no name")

    async def value(self) -> bytes:
        """The whole of a short part."""
        return await self._upto(self._delimiter, MAX_FIELDS_BYTES)

    async def file(self) -> AsyncIterator[bytes]:
        """The last part as it arrives."""
        keep = len(self._delimiter)
        while (at := self._held.find(self._delimiter)) < 0:
            if len(self._held) > keep:
                piece, self._held = self._held[:-keep], self._held[-keep:]
                yield piece
            await self._more()
        if at:
            yield self._held[:at]
        self._held = self._held[at + keep :]
        while len(self._held) < 2:
            await self._more()
        if self._held[:2] != b"--":
            raise malformed("the file is not the last part of the form")
        async for _ in self._chunks:  # the line end behind the last boundary, and nothing of use
            pass

"""Results of a job as they are kept: canonical lines, read part by part and sent in any format."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from node.jobs.book import JobBook, JobRecord
from node.jobs.render import Renderer
from node.jobs.sealedfile import FileDamaged, Frames
from node.jobs.shelf import Shelf

ROWS_SENT: Final = 500
"""Rows of a result that are made together: about 3 ms."""


class Kept:
    """What a job has answered so far."""

    def __init__(self, book: JobBook, shelf: Shelf, job: JobRecord, parts: int) -> None:
        """`parts`: how many are durable."""
        self._book = book
        self._frames = Frames(shelf.result(job), Shelf.cipher(job))
        self._job = job
        self._parts = parts

    async def pieces(self, make: Renderer, first: int, last: int | None) -> AsyncIterator[bytes]:
        """Rows first..last in a format. Raises FileDamaged, StoreDamaged."""
        yield make.begin()
        async for lines in self.lines(first, last):
            for start in range(0, len(lines), ROWS_SENT):
                made = await asyncio.to_thread(make.rows, lines[start : start + ROWS_SENT])
                if made:
                    yield made
        yield await asyncio.to_thread(make.end)

    async def lines(self, first: int, last: int | None) -> AsyncIterator[list[bytes]]:
        """Canonical lines of rows first..last, part by part. Raises FileDamaged, StoreDamaged."""
        start = 0
        for number in range(self._parts):
            part = self._book.part(self._job, number)
            if part is None:
                raise FileDamaged(f"result, piece {number}: is not known any more")
            begins = part.all_rows - part.rows + 1
            if last is not None and begins > last:
                return
            if part.all_rows >= first:
                plain = await asyncio.to_thread(self._frames.read, number, start, part.result_end)
                found = plain.splitlines(keepends=True)
                end = len(found) if last is None else last - begins + 1
                yield found[max(0, first - begins) : max(0, end)]
            start = part.result_end

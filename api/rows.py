"""Rows of an upload: NDJSON or CSV read as it arrives, one bounded row at a time.

Rules: rows are counted and numbered by physical line from 1 (a CSV header is line 1; a quoted cell
may span lines, its row has the number of the first); blank lines are skipped; a UTF-8 byte order
mark at the start is dropped; a row that can not be read is refused by its number and the rest goes
on; one row over the bound refuses the whole upload. The event loop gets a turn every few
milliseconds. What a row means is decided by the `parse` it is given.
"""

from __future__ import annotations

import asyncio
import csv
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from msgspec import Struct

from api.json_text import JsonInvalid, decode_object
from api.problems import FieldProblem, field_problems, malformed, too_large
from api.settings import ApiSettings
from bulwark.indicators.errors import FieldError, NormalisationError, RowError

T = TypeVar("T")
Parse = Callable[[Mapping[str, object]], T]

MAX_COLUMNS: Final = 64
_BOM: Final = b"\xef\xbb\xbf"
_LOOK_EVERY: Final = 32
"""Rows between two looks at the clock."""


class RefusedRow(Struct, frozen=True):
    """A row that was not taken and why."""

    line: int
    problems: tuple[FieldProblem, ...]


@dataclass(slots=True)
class Rows(Generic[T]):
    """What an upload held."""

    parsed: list[T] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    """Line of each parsed row."""
    refused: list[RefusedRow] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.parsed) + len(self.refused)


class Pace:
    """Gives the event loop a turn when a batch computed for long enough."""

    def __init__(self, chunk_ms: float) -> None:
        self._chunk_s = chunk_ms / 1000
        self._clock = asyncio.get_running_loop().time
        self._started = self._clock()
        self._steps = 0

    def due(self) -> bool:
        """Call once an item; whether a turn should be given now."""
        self._steps += 1
        return self._steps % _LOOK_EVERY == 0 and self._clock() - self._started >= self._chunk_s

    async def turn(self) -> None:
        """Let the event loop do what waits."""
        await asyncio.sleep(0)
        self._started = self._clock()


class _Lines:
    """Cuts chunks into lines; a line over the bound becomes None and is never held whole."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._rest = b""
        self._skipping = False
        self._first = True

    def feed(self, chunk: bytes) -> list[bytes | None]:
        """The lines that this chunk completes."""
        if self._first and self._rest + chunk:
            start = self._rest + chunk
            if len(start) < len(_BOM) and _BOM.startswith(start):
                self._rest = start  # perhaps a mark cut in two
                return []
            self._first = False
            chunk, self._rest = start.removeprefix(_BOM), b""
        pieces = (self._rest + chunk).split(b"\n")
        self._rest = pieces.pop()
        lines = [piece if len(piece) <= self._most else None for piece in pieces]
        if self._skipping and lines:
            lines[0] = None
            self._skipping = False
        if len(self._rest) > self._most or self._skipping:
            self._skipping, self._rest = True, b""
        return lines

    def finish(self) -> list[bytes | None]:
        """The last line, when it has no newline."""
        if self._skipping:
            return [None]
        return [self._rest.removeprefix(_BOM) if self._first else self._rest] if self._rest else []


class _Records:
    """Joins lines into CSV records: a record ends where its quotes are paired."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._number = 0
        self._begun = 0
        self._held = b""

    def feed(self, lines: list[bytes | None]) -> Iterator[tuple[int, bytes | None]]:
        """Records with the line they begin on; None for one over the bound."""
        for line in lines:
            self._number += 1
            if line is None or len(self._held) + len(line) > self._most:
                # Reading goes on with the next line as a fresh record.
                yield (self._begun if self._held else self._number), None
                self._held = b""
                continue
            if self._held:
                line = self._held + b"\n" + line
            else:
                self._begun = self._number
            if line.count(b'"') % 2:
                self._held = line
                continue
            self._held = b""
            if line and not line.isspace():
                yield self._begun, line

    def finish(self) -> Iterator[tuple[int, bytes | None]]:
        """A last record whose quotes stayed open."""
        if self._held:
            yield self._begun, self._held


class RowReader(Generic[T]):
    """Reads one upload."""

    def __init__(self, parse: Parse[T], settings: ApiSettings) -> None:
        self._parse = parse
        self._settings = settings
        self._rows: Rows[T] = Rows()
        self._too_long = f"a row has at most {settings.max_row_bytes} bytes"

    async def ndjson(self, chunks: AsyncIterator[bytes]) -> Rows[T]:
        """Rows of NDJSON. Raises Problem 413 when there are too many."""
        pace = Pace(self._settings.chunk_ms)
        number = 0
        async for lines in self._lines(chunks):
            for line in lines:
                number += 1
                self._object(number, line)
                if pace.due():
                    await pace.turn()
        return self._rows

    def _object(self, number: int, line: bytes | None) -> None:
        if line is None:
            self._refuse(number, FieldProblem("row", self._too_long, "row.too-long"))
        elif line and not line.isspace():
            try:
                row = decode_object(line)
            except JsonInvalid as error:
                self._refuse(number, FieldProblem("row", error.detail, "row.malformed"))
            else:
                self._take(number, row)

    async def csv(self, chunks: AsyncIterator[bytes], columns: frozenset[str]) -> Rows[T]:
        """Rows of CSV whose header names some of `columns`. Raises Problem 413 or 400."""
        pace = Pace(self._settings.chunk_ms)
        records = _Records(self._settings.max_row_bytes)
        header: list[str] | None = None
        async for lines in self._lines(chunks):
            for number, record in records.feed(lines):
                if header is None:
                    header = _header(self._cells(number, record), columns)
                else:
                    self._record(number, record, header)
                if pace.due():
                    await pace.turn()
        if header is None:
            raise malformed("a CSV upload begins with a header line")
        for number, record in records.finish():
            self._record(number, record, header)
        return self._rows

    def _record(self, number: int, record: bytes | None, header: list[str]) -> None:
        cells = self._cells(number, record)
        if cells is None:
            return
        if len(cells) != len(header):
            detail = f"{len(cells)} cells, the header has {len(header)}"
            self._refuse(number, FieldProblem("row", detail, "row.malformed"))
        else:
            row = {name: cell for name, cell in zip(header, cells, strict=True) if cell}
            self._take(number, row)

    async def _lines(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[list[bytes | None]]:
        lines = _Lines(self._settings.max_row_bytes)
        async for chunk in chunks:
            yield lines.feed(chunk)
        yield lines.finish()

    def _cells(self, number: int, record: bytes | None) -> list[str] | None:
        """Cells of a record; None after refusing one that can not be read."""
        if record is None:
            self._refuse(number, FieldProblem("row", self._too_long, "row.too-long"))
            return None
        try:
            text = record.decode("utf-8")
            if '"' not in text:
                return [cell.strip() for cell in text.split(",")]
            rows = list(csv.reader([text.removesuffix("\r")], strict=True))
        except UnicodeDecodeError:
            self._refuse(number, FieldProblem("row", "not UTF-8", "row.malformed"))
            return None
        except csv.Error:
            self._refuse(number, FieldProblem("row", "not CSV: check quotes", "row.malformed"))
            return None
        return [cell.strip() for cell in rows[0]] if rows else []

    def _take(self, number: int, row: Mapping[str, object]) -> None:
        try:
            parsed = self._parse(row)
        except (RowError, FieldError, NormalisationError) as error:
            self._refuse(number, *field_problems(error))
        else:
            self._check_count()
            self._rows.parsed.append(parsed)
            self._rows.lines.append(number)

    def _refuse(self, number: int, *problems: FieldProblem) -> None:
        self._check_count()
        self._rows.refused.append(RefusedRow(number, problems))

    def _check_count(self) -> None:
        if len(self._rows) >= self._settings.max_batch_rows:
            most = self._settings.max_batch_rows
            raise too_large(f"more than {most} rows; nothing was taken, send at most {most}")


def _header(cells: list[str] | None, columns: frozenset[str]) -> list[str]:
    known = ", ".join(sorted(columns))
    if cells is None:
        raise malformed("the CSV header can not be read")
    names = [cell.lower() for cell in cells]
    if len(names) > MAX_COLUMNS or len(set(names)) != len(names):
        raise malformed(f"the CSV header names each column once, at most {MAX_COLUMNS}")
    if not set(names) <= columns:
        raise malformed(f"the CSV header names an unknown column; known: {known}")
    return names

"""Rows of a CSV or NDJSON input from any place on, bounded, each with its line number.

Rules: rows are numbered by their order, lines by physical line from 1 (a quoted cell may span
lines: its row has the number of the first); blank lines do not count; a byte order mark at the
start goes; CSV has a header line, and comma, semicolon, tab or bar between the cells, whichever the
header has most of. A row that can not be read is an error of that row and reading goes on: a quote
that is never closed costs its own line only. What is too long is skipped and never held whole.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from typing import Final, Protocol

import orjson
from msgspec import Struct

from node.jobs.port import InputRefused

MARKS: Final = (",", ";", "\t", "|")
MAX_ROW_LINES: Final = 64
"""Lines that a quoted CSV row may span."""
BUFFER: Final = 256 * 1024
csv.field_size_limit(1 << 20)
# A row is bounded before it is taken apart, so a cell needs no smaller bound of its own.
_BOM: Final = b"\xef\xbb\xbf"
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
Place = tuple[int, int, int]
"""Where reading goes on; its meaning is the reader's own."""
Cells = tuple[object, ...]
"""What a row holds in the wanted columns, None where it has nothing."""


class Fault(Struct, frozen=True):
    """A row that can not be read: field or column, stable code, what is allowed."""

    field: str
    code: str
    detail: str


class Raw(Struct, frozen=True):
    """One row of the input."""

    line: int | None
    cells: Cells | Fault
    size: int
    """About how many bytes it takes in memory."""


class RowSource(Protocol):
    """An open input; call everything on one thread at a time."""

    columns: tuple[str, ...]
    """Names of its columns; of NDJSON, those of the first row."""
    expected_rows: int | None

    def want(self, columns: Sequence[str]) -> None:
        """Which columns rows give, in this order. Raises InputRefused for one that is missing."""
        ...

    def seek(self, place: Place) -> None:
        """Go on at a place; (0, 0, 0) is the first row."""
        ...

    def take(self, most: int) -> list[Raw]:
        """The next rows, at most `most`; none at the end. Raises FileDamaged, InputRefused."""
        ...

    @property
    def place(self) -> Place:
        """Behind the last row that was taken."""
        ...

    @property
    def read_bytes(self) -> int:
        """Bytes of the input that are read."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


class _Lines:
    """Lines of a stream with the byte behind each; a place is (byte, line before it, 0)."""

    def __init__(self, raw: io.RawIOBase, most: int) -> None:
        self._stream = io.BufferedReader(raw, BUFFER)
        self._most = most
        self.at = 0
        self.line = 0

    def begin(self) -> None:
        """Go to the first line, behind a byte order mark; raises InputRefused."""
        self._stream.seek(0)
        head = self._stream.read(3)
        if head[:2] in _UTF16:
            raise InputRefused("the file is UTF-16; save it as UTF-8")
        self.go(len(_BOM) if head == _BOM else 0, 0)

    def go(self, at: int, line: int) -> None:
        """Go to a byte at which a line begins."""
        self._stream.seek(at)
        self.at, self.line = at, line

    def next(self) -> tuple[bytes, bool] | None:
        """The next line without its end, and whether it was too long (then it is empty)."""
        found = self._stream.readline(self._most + 2)
        if not found:
            return None
        self.line += 1
        self.at += len(found)
        if not found.endswith(b"\n") and len(found) > self._most:
            while True:
                piece = self._stream.readline(BUFFER)
                self.at += len(piece)
                if not piece or piece.endswith(b"\n"):
                    return b"", True
        text = found.rstrip(b"\r\n") if found.endswith(b"\n") else found
        return (b"", True) if len(text) > self._most else (text, False)

    def close(self) -> None:
        self._stream.close()


class _LineRows:
    """What both readers of lines share: where they are, and where their first row begins."""

    expected_rows: int | None = None

    def __init__(self, raw: io.RawIOBase, max_row_bytes: int) -> None:
        """Goes to the first line; raises InputRefused."""
        self._lines = _Lines(raw, max_row_bytes)
        self._most = max_row_bytes
        self._lines.begin()
        self._first = self.place

    def seek(self, place: Place) -> None:
        """See RowSource."""
        at, line, _ = place if any(place) else self._first
        self._lines.go(at, line)

    @property
    def place(self) -> Place:
        """See RowSource."""
        return self._lines.at, self._lines.line, 0

    @property
    def read_bytes(self) -> int:
        """See RowSource."""
        return self._lines.at

    def close(self) -> None:
        """See RowSource."""
        self._lines.close()

    def _next(self) -> tuple[int, bytes | None] | None:
        """The next line that is not blank with its number, None for one that is too long."""
        while (found := self._lines.next()) is not None:
            text, is_long = found
            if is_long:
                return self._lines.line, None
            if text and not text.isspace():
                return self._lines.line, text
        return None


class CsvRows(_LineRows):
    """Rows of a CSV input."""

    def __init__(self, raw: io.RawIOBase, max_row_bytes: int, max_columns: int) -> None:
        """Reads the header; raises InputRefused."""
        super().__init__(raw, max_row_bytes)
        self._wanted: list[int] = []
        self.columns = self._header(max_columns)
        self._first = self.place

    def _header(self, most: int) -> tuple[str, ...]:
        found = self._next()
        if found is None:
            raise InputRefused("the file is empty; a CSV file begins with a header line")
        line = found[1]
        if line is None:
            raise InputRefused(f"line {found[0]}: the header is over {self._most:,} bytes")
        counts = {mark: line.count(mark.encode()) for mark in MARKS}
        self._mark = max(MARKS, key=lambda mark: counts[mark])
        # Where a quoted cell begins: at the start or behind a mark.
        self._opening = re.compile(rb'(?:^|[\n%s])[ ]*"' % re.escape(self._mark.encode()))
        cells = self._cells(line)
        if isinstance(cells, Fault):
            raise InputRefused(f"line {self._lines.line}: the header: {cells.detail}")
        if len(cells) > most:
            raise InputRefused(f"the header has {len(cells)} columns, at most {most} are read")
        if len(set(cells)) != len(cells):
            twice = next(name for name in cells if cells.count(name) > 1)
            raise InputRefused(f"the header names a column twice: {twice[:64]!r}")
        return tuple(cells)

    def want(self, columns: Sequence[str]) -> None:
        """See RowSource."""
        for name in columns:
            if name not in self.columns:
                raise InputRefused(_no_column(name, self.columns))
        self._wanted = [self.columns.index(name) for name in columns]

    def take(self, most: int) -> list[Raw]:
        """See RowSource."""
        rows: list[Raw] = []
        width, wanted = len(self.columns), self._wanted
        while len(rows) < most and (found := self._next()) is not None:
            line, text = found
            if text is None:
                rows.append(Raw(line, _too_long(self._most), 0))
                continue
            cells = self._cells(self._whole(text) if b'"' in text else text)
            if not isinstance(cells, Fault) and len(cells) != width:
                detail = f"{len(cells)} cells, the header has {width}"
                cells = Fault("row", "row.cells", detail)
            if isinstance(cells, Fault):
                rows.append(Raw(line, cells, 0))
            else:
                rows.append(Raw(line, tuple([cells[at] for at in wanted]), len(text)))
        return rows

    def _whole(self, text: bytes) -> bytes:
        """A row with the lines that a quoted cell goes on in; back to the first if it never ends.

        A quote that is never closed leaves its own line alone, which is refused by `_cells`.
        """
        first, back = text, (self._lines.at, self._lines.line)
        for _ in range(MAX_ROW_LINES):
            if not self._is_open(text):
                if text is not first and isinstance(self._cells(text), Fault):
                    break  # the quote that closed it was another cell's
                return text
            more = self._lines.next()
            if more is None or more[1] or len(text) + len(more[0]) > self._most:
                break
            text += b"\n" + more[0]
        self._lines.go(*back)
        return first

    def _is_open(self, text: bytes) -> bool:
        """Whether a quoted cell is still open at the end."""
        at = 0
        while (opening := self._opening.search(text, at)) is not None:
            at = opening.end()
            while True:
                closing = text.find(b'"', at)
                if closing < 0:
                    return True
                at = closing + 1
                if text[at : at + 1] != b'"':
                    break
                at += 1
        return False

    def _cells(self, record: bytes) -> list[str] | Fault:
        try:
            text = record.decode("utf-8")
        except UnicodeDecodeError as error:
            column = record.count(self._mark.encode(), 0, error.start) + 1
            return Fault("row", "row.utf8", f"cell {column}: a byte that is no UTF-8")
        if '"' not in text:
            return [cell.strip() for cell in text.split(self._mark)]
        try:
            rows = list(
                csv.reader([text], delimiter=self._mark, strict=True, skipinitialspace=True)
            )
        except csv.Error:
            return Fault("row", "row.quotes", "a quoted cell is not closed or goes on behind it")
        if len(rows) != 1:
            return Fault("row", "row.quotes", "a quoted cell is not closed")
        return [cell.strip() for cell in rows[0]]


class NdjsonRows(_LineRows):
    """Rows of an NDJSON input: one object a line."""

    def __init__(self, raw: io.RawIOBase, max_row_bytes: int, max_columns: int) -> None:
        """Reads the first row for its names; raises InputRefused."""
        super().__init__(raw, max_row_bytes)
        self._columns = max_columns
        self._wanted: tuple[str, ...] = ()
        first = self._next()
        if first is None:
            raise InputRefused("the file is empty; NDJSON has one object a line")
        found = self._object(first[1])
        self.columns = () if isinstance(found, Fault) else tuple(map(str, found))

    def want(self, columns: Sequence[str]) -> None:
        """See RowSource; a name that no row has is no fault of the file."""
        self._wanted = tuple(columns)

    def _object(self, text: bytes | None) -> dict[str, object] | Fault:
        if text is None:
            return _too_long(self._most)
        try:
            found = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            where = f"column {error.colno}: " if error.colno else ""
            return Fault("row", "row.json", f"{where}{error.msg[:80]}; one object a line is read")
        if not isinstance(found, dict):
            return Fault("row", "row.json", "one object a line is read")
        if len(found) > self._columns:
            return Fault("row", "row.columns", f"{len(found)} names, at most {self._columns}")
        return found

    def take(self, most: int) -> list[Raw]:
        """See RowSource."""
        rows: list[Raw] = []
        while len(rows) < most and (found := self._next()) is not None:
            line, text = found
            row = self._object(text)
            if isinstance(row, Fault):
                rows.append(Raw(line, row, 0))
            else:
                cells = tuple([row.get(name) for name in self._wanted])
                rows.append(Raw(line, cells, len(text or b"")))
        return rows


def _too_long(most: int) -> Fault:
    return Fault("row", "row.too-long", f"a row has at most {most:,} bytes")


def _no_column(name: str, columns: Sequence[str]) -> str:
    shown = ", ".join(column[:64] for column in columns[:20])
    return f"there is no column {name[:64]!r}; the file has {shown or 'none'}"

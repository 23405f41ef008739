"""Source: a CSV or NDJSON file as numbered rows, read as a stream.

Rules: CSV has a header line, and comma, semicolon or tab between the cells, whichever the header
has most of; a row with more or fewer cells than the header, or that is no UTF-8, is refused by its
line number and reading goes on; blank lines do not count. NDJSON has one object a line.
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Literal

import orjson

from node.importing.cells import Row
from node.importing.errors import SourceInvalid
from node.importing.lines import MAX_ROW_BYTES, Line, Lines, records

Format = Literal["csv", "ndjson"]
SUFFIXES: Final[dict[str, Format]] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
}
MAX_COLUMNS: Final = 256
TOO_LONG: Final = "row.too-long"
MALFORMED: Final = "row.malformed"
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One row; `cells` is None where it could not be read, then `rule` says why."""

    line: int
    cells: Row | None
    rule: str = ""


class Source:
    """An open file; use it as a context manager, iterate it once."""

    def __init__(self, path: Path, form: Format | None = None) -> None:
        """Raises SourceInvalid for a file that can not be read or has no usable header."""
        self.path = path
        self.form = form or format_of(path)
        try:
            self._stream = path.open("rb")
            self.size = os.fstat(self._stream.fileno()).st_size
        except OSError as error:
            raise SourceInvalid(path, error.strerror or "can not be read") from error
        try:
            if self._stream.peek(2)[:2] in _UTF16:
                raise SourceInvalid(path, "is UTF-16; save it as UTF-8")
            self._lines = Lines(self._stream)
            self._numbered = iter(self._lines)
            self._records = self._numbered if self.form == "ndjson" else records(self._numbered)
            self._first: Line | None = None
            self._delimiter = ","
            self.columns = self._read_columns()
        except OSError as error:
            self.close()
            raise SourceInvalid(path, error.strerror or "can not be read") from error
        except SourceInvalid:
            self.close()
            raise

    @property
    def consumed(self) -> int:
        """Bytes read so far."""
        return min(self._lines.consumed, self.size)

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[SourceRow]:
        if self._first is not None:
            yield from self._row(self._first)
        try:
            for line in self._records:
                yield from self._row(line)
        except OSError as error:
            raise SourceInvalid(self.path, error.strerror or "can not be read") from error

    def _row(self, line: Line) -> Iterator[SourceRow]:
        number, text = line
        if text is None:
            yield SourceRow(number, None, TOO_LONG)
        elif text and not text.isspace():
            cells = self._csv_row(text) if self.form == "csv" else _json_row(text)
            yield SourceRow(number, cells, "" if cells is not None else MALFORMED)

    def _read_columns(self) -> tuple[str, ...]:
        for line in self._records:
            if line[1] is None:
                raise SourceInvalid(self.path, f"line {line[0]} is over {MAX_ROW_BYTES} bytes")
            if line[1] and not line[1].isspace():
                return self._header(line[1]) if self.form == "csv" else self._keys(line)
        return ()

    def _keys(self, first: Line) -> tuple[str, ...]:
        self._first = first
        return tuple(_json_row(first[1] or b"") or ())

    def _header(self, text: bytes) -> tuple[str, ...]:
        counts = {mark: text.count(mark.encode()) for mark in (",", ";", "\t")}
        self._delimiter = max(counts, key=lambda mark: counts[mark])
        cells = self._cells(text)
        if cells is None:
            raise SourceInvalid(self.path, "its header line is no CSV in UTF-8")
        if len(cells) > MAX_COLUMNS or len(set(cells)) != len(cells) or not all(cells):
            raise SourceInvalid(
                self.path, f"its header wants 1 to {MAX_COLUMNS} names, each once, none empty"
            )
        return tuple(cells)

    def _csv_row(self, text: bytes) -> Row | None:
        cells = self._cells(text)
        if cells is None or len(cells) != len(self.columns):
            return None
        return dict(zip(self.columns, cells, strict=True))

    def _cells(self, record: bytes) -> list[str] | None:
        try:
            text = record.decode("utf-8")
        except UnicodeDecodeError:
            return None
        if '"' not in text:
            return [cell.strip() for cell in text.split(self._delimiter)]
        try:
            rows = list(
                csv.reader([text], delimiter=self._delimiter, strict=True, skipinitialspace=True)
            )
        except csv.Error:
            return None
        return [cell.strip() for cell in rows[0]] if len(rows) == 1 else None


def format_of(path: Path) -> Format:
    """The format that a file's extension names; raises SourceInvalid."""
    form = SUFFIXES.get(path.suffix.lower())
    if form is None:
        known = ", ".join(SUFFIXES)
        raise SourceInvalid(path, f"its extension is none of {known}; say --format csv or ndjson")
    return form


def file_digest(path: Path) -> str:
    """Hex SHA-256 of a file; raises SourceInvalid."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise SourceInvalid(path, error.strerror or "can not be read") from error


def _json_row(text: bytes) -> Row | None:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None

"""A result in the format that its reader wants: NDJSON as it is kept, CSV or Parquet made from it.

Rules: all three hold every field of every row (`bulwark.jobs.row`), so each verifies against the
job's manifest; a result is made part by part while it is sent, so that its size does not matter.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any, Final

import orjson

from bulwark.jobs.row import ENTRIES, FLAGS, LISTS, NUMBERS, REF_PREFIX, cells, columns
from node.jobs.parquetrows import pyarrow

GROUP_ROWS: Final = 10_000
"""Rows of a Parquet row group, about."""


class NdjsonResult:
    """Canonical lines as they are."""

    def begin(self) -> bytes:
        """What comes before the first row."""
        return b""

    def rows(self, lines: Sequence[bytes]) -> bytes:
        """Some rows."""
        return b"".join(lines)

    def end(self) -> bytes:
        """What comes after the last row."""
        return b""


class CsvResult:
    """CSV in UTF-8 with a header line; lists are JSON in their cells."""

    def __init__(self, refs: Sequence[str], *, values: bool) -> None:
        self._refs = refs
        self._values = values
        self._out = io.StringIO()
        self._writer = csv.writer(self._out, lineterminator="\n")

    def _taken(self) -> bytes:
        made = self._out.getvalue().encode()
        self._out.seek(0)
        self._out.truncate()
        return made

    def begin(self) -> bytes:
        """The header line."""
        self._writer.writerow(columns(self._refs, values=self._values))
        return self._taken()

    def rows(self, lines: Sequence[bytes]) -> bytes:
        """Some rows."""
        for line in lines:
            document = orjson.loads(line)
            self._writer.writerow(cells(document, self._refs, values=self._values))
        return self._taken()

    def end(self) -> bytes:
        """Nothing."""
        return b""


class _Sink(io.RawIOBase):
    """Takes what a writer writes and forgets it once it is sent."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        piece = bytes(data)
        self._parts.append(piece)
        self._size += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._size

    def take(self) -> bytes:
        made, self._parts = b"".join(self._parts), []
        return made


class ParquetResult:
    """Parquet with typed columns; lists are lists of texts or of structures."""

    def __init__(self, refs: Sequence[str], *, values: bool) -> None:
        """Raises InputRefused where pyarrow is not installed."""
        self._arrow = pyarrow()
        self._refs = refs
        self._values = values
        self._sink = _Sink()
        self._schema = self._make_schema()
        self._writer = self._arrow.parquet.ParquetWriter(
            self._arrow.PythonFile(self._sink, mode="w"), self._schema, compression="zstd"
        )
        self._held: list[dict[str, Any]] = []

    def _make_schema(self) -> Any:
        arrow = self._arrow
        fields = []
        for name in columns(self._refs, values=self._values):
            kind = arrow.string()
            if name.startswith(REF_PREFIX):
                pass
            elif name in NUMBERS:
                kind = arrow.int64()
            elif name in FLAGS:
                kind = arrow.bool_()
            elif name in ENTRIES:
                kind = arrow.list_(arrow.struct([self._entry(key) for key in ENTRIES[name]]))
            elif name in LISTS:
                kind = arrow.list_(arrow.string())
            fields.append(arrow.field(name, kind))
        return arrow.schema(fields)

    def _entry(self, key: str) -> Any:
        kind = self._arrow.int64() if key == "weight" else self._arrow.string()
        return self._arrow.field(key, kind)

    def begin(self) -> bytes:
        """The magic bytes."""
        return self._sink.take()

    def rows(self, lines: Sequence[bytes]) -> bytes:
        """Some rows, held back until a row group is full."""
        for line in lines:
            document = orjson.loads(line)
            ref = document.pop("ref")
            self._held.append(document | {REF_PREFIX + name: cell for name, cell in ref.items()})
        if len(self._held) < GROUP_ROWS:
            return b""
        return self._group()

    def _group(self) -> bytes:
        table = self._arrow.Table.from_pylist(self._held, schema=self._schema)
        self._held = []
        self._writer.write_table(table)
        return self._sink.take()

    def end(self) -> bytes:
        """The last row group and the footer."""
        made = self._group() if self._held else b""
        self._writer.close()
        return made + self._sink.take()


Renderer = NdjsonResult | CsvResult | ParquetResult


def renderer(form: str, refs: Sequence[str], *, values: bool) -> Renderer:
    """What makes a format; raises InputRefused for Parquet without pyarrow."""
    if form == "csv":
        return CsvResult(refs, values=values)
    if form == "parquet":
        return ParquetResult(refs, values=values)
    return NdjsonResult()

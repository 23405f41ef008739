"""A report: one table that an auditor reads, with the block that it rests on.

Rules: a cell is a text, an integer or empty, so that JSON, CSV and HTML say the same; times are
ISO 8601 text in UTC; the same ledger gives the same bytes. CSV follows RFC 4180 with a header line,
and a text that a spreadsheet would run as a formula is made one by a leading apostrophe (OWASP, CSV
injection); JSON keeps every text as it is.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import Struct

from bulwark.ledger.ids import Digest, Height

Cell = str | int | None
FORMAT: Final = "bulwark-report/1"
NAMES: Final = (
    *("sharing", "retention", "consents", "disputes", "quotas", "openings"),
    *("erasures", "breaches", "reporters"),
)
"""Every report there is, in the order of lists."""
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What begins a formula in spreadsheets, full-width forms included."""


class Basis(Struct, frozen=True):
    """The final block that a report rests on."""

    height: Height
    block_hash: Digest
    time_ms: int
    """The block's timestamp, ms since 1970."""

    @property
    def time(self) -> str:
        """The block's time as text."""
        return time_text(self.time_ms)


class Column(Struct, frozen=True):
    """One column."""

    key: str
    """Name in JSON and CSV: lower-case letters and underscores."""
    title: str
    """Name for people."""
    unit: str = ""
    """What a number counts or a text is (records, days, UTC, hex), empty where the title says."""


class Report(Struct, frozen=True, kw_only=True):
    """A table, or one page of it. Raises ValueError for a row that does not fit the columns."""

    name: str
    """One of NAMES."""
    title: str
    generated_from: Basis
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    """What a reader must know to read it right: one sentence each."""
    next: int | None = None
    """Where the next page begins (`after`), None on the last."""

    def __post_init__(self) -> None:
        width = len(self.columns)
        for number, row in enumerate(self.rows, 1):
            if len(row) != width:
                raise ValueError(f"row {number} has {len(row)} cells, {width} columns are there")

    def to_json(self) -> dict[str, object]:
        """The JSON document: rows as objects by column key."""
        return {
            "format": FORMAT,
            "name": self.name,
            "title": self.title,
            "generated_from": basis_document(self.generated_from),
            "columns": [{"key": c.key, "title": c.title, "unit": c.unit} for c in self.columns],
            "rows": [self.record(row) for row in self.rows],
            "notes": list(self.notes),
            "next": self.next,
        }

    def to_csv(self) -> str:
        """RFC 4180: a header line of column keys, CRLF after every line, no comments."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\r\n")
        writer.writerow([column.key for column in self.columns])
        writer.writerows([_safe(cell) for cell in row] for row in self.rows)
        return out.getvalue()

    def to_json_text(self) -> str:
        """to_json() as text, for files."""
        return json.dumps(self.to_json(), ensure_ascii=False, indent=1) + "\n"

    @classmethod
    def from_json(cls, document: Mapping[str, object]) -> Report:
        """Inverse of to_json(), for clients. Raises ValueError."""
        try:
            return _read(document)
        except (KeyError, TypeError, OverflowError) as error:
            raise ValueError(f"no report: {error}") from error

    def record(self, row: tuple[Cell, ...]) -> Mapping[str, Cell]:
        """A row by column key."""
        return {column.key: cell for column, cell in zip(self.columns, row, strict=True)}


def basis_document(basis: Basis) -> dict[str, object]:
    """A basis as JSON has it."""
    return {"height": basis.height, "block_hash": basis.block_hash.hex(), "time": basis.time}


def time_text(time_ms: int) -> str:
    """ISO 8601 in UTC with milliseconds: what every report has for a time in ms since 1970."""
    moment = datetime.fromtimestamp(time_ms // 1000, UTC).replace(microsecond=time_ms % 1000 * 1000)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def join_pages(pages: Iterable[Report]) -> Report:
    """One report of its pages in order; notes of all, each once. Raises ValueError.

    All pages must be of one report and rest on one block.
    """
    whole: Report | None = None
    rows: list[tuple[Cell, ...]] = []
    notes: dict[str, None] = {}
    for page in pages:
        first = whole or page
        if (page.name, page.generated_from, page.columns) != (
            first.name,
            first.generated_from,
            first.columns,
        ):
            raise ValueError("the pages are not of one report on one block")
        whole = page
        rows += page.rows
        notes |= dict.fromkeys(page.notes)
    if whole is None:
        raise ValueError("there is no page")
    return Report(
        name=whole.name,
        title=whole.title,
        generated_from=whole.generated_from,
        columns=whole.columns,
        rows=tuple(rows),
        notes=tuple(notes),
    )


def _safe(cell: Cell) -> str | int:
    if isinstance(cell, str) and cell.startswith(_FORMULA):
        return f"'{cell}"
    return "" if cell is None else cell


def _read(document: Mapping[str, Any]) -> Report:
    if document["format"] != FORMAT:
        raise ValueError(f"the format {FORMAT} is needed")
    rests = document["generated_from"]
    moment = datetime.fromisoformat(rests["time"])
    whole_ms = int(moment.replace(microsecond=0).timestamp()) * 1000
    basis = Basis(
        Height(int(rests["height"])),
        Digest(bytes.fromhex(rests["block_hash"])),
        whole_ms + moment.microsecond // 1000,
    )
    columns = tuple(Column(c["key"], c["title"], c["unit"]) for c in document["columns"])
    return Report(
        name=str(document["name"]),
        title=str(document["title"]),
        generated_from=basis,
        columns=columns,
        rows=tuple(tuple(row[c.key] for c in columns) for row in document["rows"]),
        notes=tuple(str(note) for note in document["notes"]),
        next=document["next"],
    )

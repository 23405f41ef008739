"""Reading uploads row by row, against the standard library's CSV and JSON readers."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from api.problems import Problem
from api.rows import RowReader, Rows
from api.settings import ApiSettings

COLUMNS = ("kind", "value", "note")
SETTINGS = ApiSettings(max_row_bytes=200, max_batch_rows=50)
CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\x00"), max_size=12)


def read(body: bytes, media: str, cuts: Sequence[int] = ()) -> Rows[Mapping[str, object]]:
    """The rows of a body that arrives cut at these places."""
    edges = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]

    async def chunks() -> AsyncIterator[bytes]:
        for start, end in pairwise(edges):
            yield body[start:end]

    async def run() -> Rows[Mapping[str, object]]:
        reader: RowReader[Mapping[str, object]] = RowReader(dict, SETTINGS)
        if media == "csv":
            return await reader.csv(chunks(), frozenset(COLUMNS))
        return await reader.ndjson(chunks())

    return asyncio.run(run())


@settings(deadline=None)
@given(
    st.lists(st.tuples(CELL, CELL, CELL), max_size=6),
    st.booleans(),
    st.lists(st.integers(0, 200), max_size=4),
)
def test_csv_is_read_as_the_standard_library_reads_it(
    table: list[tuple[str, str, str]], crlf: bool, cuts: list[int]
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n" if crlf else "\n", quoting=csv.QUOTE_ALL)
    writer.writerows([COLUMNS, *table])
    rows = read(text.getvalue().encode(), "csv", cuts)
    expected = [
        {name: cell.strip() for name, cell in zip(COLUMNS, row, strict=True) if cell.strip()}
        for row in table
    ]
    assert [dict(row) for row in rows.parsed] == expected
    assert rows.refused == []


@settings(deadline=None)
@given(
    st.lists(st.dictionaries(st.sampled_from(COLUMNS), CELL, min_size=1), max_size=6),
    st.lists(st.integers(0, 200), max_size=4),
)
def test_ndjson_is_read_as_the_standard_library_reads_it(
    table: list[dict[str, str]], cuts: list[int]
) -> None:
    body = "\n".join(json.dumps(row) for row in table).encode()
    rows = read(body, "ndjson", cuts)
    too_long = [at for at, row in enumerate(table) if len(json.dumps(row)) > 200]
    assert list(rows.parsed) == [row for at, row in enumerate(table) if at not in too_long]
    assert [refused.line for refused in rows.refused] == [at + 1 for at in too_long]


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=600), st.booleans(), st.lists(st.integers(0, 600), max_size=4))
def test_no_bytes_break_a_reader_and_no_cut_changes_what_it_reads(
    body: bytes, as_csv: bool, cuts: list[int]
) -> None:
    media = "csv" if as_csv else "ndjson"
    if as_csv:
        body = b"kind,value,note\n" + body
    outcomes: list[object] = []
    for places in ((), cuts):
        try:
            rows = read(body, media, places)
            outcomes.append((rows.parsed, rows.lines, rows.refused))
        except Problem as problem:
            outcomes.append((problem.status, problem.detail))
    assert outcomes[0] == outcomes[1]


def test_memory_does_not_grow_with_a_line_that_never_ends() -> None:
    rows = read(b"x" * 100_000, "ndjson", range(0, 100_000, 64))
    assert [refused.problems[0].rule for refused in rows.refused] == ["row.too-long"]

"""Rows of CSV and NDJSON: bad ones cost themselves alone, and reading goes on from any place."""

from __future__ import annotations

import io
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.jobs.port import InputRefused
from node.jobs.rowsource import CsvRows, Fault, NdjsonRows, Raw, RowSource

MOST = 200


def csv_rows(data: bytes, *wanted: str, most: int = MOST) -> CsvRows:
    source = CsvRows(io.BytesIO(data), most, 8)  # type: ignore[arg-type]
    source.want(wanted or source.columns)
    source.seek((0, 0, 0))
    return source


def ndjson_rows(data: bytes, *wanted: str) -> NdjsonRows:
    source = NdjsonRows(io.BytesIO(data), MOST, 8)  # type: ignore[arg-type]
    source.want(wanted or ("a", "b"))
    source.seek((0, 0, 0))
    return source


def drained(source: RowSource, step: int = 3) -> list[Raw]:
    rows: list[Raw] = []
    while more := source.take(step):
        rows += more
    return rows


def seen(source: RowSource) -> list[tuple[int | None, object]]:
    """Line, and cells or the code of the fault."""
    return [
        (row.line, row.cells.code if isinstance(row.cells, Fault) else row.cells)
        for row in drained(source)
    ]


def test_cells_are_given_in_the_order_that_is_wanted_and_blank_lines_do_not_count() -> None:
    source = csv_rows(b"\xef\xbb\xbfa,b,c\r\n1, 2 ,3\r\n\r\n  \n4,5,6", "c", "a")
    assert source.columns == ("a", "b", "c")
    assert seen(source) == [(2, ("3", "1")), (5, ("6", "4"))]


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_the_mark_between_cells_is_the_headers(mark: str) -> None:
    data = f"a{mark}b\n1{mark}2\n".encode()
    assert seen(csv_rows(data)) == [(2, ("1", "2"))]


def test_a_bad_row_costs_itself_alone() -> None:
    data = (
        b"a,b\n"
        b"1\n"  # 2: too few
        b"1,2,3\n"  # 3: too many
        b"\xff\xfe,2\n"  # 4: no UTF-8
        b'"open,2\n'  # 5: never closed
        b"x,y\n"  # 6
        b'"two\nlines",z\n' + b"l" * 300 + b",2\n"  # 7 and 8  # 9: too long
        b'say "hi",2\n'  # 10: a quote that opens nothing
        b'"a"b,2\n'  # 11: goes on behind the quote
        b"last,row"
    )
    assert seen(csv_rows(data)) == [
        (2, "row.cells"),
        (3, "row.cells"),
        (4, "row.utf8"),
        (5, "row.quotes"),
        (6, ("x", "y")),
        (7, ("two\nlines", "z")),
        (9, "row.too-long"),
        (10, ('say "hi"', "2")),
        (11, "row.quotes"),
        (12, ("last", "row")),
    ]


def test_a_fault_says_where_and_what_is_allowed_and_not_the_cell() -> None:
    faults = [row.cells for row in drained(csv_rows(b"a,b\n1\nx,\xffsecret\n"))]
    assert [fault.detail for fault in faults if isinstance(fault, Fault)] == [
        "1 cells, the header has 2",
        "cell 2: a byte that is no UTF-8",
    ]


def test_a_quote_that_is_never_closed_does_not_swallow_the_file() -> None:
    data = b'a,b\n"open,1\n' + b"x,y\n" * 1_000
    rows = seen(csv_rows(data))
    assert rows[0] == (2, "row.quotes") and len(rows) == 1_001


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "begins with a header"),
        (b"\n\n \n", "begins with a header"),
        (b"a," * 20 + b"z\n", "21 columns, at most 8"),
        (b"a" * 500 + b"\n", "over 200 bytes"),
        (b"a,a\n", "names a column twice: 'a'"),
        (b'"a,b\n', "not closed"),
        (b"\xff\xff\n", "no UTF-8"),
        ("a,b\n".encode("utf-16"), "UTF-16"),
    ],
)
def test_a_header_that_is_none_refuses_the_file(data: bytes, says: str) -> None:
    with pytest.raises(InputRefused, match=says):
        csv_rows(data)


def test_ndjson_rows_have_the_names_they_have() -> None:
    data = (
        b'{"a": 1, "b": "x", "c": null}\n'
        b"\n"
        b'{"b": ["y"]}\r\n'
        b"[1]\n"
        b'{"a": \n'
        b'{"a": "\xff"}\n'
        b'{"a": "' + b"l" * 300 + b'"}\n'
        b'{"q1":1,"q2":1,"q3":1,"q4":1,"q5":1,"q6":1,"q7":1,"q8":1,"q9":1}\n'
        b'{"a": "last"}'
    )
    source = ndjson_rows(data)
    assert source.columns == ("a", "b", "c")
    assert seen(source) == [
        (1, (1, "x")),
        (3, (None, ["y"])),
        (4, "row.json"),
        (5, "row.json"),
        (6, "row.json"),
        (7, "row.too-long"),
        (8, "row.columns"),
        (9, ("last", None)),
    ]


def test_an_ndjson_file_whose_first_row_is_broken_is_worked_all_the_same() -> None:
    source = ndjson_rows(b'nonsense\n{"a": 1, "b": 2}\n')
    assert source.columns == ()
    assert seen(source) == [(1, "row.json"), (2, (1, 2))]


CELL = st.sampled_from([b"", b"x", b'"q"', b'"', b'"a\nb"', b"\xff", b"l" * 250, b" ", b"\r", b","])
FILES = st.lists(st.lists(CELL, min_size=1, max_size=4).map(b",".join), max_size=12).map(
    lambda lines: b"a,b\n" + b"\n".join(lines)
)


@settings(max_examples=200, deadline=None)
@given(FILES, st.integers(1, 5))
def test_reading_on_from_any_place_gives_the_rows_that_were_left(data: bytes, step: int) -> None:
    whole = drained(csv_rows(data), 1)
    source = csv_rows(data)
    places, taken = [source.place], 0
    while more := source.take(step):
        taken += len(more)
        places.append(source.place)
        again = csv_rows(data)
        again.seek(places[-1])
        assert drained(again) == whole[taken:]
    assert taken == len(whole)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_break_a_reader(data: bytes) -> None:
    for make in (csv_rows, ndjson_rows):
        try:
            source = make(data)
        except InputRefused:
            continue
        drained(source)


def test_a_line_without_an_end_is_never_held_whole() -> None:
    class Endless(io.RawIOBase):
        """64 MiB of one line."""

        at = 0

        def readable(self) -> bool:
            return True

        def seekable(self) -> bool:
            return True

        def seek(self, offset: int, whence: int = 0) -> int:
            self.at = offset
            return offset

        def tell(self) -> int:
            return self.at

        def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
            head = b"a,b\n"
            left = min(len(buffer), (64 << 20) - self.at)
            if left <= 0:
                return 0
            for place in range(left):
                if self.at + place >= len(head):
                    buffer[place:left] = b"x" * (left - place)
                    break
                buffer[place] = head[self.at + place]
            self.at += left
            return left

    source = CsvRows(Endless(), MOST, 8)
    source.want(source.columns)
    source.seek((0, 0, 0))
    tracemalloc.start()
    try:
        rows = source.take(10)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [row.cells.code for row in rows if isinstance(row.cells, Fault)] == ["row.too-long"]
    assert peak < 4 << 20

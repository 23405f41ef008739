"""Files as people have them: marks, quotes, ragged rows, very long lines."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.importing.errors import SourceInvalid
from node.importing.lines import MAX_ROW_BYTES, MAX_ROW_LINES, Lines, records
from node.importing.source import MALFORMED, TOO_LONG, Source, SourceRow, file_digest


def read(tmp_path: Path, content: bytes, name: str = "list.csv") -> list[SourceRow]:
    path = tmp_path / name
    path.write_bytes(content)
    with Source(path) as source:
        return list(source)


def cells(rows: list[SourceRow]) -> list[dict[str, object] | None]:
    return [None if row.cells is None else dict(row.cells) for row in rows]


def test_mark_crlf_blanks_and_blank_lines_do_not_matter(tmp_path: Path) -> None:
    rows = read(tmp_path, b"\xef\xbb\xbfa, b\r\n 1 ,2\r\n\r\n3,4")
    assert cells(rows) == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]
    assert [row.line for row in rows] == [2, 4]


def test_quotes_hold_commas_quotes_and_line_ends(tmp_path: Path) -> None:
    rows = read(tmp_path, b'a,b\n"x, ""y""","1\n2"\n3,4\n')
    assert cells(rows) == [{"a": 'x, "y"', "b": "1\n2"}, {"a": "3", "b": "4"}]
    assert [row.line for row in rows] == [2, 4]


@pytest.mark.parametrize("mark", [b";", b"\t"])
def test_other_separators_are_seen_in_the_header(tmp_path: Path, mark: bytes) -> None:
    rows = read(tmp_path, b"a" + mark + b"b\n1" + mark + b'"2,2"\n')
    assert cells(rows) == [{"a": "1", "b": "2,2"}]


def test_ragged_rows_are_refused_by_line_and_reading_goes_on(tmp_path: Path) -> None:
    rows = read(tmp_path, b"a,b\n1\n1,2,3\n4,5\n")
    assert [(row.line, row.rule) for row in rows] == [(2, MALFORMED), (3, MALFORMED), (4, "")]


def test_rows_that_are_no_utf8_are_refused(tmp_path: Path) -> None:
    rows = read(tmp_path, b"a,b\n\xff,2\n4,5\n")
    assert [row.rule for row in rows] == [MALFORMED, ""]


def test_a_quote_that_is_never_closed_costs_its_own_line_only(tmp_path: Path) -> None:
    rest = b"".join(b"%d,x\n" % at for at in range(MAX_ROW_LINES * 3))
    rows = read(tmp_path, b'a,b\n"open,1\n' + rest)
    assert rows[0].rule == MALFORMED and rows[0].line == 2
    assert [row.line for row in rows[1:]] == list(range(3, 3 + MAX_ROW_LINES * 3))
    assert all(row.cells is not None for row in rows[1:])


def test_a_quote_left_open_at_the_end_of_the_file_costs_its_own_line_only(tmp_path: Path) -> None:
    rows = read(tmp_path, b'a,b\n"open,1\n2,3\n4,5')
    assert [(row.line, row.rule) for row in rows] == [(2, MALFORMED), (3, ""), (4, "")]


def test_a_quote_inside_a_cell_is_just_a_character(tmp_path: Path) -> None:
    assert cells(read(tmp_path, b'a,b\n5" pipe,1\n')) == [{"a": '5" pipe', "b": "1"}]


@pytest.mark.parametrize("end", [b"\n3,4\n", b""])
def test_a_line_of_10_mb_is_refused_and_never_held(tmp_path: Path, end: bytes) -> None:
    rows = read(tmp_path, b"a,b\n1,2\n" + b"x" * 10_000_000 + end)
    assert [(row.line, row.rule) for row in rows[:2]] == [(2, ""), (3, TOO_LONG)]
    assert len(rows) == (3 if end else 2)


def test_ndjson_takes_objects_only(tmp_path: Path) -> None:
    content = b'\xef\xbb\xbf{"value": "x", "confidence": 5}\r\n[1]\n\n{"value"\n{"value": "y"}'
    rows = read(tmp_path, content, "list.ndjson")
    assert [(row.line, row.rule) for row in rows] == [
        (1, ""),
        (2, MALFORMED),
        (4, MALFORMED),
        (5, ""),
    ]
    assert rows[0].cells == {"value": "x", "confidence": 5}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"a,a\n1,2\n", "once"),
        (b"a,,b\n", "none empty"),
        (b"\xff\xfea\x00,\x00", "UTF-16"),
        (b"a" * (MAX_ROW_BYTES + 1), "over"),
        (b'"a\n', "header"),
    ],
)
def test_a_header_that_can_not_be_used_ends_the_file(
    tmp_path: Path, content: bytes, why: str
) -> None:
    with pytest.raises(SourceInvalid, match=why):
        read(tmp_path, content)


def test_what_can_not_be_opened_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path / "list.xlsx", tmp_path):
        with pytest.raises(SourceInvalid):
            Source(path)
    with pytest.raises(SourceInvalid):
        file_digest(tmp_path / "none.csv")


def test_an_empty_file_has_no_rows(tmp_path: Path) -> None:
    assert read(tmp_path, b"") == [] and read(tmp_path, b"", "list.ndjson") == []


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_cut_into_numbered_records(data: bytes) -> None:
    numbered = list(records(iter(Lines(io.BytesIO(data)))))
    numbers = [number for number, _ in numbered]
    assert numbers == sorted(set(numbers))
    lines = list(Lines(io.BytesIO(data)))
    assert sum(1 + (text or b"").count(b"\n") for _, text in numbered) == len(lines)

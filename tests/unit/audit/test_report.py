"""Report tables: the same cells in JSON and CSV, and no formula that a spreadsheet runs."""

from __future__ import annotations

import csv
import io
import json

import pytest

from bulwark.audit.report import Basis, Column, Report, join_pages, time_text
from bulwark.ledger.ids import Digest, Height

BASIS = Basis(Height(7), Digest(b"\x01" * 32), 1_700_000_000_123)
COLUMNS = (Column("member", "Member"), Column("records", "Records", "records"))


def report(
    *rows: tuple[str | int | None, ...], notes: tuple[str, ...] = (), following: int | None = None
) -> Report:
    return Report(
        name="sharing",
        title="Sharing",
        generated_from=BASIS,
        columns=COLUMNS,
        rows=rows,
        notes=notes,
        next=following,
    )


def test_json_names_the_block_that_a_report_rests_on_and_its_rows_by_column() -> None:
    document = report(("northbank", 3), ("coast", None), notes=("A note.",)).to_json()
    assert document["generated_from"] == {
        "height": 7,
        "block_hash": "01" * 32,
        "time": "2023-11-14T22:13:20.123Z",
    }
    assert document["rows"] == [
        {"member": "northbank", "records": 3},
        {"member": "coast", "records": None},
    ]
    assert document["notes"] == ["A note."]
    assert json.loads(report(("northbank", 3)).to_json_text())["format"] == "bulwark-report/1"


def test_csv_has_a_header_and_crlf_and_quotes_what_rfc_4180_wants_quoted() -> None:
    text = report(('a "b", c', 1), ("two\r\nlines", None)).to_csv()
    assert text.startswith("member,records\r\n")
    assert '"a ""b"", c",1\r\n' in text
    assert list(csv.reader(io.StringIO(text, newline="")))[1:] == [
        ['a "b", c', "1"],
        ["two\r\nlines", ""],
    ]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d"])
def test_a_text_that_a_spreadsheet_would_run_begins_with_an_apostrophe(start: str) -> None:
    text = report((f"{start}cmd|' /C calc'!A0", -5)).to_csv()
    (_, row) = csv.reader(io.StringIO(text, newline=""))
    assert row == [f"'{start}cmd|' /C calc'!A0", "-5"]


def test_a_row_that_does_not_fit_the_columns_is_refused() -> None:
    with pytest.raises(ValueError, match="row 2 has 1 cells, 2 columns"):
        report(("a", 1), ("b",))


def test_pages_of_one_report_join_and_pages_on_different_blocks_do_not() -> None:
    first, second = report(("a", 1), following=1, notes=("n",)), report(("b", 2), notes=("n", "m"))
    whole = join_pages([first, second])
    assert (whole.rows, whole.notes, whole.next) == ((("a", 1), ("b", 2)), ("n", "m"), None)
    other = Report(
        name="sharing",
        title="Sharing",
        generated_from=Basis(Height(8), BASIS.block_hash, BASIS.time_ms),
        columns=COLUMNS,
        rows=(),
    )
    with pytest.raises(ValueError, match="one report on one block"):
        join_pages([first, other])
    with pytest.raises(ValueError, match="no page"):
        join_pages([])


def test_times_are_utc_with_milliseconds() -> None:
    assert time_text(0) == "1970-01-01T00:00:00.000Z"
    assert time_text(1_700_000_000_007) == "2023-11-14T22:13:20.007Z"

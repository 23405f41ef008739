"""Rows of Parquet: what is read as it is, what is refused by name, and files that are none."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from node.jobs.parquetrows import BATCH, ParquetRows
from node.jobs.port import InputRefused
from node.jobs.rowsource import Fault, Raw
from node.jobs.sealedfile import BLOCK, Cipher, InputReader, InputWriter

MOST = 200


def file_of(table: pa.Table, **how: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **how)
    return sink.getvalue()


def rows_of(data: bytes, *wanted: str, group_bytes: int = 1 << 20) -> ParquetRows:
    source = ParquetRows(io.BytesIO(data), MOST, group_bytes)  # type: ignore[arg-type]
    source.want(wanted or ("value",))
    source.seek((0, 0, 0))
    return source


def drained(source: ParquetRows, step: int = 300) -> list[Raw]:
    rows: list[Raw] = []
    while more := source.take(step):
        rows += more
    return rows


def test_texts_numbers_truths_and_dictionaries_are_read() -> None:
    table = pa.table(
        {
            "value": pa.array(["x", None, "z"]),
            "large": pa.array(["p", "q", "r"], pa.large_string()),
            "number": pa.array([447911123456, -1, None], pa.int64()),
            "small": pa.array([1, 2, 3], pa.uint8()),
            "word": pa.array(["a", "b", "a"]).dictionary_encode(),
            "nothing": pa.nulls(3),
        }
    )
    source = rows_of(file_of(table), *table.column_names)
    assert source.expected_rows == 3
    assert [row.cells for row in drained(source)] == [
        ("x", "p", "447911123456", "1", "a", None),
        (None, "q", "-1", "2", "b", None),
        ("z", "r", None, "3", "a", None),
    ]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([[1]], pa.list_(pa.int64())),
        pa.array([{"a": 1}], pa.struct([("a", pa.int64())])),
        pa.array([1.5]),
        pa.array([b"x"], pa.binary()),
        pa.array([0], pa.date32()),
        pa.array([0], pa.timestamp("ms")),
    ],
    ids=["list", "struct", "float", "binary", "date", "timestamp"],
)
def test_another_type_is_refused_by_the_name_of_its_column(column: pa.Array) -> None:
    data = file_of(pa.table({"odd": column, "value": ["x"]}))
    assert [row.cells for row in drained(rows_of(data))] == [("x",)]
    with pytest.raises(InputRefused, match=r"column 'odd' has the type .* allowed: text"):
        rows_of(data, "value", "odd")


def test_rows_go_on_from_any_place_over_groups_and_batches() -> None:
    count = 2 * BATCH + 700
    data = file_of(pa.table({"value": [f"v{n}" for n in range(count)]}), row_group_size=BATCH + 300)
    whole = drained(rows_of(data))
    assert [row.cells for row in whole] == [(f"v{n}",) for n in range(count)]
    source = rows_of(data)
    taken = 0
    while more := source.take(450):
        taken += len(more)
        again = rows_of(data)
        again.seek(source.place)
        assert drained(again) == whole[taken:], taken
    assert taken == count


def test_pages_over_several_blocks_of_an_encrypted_input_are_read(tmp_path: Path) -> None:
    count = 60_000
    table = pa.table({"value": [f"{n * 2654435761 % 2**32:08x}-{n:09d}" for n in range(count)]})
    data = file_of(table, row_group_size=20_000, compression="none", use_dictionary=False)
    assert len(data) > 4 * BLOCK
    cipher = Cipher(bytes(32), bytes(16))
    writer = InputWriter(tmp_path / "input", cipher, 1 << 30)
    writer.write(data)
    writer.finish()
    writer.close()
    reader = InputReader(tmp_path / "input", cipher, len(data))
    source = ParquetRows(reader, MOST, 1 << 30)
    source.want(("value",))
    source.seek((0, 0, 0))
    assert [row.cells for row in drained(source)] == [(v,) for v in table["value"].to_pylist()]
    source.close()
    assert reader.closed


def test_an_empty_group_and_an_empty_file_have_no_rows() -> None:
    assert drained(rows_of(file_of(pa.table({"value": pa.array([], pa.string())})))) == []


def test_a_huge_cell_costs_its_row_alone() -> None:
    data = file_of(pa.table({"value": ["a", "x" * 10_000, "b"]}))
    cells = [row.cells for row in drained(rows_of(data))]
    assert cells[0] == ("a",) and cells[2] == ("b",)
    assert isinstance(cells[1], Fault) and cells[1].code == "row.too-long"


def test_text_that_is_no_utf8_costs_its_row_alone() -> None:
    broken = pa.array([b"ok", b"\xff\xfe", b"fine"], pa.binary()).view(pa.string())
    data = file_of(pa.table({"value": broken}))
    cells = [row.cells for row in drained(rows_of(data))]
    assert cells[0] == ("ok",) and cells[2] == ("fine",)
    assert isinstance(cells[1], Fault) and cells[1].code == "row.utf8"


def test_a_group_over_the_bound_is_refused_before_it_is_read() -> None:
    data = file_of(pa.table({"value": [f"{n:0200d}" for n in range(9_000)], "wide": ["w"] * 9_000}))
    with pytest.raises(InputRefused, match=r"row group 0: .* at most 1,000,000; write smaller"):
        rows_of(data, group_bytes=1_000_000)
    assert len(drained(rows_of(data, "wide", group_bytes=1_000_000))) == 9_000


@pytest.mark.parametrize("cut", [0, 3, 100, -1, -20])
def test_a_file_that_was_cut_off_is_refused(cut: int) -> None:
    data = file_of(pa.table({"value": [f"v{n}" for n in range(500)]}))
    with pytest.raises(InputRefused, match="is no whole Parquet file"):
        rows_of(data[:cut])


def test_bytes_that_rot_inside_a_page_stop_the_job_with_their_place() -> None:
    table = pa.table({"value": [f"value-{n}" for n in range(3_000)]})
    data = bytearray(file_of(table, row_group_size=1_000, compression="gzip", use_dictionary=False))
    meta = pq.ParquetFile(io.BytesIO(bytes(data))).metadata
    start = meta.row_group(1).column(0).data_page_offset
    data[start + 60 : start + 160] = bytes(100)
    source = rows_of(bytes(data))
    with pytest.raises(InputRefused, match="row group 1, at row 0 of it: can not be decoded"):
        drained(source)


def test_without_the_library_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputRefused, match=r"install bulwark\[parquet\]"):
        rows_of(b"")

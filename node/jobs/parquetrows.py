"""Rows of a Parquet input: one row group at a time, only the columns that are used.

Rules: a column of texts, whole numbers, booleans or a dictionary of these is read as it is; any
other type (nested, float, date, binary, decimal) is refused by its name before the job begins,
since what text it would be is not for this node to guess. Only the pages under the reader are in
memory, and a row group whose used columns are over the bound is refused. pyarrow is an extra.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any, Final

from node.jobs.port import InputRefused
from node.jobs.rowsource import Fault, Place, Raw, _no_column

BATCH: Final = 1_000
"""Rows decoded at once."""
PAGES: Final = 64 * 1024
"""Bytes read ahead in a column."""
METADATA: Final = 64 << 20
"""Most bytes of names in the file's metadata."""
NEEDED: Final = "Parquet needs pyarrow: install bulwark[parquet] in the node's environment"
ALLOWED: Final = "text, whole numbers, booleans, or a dictionary of these"


def pyarrow() -> Any:
    """The library; raises InputRefused where it is not installed."""
    try:
        import pyarrow as found
        import pyarrow.parquet
    except ImportError as error:
        raise InputRefused(NEEDED) from error
    return found


class ParquetRows:
    """Rows of a Parquet input; a place is (row group, row in it, 0)."""

    def __init__(self, raw: io.RawIOBase, max_row_bytes: int, max_group_bytes: int) -> None:
        """Reads the metadata; raises InputRefused."""
        self._arrow = pyarrow()
        self._most = max_row_bytes
        self._group_bytes = max_group_bytes
        # The library takes a short read for the end; the buffer reads on until it has all.
        self._raw = io.BufferedReader(raw, PAGES)
        try:
            self._file = self._arrow.parquet.ParquetFile(
                self._arrow.PythonFile(self._raw, mode="r"),
                buffer_size=PAGES,
                pre_buffer=False,
                thrift_string_size_limit=METADATA,
                thrift_container_size_limit=1 << 20,
            )
            self._schema = self._file.schema_arrow
        except (self._arrow.ArrowException, OSError, ValueError) as error:
            raise InputRefused(_reason("is no whole Parquet file", error)) from error
        self.columns: tuple[str, ...] = tuple(self._schema.names)
        self.expected_rows: int | None = int(self._file.metadata.num_rows)
        self._wanted: list[str] = []
        self._place = (0, 0)
        self._held: list[Raw] = []
        self._batches: Iterator[Any] | None = None

    def want(self, columns: Sequence[str]) -> None:
        """See RowSource."""
        for name in columns:
            if name not in self.columns:
                raise InputRefused(_no_column(name, self.columns))
            if self.columns.count(name) > 1:
                raise InputRefused(f"the file names the column {name[:64]!r} twice")
            kind = self._schema.field(name).type
            if not self._is_read(kind):
                raise InputRefused(f"column {name[:64]!r} has the type {kind}; allowed: {ALLOWED}")
        self._wanted = list(columns)
        for number in range(self._file.metadata.num_row_groups):
            self._check_group(number)

    def _is_read(self, kind: Any) -> bool:
        types = self._arrow.types
        if types.is_dictionary(kind):
            kind = kind.value_type
        tests = (types.is_string, types.is_large_string, types.is_integer, types.is_boolean)
        return any(test(kind) for test in (*tests, types.is_null))

    def _check_group(self, number: int) -> None:
        group = self._file.metadata.row_group(number)
        size = 0
        for at in range(group.num_columns):
            column = group.column(at)
            if column.path_in_schema.split(".")[0] in self._wanted:
                size += column.total_uncompressed_size
        if size > self._group_bytes:
            detail = f"row group {number}: {size:,} bytes in the columns that are used"
            raise InputRefused(f"{detail}, at most {self._group_bytes:,}; write smaller groups")

    def seek(self, place: Place) -> None:
        """See RowSource."""
        self._place = place[0], place[1]
        self._held = []
        self._batches = None

    @property
    def place(self) -> Place:
        """See RowSource."""
        return (*self._place, 0)

    @property
    def read_bytes(self) -> int:
        """See RowSource: whole row groups, and a share of the one under the reader."""
        meta, (group, row) = self._file.metadata, self._place
        done = sum(meta.row_group(at).total_byte_size for at in range(group))
        if group < meta.num_row_groups and meta.row_group(group).num_rows:
            now = meta.row_group(group)
            done += now.total_byte_size * row // now.num_rows
        return int(done)

    @property
    def total_bytes(self) -> int:
        """What read_bytes goes up to."""
        meta = self._file.metadata
        return int(sum(meta.row_group(at).total_byte_size for at in range(meta.num_row_groups)))

    def take(self, most: int) -> list[Raw]:
        """See RowSource."""
        while not self._held:
            if not self._fill():
                return []
        rows, self._held = self._held[:most], self._held[most:]
        group, row = self._place
        self._place = (group, row + len(rows))
        if self._place[1] >= self._file.metadata.row_group(group).num_rows:
            self._place, self._batches = (group + 1, 0), None
        return rows

    def _fill(self) -> bool:
        """Decode the next batch; whether there was one."""
        group, row = self._place
        if group >= self._file.metadata.num_row_groups:
            return False
        if self._file.metadata.row_group(group).num_rows == 0:
            self._place = (group + 1, 0)
            return True
        try:
            if self._batches is None:
                self._batches = self._file.iter_batches(
                    BATCH, row_groups=[group], columns=self._wanted, use_threads=False
                )
                skip = row
                while skip >= BATCH:
                    next(self._batches)
                    skip -= BATCH
                self._held = self._rows(next(self._batches))[skip:]
            else:
                self._held = self._rows(next(self._batches))
        except StopIteration:
            raise InputRefused(f"row group {group} ends before its last row") from None
        except (self._arrow.ArrowException, OSError, ValueError) as error:
            detail = f"row group {group}, at row {row} of it: can not be decoded"
            raise InputRefused(_reason(detail, error)) from error
        return True

    def _rows(self, batch: Any) -> list[Raw]:
        lists = [_texts(batch.column(name)) for name in self._wanted]
        rows = []
        for cells in zip(*lists, strict=True):
            size = sum(len(cell) for cell in cells if isinstance(cell, str))
            if size > self._most:
                detail = f"a row has at most {self._most:,} bytes"
                rows.append(Raw(None, Fault("row", "row.too-long", detail), 0))
                continue
            fault = next((cell for cell in cells if isinstance(cell, Fault)), None)
            rows.append(Raw(None, cells if fault is None else fault, size))
        return rows

    def close(self) -> None:
        """See RowSource."""
        self._file.close()
        self._raw.close()


def _texts(column: Any) -> list[object]:
    """Cells as Python has them; numbers as their digits; a text that is no UTF-8 as a Fault."""
    try:
        cells = column.to_pylist()
    except UnicodeDecodeError:
        cells = [_text(cell) for cell in column]
    return [str(cell) if isinstance(cell, int) else cell for cell in cells]


def _text(cell: Any) -> object:
    try:
        return cell.as_py()
    except UnicodeDecodeError:
        return Fault("row", "row.utf8", "a byte that is no UTF-8")


def _reason(what: str, error: Exception) -> str:
    """What went wrong, in one bounded line of the library's own words, which hold no cell."""
    first = str(error).splitlines()[0] if str(error) else type(error).__name__
    return f"{what}: {first[:200]}"

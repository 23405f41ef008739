"""Opening the input of a job in its format, with all that can be refused before it begins."""

from __future__ import annotations

import io
from collections.abc import Mapping

from msgspec import Struct

from node.jobs.parquetrows import ParquetRows
from node.jobs.port import InputRefused
from node.jobs.questions import Questions, columns_of
from node.jobs.rowsource import CsvRows, NdjsonRows, RowSource
from node.jobs.settings import JobsConfig


class Opened(Struct, frozen=True):
    """An input that can be worked."""

    source: RowSource
    questions: Questions
    ignored: tuple[str, ...]
    """Columns that nothing uses."""
    total_bytes: int | None
    """What the source's read_bytes goes up to, where that is not the file's size."""


def open_input(
    raw: io.RawIOBase,
    form: str,
    columns: Mapping[str, str],
    references: tuple[str, ...],
    defaults: Mapping[str, str],
    config: JobsConfig,
) -> Opened:
    """The rows and the questions of an input. Raises InputRefused, FieldError, FileDamaged."""
    source: RowSource
    total: int | None = None
    if form == "csv":
        source = CsvRows(raw, config.max_row_bytes, config.max_columns)
    elif form == "ndjson":
        source = NdjsonRows(raw, config.max_row_bytes, config.max_columns)
    elif form == "parquet":
        source = parquet = ParquetRows(raw, config.max_row_bytes, config.max_group_bytes)
        if len(source.columns) > config.max_columns:
            count = len(source.columns)
            raise InputRefused(f"{count} columns, at most {config.max_columns} are read")
        total = parquet.total_bytes
    else:
        raise InputRefused(f"the format {form[:16]!r} is not read; csv, ndjson and parquet are")
    found = columns_of(columns, source.columns, is_open=form == "ndjson")
    questions = Questions(found, references, defaults)
    source.want(questions.wanted)
    used = set(questions.wanted)
    ignored = tuple(name for name in source.columns if name not in used)[:64]
    return Opened(source, questions, ignored, total)

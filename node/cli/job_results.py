"""Result files of screening jobs read as canonical lines, from any of the three formats.

Rules: rows are read one by one (of Parquet: batch by batch), so a file of any size is verified in
little memory; nothing is trusted: what is no row of a result is refused with its number.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import orjson

from bulwark.jobs.row import (
    MAX_LINE_BYTES,
    REF_PREFIX,
    RowInvalid,
    columns,
    of_cells,
    of_document,
)
from bulwark.jobs.verify import ResultRefused
from node.cli.faults import BadSetup

BATCH: Final = 2_000


def canonical_lines(path: Path, form: str) -> Iterator[bytes]:
    """The rows of a result. Raises ResultRefused, BadSetup."""
    reader = {"csv": _csv, "ndjson": _ndjson, "parquet": _parquet}[form]
    try:
        yield from reader(path)
    except OSError as error:
        raise BadSetup(f"{path}: {error.strerror or 'can not be read'}") from error
    except UnicodeDecodeError as error:
        raise ResultRefused("is no UTF-8") from error


def _made(number: int, document: Any) -> bytes:
    if not isinstance(document, dict):
        raise ResultRefused(f"row {number}: is no row of a result")
    try:
        return of_document(document)
    except RowInvalid as error:
        raise ResultRefused(f"row {number}: {error}") from error


def _ndjson(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        number = 0
        while line := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(line) > MAX_LINE_BYTES:
                raise ResultRefused(f"row {number}: is over {MAX_LINE_BYTES} bytes")
            try:
                document = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise ResultRefused(f"row {number}: is no JSON") from error
            made = _made(number, document)
            if made != line:
                raise ResultRefused(f"row {number}: is not spelt as the node spells it")
            yield made


def _csv(path: Path) -> Iterator[bytes]:
    csv.field_size_limit(min(sys.maxsize, MAX_LINE_BYTES))
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file, strict=True)
        number = 0
        try:
            header = next(rows, [])
            refs = [n.removeprefix(REF_PREFIX) for n in header if n.startswith(REF_PREFIX)]
            if header != columns(refs, values="value" in header):
                raise ResultRefused("the header is not that of a result")
            for number, row in enumerate(rows, 1):
                yield _made(number, of_cells(header, row))
        except csv.Error as error:
            raise ResultRefused(f"row {number + 1}: is no CSV: {error}") from error
        except RowInvalid as error:
            raise ResultRefused(f"row {number}: {error}") from error


def _parquet(path: Path) -> Iterator[bytes]:
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise BadSetup("Parquet needs pyarrow: install bulwark[parquet]") from error
    number = 0
    try:
        with parquet.ParquetFile(path, pre_buffer=False, buffer_size=1 << 16) as file:
            for batch in file.iter_batches(BATCH, use_threads=False):
                for row in batch.to_pylist():
                    number += 1
                    ref = {n: c for n, c in row.items() if n.startswith(REF_PREFIX)}
                    document = {n: c for n, c in row.items() if n not in ref}
                    document["ref"] = {n.removeprefix(REF_PREFIX): c for n, c in ref.items()}
                    yield _made(number, document)
    except pyarrow.ArrowException as error:
        raise ResultRefused(f"behind row {number}: {str(error).splitlines()[0][:200]}") from error

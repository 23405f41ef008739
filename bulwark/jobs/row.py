"""One row of a screening job's result: its fields, its one canonical line, its CSV cells.

Rules: digests are over canonical lines (JSON with these fields in this order, no spaces, UTF-8, LF
at the end), whatever format a result travels in, so that a CSV, an NDJSON and a Parquet file of one
job verify against one manifest; CSV and Parquet carry every field, so nothing is lost on the way
back. A row holds its number, the caller's own reference columns and, only if it was asked for, the
value that was asked about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

FIELDS: Final = (
    "row", "line", "ref", "outcome", "band", "score", "complete", "incomplete_reason",
    "reporters", "customers", "protected", "reasons", "records", "actions", "limits", "errors",
)  # fmt: skip
"""Fields of every row in their order; `value` stands behind `ref` where it was asked for."""
VERDICT: Final = FIELDS[3:]
"""Fields that depend on the question alone, not on where it stands in the file."""
OUTCOMES: Final = ("hit", "no_hit", "unknown", "error")
"""`unknown`: no record was seen, but the question could not be asked in full; never clean."""
NUMBERS: Final = frozenset({"row", "line", "score", "reporters", "customers"})
FLAGS: Final = frozenset({"complete", "protected"})
LISTS: Final = frozenset({"reasons", "records", "actions", "limits", "errors"})
NULLABLE: Final = frozenset({"line", "band", "incomplete_reason"})
REF_PREFIX: Final = "ref."
"""Before the name of a reference column in CSV and Parquet."""
ENTRIES: Final[Mapping[str, tuple[str, ...]]] = {
    "reasons": ("code", "weight", "text"),
    "limits": ("code", "text"),
    "errors": ("field", "code", "detail"),
}
"""Fields of the entries of a list, in their order; the others are lists of texts."""
MAX_LINE_BYTES: Final = 1 << 20
"""Most bytes of a canonical line that a verifier reads."""


class RowInvalid(Exception):
    """A row of a result can not be read; the message names the field."""


def verdict(
    outcome: str,
    *,
    band: str | None = None,
    score: int = 0,
    complete: bool = False,
    incomplete_reason: str | None = None,
    reporters: int = 0,
    customers: int = 0,
    protected: bool = False,
    reasons: Sequence[tuple[str, int, str]] = (),
    records: Sequence[str] = (),
    actions: Sequence[str] = (),
    limits: Sequence[tuple[str, str]] = (),
    errors: Sequence[tuple[str, str, str]] = (),
) -> bytes:
    """What follows the first fields in a canonical line, from the comma to the closing brace."""
    made = {
        "outcome": outcome,
        "band": band,
        "score": score,
        "complete": complete,
        "incomplete_reason": incomplete_reason,
        "reporters": reporters,
        "customers": customers,
        "protected": protected,
        "reasons": [{"code": c, "weight": w, "text": t} for c, w, t in reasons],
        "records": list(records),
        "actions": list(actions),
        "limits": [{"code": c, "text": t} for c, t in limits],
        "errors": [{"field": f, "code": c, "detail": d} for f, c, d in errors],
    }
    return b"," + orjson.dumps(made)[1:] + b"\n"


def canonical(
    row: int, line: int | None, ref: Mapping[str, str], value: str | None, rest: bytes
) -> bytes:
    """A canonical line; `rest` is from verdict(), `value` is None where values are left out."""
    place = b"null" if line is None else b"%d" % line
    refs = orjson.dumps(ref) if ref else b"{}"
    head = b'{"row":%d,"line":%s,"ref":%s' % (row, place, refs)
    if value is not None:
        head += b',"value":' + orjson.dumps(value)
    return head + rest


def of_document(document: Mapping[str, Any]) -> bytes:
    """The canonical line of a row that was read from any format; raises RowInvalid."""
    names = [name for name in FIELDS if name not in document]
    if names:
        raise RowInvalid(f"{names[0]} is missing")
    unknown = document.keys() - {*FIELDS, "value"}
    if unknown:
        raise RowInvalid(f"{min(unknown)[:64]} is no field of a result")
    made: dict[str, Any] = {}
    for name in FIELDS:
        made[name] = _checked(name, document[name])
        if name == "ref" and "value" in document:
            made["value"] = _text("value", document["value"])
    return orjson.dumps(made) + b"\n"


def _checked(name: str, value: object) -> object:
    if value is None and name in NULLABLE:
        return None
    if name == "ref":
        if not isinstance(value, Mapping):
            raise RowInvalid("ref: an object is needed")
        return {str(key): _text("ref", cell) for key, cell in value.items()}
    if name in LISTS:
        return _list(name, value)
    if name in NUMBERS:
        if not isinstance(value, int) or isinstance(value, bool):
            raise RowInvalid(f"{name}: a whole number is needed")
        return value
    if name in FLAGS:
        if not isinstance(value, bool):
            raise RowInvalid(f"{name}: true or false is needed")
        return value
    return _text(name, value)


def _list(name: str, value: object) -> list[object]:
    if not isinstance(value, list):
        raise RowInvalid(f"{name}: a list is needed")
    keys = ENTRIES.get(name)
    if keys is None:
        return [_text(name, entry) for entry in value]
    found: list[object] = []
    for entry in value:
        if not isinstance(entry, Mapping) or set(entry) != set(keys):
            raise RowInvalid(f"{name}: entries have {', '.join(keys)}")
        found.append({key: entry[key] for key in keys})
    return found


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise RowInvalid(f"{name}: text is needed")
    return value


def columns(refs: Sequence[str], *, values: bool) -> list[str]:
    """Column names of a CSV or Parquet result."""
    more = ["value"] if values else []
    return [*FIELDS[:2], *(REF_PREFIX + name for name in refs), *more, *VERDICT]


def cells(document: Mapping[str, Any], refs: Sequence[str], *, values: bool) -> list[str]:
    """A row's CSV cells in the order of columns(); lists are JSON, null is an empty cell."""
    ref = document["ref"]
    found = [_cell(document[name]) for name in FIELDS[:2]]
    found += [ref.get(name, "") for name in refs]
    if values:
        found.append(document["value"])
    found += [_cell(document[name]) for name in VERDICT]
    return found


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return orjson.dumps(value).decode()


def of_cells(header: Sequence[str], row: Sequence[str]) -> dict[str, Any]:
    """Inverse of cells() for a header; raises RowInvalid."""
    if len(row) != len(header):
        raise RowInvalid(f"{len(row)} cells, the header has {len(header)}")
    document: dict[str, Any] = {"ref": {}}
    for name, cell in zip(header, row, strict=True):
        if name.startswith(REF_PREFIX):
            document["ref"][name.removeprefix(REF_PREFIX)] = cell
        elif cell == "" and name in NULLABLE:
            document[name] = None
        elif name in NUMBERS | FLAGS | LISTS:
            try:
                document[name] = orjson.loads(cell)
            except orjson.JSONDecodeError:
                raise RowInvalid(f"{name}: can not be read") from None
        else:
            document[name] = cell
    return document

"""Cell: how one field of an indicator comes from a row of a list.

Rules: a cell is a constant, a column or a text with columns in braces; a table translates, a prefix
(fixed, or by another column) goes in front of what is not empty, `split` makes several values of
one. A field that comes out empty is left out, so that the node's documented default holds. It does
not judge values: the node's own rules do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from node.importing.errors import MappingInvalid

Row = Mapping[str, object]
"""A source row: text by column name (NDJSON: any JSON value)."""

MAX_TABLE: Final = 1_000
MAX_TEXT: Final = 256
MAX_SPLIT: Final = 1_000
_HOLE: Final = re.compile(r"\{([^{}]+)\}")
_KNOWN: Final = frozenset(
    {"set", "column", "text", "prefix", "prefix_by", "table", "otherwise", "split"}
)


@dataclass(frozen=True, slots=True)
class Translation:
    """A column's text, looked up without regard to case."""

    column: str
    table: Mapping[str, str]
    otherwise: str = ""

    def of(self, row: Row) -> str:
        """What the table has for this row."""
        return self.table.get(text_of(row.get(self.column)).lower(), self.otherwise)


@dataclass(frozen=True, slots=True)
class Cell:
    """One field's source."""

    constant: str = ""
    column: str = ""
    template: str = ""
    prefix: str = ""
    prefix_by: Translation | None = None
    translation: Translation | None = field(default=None)
    split: bool = False

    def columns(self) -> set[str]:
        """Columns that it reads."""
        found = set(_HOLE.findall(self.template)) | {self.column}
        if self.prefix_by is not None:
            found.add(self.prefix_by.column)
        return found - {""}

    def values(self, row: Row) -> list[object]:
        """The field's values for a row: one, or several where it splits; none where empty."""
        given = self._given(row)
        if not self.split:
            return [given] if given not in (None, "") else []
        return [self._prefixed(part, row) for part in text_of(given).split()[:MAX_SPLIT]]

    def _given(self, row: Row) -> object:
        if self.template:
            parts = [text_of(row.get(name)) for name in _HOLE.findall(self.template)]
            return _HOLE.sub(lambda hole: text_of(row.get(hole[1])), self.template) * all(parts)
        if not self.column:
            return self.constant
        if self.translation is not None:
            return self.translation.of(row)
        value = row.get(self.column)
        if isinstance(value, str):
            value = value.strip()
        if self.split or value is None or value == "":
            return value
        return self._prefixed(value, row)

    def _prefixed(self, value: object, row: Row) -> object:
        lead = self.prefix_by.of(row) if self.prefix_by is not None else self.prefix
        return f"{lead}{text_of(value)}" if lead else value


def text_of(value: object) -> str:
    """A JSON scalar as text without outer blanks; nothing for null, a list or an object."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else ""


def read_cell(given: object, source: str, name: str) -> Cell:
    """A cell of a mapping file: a constant text or number, or a table; raises MappingInvalid."""
    if isinstance(given, str | int) and not isinstance(given, bool):
        return Cell(constant=_text(str(given), source, name))
    if not isinstance(given, dict):
        raise MappingInvalid(source, name, "a text, a number or a table is needed")
    unknown = sorted(set(given) - _KNOWN)
    if unknown:
        known = ", ".join(sorted(_KNOWN))
        raise MappingInvalid(source, f"{name}.{unknown[0]}", f"is unknown; known here: {known}")
    if len({"set", "column", "text"} & set(given)) != 1:
        raise MappingInvalid(source, name, "exactly one of set, column and text is needed")
    if "set" in given:
        return read_cell(given["set"], source, f"{name}.set")
    if "text" in given:
        return Cell(template=_text(given["text"], source, f"{name}.text"))
    return _column_cell(given, source, name)


def _column_cell(given: Mapping[str, object], source: str, name: str) -> Cell:
    column = _text(given["column"], source, f"{name}.column")
    translation = None
    if "table" in given:
        otherwise = _text(given.get("otherwise", ""), source, f"{name}.otherwise")
        table = _table(given["table"], source, f"{name}.table")
        translation = Translation(column, table, otherwise)
    elif "otherwise" in given:
        raise MappingInvalid(source, f"{name}.otherwise", "only beside a table")
    prefix_by = None
    if "prefix_by" in given:
        prefix_by = _prefix_by(given["prefix_by"], source, f"{name}.prefix_by")
    split = given.get("split", False)
    if not isinstance(split, bool):
        raise MappingInvalid(source, f"{name}.split", "true or false")
    prefix = _text(given.get("prefix", ""), source, f"{name}.prefix")
    if translation is not None and (split or prefix or prefix_by is not None):
        raise MappingInvalid(source, name, "a table goes with neither split nor prefix")
    return Cell(
        column=column,
        prefix=prefix,
        prefix_by=prefix_by,
        translation=translation,
        split=split,
    )


def _prefix_by(given: object, source: str, name: str) -> Translation:
    if not isinstance(given, dict) or not {"column", "table"} <= set(given):
        raise MappingInvalid(source, name, "a table with column and table is needed")
    return Translation(
        _text(given["column"], source, f"{name}.column"),
        _table(given["table"], source, f"{name}.table"),
        _text(given.get("otherwise", ""), source, f"{name}.otherwise"),
    )


def _table(given: object, source: str, name: str) -> dict[str, str]:
    if not isinstance(given, dict) or not 1 <= len(given) <= MAX_TABLE:
        raise MappingInvalid(source, name, f"a table of 1 to {MAX_TABLE} entries is needed")
    return {
        str(key).strip().lower(): _text(
            str(value) if isinstance(value, int) else value, source, f"{name}.{key}"
        )
        for key, value in given.items()
    }


def _text(given: object, source: str, name: str) -> str:
    if not isinstance(given, str) or len(given) > MAX_TEXT or not given.isprintable():
        raise MappingInvalid(source, name, f"printable text of at most {MAX_TEXT} is needed")
    return given

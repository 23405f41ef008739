"""Mapping: which columns of a list make which fields of which indicators.

Rules: a mapping is configuration about a list's columns and holds none of its rows; a row may give
several indicators (a report with its site and its wallets). What the user sets on the command line
goes over what a saved mapping says. `fraud_type` is `unknown` where nothing says it.
"""

from __future__ import annotations

import fnmatch
import hashlib
import tomllib
from collections.abc import Mapping as Map
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import orjson

from bulwark.indicators.model import REPORT_FIELDS
from node.importing.cells import Cell, Row, read_cell
from node.importing.errors import MappingInvalid

MAX_FILE_BYTES: Final = 256 * 1024
MAX_RULES: Final = 16
_TOP: Final = frozenset({"name", "match", "indicator"})
_UNSTATED: Final = {"fraud_type": "unknown"}


@dataclass(frozen=True, slots=True)
class Rule:
    """One indicator that a row gives."""

    cells: Map[str, Cell]
    optional: bool = False
    """A row without a value gives no indicator, instead of a refused one."""

    def rows(self, row: Row) -> list[bytes | None]:
        """The indicators as encoded JSON objects in the names of the API; None for no value."""
        values = self.cells["value"].values(row)
        if not values:
            return [] if self.optional else [None]
        fields: dict[str, object] = dict(_UNSTATED)
        for name, cell in self.cells.items():
            if name != "value":
                found = cell.values(row)
                if found:
                    fields[name] = found[0]
        return [orjson.dumps({**fields, "value": value}) for value in values]


@dataclass(frozen=True, slots=True)
class Mapping:
    """A list's columns as indicators."""

    name: str
    rules: tuple[Rule, ...]
    files: tuple[str, ...] = ()
    """Globs of file names that it is made for."""
    required: tuple[str, ...] = ()
    """Columns that a file of this list has."""

    def fits(self, path: Path, columns: Sequence[str]) -> bool:
        """Whether a file is of this list: name and columns must both agree."""
        named = any(fnmatch.fnmatchcase(path.name.lower(), glob.lower()) for glob in self.files)
        return named and set(self.required) <= set(columns)

    def rows(self, row: Row) -> list[bytes | None]:
        """All indicators of a source row; None stands for one whose value is empty."""
        return [encoded for rule in self.rules for encoded in rule.rows(row)]

    def columns(self) -> set[str]:
        """Columns that it reads."""
        return {c for rule in self.rules for cell in rule.cells.values() for c in cell.columns()}

    def with_constants(self, constants: Map[str, str]) -> Mapping:
        """The same with fields set to constants."""
        if not constants:
            return self
        cells = {name: Cell(constant=value) for name, value in constants.items()}
        rules = tuple(replace(rule, cells={**rule.cells, **cells}) for rule in self.rules)
        return replace(self, rules=rules)

    def digest(self) -> str:
        """SHA-256 of everything that decides which rows come out."""
        return hashlib.sha256(repr(self.rules).encode("utf-8")).hexdigest()


def identity(columns: Sequence[str] | None, renamed: Map[str, str]) -> Mapping | None:
    """Columns named as the fields are, with `renamed` (field to column) over them.

    None where no column gives the value. `columns` None: any, as in NDJSON.
    """
    by_lower = {name.strip().lower(): name for name in columns or ()}
    cells = {
        name: Cell(column=by_lower.get(name, name))
        for name in sorted(REPORT_FIELDS)
        if columns is None or name in by_lower
    }
    cells |= {name: Cell(column=column) for name, column in renamed.items()}
    if "value" not in cells:
        return None
    return Mapping("columns as named", (Rule(cells),))


def load_mapping(path: Path) -> Mapping:
    """A saved mapping file (TOML); raises MappingInvalid."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise MappingInvalid(str(path), "", error.strerror or "can not be read") from error
    return parse_mapping(data, str(path), path.stem)


def parse_mapping(data: bytes, source: str, name: str) -> Mapping:
    """The mapping of a TOML text; `source` is for errors. Raises MappingInvalid."""
    if len(data) > MAX_FILE_BYTES:
        raise MappingInvalid(source, "", f"more than {MAX_FILE_BYTES} bytes")
    try:
        document = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise MappingInvalid(source, "", f"no TOML: {error}") from error
    unknown = sorted(set(document) - _TOP)
    if unknown:
        raise MappingInvalid(source, unknown[0], f"is unknown; known: {', '.join(sorted(_TOP))}")
    match = document.get("match", {})
    if not isinstance(match, dict) or not set(match) <= {"files", "columns"}:
        raise MappingInvalid(source, "match", "a table with files and columns")
    rules = document.get("indicator")
    if not isinstance(rules, list) or not 1 <= len(rules) <= MAX_RULES:
        raise MappingInvalid(source, "indicator", f"1 to {MAX_RULES} [[indicator]] tables")
    return Mapping(
        str(document.get("name", name))[:128],
        tuple(_read_rule(rule, source, f"indicator[{at}]") for at, rule in enumerate(rules)),
        _texts(match.get("files", []), source, "match.files"),
        _texts(match.get("columns", []), source, "match.columns"),
    )


def check_field(name: str, source: str) -> str:
    """A field of a report; raises MappingInvalid."""
    if name not in REPORT_FIELDS:
        known = ", ".join(sorted(REPORT_FIELDS))
        raise MappingInvalid(source, name[:64], f"is no field of a report; fields: {known}")
    return name


def _read_rule(given: object, source: str, path: str) -> Rule:
    if not isinstance(given, dict):
        raise MappingInvalid(source, path, "a table is needed")
    optional = given.get("optional", False)
    if not isinstance(optional, bool):
        raise MappingInvalid(source, f"{path}.optional", "true or false")
    cells: dict[str, Cell] = {}
    for name, cell in given.items():
        if name != "optional":
            check_field(name, f"{source}, {path}")
            cells[name] = read_cell(cell, source, f"{path}.{name}")
    for needed in ("kind", "value"):
        if needed not in cells:
            raise MappingInvalid(source, f"{path}.{needed}", "is missing")
    split = [name for name, cell in cells.items() if cell.split and name != "value"]
    if split:
        raise MappingInvalid(source, f"{path}.{split[0]}.split", "only the value can be split")
    return Rule(cells, optional)


def _texts(given: object, source: str, path: str) -> tuple[str, ...]:
    if not isinstance(given, list) or not all(isinstance(item, str) for item in given):
        raise MappingInvalid(source, path, "a list of texts is needed")
    return tuple(given)

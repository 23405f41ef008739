"""Questions of a job: what the cells of a row ask, by the columns and defaults of its wish.

Rules: a row is read by the same rules as a question over REST, and its errors name the column, a
code and what is allowed, never the value; a spelling that came before is not read twice (bounded,
in memory, for the life of one job).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import orjson
from msgspec import Struct

from bulwark.indicators.country import NOT_STATED, parse_country
from bulwark.indicators.errors import FieldError, NormalisationError, RowError
from bulwark.indicators.model import (
    CASE_REF_MAX,
    ScreeningDefaults,
    ScreeningRequest,
)
from bulwark.indicators.normalise import normalise
from bulwark.indicators.vocabulary import Kind, LawfulBasis, Purpose
from node.jobs.port import FIELDS, InputRefused
from node.jobs.rowsource import Fault, Raw

ALIASES: Final[Mapping[str, tuple[str, ...]]] = {"region": ("country",)}
"""Further names that a column of a field may have."""
MEMO: Final = 20_000
"""Spellings remembered; all go when there are more."""


class Known(Struct, frozen=True):
    """What a spelling comes to."""

    request: ScreeningRequest | None
    """None for a row that is no question."""
    kind: str
    value: str
    """Canonical form; '' where there is none."""
    errors: tuple[tuple[str, str, str], ...]


class Question(Struct, frozen=True):
    """One row as it is asked."""

    line: int | None
    known: Known
    case_ref: str
    shown: str
    """The value as it stands in the file."""
    ref: dict[str, str]


def columns_of(
    given: Mapping[str, str], present: Sequence[str], *, is_open: bool
) -> dict[str, str]:
    """Field to its column: as given, else the column of that name. Raises InputRefused.

    `is_open`: rows may have other names than the first one (NDJSON).
    """
    found: dict[str, str] = {}
    for field in FIELDS:
        if field in given:
            found[field] = given[field]
            continue
        names = (field, *ALIASES.get(field, ()))
        known = next((name for name in names if name in present), None)
        if known is not None or is_open:
            found[field] = known or field
    if "value" not in found:
        shown = ", ".join(name[:64] for name in present[:20]) or "none"
        raise InputRefused(
            f"no column is named value; say which one holds the identifiers (columns: {shown})"
        )
    return found


class Questions:
    """Reads the rows of one job."""

    def __init__(
        self,
        columns: Mapping[str, str],
        references: Sequence[str],
        defaults: Mapping[str, str],
    ) -> None:
        """`defaults`: field to word. Raises FieldError, InputRefused."""
        self._fields = [field for field in FIELDS if field in columns and field != "case_ref"]
        self._has_case = "case_ref" in columns
        self._columns = dict(columns)
        self._references = list(references)
        self._kind = defaults.get("kind", "")
        if self._kind:
            Kind.parse(self._kind, "kind")
        elif "kind" not in columns:
            raise InputRefused("nothing says of which kind the values are: give kind")
        self._defaults = _defaults(columns, defaults)
        self._case = defaults.get("case_ref", "")
        if len(self._case) > CASE_REF_MAX:
            raise FieldError("case_ref", "a longer text", f"text of 1 to {CASE_REF_MAX} characters")
        self._memo: dict[tuple[object, ...], Known] = {}
        self._value_at = self._fields.index("value")

    @property
    def wanted(self) -> list[str]:
        """Columns that are read, in the order of a row's cells."""
        case = [self._columns["case_ref"]] if self._has_case else []
        return [*(self._columns[field] for field in self._fields), *case, *self._references]

    def read(self, raw: Raw) -> Question:
        """What a row asks."""
        cells = raw.cells
        if isinstance(cells, Fault):
            known = Known(None, "", "", ((cells.field, cells.code, cells.detail),))
            return Question(raw.line, known, "", "", dict.fromkeys(self._references, ""))
        count = len(self._fields)
        asked = cells[:count]
        known = self._known(asked)
        case_ref = self._case
        if self._has_case:
            given = cells[count]
            count += 1
            if isinstance(given, str) and given:
                case_ref = given
            if not isinstance(given, str | None) or len(case_ref) > CASE_REF_MAX:
                detail = f"allowed: text of 1 to {CASE_REF_MAX} characters"
                error = (self._columns["case_ref"], "field.case_ref", detail)
                known = Known(None, "", "", (*known.errors, error))
        ref = {
            name: cell if isinstance(cell, str) else _shown(cell)
            for name, cell in zip(self._references, cells[count:], strict=True)
        }
        shown = asked[self._value_at]
        return Question(
            raw.line, known, case_ref, shown if isinstance(shown, str) else _shown(shown), ref
        )

    def _known(self, cells: tuple[object, ...]) -> Known:
        # Numbers and truth values of JSON compare equal across types, so texts alone are looked up.
        if not all(isinstance(cell, str | None) for cell in cells):
            return self._made(cells)
        known = self._memo.get(cells)
        if known is None:
            known = self._made(cells)
            if len(self._memo) >= MEMO:
                self._memo.clear()
            self._memo[cells] = known
        return known

    def _made(self, cells: tuple[object, ...]) -> Known:
        row = {
            field: cell
            for field, cell in zip(self._fields, cells, strict=True)
            if cell is not None and cell != ""
        }
        if self._kind:
            row.setdefault("kind", self._kind)
        try:
            request = ScreeningRequest.from_mapping(row, defaults=self._defaults)
        except RowError as error:
            return Known(None, "", "", tuple(self._problem(each) for each in error.problems))
        try:
            value = normalise(request.kind, request.value, str(request.region) or None).value
        except NormalisationError as error:
            problem = (self._columns["value"], error.rule, error.message)
            return Known(request, "", "", (problem,))
        return Known(request, request.kind.label, value, ())

    def _problem(self, error: FieldError) -> tuple[str, str, str]:
        column = self._columns.get(error.field, error.field)
        got = "" if error.field == "value" else f"got {error.given}, "
        return column, f"field.{error.field}", f"{got}allowed: {error.allowed}"


def _defaults(columns: Mapping[str, str], defaults: Mapping[str, str]) -> ScreeningDefaults:
    purpose, basis = defaults.get("purpose", ""), defaults.get("lawful_basis", "")
    for name, given, vocabulary in (
        ("purpose", purpose, Purpose),
        ("lawful_basis", basis, LawfulBasis),
    ):
        if given:
            term = vocabulary.parse(given, name)
            if term == 0:
                raise FieldError(name, given, "one that is stated")
        elif name not in columns:
            raise InputRefused(f"nothing says the {name} of the questions: give {name}")
    region = defaults.get("region", "")
    return ScreeningDefaults(
        lawful_basis=LawfulBasis.parse(basis, "lawful_basis") if basis else None,
        purpose=Purpose.parse(purpose, "purpose") if purpose else None,
        region=parse_country(region, "region") if region else NOT_STATED,
    )


def _shown(cell: object) -> str:
    return "" if cell is None else orjson.dumps(cell).decode()

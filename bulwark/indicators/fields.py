"""Fields: reading the cells of a client's row into typed values, gathering every problem.

Rules: an absent, null or blank cell takes the default; unknown fields are refused by name; cells
listed in HIDDEN are never repeated in an error, since they can hold personal data. Dates are kept
as days since 1970-01-01 UTC. It does not know which fields a row has.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final, TypeVar

from bulwark.indicators.country import NOT_STATED, Country, parse_country
from bulwark.indicators.errors import FieldError, RowError
from bulwark.indicators.terms import Term, allowed, shown, spellings

T = TypeVar("T", bound=Term)

HIDDEN: Final = frozenset({"value", "case_ref", "link_group", "source"})
NOT_SHOWN: Final = "(not shown)"
UNKNOWN_FIELDS_MAX: Final = 16
EARLIEST_DAY: Final = 7305
"""1990-01-01: older dates are mistakes."""
_EPOCH: Final = date(1970, 1, 1).toordinal()
_DAY_S: Final = 86_400
_DATE_ALLOWED: Final = "an ISO 8601 date or date-time, or whole seconds since 1970, from 1990 on"


class Cells:
    """The cells of one row while they are read; problems gather until ``finish``."""

    __slots__ = ("_row", "problems")

    def __init__(self, row: Mapping[str, object], known: frozenset[str]) -> None:
        self._row = row
        self.problems: list[FieldError] = []
        if not known.issuperset(row):
            names = [str(name) for name in row if name not in known][:UNKNOWN_FIELDS_MAX]
            listed = "one of " + ", ".join(sorted(known))
            self.problems += [FieldError(name, "an unknown field", listed) for name in names]

    def finish(self) -> None:
        """Raise RowError with all problems, if there are any."""
        if self.problems:
            raise RowError(tuple(self.problems))

    def refuse(self, field: str, given: object, permitted: str) -> None:
        """Note a problem of a field."""
        told = NOT_SHOWN if field in HIDDEN else shown(given)
        if given is None or given == "":
            told = "nothing"
        self.problems.append(FieldError(field, told, permitted))

    def term(self, field: str, vocabulary: type[T], default: T | None, required: T) -> T:
        """A vocabulary entry; ``required`` stands in where there is neither cell nor default."""
        given = self._row.get(field)
        if given is None or given == "":
            if default is None:
                self.refuse(field, given, allowed(vocabulary))
                return required
            return default
        if isinstance(given, str):
            entry = spellings(vocabulary).get(given)
            if isinstance(entry, vocabulary):
                return entry
        try:
            return vocabulary.parse(given, field)
        except FieldError as problem:
            self.problems.append(problem)
            return required

    def stated(self, field: str, vocabulary: type[T], default: T | None, required: T) -> T:
        """As ``term``, but the entry with code 0 (not stated) is refused."""
        entry = self.term(field, vocabulary, default, required)
        if entry == 0:
            others = allowed(vocabulary).replace(f" {entry.label},", "", 1)
            self.refuse(field, entry.label, others)
        return entry

    def number(self, field: str, default: int, least: int, most: int) -> int:
        """A whole number in a range, as a JSON number or its digits."""
        given = self._row.get(field)
        if given is None or given == "":
            return default
        number: object = given
        if isinstance(given, str) and len(given) <= 12 and given.strip().isdecimal():
            number = int(given)
        if isinstance(number, int) and not isinstance(number, bool) and least <= number <= most:
            return number
        self.refuse(field, given, f"a whole number from {least} to {most}")
        return default

    def text(self, field: str, longest: int, needed: bool = False) -> str:
        """Printable text up to a length; '' where absent and not needed."""
        given = self._row.get(field)
        if given is None or given == "":
            if needed:
                self.refuse(field, given, f"text of 1 to {longest} characters")
            return ""
        if isinstance(given, str) and len(given) <= longest:
            return given
        self.refuse(field, given, f"text of 1 to {longest} characters")
        return ""

    def country(self, field: str, default: Country) -> Country:
        """A country code."""
        given = self._row.get(field)
        if given is None or given == "":
            return default
        try:
            return parse_country(given, field)
        except FieldError as problem:
            self.problems.append(problem)
            return NOT_STATED

    def day(self, field: str, latest: int) -> int | None:
        """A day between EARLIEST_DAY and ``latest``, or None where absent."""
        given = self._row.get(field)
        if given is None or given == "":
            return None
        found = _day_of_text(given) if isinstance(given, str) and len(given) <= 40 else None
        if isinstance(given, int) and not isinstance(given, bool):
            found = given // _DAY_S
        if found is None or found < EARLIEST_DAY:
            self.refuse(field, given, _DATE_ALLOWED)
        elif found > latest:
            limit = date.fromordinal(_EPOCH + latest).isoformat()
            self.refuse(field, given, f"a date up to {limit}")
        return found

    def digest(self, field: str) -> bytes:
        """32 bytes written as 64 hex digits, with or without 0x; b'' where absent."""
        given = self._row.get(field)
        if given is None or given == "":
            return b""
        if isinstance(given, str) and len(given) in (64, 66):
            digits = given[2:] if given[:2] in ("0x", "0X") else given
            if len(digits) == 64 and digits.isascii() and digits.isalnum():
                try:
                    return bytes.fromhex(digits)
                except ValueError:
                    pass
        self.refuse(field, given, "64 hex digits")
        return b""


@lru_cache(maxsize=4096)
def _day_of_text(text: str) -> int | None:
    """Days since 1970 of an ISO date, ISO date-time (UTC if it has no offset) or epoch text."""
    text = text.strip()
    if text.isascii() and text.isdecimal() and 9 <= len(text) <= 11:
        return int(text) // _DAY_S
    try:
        if len(text) <= 10:
            return date.fromisoformat(text).toordinal() - _EPOCH
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC)
        return moment.toordinal() - _EPOCH
    except (ValueError, OverflowError):
        return None

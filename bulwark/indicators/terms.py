"""Term: the base of every closed vocabulary, an integer code with a name and a meaning.

Rules: a code goes into a binary ledger record and is never renumbered or reused; a label goes over
the API and is never renamed; an alias is another spelling that is read but never written. Labels
are read without regard to case, and '-' or blank count as '_'. It holds no vocabulary itself.
"""

from __future__ import annotations

from enum import IntEnum
from functools import cache
from typing import Self

from bulwark.indicators.errors import FieldError, bounded

LABEL_MAX = 64
"""Longest spelling that is looked up, in characters."""


class Term(IntEnum):
    """One entry of a closed vocabulary."""

    label: str
    meaning: str
    aliases: tuple[str, ...]

    def __new__(cls, code: int, label: str, meaning: str, *aliases: str) -> Self:
        member = int.__new__(cls, code)
        member._value_ = code
        member.label = label
        member.meaning = meaning
        member.aliases = aliases
        return member

    def __str__(self) -> str:
        return self.label

    @property
    def code(self) -> int:
        """The number stored in ledger records: 0..255, stable for ever."""
        return int(self)

    @classmethod
    def parse(cls, given: object, field: str) -> Self:
        """The entry that a client's text names; FieldError(field, given, allowed) otherwise."""
        entry = spellings(cls).get(given) if isinstance(given, str) else None
        if entry is None:
            entry = _parse_slowly(cls, given, field)
        if not isinstance(entry, cls):
            raise FieldError(field, shown(given), allowed(cls))
        return entry

    @classmethod
    def find(cls, code: int) -> Self | None:
        """The entry with a stored code, None where this version does not know it."""
        entry = _by_code(cls).get(code)
        return entry if isinstance(entry, cls) else None

    @classmethod
    def from_code(cls, code: int) -> Self:
        """The entry with a stored code; FieldError where the code is not assigned."""
        entry = cls.find(code)
        if entry is None:
            raise FieldError(cls.__name__, shown(code), allowed(cls))
        return entry


@cache
def spellings(vocabulary: type[Term]) -> dict[str, Term]:
    """Every accepted spelling (in folded form) of a vocabulary's entries."""
    table = {entry.label: entry for entry in vocabulary}
    for entry in vocabulary:
        table.update((_fold(alias), entry) for alias in entry.aliases)
    return table


@cache
def _by_code(vocabulary: type[Term]) -> dict[int, Term]:
    return {entry.code: entry for entry in vocabulary}


@cache
def allowed(vocabulary: type[Term]) -> str:
    """The labels of a vocabulary in code order, for errors."""
    return "one of " + ", ".join(entry.label for entry in vocabulary)


def shown(given: object) -> str:
    """What an error may repeat of a given JSON value: short text, or only its type."""
    if isinstance(given, str):
        return bounded(repr(given[:LABEL_MAX]))
    if given is None or isinstance(given, bool | int | float):
        return bounded(repr(given)) if not isinstance(given, int) else _shown_int(given)
    return f"a {type(given).__name__}"


def _shown_int(given: int) -> str:
    # str() of a huge integer is slow and may be refused by the interpreter.
    return str(given) if -(10**30) < given < 10**30 else "a very large integer"


def _fold(spelling: str) -> str:
    return spelling.strip().lower().replace("-", "_").replace(" ", "_")


def _parse_slowly(vocabulary: type[Term], given: object, field: str) -> Term:
    if isinstance(given, str) and len(given) <= LABEL_MAX:
        entry = spellings(vocabulary).get(_fold(given))
        if entry is not None:
            return entry
    raise FieldError(field, shown(given), allowed(vocabulary))

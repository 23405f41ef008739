"""Faults of a document: where, what was found there and what is allowed.

Rules: a place is a normalized path of RFC 9535, as ``$['dpv:hasProcess'][0]['@type']``; what was
found is said by its type and size and never by its value, so a fault may be logged and sent back;
at most MAX_FAULTS are listed, in the order of their places.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

MAX_FAULTS: Final = 32
MAX_NAME: Final = 64
"""Most characters of a property's name that a path repeats."""


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing that is not as it should be."""

    path: str
    found: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.path}: found {self.found}, allowed: {self.allowed}"


class DocumentRefused(Exception):
    """A document was refused; `faults` says why, at least one."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults: tuple[Fault, ...] = tuple(sorted(set(faults)))[:MAX_FAULTS]
        super().__init__("; ".join(str(fault) for fault in self.faults[:4]))


def path_of(steps: Sequence[str | int]) -> str:
    """The normalized path of these member names and list positions, names bounded."""
    return "$" + "".join(_step(step) for step in steps)


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    shown = step[: MAX_NAME + 1]
    if not shown.isprintable():
        shown = shown.encode("unicode_escape", "replace").decode("ascii")
    if len(shown) > MAX_NAME:
        shown = shown[: MAX_NAME - 3] + "..."
    escaped = shown.replace("\\", "\\\\").replace("'", "\\'")
    return f"['{escaped}']"


def found_of(value: object) -> str:
    """What stands there, by type and size; never the value."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return f"a text of {len(value)} characters"
        case list():
            return f"a list of {len(value)} entries"
        case dict():
            return f"an object of {len(value)} members"
        case _:
            return f"a {type(value).__name__}"

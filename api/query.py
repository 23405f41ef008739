"""Parameters of a query: numbers as they are read and documented, and what refuses a parameter."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from api.problems import FieldProblem, Problem

MAX_NUMBER: Final = 10**18 - 1
_NUMBER: Final = re.compile(r"(?:0|[1-9][0-9]{0,17})\Z")


def refused(name: str, allowed: str) -> Problem:
    """Problem 400 that names a parameter and what it allows, never what was given."""
    return Problem(400, "invalid", f"{name}: {allowed}", errors=(FieldProblem(name, allowed),))


def number(
    given: Mapping[str, str], name: str, default: int, least: int = 0, most: int = MAX_NUMBER
) -> int:
    """A whole number in decimal digits within its bounds, `default` if left out; Problem 400."""
    text = given.get(name, str(default))
    if _NUMBER.match(text) is None or not least <= int(text) <= most:
        raise refused(name, f"a number from {least} to {most}")
    return int(text)


def documented(
    name: str,
    description: str,
    default: int | None = None,
    least: int = 0,
    most: int = MAX_NUMBER,
) -> dict[str, Any]:
    """How the documentation says such a number."""
    schema = {"type": "integer", "minimum": least, "maximum": most}
    schema |= {} if default is None else {"default": default}
    return {"name": name, "in": "query", "description": description, "schema": schema}

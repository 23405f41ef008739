"""Parameters of a query: numbers as they are read and documented, and what refuses a parameter."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from api.problems import refused

MAX_NUMBER: Final = 10**18 - 1
_NUMBER: Final = re.compile(r"(?:0|[1-9][0-9]{0,17})\Z")


def number(
    given: Mapping[str, str], name: str, default: int, least: int = 0, most: int = MAX_NUMBER
) -> int:
    """A whole number in decimal digits within its bounds, `default` if left out; Problem 400."""
    found = number_given(given, name, least, most)
    return default if found is None else found


def number_given(
    given: Mapping[str, str], name: str, least: int = 0, most: int = MAX_NUMBER
) -> int | None:
    """Such a number, None if left out; Problem 400."""
    text = given.get(name)
    if text is None:
        return None
    if _NUMBER.match(text) is None or not least <= int(text) <= most:
        raise refused(name, f"a number from {least} to {most}")
    return int(text)


def word(given: Mapping[str, str], name: str, allowed: Sequence[str], default: str = "") -> str:
    """One of the allowed words, `default` or else the first if left out; Problem 400."""
    text = given.get(name, default or allowed[0])
    if text not in allowed:
        raise refused(name, "one of " + ", ".join(allowed))
    return text


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

"""Fields of a JSON body one by one: known names, flags, text, whole numbers.

Rules: a problem names the field and what it allows, never what was given.
"""

from __future__ import annotations

from collections.abc import Mapping

from api.problems import FieldProblem, invalid


def known(body: Mapping[str, object], *names: str) -> None:
    """Problem 422 for a field that is none of `names`."""
    unknown = body.keys() - set(names)
    if unknown:
        allowed = f"an unknown field, allowed: {', '.join(names) or 'none'}"
        raise invalid(FieldProblem(min(unknown)[:64], allowed))


def flag(body: Mapping[str, object], name: str) -> bool:
    """True or false, false if left out; Problem 422 otherwise."""
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise invalid(FieldProblem(name, "true or false"))
    return value


def text(body: Mapping[str, object], name: str, longest: int) -> str:
    """Printable text of a bounded length, '' if left out; Problem 422 otherwise."""
    value = body.get(name, "")
    if not isinstance(value, str) or len(value) > longest or not value.isprintable():
        raise invalid(FieldProblem(name, f"printable text of at most {longest} characters"))
    return value


def number(body: Mapping[str, object], name: str, default: int, least: int, most: int) -> int:
    """A whole number within bounds; Problem 422 otherwise."""
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise invalid(FieldProblem(name, f"a whole number from {least} to {most}"))
    return value

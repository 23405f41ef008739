"""Errors of the indicator layer: what a client is told about a row that was not accepted.

Rules: an error names the field, what is allowed and, where that is harmless, a bounded copy of
what was given. The clear value of an indicator never appears in an error, so an error may be
logged and sent back. It does not decide HTTP status codes.
"""

from __future__ import annotations

GIVEN_MAX = 64
"""Most characters of a client's own text that an error repeats."""


class IndicatorError(Exception):
    """Something a client sent about an indicator was not accepted."""


class FieldError(IndicatorError):
    """One field of a row does not hold an allowed value."""

    def __init__(self, field: str, given: str, allowed: str) -> None:
        self.field = bounded(field)
        self.given = bounded(given)
        self.allowed = allowed
        super().__init__(f"{self.field}: got {self.given}, allowed: {allowed}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FieldError) and self.parts() == other.parts()

    def __hash__(self) -> int:
        return hash(self.parts())

    def parts(self) -> tuple[str, str, str]:
        """Field, given text (bounded) and the allowed values, for a problem document."""
        return self.field, self.given, self.allowed


class RowError(IndicatorError):
    """A row was refused; every problem found in it is listed."""

    def __init__(self, problems: tuple[FieldError, ...]) -> None:
        self.problems = problems
        super().__init__("; ".join(str(problem) for problem in problems))


class NormalisationError(IndicatorError):
    """The value cannot be brought into the canonical form of its kind.

    ``rule`` is a stable id from ``bulwark.indicators.normalise.outcome.RULES`` and ``message`` its
    fixed text: neither depends on the value, so the value cannot leak through them.
    """

    def __init__(self, kind: str, rule: str, message: str) -> None:
        self.kind = kind
        self.rule = rule
        self.message = message
        super().__init__(f"{kind}: {rule}: {message}")


def bounded(given: str) -> str:
    """At most GIVEN_MAX printable characters of a client's text, for use in an error."""
    head = given[: GIVEN_MAX + 1]
    shown = head if head.isprintable() else head.encode("unicode_escape", "replace").decode("ascii")
    return shown if len(shown) <= GIVEN_MAX else shown[: GIVEN_MAX - 3] + "..."

"""Problem: how the API says no, as RFC 9457 problem documents.

Rules: every refusal is `application/problem+json` with type, title, status, detail and instance;
refused fields are listed under `errors` as {field, detail} plus the rule where there is one. `type`
is a stable URN, `instance` names the request by its correlator. A problem never repeats what
came as an indicator's value, a key or a stack trace. It does not decide which request is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import orjson
from msgspec import Struct

from bulwark.indicators.errors import FieldError, NormalisationError, RowError

PROBLEM_TYPE: Final = b"application/problem+json"

TITLES: Final[dict[str, str]] = {
    "malformed": "The body can not be read",
    "invalid": "The request does not hold allowed values",
    "unauthenticated": "A valid API key is needed",
    "forbidden": "This key or member may not do that",
    "not-found": "There is no such thing here",
    "method-not-allowed": "This path does not know that method",
    "pruned": "It is on the ledger and not kept on this node any more",
    "conflict": "The request contradicts what is already there",
    "timeout": "The request took too long",
    "too-large": "The body is too large",
    "unsupported-media-type": "The content type is not one that this path reads",
    "idempotency-key-reused": "The idempotency key was used with another body",
    "busy": "Too many requests at once",
    "too-many-attempts": "Too many wrong keys from this address",
    "internal": "The node failed to serve this request",
    "unavailable": "The node can not serve this now",
    "not-acceptable": "None of the content types that were asked for can be made",
}
"""Problem code to its fixed title; the code is the last part of `type`."""


class FieldProblem(Struct, frozen=True):
    """One field that was refused."""

    field: str
    detail: str
    rule: str | None = None
    """Stable id of the rule it broke, where there is one."""

    def document(self) -> dict[str, str]:
        """As it stands under `errors`."""
        shown = {"field": self.field, "detail": self.detail}
        if self.rule is not None:
            shown["rule"] = self.rule
        return shown


class Problem(Exception):
    """A request is refused with this status and this problem document."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[FieldProblem] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        super().__init__(f"{status} {code}: {detail}")

    def document(self, correlator: str) -> dict[str, object]:
        """The problem document; `instance` carries the correlator of the request."""
        shown: dict[str, object] = {
            "type": f"urn:bulwark:problem:{self.code}",
            "title": TITLES.get(self.code, self.code),
            "status": self.status,
            "detail": self.detail,
            "instance": f"urn:bulwark:request:{correlator}",
        }
        if self.errors:
            shown["errors"] = [error.document() for error in self.errors]
        return shown

    def encode(self, correlator: str) -> bytes:
        """The document as JSON bytes."""
        return orjson.dumps(self.document(correlator))


def malformed(detail: str) -> Problem:
    """400: the bytes are not what the content type says."""
    return Problem(400, "malformed", detail)


def invalid(*errors: FieldProblem) -> Problem:
    """422: well-formed, but a field does not hold an allowed value."""
    detail = errors[0].detail if len(errors) == 1 else f"{len(errors)} fields were refused"
    return Problem(422, "invalid", detail, errors=errors)


def refused(name: str, allowed: str) -> Problem:
    """400: a part of the path, the query or a header, named with what it allows."""
    return Problem(400, "invalid", f"{name}: {allowed}", errors=(FieldProblem(name, allowed),))


def too_large(detail: str) -> Problem:
    """413: over a bound on bytes or rows; nothing was taken."""
    return Problem(413, "too-large", detail)


def field_problems(error: RowError | FieldError | NormalisationError) -> tuple[FieldProblem, ...]:
    """What is wrong with a row, field by field."""
    match error:
        case RowError():
            return tuple(_field(problem) for problem in error.problems)
        case FieldError():
            return (_field(error),)
        case NormalisationError():
            return (FieldProblem("value", error.message, error.rule),)


def _field(error: FieldError) -> FieldProblem:
    if error.field == "value":  # the clear value of an indicator is never repeated
        return FieldProblem("value", f"allowed: {error.allowed}")
    return FieldProblem(error.field, f"got {error.given}, allowed: {error.allowed}")

"""Errors of the client: what a caller can tell apart and act on.

Rules: a node's own words reach the caller as ApiProblem (RFC 9457); no error holds an API key, a
request body or a URL with credentials. Whether a request is worth repeating is decided by the
transport, not here.
"""

from __future__ import annotations

from dataclasses import dataclass


class ClientError(Exception):
    """A request to a node, or the check of what it gave, did not succeed."""


@dataclass(frozen=True, slots=True)
class FieldRefusal:
    """One field that the node refused."""

    field: str
    detail: str
    rule: str | None = None
    """Stable id of the rule that was broken, as `phone.not-a-valid-number`."""

    @property
    def name(self) -> str:
        """What statistics count by: the rule, or `field.<name>` where the node names none."""
        return self.rule or f"field.{self.field or 'row'}"


class ApiProblem(ClientError):
    """The node answered with a problem document (RFC 9457)."""

    def __init__(
        self,
        status: int,
        type_uri: str,
        detail: str,
        errors: tuple[FieldRefusal, ...] = (),
        *,
        instance: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        self.status = status
        self.type = type_uri
        self.code = type_uri.rpartition(":")[2] or "unknown"
        """Last part of the type, as `invalid`, `busy`, `idempotency-key-reused`."""
        self.detail = detail
        self.errors = errors
        self.instance = instance
        """Names the request in the node's log."""
        self.retry_after_s = retry_after_s
        told = [f"; {e.field}: {e.detail}" for e in errors if e.detail != detail]
        fields = "".join(told) or (f" ({errors[0].name})" if errors else "")
        super().__init__(f"the node answered {status} {self.code}: {detail}{fields}")


class Unreachable(ClientError):
    """No answer came from the node: it is down, elsewhere or closed the connection."""

    def __init__(self, url: str, reason: str) -> None:
        self.url = url
        self.reason = reason
        super().__init__(f"no node answers at {url} ({reason})")


class TimedOut(ClientError):
    """The node or the alliance took longer than the caller wanted to wait."""

    def __init__(self, what: str, seconds: float) -> None:
        self.what = what
        self.seconds = seconds
        super().__init__(f"{what}: not within {seconds:g} s")


class UnexpectedAnswer(ClientError):
    """What came back is no answer of a Bulwark node."""

    def __init__(self, what: str, detail: str) -> None:
        self.what = what
        self.detail = detail
        super().__init__(f"{what}: {detail}; is this the address of a Bulwark node?")


class VerificationFailed(ClientError):
    """A proof does not show what it claims; trust nothing in it."""

    def __init__(self, where: str, reason: str) -> None:
        self.where = where
        """Part of the proof, or `genesis`."""
        self.reason = reason
        super().__init__(f"{where}: {reason}")

"""The errors of the core: the driver's misuse, a peer's invalid message, broken invariants.

A peer's fault never leaves `Replica.step` as an exception; it is dropped or reported.
"""

from __future__ import annotations


class ConsensusError(Exception):
    """Something about ordering went wrong."""


class LocalProtocolError(ConsensusError):
    """The driver broke a rule of the core's interface."""

    def __init__(self, rule: str, detail: str) -> None:
        self.rule = rule
        self.detail = detail
        super().__init__(f"{rule}: {detail}")


class ConfigInvalid(ConsensusError):
    """A protocol parameter is outside its allowed range."""

    def __init__(self, field: str, detail: str) -> None:
        self.field = field
        self.detail = detail
        super().__init__(f"consensus.{field}: {detail}")


class AuthenticationFailed(ConsensusError):
    """A message is malformed, not signed by whom it names, or carries an invalid certificate."""

    def __init__(self, what: str, detail: str) -> None:
        self.what = what
        self.detail = detail
        super().__init__(f"{what}: {detail}")


class RecordsDamaged(ConsensusError):
    """A durable record of this replica can not be read back, so it must not vote."""

    def __init__(self, key: bytes, detail: str) -> None:
        self.key = key
        self.detail = detail
        super().__init__(f"consensus record {key!r}: {detail}")


class InvariantViolation(ConsensusError):
    """The core found itself in a state that at most f faulty validators can not bring about."""

    def __init__(self, invariant: str, detail: str) -> None:
        self.invariant = invariant
        self.detail = detail
        super().__init__(f"{invariant}: {detail}")


def require(condition: bool, invariant: str, detail: str) -> None:
    """Raise InvariantViolation unless `condition`; unlike `assert` it survives `python -O` (S4)."""
    if not condition:
        raise InvariantViolation(invariant, detail)

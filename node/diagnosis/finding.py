"""Findings: what diagnosis says, each with a stable code, and the verdict over all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from msgspec import Struct

from node.diagnosis.facts import Facts


class Severity(IntEnum):
    """How much a finding matters."""

    INFO = 1
    """Worth knowing; nothing is wrong."""
    WARNING = 2
    """Something is wrong and the alliance copes."""
    CRITICAL = 3
    """This keeps blocks, or this node, from going on."""

    @property
    def label(self) -> str:
        """The word used in texts and JSON."""
        return self.name.lower()


class Verdict(StrEnum):
    """The node in one word, the worst that applies."""

    HEALTHY = "healthy"
    IDLE = "idle"
    SLOW = "slow"
    STUCK = "stuck"
    STARTING = "starting"
    CATCHING_UP = "catching up"
    SILENT = "silent after a wipe"
    HALTED = "halted"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found."""

    code: str
    """Stable, as `peer.not-connected`; listed in docs/diagnosis.md."""
    severity: Severity
    subject: str
    """The member that it is about; empty when it is about the alliance."""
    seen: str
    """What was seen, numbers with units."""
    advice: str
    """What to do; empty when there is nothing to do."""
    values: tuple[tuple[str, int | str], ...] = field(default=())
    """The numbers again for programs, units in their names."""
    since_ms: int | None = None
    """Since when, as far as known."""


class Diagnosis(Struct, frozen=True):
    """The whole answer."""

    verdict: Verdict
    headline: str
    """One sentence."""
    height: int
    epoch: int
    view: int | None
    at_ms: int
    findings: tuple[Finding, ...]
    """Worst first."""

    @property
    def well(self) -> bool:
        """Whether there is nothing to look after."""
        calm = self.verdict in (Verdict.HEALTHY, Verdict.IDLE)
        return calm and all(f.severity is Severity.INFO for f in self.findings)


Rule = Callable[[Facts], Iterable[Finding]]
"""One rule: facts in, findings out; it never raises."""

"""Tidings: what desks that are built later tell the examiner, added to its facts.

Rules: each source is told once, while the node is put together; without one its facts are left as
they are. It only reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from msgspec.structs import replace

from node.diagnosis.facts import EvidenceFacts, Facts, LevelFacts, PruningFacts, RestoreFacts


@dataclass(slots=True)
class Tidings:
    """Sources that the examiner does not have from the start."""

    level: Callable[[], LevelFacts] | None = None
    pruning: Callable[[], PruningFacts | None] | None = None
    restore: Callable[[], RestoreFacts | None] | None = None
    accused: Callable[[], Iterable[tuple[str, str]]] | None = None
    """Culprit and kind of each case that is not about votes."""

    def cases(self) -> list[tuple[str, str]]:
        """The cases that `accused` knows."""
        return [] if self.accused is None else list(self.accused())

    def added_to(self, facts: Facts) -> Facts:
        """The facts with what the sources say."""
        return replace(
            facts,
            level=facts.level if self.level is None else self.level(),
            pruning=None if self.pruning is None else self.pruning(),
            restore=None if self.restore is None else self.restore(),
            evidence=_joined(facts.evidence, self.cases()),
        )


def _joined(
    known: tuple[EvidenceFacts, ...], cases: list[tuple[str, str]]
) -> tuple[EvidenceFacts, ...]:
    """One entry a culprit, with the kinds of both sources."""
    found = {each.culprit: each for each in known}
    for culprit, kind in cases:
        before = found.get(culprit, EvidenceFacts(culprit, (), 0))
        kinds = tuple(sorted({*before.kinds, kind}))
        found[culprit] = EvidenceFacts(culprit, kinds, before.count + 1)
    return tuple(found[culprit] for culprit in sorted(found))

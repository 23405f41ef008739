"""`select_new_view`: what a quorum of VIEW-CHANGEs says the next view starts with.

Rule owned: V6 (OSDI'99 section 4.4, set O). One pure function for the leader that sends NEW-VIEW
and for everyone who verifies it (pitfall S2). It trusts that each VIEW-CHANGE was validated whole
(A2); it depends only on the set of VIEW-CHANGEs, not on their order (pitfall L2).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from bulwark.ledger.batch import NULL_BATCH
from bulwark.ledger.ids import Digest, Height
from bulwark.ledger.votes import Certificate
from consensus.messages import ViewChange
from consensus.terms import GENESIS


@dataclass(frozen=True, slots=True)
class NewViewPlan:
    """The start of a view."""

    checkpoint: Certificate | None
    """Highest stable checkpoint among the VIEW-CHANGEs; None is the start of the epoch."""
    base: Height
    """Its height (min-s)."""
    digests: tuple[Digest, ...]
    """O: digests to propose again at base + 1, base + 2, ... (up to max-s)."""
    first_fresh: Height = field(init=False, compare=False)
    """n0: the first height that this view's proposers fill with new batches."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "first_fresh", Height(self.base + 1 + len(self.digests)))

    def digest_at(self, height: Height) -> Digest | None:
        """The digest to propose again at `height`, None outside O."""
        offset = height - self.base - 1
        return self.digests[offset] if 0 <= offset < len(self.digests) else None


def first_plan(start: Height) -> NewViewPlan:
    """View 0 begins above the start of the epoch with nothing to propose again."""
    return NewViewPlan(None, start, ())


def select_new_view(view_changes: Iterable[ViewChange], start: Height = GENESIS) -> NewViewPlan:
    """V6: the plan that follows from these VIEW-CHANGEs (a quorum, all for one view)."""
    checkpoint: Certificate | None = None
    base = start
    best: dict[Height, Certificate] = {}
    for change in view_changes:
        given = change.base_above(start)
        if given > base or (given == base and _before(change.checkpoint, checkpoint)):
            checkpoint, base = change.checkpoint, given
        for certificate in change.prepared:
            known = best.get(certificate.subject.height)
            if known is None or _rank(certificate) > _rank(known):
                best[certificate.subject.height] = certificate
    top = max(best, default=base)
    heights = range(base + 1, top + 1)
    digests = [best[Height(h)].subject.digest if h in best else NULL_BATCH.digest for h in heights]
    return NewViewPlan(checkpoint, base, tuple(digests))


def _rank(certificate: Certificate) -> tuple[int, bytes]:
    """Highest view first; two digests in one view need > f faulty, yet the choice is the same."""
    return certificate.subject.view, certificate.subject.digest


def _before(given: Certificate | None, known: Certificate | None) -> bool:
    """Whether `given` is the one of two certificates of one height to keep, in any order."""
    if given is None or known is None:
        return given is not None
    return given.encode() < known.encode()

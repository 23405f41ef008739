"""Which rings a question may be about: the one of now, and for a moment the one before.

Rules: the ring of a named height must be the ring of now, or one that was replaced less than
RING_GRACE_MS ago, or the last one of the epoch before less than EPOCH_GRACE_MS after that epoch
ended here; nobody names a height that this node does not have, since no auditor could look its
ring up. A change counts from the moment the node followed it (`ring_changed`); one that was missed
gets no grace. The quotas are those of now, so that nobody picks a better one by naming a height.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from msgspec import Struct

from bulwark.ledger.ids import Height
from bulwark.privacy.query import EvaluationRequest, RefusalCode, Scope
from bulwark.privacy.ring.ristretto import MemberRing
from node.guarded.envelope import sealed_sizes
from node.guarded.rings import Opener, RingView

RING_GRACE_MS: Final = 10_000
EPOCH_GRACE_MS: Final = 60_000


class Rings(Protocol):
    """The rings of the chain, as `node.guarded.rings.RingBook` has them."""

    @property
    def now(self) -> RingView | None:
        """The ring after the last block."""
        ...

    def at(self, height: Height) -> RingView | None:
        """The ring of a height, None if it is not kept."""
        ...

    def height_to_name(self, tip: Height) -> Height:
        """The height that a question names."""
        ...


class RequestRefused(Exception):
    """A request breaks a rule that has a code; the detail holds no element and no secret."""

    def __init__(self, code: RefusalCode, detail: str) -> None:
        self.code = code
        self.detail = detail
        super().__init__(f"{code.name}: {detail}")


class Standing(Struct, frozen=True):
    """What a request is checked against."""

    ring: MemberRing
    opener: Opener
    quotas: Mapping[Scope, int]


class _Replaced(Struct, frozen=True):
    view: RingView
    until_ms: int


class FreshRings:
    """Follows the ring book and says what is in time."""

    def __init__(self, rings: Rings, tip: Callable[[], Height], now_ms: Callable[[], int]) -> None:
        """`now_ms` should be a clock that does not go back."""
        self._rings = rings
        self._tip = tip
        self._now_ms = now_ms
        self._seen = rings.now
        self._replaced: list[_Replaced] = []

    def ring_changed(self) -> None:
        """The ring book follows another ring since this moment."""
        before, now = self._seen, self._rings.now
        self._seen = now
        if before is None or now is None or before is now:
            return
        grace = RING_GRACE_MS if before.epoch == now.epoch else EPOCH_GRACE_MS
        self._forget(now)
        self._replaced.append(_Replaced(before, self._now_ms() + grace))

    def _forget(self, now: RingView) -> None:
        at = self._now_ms()
        self._replaced = [
            old for old in self._replaced if old.until_ms > at and old.view.epoch + 1 >= now.epoch
        ]

    def views(self) -> list[RingView]:
        """The rings that are in time, that of now first."""
        now = self._rings.now
        if now is None:
            return []
        if now is not self._seen:
            self._seen, self._replaced = now, []
        self._forget(now)
        return [now, *(old.view for old in reversed(self._replaced))]

    def sealed_sizes(self) -> frozenset[int]:
        """Lengths of the sealed questions that are in time."""
        return sealed_sizes({len(view.ring) for view in self.views() if view.ring is not None})

    def standing(self, request: EvaluationRequest) -> Standing:
        """Ring, opener and quotas for a request; raises RequestRefused."""
        views = self.views()
        if not views or not views[0].is_ready:
            raise RequestRefused(RefusalCode.NOT_READY, "there is no ring or no opener")
        if all(view.epoch != request.epoch for view in views):
            raise RequestRefused(RefusalCode.WRONG_EPOCH, f"epoch {views[0].epoch} runs")
        view = self._named(request)
        if view is None or view.epoch != request.epoch:
            raise RequestRefused(RefusalCode.FOREIGN_RING, "no ring of now at that height")
        fitting = next((known for known in views if known.same_as(view)), None)
        if fitting is None or fitting.ring is None or fitting.opener is None:
            raise RequestRefused(RefusalCode.FOREIGN_RING, "not the ring of the members now")
        if request.opener_epoch != fitting.opener.epoch:
            raise RequestRefused(RefusalCode.FOREIGN_RING, "not the opener of that ring")
        quotas = views[0].quotas if fitting.epoch == views[0].epoch else fitting.quotas
        return Standing(fitting.ring, fitting.opener, quotas)

    def _named(self, request: EvaluationRequest) -> RingView | None:
        if request.ring_height > self._tip():
            return None
        return self._rings.at(Height(request.ring_height))

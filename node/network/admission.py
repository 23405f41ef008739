"""Who may start a handshake: bounds on half-open handshakes and on their rate, by address.

Rules: checked before TLS costs anything; the table of addresses is bounded and forgets the one
seen longest ago. Pure: the time is passed in.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from node.network.errors import Reason
from node.network.limits import Limits


@dataclass(slots=True)
class _Source:
    tokens: float
    refilled_ms: int
    open: int = 0


class Admission:
    """Counts handshakes under way and spends tokens of each source address."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._sources: OrderedDict[str, _Source] = OrderedDict()
        self.half_open = 0
        """Handshakes under way."""

    def enter(self, source: str, now_ms: int) -> Reason | None:
        """Admit a new connection, or say why not; an admitted one must `leave` later."""
        limits = self._limits
        if self.half_open >= limits.half_open:
            return Reason.TOO_MANY_HANDSHAKES
        entry = self._entry(source, now_ms)
        if entry.open >= limits.half_open_per_source:
            return Reason.TOO_MANY_HANDSHAKES
        gained = (now_ms - entry.refilled_ms) * limits.handshakes_per_second / 1000
        entry.tokens = min(float(limits.handshake_burst), entry.tokens + gained)
        entry.refilled_ms = now_ms
        if entry.tokens < 1:
            return Reason.RATE_LIMITED
        entry.tokens -= 1
        entry.open += 1
        self.half_open += 1
        return None

    def leave(self, source: str) -> None:
        """The handshake ended, well or not."""
        self.half_open -= 1
        entry = self._sources.get(source)
        if entry is not None:
            entry.open -= 1

    def _entry(self, source: str, now_ms: int) -> _Source:
        entry = self._sources.get(source)
        if entry is None:
            if len(self._sources) >= self._limits.sources:
                self._forget_one()
            entry = _Source(float(self._limits.handshake_burst), now_ms)
            self._sources[source] = entry
        self._sources.move_to_end(source)
        return entry

    def _forget_one(self) -> None:
        """Drop the oldest source without a handshake; if all have one, half-open is the bound."""
        for name, entry in self._sources.items():
            if entry.open == 0:
                del self._sources[name]
                return

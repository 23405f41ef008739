"""How far a sync is: one value for status, metrics and logs.

Rules: it only counts; rate and time left are of the running phase, from the caller's clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Final

from msgspec import Struct

from bulwark.ledger.ids import Height, MemberId
from node.logs import Log

SAY_EVERY_MS: Final = 5_000

log = Log("sync")


class Phase(StrEnum):
    """What a sync is at."""

    EXECUTING = "executing"
    """Blocks are executed one by one: the gap is short, or configuration wants it."""
    BLOCKS = "blocks"
    """Blocks are verified and stored."""
    STATE = "state"
    """The state of the target is fetched."""
    INSTALLING = "installing"
    """Blocks and state become this node's chain."""


class Progress(Struct, frozen=True):
    """A moment of a sync."""

    phase: Phase
    start: Height
    """Last block before the sync."""
    at: Height
    """Last block that is verified and stored."""
    target: Height
    """Proven, or claimed by members in an epoch that is not known here yet."""
    nodes: int
    """State values fetched."""
    per_second: float
    """Blocks, or state values, of the running phase."""
    eta_ms: int | None
    """Until the phase ends; None where its size is not known, as of state."""
    peers: tuple[MemberId, ...] = ()
    """Members that were asked last."""

    def document(self) -> dict[str, object]:
        """JSON form."""
        return {
            "phase": str(self.phase),
            "from": self.start,
            "at": self.at,
            "target": self.target,
            "state_nodes": self.nodes,
            "per_second": round(self.per_second, 1),
            "eta_ms": self.eta_ms,
            "peers": list(self.peers),
        }


class Meter:
    """Counts one sync."""

    def __init__(self, start: Height, target: Height, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._start = start
        self._at = start
        self._target = target
        self._nodes = 0
        self._phase = Phase.EXECUTING
        self._phase_ms = self._said_ms = now_ms()
        self._phase_from = int(start)
        self._peers: tuple[MemberId, ...] = ()
        self._claimed = Height(0)

    def phase(self, phase: Phase) -> None:
        """Another phase begins."""
        self._phase, self._phase_ms = phase, self._now_ms()
        self._phase_from = self._nodes if phase is Phase.STATE else self._at
        self._say()

    def asks(self, members: Iterable[MemberId]) -> None:
        """Who is asked now."""
        self._peers = tuple(members)

    def aim(self, target: Height) -> None:
        """The target, which only moves up."""
        self._target = max(self._target, target)

    def claim(self, heights: Iterable[Height]) -> None:
        """What members say beyond the proven target; shown, and gone with who claimed it."""
        self._claimed = max(heights, default=Height(0))

    def block(self, height: Height) -> None:
        """A block is stored."""
        self._at = height
        self.aim(height)
        self._tick()

    def values(self, count: int) -> None:
        """State values are verified."""
        self._nodes += count
        self._tick()

    def _tick(self) -> None:
        if self._now_ms() - self._said_ms >= SAY_EVERY_MS:
            self._say()

    def _say(self) -> None:
        self._said_ms = self._now_ms()
        fields = self.read().document()
        # "at" is the time of a log line.
        log.info("syncing", block=fields.pop("at"), **fields)

    def read(self) -> Progress:
        """Where it stands."""
        is_state = self._phase is Phase.STATE
        seconds = max(1, self._now_ms() - self._phase_ms) / 1000
        done = (self._nodes if is_state else self._at) - self._phase_from
        rate = done / seconds
        target = max(self._target, self._claimed)
        left = target - self._at
        eta_ms = None if is_state or rate <= 0 else int(left / rate * 1000)
        return Progress(
            phase=self._phase,
            start=self._start,
            at=self._at,
            target=target,
            nodes=self._nodes,
            per_second=rate,
            eta_ms=eta_ms,
            peers=self._peers,
        )

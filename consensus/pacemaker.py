"""The pacemaker: when this replica gives up on a view. All deadlines, and nothing but deadlines.

Rules owned: T1..T8 (docs/protocol.md). Deadlines are derived anew after every step from what is
remembered here and from the situation, so no path can forget to reset a timer (pitfalls L4, L7).
It never changes the view itself; it only says when a timer is due.
"""

from __future__ import annotations

from typing import NamedTuple

from bulwark.ledger.ids import ValidatorIndex, View
from consensus.config import Config
from consensus.effects import CancelTimer, Effect, SetTimer
from consensus.types import TimerName

HURRIED_BLOCKS = 8
"""Windows of heartbeats that may come early for silent validators before they cost time again."""

MAX_ATTEMPT = 32
"""Views without progress that still lengthen a timeout; the cap is reached long before."""


class Situation(NamedTuple):
    """What the pacemaker must know about the replica."""

    changing: bool
    """Waits for NEW-VIEW."""
    in_flight: bool
    """A proposal of the active view is not committed."""
    busy: bool
    """A block is executing here, so no progress is this replica's own affair."""
    lagging: bool
    """Others certified more than this replica executed, so its requests may be long done."""
    awaited: ValidatorIndex
    """Who must act next: the proposer of the next height, or the leader of the view."""
    my_turn: bool
    """This replica proposes the next height."""


class Pacemaker:
    """Remembers since when what is waited for."""

    __slots__ = (
        "_config",
        "_deadlines",
        "_down",
        "_entered_ms",
        "_hint_ms",
        "_hurried_ms",
        "_hurries",
        "_oldest_ms",
        "_progress_ms",
        "_progress_view",
        "_quiet_ms",
        "_quorum_ms",
        "_resent_ms",
        "_silent",
        "_status_ms",
        "_suspected",
        "_view",
        "_work_ms",
        "pending",
        "stale",
    )

    def __init__(self, config: Config, view: View) -> None:
        self._config = config
        self._view = view
        self._progress_view = view
        self._progress_ms = self._entered_ms = self._quiet_ms = 0
        self._resent_ms = self._status_ms = 0
        self._work_ms: int | None = None
        self._hint_ms: int | None = None
        self._quorum_ms: int | None = None
        self._oldest_ms: int | None = None
        self._suspected = False
        self._down: set[ValidatorIndex] = set()
        self._silent: set[ValidatorIndex] = set()
        self._hurries = HURRIED_BLOCKS * config.window
        self._hurried_ms = 0
        self._deadlines: dict[TimerName, int] = {}
        self.pending = 0
        """Requests in the driver's mempool."""
        self.stale = True
        """Something happened since the deadlines were derived; without it they are the same."""

    @property
    def attempt(self) -> int:
        """T4: views in a row without an executed block."""
        return min(max(0, self._view - self._progress_view), MAX_ATTEMPT)

    @property
    def timeout_ms(self) -> int:
        """T4: the timeout in force."""
        return self._config.timeout_ms(self.attempt)

    @property
    def deadlines(self) -> tuple[tuple[TimerName, int], ...]:
        """The timers that are set, for snapshots."""
        return tuple(sorted(self._deadlines.items()))

    # -- what happened -----------------------------------------------------------------------

    def on_start(self, now_ms: int) -> None:
        """The replica began to run."""
        self.stale = True
        self._progress_ms = self._entered_ms = self._quiet_ms = now_ms
        self._resent_ms = self._status_ms = now_ms

    def on_pending(self, oldest_ms: int | None, count: int) -> None:
        """The mempool changed."""
        if oldest_ms != self._oldest_ms or (count > 0) != (self.pending > 0):
            self.stale = True
        self._oldest_ms, self.pending = oldest_ms, count

    def on_proposal(self, now_ms: int) -> None:
        """A proposal of the active view was accepted."""
        self.stale = True
        self._quiet_ms = now_ms

    def on_progress(self, now_ms: int) -> None:
        """A height was committed or executed."""
        self.stale = True
        self._progress_ms = self._quiet_ms = now_ms

    def on_view_works(self) -> None:
        """T4: a block of the active view was executed; the next timeout is short again."""
        self.stale = True
        self._progress_view = self._view

    def on_suspicion(self, now_ms: int) -> None:
        """T6: the proposer sent an invalid batch."""
        self.stale = True
        self._suspected = True

    def on_peer(self, index: ValidatorIndex, up: bool) -> None:
        """T6: a connection came or went."""
        self.stale = True
        if up:
            self._down.discard(index)
        else:
            self._down.add(index)

    def on_silent(self, index: ValidatorIndex, silent: bool) -> None:
        """T9: a validator says that it waits for checkpoints before it votes again (P6)."""
        if silent == (index in self._silent):
            return
        self.stale = True
        if silent:
            self._silent.add(index)
        else:
            self._silent.discard(index)

    @property
    def hurried(self) -> bool:
        """T9: whether heartbeats come early now, so that silent validators vote again soon."""
        return bool(self._silent) and self._hurries > 0

    def on_heartbeat(self, now_ms: int) -> None:
        """T9: an early heartbeat is used up; one comes back with each ordinary interval."""
        self.stale = True
        most = HURRIED_BLOCKS * self._config.window
        back = (now_ms - self._hurried_ms) // self._config.heartbeat_ms
        if back > 0:
            self._hurries, self._hurried_ms = min(most, self._hurries + back), now_ms
        if self._silent:
            self._hurries = max(0, self._hurries - 1)

    def on_leaving(self, view: View, now_ms: int) -> None:
        """A VIEW-CHANGE for `view` was sent."""
        self.stale = True
        self._view = view
        self._quorum_ms = self._hint_ms = None
        self._suspected = False
        self._resent_ms = now_ms

    def on_quorum(self, now_ms: int) -> None:
        """T3: a quorum asked for the view or a later one; only now its leader's time runs."""
        if self._quorum_ms is None:
            self.stale = True
            self._quorum_ms = now_ms

    def on_entered(self, view: View, now_ms: int) -> None:
        """NEW-VIEW for `view` was accepted."""
        self.stale = True
        self._view = view
        self._entered_ms = self._progress_ms = self._quiet_ms = now_ms
        self._quorum_ms = self._hint_ms = None
        self._suspected = False

    def on_resent(self, now_ms: int) -> None:
        """T5: the own VIEW-CHANGE was sent again."""
        self.stale = True
        self._resent_ms = now_ms

    def on_status(self, now_ms: int) -> None:
        """R1: STATUS was broadcast."""
        self.stale = True
        self._status_ms = now_ms

    # -- deadlines ---------------------------------------------------------------------------

    def is_due(self, name: TimerName, now_ms: int) -> bool:
        """Whether a fired timer is still meant; it is then forgotten until update()."""
        deadline = self._deadlines.get(name)
        if deadline is None or now_ms < deadline:
            return False
        self.stale = True
        del self._deadlines[name]
        return True

    def update(self, situation: Situation, now_ms: int) -> list[Effect]:
        """Derive all deadlines; returns the timers to set and to cancel."""
        if situation.changing:
            self._work_ms = None
            wanted = self._changing(situation, now_ms)
        else:
            wanted = self._normal(situation, now_ms)
        wanted[TimerName.STATUS] = self._status_ms + self._config.status_interval_ms
        known = self._deadlines
        self.stale = False
        if wanted == known:
            return []
        effects: list[Effect] = [CancelTimer(name) for name in sorted(known) if name not in wanted]
        for name in sorted(wanted):
            if known.get(name) != wanted[name]:
                effects.append(SetTimer(name, wanted[name]))
        self._deadlines = wanted
        return effects

    def _normal(self, situation: Situation, now_ms: int) -> dict[TimerName, int]:
        wanted: dict[TimerName, int] = {}
        working = self.pending > 0 or situation.in_flight
        stuck_elsewhere = working and not (situation.busy or situation.lagging)
        if not stuck_elsewhere:
            self._work_ms = None
        elif self._work_ms is None:
            self._work_ms = now_ms
        if self._work_ms is not None:
            since = max(self._progress_ms, self._work_ms)
            wanted[TimerName.PROGRESS] = self._hinted(
                situation.awaited, self.pending > 0, since, since + self.timeout_ms, now_ms
            )
        if self._oldest_ms is not None and not situation.lagging:
            patience = self._config.timeout_ms(self.attempt, self._config.request_timeout_ms)
            wanted[TimerName.FAIRNESS] = max(self._oldest_ms, self._entered_ms) + patience
        if not working and not situation.lagging:
            # T7: the proposer asks for the heartbeat; for the others it may be overdue, since a
            # dead proposer would end the heartbeats for ever and keep a wiped node silent (P6)
            pause_ms = self._config.heartbeat_ms
            if self.hurried:
                pause_ms = min(pause_ms, self._config.status_interval_ms)
            heartbeat_ms = self._quiet_ms + pause_ms
            if situation.my_turn:
                wanted[TimerName.HEARTBEAT] = heartbeat_ms
            else:
                patience = self.timeout_ms
                if situation.awaited in self._silent:
                    patience = self._config.peer_down_ms
                wanted[TimerName.PROGRESS] = heartbeat_ms + patience
        return wanted

    def _changing(self, situation: Situation, now_ms: int) -> dict[TimerName, int]:
        wanted = {TimerName.RESEND: self._resent_ms + max(1, self.timeout_ms // 2)}
        if self._quorum_ms is not None:
            since = self._quorum_ms
            wanted[TimerName.NEW_VIEW] = self._hinted(
                situation.awaited, True, since, since + self.timeout_ms, now_ms
            )
        return wanted

    def _hinted(
        self, awaited: ValidatorIndex, applies: bool, since_ms: int, deadline_ms: int, now_ms: int
    ) -> int:
        """T6: a closed connection to the awaited validator shortens the wait."""
        absent = awaited in self._down or awaited in self._silent
        if not applies or not (self._suspected or absent):
            self._hint_ms = None
            return deadline_ms
        if self._hint_ms is None:
            self._hint_ms = now_ms
        return min(deadline_ms, max(self._hint_ms, since_ms) + self._config.peer_down_ms)

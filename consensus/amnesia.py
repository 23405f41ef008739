"""The amnesia rule: a validator that lost its records must not contradict votes it forgot.

Rule owned: P6. It stays silent (follows, executes, serves, signs nothing that counts) until a
certified checkpoint at least 4L above the highest one, h*, that a quorum of STATUS answers proves.
A forgotten vote lies at most at h_old + L, h_old being the low mark that was lost, and some honest
answerer had executed h_old, so h_old is at most h* + L: for votes 2L would do. A forgotten
VIEW-CHANGE has a checkpoint of at most h* + L too; 4L lets everybody recognise it as stale (V10).
Until then the node counts as one of the f faulty ones.
"""

from __future__ import annotations

from typing import Final

from bulwark.ledger.ids import Height, ValidatorIndex
from consensus.messages import StatusReport
from consensus.recovery import Recovery
from consensus.state import ReplicaState

UNKNOWN: Final = Height(1 << 62)
"""Silent until further notice: the highest checkpoint is not known yet."""


class Amnesia:
    """Counts the STATUS answers after the records were lost."""

    __slots__ = ("_answered", "_state", "_wiped")

    def __init__(self, state: ReplicaState, recovery: Recovery) -> None:
        self._state = state
        self._answered: set[ValidatorIndex] = set()
        self._wiped = recovery.wiped
        state.silent_until = UNKNOWN if recovery.wiped else recovery.silent_until

    def on_start(self) -> None:
        """Record that this replica is silent, so that another restart does not end it early."""
        if self._wiped:
            self._state.journal.silent(UNKNOWN)
            self._state.flush()

    def on_status(self, status: StatusReport) -> None:
        """A claimed stable height counts once a certificate proved it (pitfall S11)."""
        state = self._state
        if state.silent_until != UNKNOWN or status.stable > state.stable_height:
            return
        if status.signer != state.me:
            self._answered.add(status.signer)
        if len(self._answered) >= state.validators.quorum:
            state.silent_until = Height(state.stable_height + 4 * state.config.window)
            state.version += 1
            state.journal.silent(state.silent_until)
            state.flush()

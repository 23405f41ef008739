"""The tables of the protocol: what a replica may be doing, and how a height comes to its block.

Rule owned: whatever changes a replica's status or a slot's phase is a row here; docs/protocol.md
draws its diagrams from these tables, and a test walks every row. The tables do not know when a
cause occurs: that is the rule named beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from consensus.errors import require
from consensus.types import Status


class Cause(StrEnum):
    """Why a status changes; the value names the rule."""

    LEAVE = "VIEW-CHANGE sent (V2)"
    ENTER = "NEW-VIEW entered (V9)"
    END = "epoch's last block certified (E3)"
    CONTRADICTION = "own state contradicts a certificate (C3)"


STATUS: Final[Mapping[tuple[Status, Cause], Status]] = {
    (Status.NORMAL, Cause.LEAVE): Status.CHANGING,
    (Status.NORMAL, Cause.ENTER): Status.NORMAL,
    (Status.NORMAL, Cause.END): Status.ENDED,
    (Status.NORMAL, Cause.CONTRADICTION): Status.HALTED,
    (Status.CHANGING, Cause.LEAVE): Status.CHANGING,
    (Status.CHANGING, Cause.ENTER): Status.NORMAL,
    (Status.CHANGING, Cause.END): Status.ENDED,
    (Status.CHANGING, Cause.CONTRADICTION): Status.HALTED,
    (Status.ENDED, Cause.CONTRADICTION): Status.HALTED,
}
"""What a replica is doing after a cause; it does nothing any more once ENDED or HALTED."""


class Phase(StrEnum):
    """How far a height is at one replica."""

    EMPTY = "empty"
    """No proposal accepted in the active view."""
    PROPOSED = "proposed"
    """A digest is accepted for it (O2, V9)."""
    REFUSED = "refused"
    """The driver found the proposed batch invalid; a quorum may still commit it (O7)."""
    PREPARED = "prepared"
    """Its PREPARE certificate is durable, COMMIT cast (O6)."""
    COMMITTED = "committed"
    """It has a COMMIT certificate (O7, O8)."""
    EXECUTED = "executed"
    """Its block is durable (O9, C5)."""


PHASES: Final[Mapping[tuple[Phase, Phase], str]] = {
    (Phase.EMPTY, Phase.PROPOSED): "proposal accepted (O2, V9)",
    (Phase.EMPTY, Phase.COMMITTED): "certificate or COMMITs of others (O7, O8)",
    (Phase.PROPOSED, Phase.REFUSED): "batch invalid (O4)",
    (Phase.PROPOSED, Phase.PREPARED): "q PREPAREs (O6)",
    (Phase.PROPOSED, Phase.COMMITTED): "q COMMITs (O7, O8)",
    (Phase.PROPOSED, Phase.EMPTY): "new view without it (V9)",
    (Phase.REFUSED, Phase.COMMITTED): "q COMMITs (O7, O8)",
    (Phase.REFUSED, Phase.EMPTY): "new view without it (V9)",
    (Phase.REFUSED, Phase.PROPOSED): "proposed again (V9)",
    (Phase.PREPARED, Phase.COMMITTED): "q COMMITs (O7, O8)",
    (Phase.PREPARED, Phase.EMPTY): "new view without it (V9)",
    (Phase.PREPARED, Phase.PROPOSED): "another digest proposed (V9)",
    (Phase.COMMITTED, Phase.EXECUTED): "executed in order (O9)",
    (Phase.EMPTY, Phase.EXECUTED): "installed by block sync (C5)",
    (Phase.PROPOSED, Phase.EXECUTED): "installed by block sync (C5)",
    (Phase.REFUSED, Phase.EXECUTED): "installed by block sync (C5)",
    (Phase.PREPARED, Phase.EXECUTED): "installed by block sync (C5)",
}
"""Every step that a height can take at one replica from one event to the next."""


def turned(status: Status, cause: Cause) -> Status:
    """The status after a cause; raises InvariantViolation where the table has no row."""
    after = STATUS.get((status, cause))
    require(after is not None, "status", f"{cause.name} while {status}")
    return after or status

"""What diagnosis is told of this node's sync: how far, how fast, from whom, and who lied.

Rules: it only reads; who lied stays named after the sync is over, with the moment and the reason.
"""

from __future__ import annotations

from collections.abc import Callable

from node.diagnosis.facts import SyncFacts, SyncLiar
from node.sync.peers import Peers
from node.sync.progress import Phase, Progress


class SyncWatch:
    """Facts of a running node's sync."""

    def __init__(self, progress: Callable[[], Progress | None], peers: Peers) -> None:
        self._progress = progress
        self._peers = peers

    def facts(self) -> SyncFacts | None:
        """The sync under way, None without one."""
        progress = self._progress()
        if progress is None:
            return None
        in_blocks = progress.phase in (Phase.BLOCKS, Phase.EXECUTING)
        per_minute = int(progress.per_second * 60) if in_blocks else 0
        return SyncFacts(
            target=progress.target,
            applied=progress.at,
            phase=str(progress.phase),
            peer=", ".join(sorted(progress.peers)),
            blocks_per_minute=per_minute or None,
            state_values=progress.nodes,
            per_second=int(progress.per_second),
        )

    def liars(self) -> tuple[SyncLiar, ...]:
        """Who lied since the start, and how."""
        return tuple(
            SyncLiar(member, blame.reason, blame.at_ms)
            for member, blame in self._peers.liars.items()
        )

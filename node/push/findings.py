"""Findings: evidence against validators that this node holds and did not tell of yet.

Rules: what was told of is remembered for good, not only as long as its event is kept; at most
MAX_A_LOOK cases are told of at a time, so that a liar can not flood the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from node.evidence import EvidenceEntry, summary
from node.push.eventlog import Draft, EventLog
from node.push.port import EventType
from node.storage.port import KeyValueStore
from node.storage.schema import PUSH
from node.storage.seal import seal

TOLD: Final = PUSH + b"\x09"
"""SHA-256 of a case -> empty, sealed."""
MAX_A_LOOK: Final = 16
_SHOWN: Final = ("id", "kind", "epoch", "culprit", "holds")


class Findings:
    """Looks at the evidence now and then."""

    def __init__(
        self,
        store: KeyValueStore,
        events: EventLog,
        count: Callable[[], int],
        entries: Callable[[], Iterable[EvidenceEntry]],
        wall_ms: Callable[[], int],
    ) -> None:
        """`count`: a number that changes with the cases; `entries`: all of them."""
        self._store = store
        self._events = events
        self._count = count
        self._entries = entries
        self._wall_ms = wall_ms
        self._seen = -1

    def look(self) -> list[Draft]:
        """Log cases that are new; nothing is left for the caller. Raises StoreWriteFailed."""
        count = self._count()
        if count == self._seen:
            return []
        told = 0
        for entry in self._entries():
            mark = TOLD + entry.case.id
            if self._store.get(mark) is not None:
                continue
            if told == MAX_A_LOOK:
                return []
            shown = summary(entry)
            draft = Draft(
                EventType.EVIDENCE_FOUND,
                bytes(entry.case.id),
                self._wall_ms(),
                None,
                {name: shown[name] for name in _SHOWN},
            )
            self._events.add([draft], {mark: seal(mark, b"")})
            told += 1
        self._seen = count
        return []

"""What the mesh counts, and the one structured log line for each refusal.

Rules: counters are plain integers that a metrics page reads; log lines are bounded in rate so that
a stranger can not fill the disk; they carry reason, member, remote address and detail as fields.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from node.network.errors import QUIET_REASONS, Reason
from node.network.kinds import Lane

log = logging.getLogger("node.network")


@dataclass(slots=True)
class Counters:
    """Totals since the start of the network."""

    frames_sent: int = 0
    frames_received: int = 0
    bytes_sent: int = 0
    """Frame bytes handed to TLS."""
    bytes_received: int = 0
    connections: int = 0
    """Connections that came to count as a peer's."""
    dropped: dict[Lane, int] = field(default_factory=lambda: dict.fromkeys(Lane, 0))
    """Frames not queued because the lane was full."""
    refused: dict[Reason, int] = field(default_factory=dict)
    """Connections refused or closed, by reason."""
    duplicates: int = 0
    """Times a second node with one identity was seen."""
    handler_errors: int = 0
    requests_served: int = 0
    requests_busy: int = 0
    """Requests of peers answered with `busy`."""
    requests_malformed: int = 0
    """Requests of peers that are no requests of their topic."""
    responses_late: int = 0
    """Responses to requests that were given up."""


class Refusals:
    """Counts and logs why connections end."""

    def __init__(self, counters: Counters, clock_ms: Callable[[], int], per_second: int) -> None:
        self._counters = counters
        self._clock_ms = clock_ms
        self._per_second = per_second
        self._second = -1
        self._lines = 0
        self._suppressed = 0
        self.last: dict[str, tuple[Reason, str, int]] = {}
        """Last noted refusal by member: reason, detail, `clock_ms` then; for diagnosis."""

    def note(self, reason: Reason, detail: str, member: str | None, remote: str) -> None:
        """Count the end of a connection and log it."""
        refused = self._counters.refused
        refused[reason] = refused.get(reason, 0) + 1
        fields = {"reason": str(reason), "detail": detail, "member": member, "remote": remote}
        if reason in QUIET_REASONS:
            log.debug("connection closed: %s", reason, extra=fields)
            return
        now_ms = self._clock_ms()
        if member is not None:
            self.last[member] = (reason, detail, now_ms)
        second = now_ms // 1000
        if second != self._second:
            self._second, self._lines = second, 0
        self._lines += 1
        if self._lines > self._per_second:
            self._suppressed += 1
            return
        log.warning(
            "connection refused: %s (%s)",
            reason,
            detail,
            extra={**fields, "suppressed": self._suppressed},
        )
        self._suppressed = 0

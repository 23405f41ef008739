"""When a request is sent again, and after how long.

Rules: only what can not do harm twice is repeated (reads, and writes under an Idempotency-Key);
`Retry-After` is honoured up to a bound; without it the pause doubles and is drawn at random up to
its full length, so that clients do not come back together. It does not sleep.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

TRANSIENT: Final = frozenset({429, 502, 503, 504})
"""Statuses that may be another at the next try."""
LASTING_CODES: Final = frozenset({"too-many-attempts"})
"""Problem codes that a repetition only makes worse."""


def random_share() -> float:
    """A random number from 0 to below 1."""
    return secrets.randbelow(1 << 30) / (1 << 30)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how far apart; durations in seconds."""

    attempts: int = 6
    """Requests in all, the first included, to a node that answers."""
    unreachable_attempts: int = 5
    """Requests in all to a node that does not."""
    first_pause_s: float = 0.2
    longest_pause_s: float = 5.0
    longest_retry_after_s: float = 60.0
    """A node that asks for more is not waited for."""
    share: Callable[[], float] = random_share

    def repeats(self, status: int, code: str) -> bool:
        """Whether an answer is worth another try."""
        return status in TRANSIENT and code not in LASTING_CODES

    def pause_s(
        self, attempt: int, retry_after_s: float | None, *, answered: bool = True
    ) -> float | None:
        """Pause after try `attempt` (from 1); None when there is to be no other."""
        if attempt >= (self.attempts if answered else self.unreachable_attempts):
            return None
        if retry_after_s is not None:
            if retry_after_s > self.longest_retry_after_s:
                return None
            return max(0.0, retry_after_s) + self.first_pause_s * self.share()
        ceiling: float = min(self.longest_pause_s, self.first_pause_s * 2 ** (attempt - 1))
        return ceiling * (0.5 + 0.5 * self.share())


def retry_after_s(header: str | None, now: datetime | None = None) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 9110 10.2.3); None where it says nothing."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit() and len(text) <= 9:
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())

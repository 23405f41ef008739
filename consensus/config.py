"""The protocol's parameters: one frozen value, validated once.

All validators of an alliance must agree on the first block of fields (they come from genesis);
the others are local and only shape timing. Durations are milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

from consensus.errors import ConfigInvalid
from consensus.types import MAX_WINDOW


@dataclass(frozen=True, slots=True)
class Config:
    """Parameters of one replica; the constructor raises ConfigInvalid."""

    checkpoint_interval: int = 1
    """K: heights between two CHECKPOINT votes."""
    rotation: int = 16
    """Consecutive fresh heights that one proposer has inside a view."""
    pipeline: int = 4
    """Fresh proposals beyond the last executed height that may be in flight."""
    base_timeout_ms: int = 1_000
    """First progress timeout: several times the round trip plus the execution of a block."""
    max_timeout_ms: int = 30_000
    """Cap of the growing timeout (pitfall L4: unbounded doubling ends in hours)."""
    heartbeat_ms: int = 30_000
    """An idle alliance stores one empty block this often."""
    clock_precision_ms: int = 500
    """Most by which honest clocks differ (PBTS)."""
    message_delay_ms: int = 2_000
    """Most that a proposal travels (PBTS); grows 10 % per view without progress."""

    request_timeout_ms: int = 5_000
    """Fairness: the oldest request must be executed within this; grows like the timeout."""
    status_interval_ms: int = 500
    """Time between two STATUS broadcasts."""
    retransmit_after_ms: int = 250
    """A slot younger than this is still on its normal way, so nothing of it is sent again."""
    peer_down_ms: int = 150
    """Wait that a closed connection to the proposer shortens the progress timer to."""
    sync_patience_ms: int = 2_000
    """A replica behind a certified height asks for block sync after this long without a block."""
    sync_retry_ms: int = 5_000
    """An unanswered SyncTo is repeated after this long."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ConfigInvalid(name, f"{value!r} given, an integer of at least 1 needed")
        if self.window > MAX_WINDOW:
            raise ConfigInvalid(
                "checkpoint_interval", f"window {self.window} is over the limit of {MAX_WINDOW}"
            )
        if self.pipeline > self.window:
            raise ConfigInvalid(
                "pipeline", f"{self.pipeline} proposals do not fit the window of {self.window}"
            )
        if self.max_timeout_ms < self.base_timeout_ms:
            raise ConfigInvalid("max_timeout_ms", "is below base_timeout_ms")

    @property
    def window(self) -> int:
        """L: heights above the low mark that a replica takes part in."""
        return max(8, 4 * self.checkpoint_interval)

    def timeout_ms(self, attempt: int, base_ms: int | None = None) -> int:
        """Timeout after `attempt` views in a row without progress: base * 1.5^attempt, capped."""
        value = self.base_timeout_ms if base_ms is None else base_ms
        most = max(self.max_timeout_ms, value)
        for _ in range(attempt):
            value = value * 3 // 2
            if value >= most:
                return most
        return value

    def proposal_delay_ms(self, attempt: int) -> int:
        """PBTS message delay after `attempt` views without progress: 10 % more each."""
        value = self.message_delay_ms
        for _ in range(min(attempt, 24)):
            value = value * 11 // 10 + 1
        return value

"""Pauses between dials grow to a cap, carry jitter and start over when told."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from node.network.dialler import Backoff


def test_first_dial_is_at_once_then_pauses_double_to_the_cap() -> None:
    backoff = Backoff(100, 5_000, lambda: 1.0)
    pauses = [backoff.next_ms() for _ in range(10)]
    assert pauses == [0, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]
    backoff.reset()
    assert backoff.next_ms() == 0


@given(st.floats(0, 1, exclude_max=True), st.integers(1, 200))
def test_pause_is_between_half_and_the_whole_and_never_over_the_cap(jitter: float, n: int) -> None:
    backoff = Backoff(100, 5_000, lambda: jitter)
    pauses = [backoff.next_ms() for _ in range(n)]
    assert all(50 <= pause <= 5_000 for pause in pauses[1:])

from __future__ import annotations

import pytest

from bench.blockwatch import Seen, find_gap

STEADY = [Seen(n / 10, n) for n in range(10)]


def test_the_gap_is_the_longest_that_ends_after_the_fault() -> None:
    seen = [*STEADY, Seen(1.0, 10), Seen(3.5, 11), Seen(3.6, 12)]
    gap = find_gap(seen, 0.95)
    assert gap is not None
    assert (gap.before.height, gap.after.height) == (10, 11)
    assert gap.seconds == pytest.approx(2.5)
    assert gap.since_fault == pytest.approx(2.55)


def test_a_gap_before_the_fault_does_not_count() -> None:
    gap = find_gap([Seen(0, 1), Seen(5, 2), Seen(5.1, 3), Seen(5.3, 4)], 5.05)
    assert gap is not None
    assert gap.seconds == pytest.approx(0.2)


@pytest.mark.parametrize("seen", [[], STEADY[:1], STEADY])
def test_no_block_after_the_fault_is_no_gap(seen: list[Seen]) -> None:
    assert find_gap(seen, 10.0) is None

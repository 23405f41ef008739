from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.figures import latency_figures, percentile

SAMPLES = st.lists(st.floats(0, 1e6), min_size=1, max_size=200)
SHARES = st.floats(0.001, 1)


@given(SAMPLES, SHARES)
def test_percentile_is_a_sample_that_the_share_does_not_exceed(
    samples: list[float], share: float
) -> None:
    found = percentile(samples, share)
    assert found in samples
    assert sum(sample <= found for sample in samples) >= share * len(samples) - 1e-9
    assert sum(sample < found for sample in samples) < share * len(samples)


def test_percentile_of_a_hundred_is_the_rank() -> None:
    samples = [float(n) for n in range(100, 0, -1)]
    assert [percentile(samples, share) for share in (0.01, 0.5, 0.99, 1)] == [1, 50, 99, 100]


@pytest.mark.parametrize(("samples", "share"), [([], 0.5), ([1.0], 0.0), ([1.0], 1.1)])
def test_percentile_of_nothing_or_of_no_share_is_refused(
    samples: list[float], share: float
) -> None:
    with pytest.raises(ValueError, match="samples and a share"):
        percentile(samples, share)


def test_latencies_are_shown_in_milliseconds() -> None:
    figures = latency_figures("hit.200", [0.001, 0.002, 0.003], "note")
    assert [(f.key, f.value) for f in figures] == [
        ("hit.200.p50", 2),
        ("hit.200.p99", 3),
        ("hit.200.max", 3),
    ]
    assert figures[1].note == "3 answers; note"


def test_no_answer_is_no_number() -> None:
    assert {f.value for f in latency_figures("hit.200", [])} == {None}

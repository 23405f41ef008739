"""Handshakes are bounded in number and rate, and the bookkeeping of them is bounded too."""

from __future__ import annotations

from msgspec.structs import replace

from node.network.admission import Admission
from node.network.errors import Reason
from node.network.limits import Limits

LIMITS = replace(
    Limits(),
    half_open=5,
    half_open_per_source=2,
    handshake_burst=3,
    handshakes_per_second=1.0,
    sources=4,
)


def test_one_source_holds_a_bounded_number_of_places() -> None:
    admission = Admission(LIMITS)
    assert [admission.enter("x", 0) for _ in range(3)] == [None, None, Reason.TOO_MANY_HANDSHAKES]
    assert admission.enter("y", 0) is None
    admission.leave("x")
    assert admission.enter("x", 0) is None


def test_all_sources_together_hold_a_bounded_number_of_places() -> None:
    admission = Admission(LIMITS)
    assert [admission.enter(name, 0) for name in "abcde"] == [None] * 5
    assert admission.enter("f", 0) is Reason.TOO_MANY_HANDSHAKES
    assert admission.half_open == 5
    admission.leave("a")
    assert admission.enter("f", 0) is None


def test_burst_is_spent_and_comes_back_with_time() -> None:
    admission = Admission(LIMITS)

    def attempt(now_ms: int) -> Reason | None:
        refused = admission.enter("x", now_ms)
        if refused is None:
            admission.leave("x")
        return refused

    assert [attempt(0) for _ in range(4)] == [None, None, None, Reason.RATE_LIMITED]
    assert attempt(999) is Reason.RATE_LIMITED
    assert attempt(2_000) is None
    assert [attempt(1_000_000) for _ in range(4)] == [None, None, None, Reason.RATE_LIMITED]


def test_sources_are_forgotten_but_never_one_with_a_handshake_under_way() -> None:
    admission = Admission(LIMITS)
    assert admission.enter("held", 0) is None
    for number in range(100):
        assert admission.enter(f"s{number}", 0) is None
        admission.leave(f"s{number}")
    assert len(admission._sources) <= LIMITS.sources
    assert admission.enter("held", 0) is None
    assert admission.enter("held", 0) is Reason.TOO_MANY_HANDSHAKES

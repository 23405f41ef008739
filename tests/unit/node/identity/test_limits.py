"""Rates: each caller pays from its own bucket, uploads may owe, and metrics count refusals."""

from __future__ import annotations

from node.identity.limits import MAX_BUCKETS, RateLimiter
from node.identity.principal import Principal, RateLimit
from node.service import Role

DESK, OTHER = Principal("desk", Role.ANALYST), Principal("other", Role.ANALYST)


class Time:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def limiter(limit: RateLimit, open_paths: RateLimit | None = None) -> tuple[RateLimiter, Time]:
    clock = Time()
    made = RateLimiter(clock)
    made.configure({Role.ANALYST: limit}, open_paths or RateLimit())
    return made, clock


def waits(made: RateLimiter, who: Principal, own: RateLimit | None = None) -> float:
    quota = made.take(who, own)
    assert quota is not None
    return quota.wait_s


def test_a_burst_is_taken_then_the_rate_and_another_caller_is_not_touched() -> None:
    made, clock = limiter(RateLimit(2.0, 3))
    assert [waits(made, DESK) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert waits(made, OTHER) == 0.0
    clock.now_s += 0.5
    assert waits(made, DESK) == 0.0 and waits(made, DESK) == 0.5
    clock.now_s += 3_600
    assert [waits(made, DESK) > 0 for _ in range(4)] == [False, False, False, True]
    assert b'role="analyst",bound="requests"} 3\n' in made.expose()


def test_a_refused_request_costs_nothing() -> None:
    made, clock = limiter(RateLimit(1.0, 1))
    waits(made, DESK)
    for _ in range(50):
        assert waits(made, DESK) == 1.0
    clock.now_s += 1.0
    assert waits(made, DESK) == 0.0


def test_a_key_may_have_bounds_of_its_own_and_a_role_none() -> None:
    made, _ = limiter(RateLimit(1.0, 1))
    own = RateLimit(10.0, 2)
    quota = made.take(DESK, own)
    assert quota is not None and (quota.name, quota.burst, quota.remaining) == ("key", 2, 1)
    assert made.take(Principal("root", Role.ADMIN), None) is None
    assert made.take(DESK, RateLimit(rows_per_second=1.0)) is None


def test_rows_are_paid_after_they_were_read_and_a_debt_holds_up_the_next_upload() -> None:
    made, clock = limiter(RateLimit(rows_per_second=100.0, row_burst=1_000))
    assert made.rows_wait_s(DESK, None) == 0.0
    made.charge_rows(DESK, None, 5_000)
    assert made.rows_wait_s(DESK, None) > 40.0
    assert made.rows_wait_s(OTHER, None) == 0.0
    clock.now_s += 39.0
    assert made.rows_wait_s(DESK, None) > 0.0
    clock.now_s += 1.5
    assert made.rows_wait_s(DESK, None) == 0.0
    assert b'bound="rows"} 2\n' in made.expose()


def test_open_paths_are_counted_by_address_apart_from_callers() -> None:
    made, _ = limiter(RateLimit(1.0, 1), RateLimit(1.0, 2))
    assert [made.take_open("192.0.2.1") > 0 for _ in range(3)] == [False, False, True]
    assert made.take_open("192.0.2.2") == 0.0
    assert waits(made, DESK) == 0.0
    assert b'role="none",bound="requests"} 1\n' in made.expose()


def test_new_bounds_hold_at_once_and_buckets_are_bounded() -> None:
    made, _ = limiter(RateLimit(1.0, 1))
    waits(made, DESK)
    made.configure({Role.ANALYST: RateLimit(5.0, 5)}, RateLimit(1.0, 1))
    quota = made.take(DESK, None)
    assert quota is not None and quota.remaining == 4
    for at in range(MAX_BUCKETS + 10):
        made.take(Principal(f"k{at}", Role.ANALYST), None)
        made.take_open(f"a{at}")
    assert len(made._pairs) == MAX_BUCKETS and len(made._addresses) == MAX_BUCKETS

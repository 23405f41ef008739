"""Timers count on a clock that nobody sets; dates come from the one that people set."""

from __future__ import annotations

from node.clock import Clock

MS = 1_000_000


class Times:
    def __init__(self) -> None:
        self.wall, self.steady = 10_000 * MS, 50 * MS

    def pass_ms(self, steady: int, wall: int | None = None) -> None:
        self.steady += steady * MS
        self.wall += (steady if wall is None else wall) * MS


def test_both_clocks_begin_at_the_systems_time_and_go_on_together() -> None:
    times = Times()
    clock = Clock(lambda: times.wall, lambda: times.steady)
    assert (clock.now_ms(), clock.wall_ms(), clock.offset_ms()) == (10_000, 10_000, 0)
    times.pass_ms(5)
    assert (clock.now_ms(), clock.wall_ms(), clock.offset_ms()) == (10_005, 10_005, 0)


def test_a_clock_that_is_set_moves_dates_at_once_and_timers_not_at_all() -> None:
    for moved in (3_600_000, -3_600_000):
        times = Times()
        clock = Clock(lambda t=times: t.wall, lambda t=times: t.steady)
        times.pass_ms(1, wall=moved)
        assert clock.now_ms() == 10_001
        assert clock.wall_ms() == 10_000 + moved
        assert clock.offset_ms() == moved - 1
        times.pass_ms(100)
        assert clock.now_ms() == 10_101


def test_the_real_clock_is_wall_time() -> None:
    clock = Clock()
    assert clock.now_ms() > 1_700_000_000_000
    assert abs(clock.offset_ms()) < 60_000

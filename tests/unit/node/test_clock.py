"""The clock never goes back and never stands still."""

from __future__ import annotations

from node.clock import Clock

MS = 1_000_000


class Times:
    def __init__(self) -> None:
        self.wall, self.steady = 10_000 * MS, 50 * MS

    def pass_ms(self, steady: int, wall: int | None = None) -> None:
        self.steady += steady * MS
        self.wall += (steady if wall is None else wall) * MS


def test_clock_follows_the_system_clock_forward() -> None:
    times = Times()
    clock = Clock(lambda: times.wall, lambda: times.steady)
    assert clock.now_ms() == 10_000
    times.pass_ms(5)
    assert clock.now_ms() == 10_005
    times.pass_ms(1, wall=60_000)
    assert clock.now_ms() == 70_005


def test_clock_that_is_set_back_goes_on_at_half_speed_until_it_is_caught_up() -> None:
    times = Times()
    clock = Clock(lambda: times.wall, lambda: times.steady)
    clock.now_ms()
    times.pass_ms(0, wall=-1_000)
    seen = []
    for _ in range(30):
        times.pass_ms(100)
        seen.append(clock.now_ms())
    assert seen[:3] == [10_050, 10_100, 10_150]
    assert seen == sorted(set(seen))
    assert seen[-1] == times.wall // MS


def test_the_real_clock_is_wall_time() -> None:
    first = Clock().now_ms()
    assert first > 1_700_000_000_000

from __future__ import annotations

import pytest

from bench.soak import MEBI, SETTINGS, Phase, Sample, slope
from node.config import PREFIX, NodeConfig


def phase(memory: list[float], mapped: list[float], disk_an_hour: float = 0) -> Phase:
    """Looks a minute apart, in MiB."""
    samples = [
        Sample(
            60.0 * at, round(own * MEBI), round(files * MEBI), round(disk_an_hour * at / 60 * MEBI)
        )
        for at, (own, files) in enumerate(zip(memory, mapped, strict=True))
    ]
    return Phase("load", 60.0 * len(samples), {"bank-a": samples})


def test_the_slope_is_that_of_the_least_squares_line() -> None:
    assert slope([(0, 1), (1, 3), (2, 5)]) == pytest.approx(2)
    assert slope([(0, 1), (1, 3), (2, 2)]) == pytest.approx(0.5)


def test_a_single_moment_has_no_slope() -> None:
    assert slope([]) == slope([(1, 5)]) == slope([(1, 5), (1, 6)]) == 0


def test_what_fills_in_the_first_half_and_stays_is_flat() -> None:
    filling = phase([70 + 4 * min(at, 10) for at in range(31)], [30] * 31)
    assert filling.flat("bank-a")
    assert filling.memory_slope("bank-a") == pytest.approx(0, abs=1)


def test_own_memory_that_grows_by_more_than_a_twentieth_an_hour_is_not_flat() -> None:
    assert not phase([100 + 0.1 * at for at in range(31)], [30] * 31).flat("bank-a")
    assert phase([100 + 0.08 * at for at in range(31)], [30] * 31).flat("bank-a")


def test_what_leveldb_holds_of_new_tables_is_allowed_for() -> None:
    memory = [100 + 0.1 * at for at in range(31)]
    assert not phase(memory, [30] * 31, disk_an_hour=30).flat("bank-a")
    assert phase(memory, [30] * 31, disk_an_hour=150).flat("bank-a")
    leaking = [100 + 0.15 * at for at in range(31)]
    assert not phase(leaking, [30] * 31, disk_an_hour=150).flat("bank-a")


def test_mapped_files_are_shown_and_not_judged() -> None:
    growing = phase([100] * 31, [30 + at for at in range(31)])
    assert growing.flat("bank-a")
    nodes = growing.document()["nodes"]
    assert isinstance(nodes, list)
    assert (nodes[0]["mapped_first_mib"], nodes[0]["mapped_last_mib"]) == (30, 60)


def test_the_settings_of_soaked_nodes_are_settings_of_a_node() -> None:
    for name in SETTINGS:
        section, _, field = name.removeprefix(PREFIX).lower().partition("__")
        annotation = NodeConfig.model_fields[section].annotation
        assert annotation is not None
        assert field in annotation.model_fields

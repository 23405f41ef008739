"""Real engines of two builds: the old one ends its epoch with all others, says why, and stops."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bulwark.ledger.ids import MemberId
from contracts.actions import SetParameter
from contracts.governance import encode_approve, read_parameters
from node.chain.errors import BuildTooOld
from node.levelwatch import LevelWatch
from tests.unit.node.driver.cluster import Cluster, Station, until
from tests.unit.node.driver.test_epochs import LATER_S, governed, report, send, vote

LEVEL = SetParameter("protocol_level", 1)


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with Cluster(tmp_path, governed()) as cluster:
        yield cluster


def watch(station: Station, known: int) -> LevelWatch:
    executor = station.node.executor
    block_ms = station.chain
    return LevelWatch(
        executor.slot,
        known,
        lambda: station.engine.epoch,
        lambda: block_ms.tip.timestamp_ms,
        lambda: {MemberId("telco-d"): 0, MemberId("bank-c"): 1},
    )


async def test_an_old_build_ends_the_epoch_with_all_others_and_stops_while_they_go_on(
    cluster: Cluster,
) -> None:
    *new, old = cluster.stations
    old.node.executor.epochs.known = 0
    await vote(cluster, 1, LEVEL, (0, 1, 2))
    await until(lambda: all(s.engine.epoch.number == 1 for s in new))
    await until(lambda: bool(old.halted))
    boundary = new[0].engine.epoch.terms.start
    assert old.halted[0] == str(BuildTooOld(1, 0, boundary))
    assert (old.chain.applied, old.chain.finalized) == (boundary, boundary)
    assert old.chain.header(boundary) == new[0].chain.header(boundary)
    assert old.engine.driver is None
    await report(new[0], "under the new rules")
    assert {s.engine.epoch.level for s in new} == {1}
    assert old.chain.applied == boundary
    # A process would be gone; this one goes on to hear of blocks that it can not execute.
    assert set(old.halted) == {old.halted[0]}
    await old.stop()
    old.halted.clear()


async def test_an_old_build_does_not_start_behind_the_boundary_and_a_new_one_catches_up(
    cluster: Cluster,
) -> None:
    *new, old = cluster.stations
    old.node.executor.epochs.known = 0
    await vote(cluster, 1, LEVEL, (0, 1, 2))
    await until(lambda: bool(old.halted))
    await report(new[0], "while it was away")
    with pytest.raises(BuildTooOld, match="install a version that knows level 1"):
        old.node.executor.epochs.running(old.chain.tip, old.chain.finalized).check_build(0)
    again = cluster.stations[3] = await old.crash()
    tip = new[0].chain.finalized
    await until(lambda: again.chain.finalized >= tip)
    assert again.engine.epoch.level == 1 and not again.halted


async def test_a_vote_is_seen_while_it_is_open_when_it_is_decided_and_when_it_is_in_force(
    cluster: Cluster,
) -> None:
    first = cluster.stations[0]
    levels = watch(first, 0)
    assert levels.facts().proposed == () and levels.document()["features"] == []
    await vote(cluster, 1, SetParameter("rotation", 3), (0,))
    await vote(cluster, 2, LEVEL, (0,))
    (wish,) = levels.facts().proposed
    assert (wish.proposal, wish.level, wish.lapses_ms) == (2, 1, LATER_S * 1000)
    assert (levels.facts().in_force, levels.facts().voted) == (0, 0)
    for station in cluster.stations[1:3]:
        tip = first.chain.applied
        await until(lambda s=station, h=tip: s.chain.applied >= h)
        await send(station, encode_approve(2))
    await until(lambda: read_parameters(first.node.executor.slot).get("protocol_level") == 1)
    assert levels.facts().voted == 1
    await until(lambda: first.engine.epoch.level == 1)
    assert levels.facts().proposed == ()
    assert levels.document()["features"] == ["transaction-gas-cap"]
    families = {family.name: family.samples for family in levels.families()}
    builds = families.pop("bulwark_peer_protocol_level_known")
    assert [(b.labels, b.value) for b in builds] == [
        ({"member": "bank-c"}, 1.0),
        ({"member": "telco-d"}, 0.0),
    ]
    shown = {name: samples[0].value for name, samples in families.items()}
    assert shown["bulwark_protocol_level"] == 1 and shown["bulwark_protocol_level_known"] == 0

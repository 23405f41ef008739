"""The engine leaves an epoch however it comes to its end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bulwark.ledger.ids import Height, MemberId
from consensus.events import SyncFailed
from consensus.journal import KEY_STABLE
from contracts.actions import SetParameter
from contracts.governance import encode_approve, encode_propose
from node.driver.engine import HELP_INTERVAL_MS
from node.driver.start import records_of
from node.storage.memory import MemoryStore
from tests.unit.node.driver.cluster import Hub, Station, until
from tests.unit.node.driver.test_epochs import governed
from tests.unit.node.execution.alliance import Node
from tests.unit.node.sync.test_epochs import certify, vote


def to_the_boundary(node: Node) -> None:
    """Blocks up to the last one of epoch 0, executed and not certified."""
    lapses_s = node.chain.tip.timestamp_ms // 1000 + 86_400
    vote(node, 0, encode_propose(SetParameter("rotation", 3), lapses_s))
    vote(node, 1, encode_approve(1))
    vote(node, 2, encode_approve(1))
    while node.executor.epochs.current.number == 0:
        node.block(final=False)


@pytest.fixture
async def stations(tmp_path: Path) -> AsyncIterator[list[Station]]:
    """What tests start, alone in its alliance; stopped behind them."""
    started: list[Station] = []
    yield started
    for station in started:
        await station.stop()
        assert station.halted == []


async def test_an_end_whose_certificate_only_the_core_recorded_is_left_after_a_crash(
    stations: list[Station], tmp_path: Path
) -> None:
    """The core's records are flushed before the chain's certificate is written."""
    node = Node(genesis=governed())
    to_the_boundary(node)
    tip = node.chain.tip
    node.store.write({records_of(0) + KEY_STABLE: certify(node, tip).encode()}, sync=True)
    assert isinstance(node.store, MemoryStore)
    station = Station(Hub(), 0, tmp_path, node.genesis, node.store.crash())
    stations.append(station)
    assert station.engine.epoch.number == 0
    station.start()
    await until(lambda: station.engine.epoch.number == 1)
    assert station.chain.finalized == tip.height


async def test_a_sync_that_fails_behind_the_epochs_end_leaves_the_epoch_all_the_same(
    stations: list[Station], tmp_path: Path
) -> None:
    station = Station(Hub(), 0, tmp_path, governed())
    stations.append(station)
    to_the_boundary(station.node)
    end = station.chain.tip
    station.chain.store_checkpoint(certify(station.node, end))
    station.node.block(final=False)
    assert station.chain.applied == Height(end.height + 1)
    station.start()
    station.worker.post(SyncFailed())
    await until(lambda: station.engine.epoch.number == 1)


async def test_a_node_that_waits_for_its_first_vote_follows_the_votes_of_the_others(
    stations: list[Station], tmp_path: Path
) -> None:
    """Nothing is announced where its vote is needed for the next block."""
    hub = Hub()
    other, station = (Station(hub, index, tmp_path, governed()) for index in (1, 0))
    stations.append(station)
    to_the_boundary(other.node)
    other.chain.store_checkpoint(certify(other.node, other.chain.tip))
    station.engine.driver = None  # as of a member that epoch 0 does not know
    station.start()
    hub.stations[other.id] = other
    assert station.chain.applied == 0
    station.engine.receive(other.id, (1).to_bytes(8, "big") + b"a vote")
    await until(lambda: station.engine.epoch.number == 1)
    assert station.engine.driver is not None


async def test_a_liar_does_not_keep_a_follower_asking_everybody(
    stations: list[Station], tmp_path: Path
) -> None:
    station = Station(Hub(), 0, tmp_path, governed())
    stations.append(station)
    station.engine.driver = None
    asked: list[Height] = []
    station.worker.catch_up = lambda height, prefer: asked.append(height)  # type: ignore[method-assign]
    claim = (1 << 63).to_bytes(8, "big")
    for _ in range(50):
        station.engine.announced(MemberId("bravo"), claim)
        station.engine.posted(SyncFailed())
    assert len(asked) == 1
    set_back = station.engine._failed_ms
    assert set_back is not None
    station.engine._failed_ms = set_back - HELP_INTERVAL_MS
    station.engine.announced(MemberId("bravo"), claim)
    assert len(asked) == 2

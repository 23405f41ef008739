"""Four real drivers, workers and chains order real anchors, lose a node and get it back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bulwark.ledger.genesis import ConsensusParameters
from bulwark.ledger.ids import Height
from node.service import Stage
from node.storage.memory import MemoryStore
from tests.unit.node.driver.cluster import Cluster, Station, until
from tests.unit.node.execution.alliance import ACCOUNTS, anchor, call, make_genesis, make_sidecar


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    consensus = ConsensusParameters(base_timeout_ms=400)
    async with Cluster(tmp_path, replace(make_genesis(), consensus=consensus)) as cluster:
        yield cluster


async def report(station: Station, seed: str) -> None:
    transaction = await station.report(seed)
    progress = await station.tracker.wait(transaction.hash, Stage.FINALIZED, 15_000)
    assert progress.stage is Stage.FINALIZED, f"{seed} got to {progress}"
    assert progress.succeeded


async def test_reports_of_every_member_become_final_on_every_node(cluster: Cluster) -> None:
    reporters = cluster.stations[:3]
    for station in reporters:
        await report(station, f"from {station.id}")
    height = max(station.chain.finalized for station in reporters)
    await until(lambda: all(s.chain.finalized >= height for s in cluster.stations))
    headers = {s.chain.header(height) for s in cluster.stations}
    assert len(headers) == 1
    for station in cluster.stations:
        for number in range(3):
            sidecar = make_sidecar(2, f"from {cluster.stations[number].id}")
            assert station.chain.sidecar(sidecar.root) == sidecar
        assert len(station.mempool) == 0
        assert list(station.outbox.parcels()) == []
        assert station.mesh.announced


async def test_a_node_that_was_cut_off_catches_up_by_block_sync(cluster: Cluster) -> None:
    first, last = cluster.stations[0], cluster.stations[3]
    cluster.hub.cut.add(last.id)
    for station in cluster.stations[:3]:
        station.driver.peer_down(last.id)
    for number in range(10):
        await report(first, f"unseen {number}")
    assert last.chain.applied == 0
    cluster.hub.reconnect(last.id)
    await until(lambda: last.chain.finalized >= 10)
    assert last.chain.commit_certificate(Height(1)) is None, "not ordered here, but synced"
    assert last.chain.header(Height(10)) == first.chain.header(Height(10))
    await report(first, "seen again")
    await until(lambda: last.chain.finalized >= first.chain.finalized)


async def test_a_node_that_crashed_goes_on_from_its_disk_with_what_it_accepted(
    cluster: Cluster,
) -> None:
    first, third = cluster.stations[0], cluster.stations[2]
    await report(first, "before")
    await until(lambda: third.chain.finalized >= 1)
    cluster.hub.cut.add(third.id)
    accepted = await third.report("accepted and not sent")
    cluster.hub.cut.discard(third.id)
    again = await third.crash()
    cluster.stations[2] = again
    await report(first, "meanwhile")
    await until(lambda: again.final(accepted))
    await until(lambda: first.final(accepted))
    assert again.chain.sidecar(make_sidecar(2, "accepted and not sent").root) is not None


async def test_all_nodes_crash_before_the_first_block_and_still_begin(cluster: Cluster) -> None:
    cluster.stations[:] = [await station.crash() for station in cluster.stations]
    await report(cluster.stations[1], "the first one")


async def test_a_nonce_gap_of_one_member_blames_no_proposer(cluster: Cluster) -> None:
    first = cluster.stations[0]
    for station in cluster.stations:
        station.intake.receive(first.id, _parcel(call(ACCOUNTS[2], 7, ACCOUNTS[0].address)))
        assert len(station.mempool) == 1
    await report(first, "goes on")
    assert {s.driver.replica.snapshot().pending_requests for s in cluster.stations} == {0}
    assert {s.driver.replica.snapshot().view for s in cluster.stations} == {0}


async def test_a_proposed_sidecar_that_gossip_did_not_bring_is_fetched(cluster: Cluster) -> None:
    first = cluster.stations[0]
    silent = make_sidecar(3, "never gossiped")
    transaction = anchor(ACCOUNTS[0], 0, silent)
    first.mempool.add(transaction, silent.root, silent, len(silent.encode()), 0)
    first._changed()
    await until(lambda: all(s.final(transaction) for s in cluster.stations))
    assert all(s.chain.sidecar(silent.root) == silent for s in cluster.stations)


async def test_a_disk_that_fails_halts_the_node_and_nothing_is_sent_after(
    cluster: Cluster,
) -> None:
    first, last = cluster.stations[0], cluster.stations[3]
    assert isinstance(last.store, MemoryStore)
    last.store.refuse_writes = True
    await report(first, "three are enough")
    await until(lambda: bool(last.halted))
    assert last.halted[0].startswith("storage: ")
    assert last.driver.halted is not None
    last.halted.clear()


def _parcel(transaction: object) -> bytes:
    from node.gossip import make_parcel

    return make_parcel(transaction, None).encode()  # type: ignore[arg-type]

"""Diagnosis hears of a sync what an operator asks: phase, members, rate, and who lied."""

from __future__ import annotations

from bulwark.ledger.ids import Height
from node.requests import PeerUnavailable, Topic
from node.sync.faults import PeerLied
from node.sync.peers import Peers
from node.sync.progress import Meter, Phase, Progress
from node.sync.report import SyncReport
from node.sync.watch import SyncWatch
from tests.unit.node.execution.alliance import Node
from tests.unit.node.sync.support import BAD, GOOD, Mesh, Server, Syncing, servers, source


def test_a_sync_under_way_shows_phase_members_and_rate() -> None:
    moments = iter(range(0, 60_000, 100))
    meter = Meter(Height(0), Height(600), lambda: next(moments))
    meter.phase(Phase.BLOCKS)
    meter.asks((GOOD, BAD))
    meter.block(Height(10))
    found = SyncWatch(meter.read, Peers(Mesh({}))).facts()
    assert found is not None
    assert (found.phase, found.applied, found.target) == ("blocks", 10, 600)
    assert found.peer == "bad, good"
    assert found.per_second > 0
    assert found.blocks_per_minute is not None and found.blocks_per_minute >= 60
    meter.phase(Phase.STATE)
    meter.values(7)
    found = SyncWatch(meter.read, Peers(Mesh({}))).facts()
    assert found is not None and found.state_values == 7
    assert found.blocks_per_minute is None, "state values are no blocks"


def test_without_a_sync_only_liars_are_told_and_a_later_fault_does_not_hide_a_lie() -> None:
    mesh = Mesh({BAD: {}, GOOD: {}})
    peers = Peers(mesh, mesh.drop, wall_ms=lambda: 5_000)
    peers.blame(BAD, PeerLied("block 7 has another batch"))
    peers.blame(BAD, PeerUnavailable(BAD, "not connected"))
    peers.blame(GOOD, PeerUnavailable(GOOD, "not connected"))
    watch = SyncWatch(lambda: None, peers)
    assert watch.facts() is None
    ((member, reason, at_ms),) = [(w.member, w.reason, w.at_ms) for w in watch.liars()]
    assert (member, reason, at_ms) == (BAD, "block 7 has another batch", 5_000)
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in SyncReport(lambda: None, peers).families()
        for sample in family.samples
    }
    assert samples["bulwark_sync_liar", BAD] == 5.0
    assert ("bulwark_sync_liar", GOOD) not in samples


async def test_a_sync_counts_what_it_received_and_what_of_it_held() -> None:
    shown: list[Progress | None] = []

    def looking(answer: Server) -> Server:
        async def look(member: object, body: bytes) -> bytes:
            shown.append(syncing.sync.progress)
            return await answer(GOOD, body)

        return look

    node = source()
    honest = {topic: looking(server) for topic, server in servers(node).items()}
    syncing = Syncing(Node(), Mesh({GOOD: honest}))
    await syncing.sync.run(Height(12), None)
    peers = syncing.peers
    assert peers.verified[Topic.BLOCKS] == 12
    assert peers.verified[Topic.STATE] > 12
    assert all(peers.received[topic] > 0 for topic in (Topic.BLOCKS, Topic.STATE, Topic.TARGET))
    asked = {str(p.phase): p.peers for p in shown if p is not None and p.peers}
    assert asked == {"blocks": (GOOD,), "state": (GOOD,)}

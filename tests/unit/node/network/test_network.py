"""Four networks on loopback: who is connected, in which order frames arrive, what comes back."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest
from msgspec.structs import replace

from node.network.errors import IdentityInvalid, PayloadTooLarge, Reason
from node.network.kinds import SIZE_LIMITS, Kind, Lane
from node.network.network import Network
from tests.unit.node.network.harness import (
    DOMAIN,
    HOST,
    IDS,
    MEMBERS,
    QUICK,
    A,
    B,
    C,
    D,
    Mesh,
    Node,
    eventually,
    local_of,
)


async def test_everybody_reaches_everybody(mesh: Mesh) -> None:
    await mesh.works()
    for member, node in mesh.nodes.items():
        assert sorted(node.events) == [("up", other) for other in IDS if other != member]
        assert {peer.height for peer in node.network.peers()} == {7}


async def test_messages_of_one_lane_arrive_complete_and_in_order(mesh: Mesh) -> None:
    wanted = [b"%d" % n * (n % 700 + 1) for n in range(2_000)]
    assert all(mesh[A].network.send(B, Kind.CONSENSUS, payload) for payload in wanted)
    await eventually(lambda: len(mesh[B].received) == len(wanted))
    assert mesh[B].received == [(A, Kind.CONSENSUS, payload) for payload in wanted]


async def test_votes_overtake_gossip_queued_before_them(mesh: Mesh) -> None:
    gossip = bytes(SIZE_LIMITS[Kind.TRANSACTION])
    for _ in range(6):
        assert mesh[A].network.send(B, Kind.TRANSACTION, gossip)
    assert mesh[A].network.send(B, Kind.CONSENSUS, b"vote")
    await eventually(lambda: len(mesh[B].received) == 7)
    kinds = [kind for _, kind, _ in mesh[B].received]
    assert kinds[0] is Kind.CONSENSUS


async def test_vote_overtakes_gossip_that_waits_behind_a_slow_reader(mesh: Mesh) -> None:
    sender, receiver = mesh[A].network, mesh[B].network
    link = receiver._links.get(A)
    assert link is not None and link._transport is not None
    link._transport.pause_reading()
    sent = 0
    while sender.send(B, Kind.TRANSACTION, bytes(100_000)):
        sent += 1
        await asyncio.sleep(0)
    assert sender.send(B, Kind.CONSENSUS, b"vote")
    link._transport.resume_reading()
    await eventually(lambda: len(mesh[B].received) == sent + 1)
    place = [kind for _, kind, _ in mesh[B].received].index(Kind.CONSENSUS)
    assert sent - place > 70, "the vote waited behind the queue"


async def test_full_gossip_lane_drops_and_counts_while_votes_still_go(mesh: Mesh) -> None:
    sender = mesh[A].network
    results = [sender.send(B, Kind.TRANSACTION, bytes(500_000)) for _ in range(40)]
    assert 1 <= results.count(False) == sender.counters.dropped[Lane.GOSSIP]
    assert sender.send(B, Kind.CONSENSUS, b"vote")
    await eventually(lambda: (A, Kind.CONSENSUS, b"vote") in mesh[B].received)
    assert max(p.waiting[Lane.GOSSIP] for p in sender.peers()) <= QUICK.gossip_queue_bytes


async def test_votes_are_bounded_by_their_own_larger_limit(mesh: Mesh) -> None:
    sender = mesh[A].network
    results = [sender.send(B, Kind.CONSENSUS, bytes(1_000_000)) for _ in range(60)]
    assert results.count(True) * 1_000_000 <= QUICK.votes_queue_bytes
    assert results.count(False) == sender.counters.dropped[Lane.VOTES] > 0


async def test_longest_payload_of_each_kind_passes_and_a_longer_one_is_not_sent(mesh: Mesh) -> None:
    for kind in (Kind.CONSENSUS, Kind.TRANSACTION, Kind.ANNOUNCE):
        assert mesh[A].network.send(C, kind, bytes(SIZE_LIMITS[kind]))
        with pytest.raises(PayloadTooLarge):
            mesh[A].network.send(C, kind, bytes(SIZE_LIMITS[kind] + 1))
    await eventually(lambda: len(mesh[C].received) == 3)


async def test_broadcast_to_some_reaches_only_those(mesh: Mesh) -> None:
    assert mesh[A].network.broadcast(Kind.ANNOUNCE, b"x", [B, D]) == 2
    await eventually(lambda: len(mesh[B].received) == len(mesh[D].received) == 1)
    assert mesh[C].received == []
    assert mesh[A].network.send(A, Kind.ANNOUNCE, b"to myself") is False


async def test_closed_connection_comes_back_and_carries_messages_again(mesh: Mesh) -> None:
    mesh[A].network.disconnect(B)
    await eventually(lambda: ("down", A) in mesh[B].events and ("down", B) in mesh[A].events)
    await mesh.whole()
    await mesh.works()


async def test_stopped_node_is_down_everywhere_and_a_new_run_of_it_rejoins(mesh: Mesh) -> None:
    port = mesh[D].network.port
    await mesh[D].network.stop()
    await eventually(lambda: all(D not in mesh[m].network.connected() for m in (A, B, C)))
    assert mesh[A].network.send(D, Kind.CONSENSUS, b"lost") is False
    mesh.nodes[D] = await Node.start(D, port=port)
    mesh[D].dial(mesh.addresses())
    await mesh.whole()
    await mesh.works()
    assert all(("duplicate", D) not in node.events for node in mesh.nodes.values())


async def test_both_dialling_at_once_leaves_one_connection(mesh: Mesh) -> None:
    await mesh.stop()
    hasty = replace(QUICK, dial_grace_ms=0)
    for _ in range(5):
        pair = await Mesh.start((A, B), hasty)
        await pair.works()
        assert len(pair[A].network.peers()) == len(pair[B].network.peers()) == 1
        await pair.stop()


async def test_handler_that_fails_is_counted_and_the_connection_stays(mesh: Mesh) -> None:
    network = mesh[B].network
    seen = mesh[B].received

    def broken(member: str, payload: bytes) -> None:
        seen.append((A, Kind.CONSENSUS, payload))
        raise RuntimeError("defect")

    network._dispatch._handlers[Kind.CONSENSUS] = broken
    mesh[A].network.send(B, Kind.CONSENSUS, b"1")
    mesh[A].network.send(B, Kind.CONSENSUS, b"2")
    await eventually(lambda: len(seen) == 2)
    assert network.counters.handler_errors == 2
    assert A in network.connected()


async def test_removed_member_is_cut_off_and_stays_out(mesh: Mesh) -> None:
    for member in (A, B, C):
        mesh[member].network.set_members(MEMBERS[:3], mesh.addresses())
    await eventually(lambda: all(D not in mesh[m].network.connected() for m in (A, B, C)))
    await mesh[A].refuses(Reason.UNKNOWN_MEMBER)
    del_d = mesh.nodes.pop(D)
    await mesh.works()
    await del_d.network.stop()


async def test_stop_twice_and_stop_before_start_are_harmless() -> None:
    node = await Node.start(A)
    await node.network.stop()
    await node.network.stop()
    await Network(local_of(A), MEMBERS, {}, (HOST, 0), height=lambda: 0).stop()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": B}, "vote key"),
        ({"id": "stranger"}, "not in the member table"),
        ({"vote_key": local_of(B).vote_key}, "vote key"),
        ({"certificate_pem": local_of(B).certificate_pem}, "not pinned"),
        ({"certificate_pem": b"nothing"}, "not a PEM certificate"),
        ({"tls_key_pem": local_of(B).tls_key_pem}, "unusable"),
        ({"ca_pem": b""}, "unusable"),
    ],
)
def test_own_identity_that_does_not_fit_is_refused_before_the_first_connection(
    change: dict[str, object], message: str
) -> None:
    local = dataclasses.replace(local_of(A, DOMAIN), **change)
    with pytest.raises(IdentityInvalid, match=message):
        Network(local, MEMBERS, {}, (HOST, 0), height=lambda: 0)


def test_member_table_with_a_shared_pin_is_refused() -> None:
    twin = replace(MEMBERS[1], pins=MEMBERS[0].pins)
    with pytest.raises(IdentityInvalid, match="pin"):
        Network(local_of(A), (MEMBERS[0], twin), {}, (HOST, 0), height=lambda: 0)

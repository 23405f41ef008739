"""Two nodes with one identity are told from one node that came back."""

from __future__ import annotations

import logging

import pytest
from msgspec.structs import replace

from node.network.errors import PeerRefused, Reason
from node.network.tls import client_context
from tests.unit.node.network.harness import (
    HOST,
    QUICK,
    A,
    B,
    D,
    Mesh,
    Node,
    RawPeer,
    eventually,
    local_of,
)


async def test_second_node_with_a_members_keys_is_refused_and_reported(
    mesh: Mesh, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, "node.network")
    twin = await Node.start(D)
    addresses = mesh.addresses()
    twin.dial({A: addresses[A]})
    await mesh[A].refuses(Reason.DUPLICATE_IDENTITY)
    await twin.refuses(Reason.REFUSED_BY_PEER, 2)
    assert twin.events == [], "one member's word is not enough"
    twin.dial({A: addresses[A], B: addresses[B]})
    assert ("duplicate", D) in mesh[A].events
    assert mesh[A].network.counters.duplicates >= 1
    await eventually(lambda: ("duplicate", D) in twin.events)
    assert twin.network.connected() == set()
    assert any(getattr(record, "member", None) == D for record in caplog.records)
    await twin.network.stop()
    await mesh.works()
    assert ("down", D) not in mesh[A].events


async def test_own_keys_at_another_members_address_are_refused_by_name(mesh: Mesh) -> None:
    await mesh.nodes.pop(B).network.stop()
    twin = await Node.start(A)
    mesh[A].dial({**mesh.addresses(), B: (HOST, twin.network.port)})
    await mesh[A].refuses(Reason.WRONG_NAME)
    assert B not in mesh[A].network.connected()
    await twin.network.stop()
    await mesh.works()


async def test_own_keys_in_an_incoming_hello_are_reported_as_duplicate(mesh: Mesh) -> None:
    peer = await RawPeer.connect(mesh[A], client_context(local_of(A)))
    with pytest.raises(PeerRefused, match="duplicate-identity"):
        await peer.hello(local_of(A), A, b"n" * 32)
    await mesh[A].refuses(Reason.DUPLICATE_IDENTITY)
    assert ("duplicate", A) in mesh[A].events
    await peer.close()
    await mesh.works()


async def test_restarted_member_takes_over_from_a_connection_that_does_not_answer() -> None:
    limits = replace(QUICK, silence_ms=60_000, ping_ms=60_000)
    node = await Node.start(A, limits)
    dead = await RawPeer.connect(node)
    await dead.hello(local_of(D), A, b"n" * 32)
    await eventually(lambda: node.network.connected() == {D})
    back = await Node.start(D)
    back.dial({A: (HOST, node.network.port)})
    await eventually(lambda: back.network.connected() == {A})
    assert node.events == [("up", D), ("down", D), ("up", D)]
    assert node.network.counters.duplicates == 0
    await dead.close()
    await back.network.stop()
    await node.network.stop()

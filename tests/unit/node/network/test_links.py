"""At most one connection a member, whatever a peer does with several."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from node.network.errors import Reason
from node.network.kinds import Kind
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


async def dialled_by_d(node: Node, nonce: bytes, instance: bytes = b"i" * 16) -> RawPeer:
    peer = await RawPeer.connect(node)
    await peer.hello(local_of(D), A, nonce * 32, instance)
    return peer


async def test_newer_connection_of_the_same_run_replaces_the_older_without_a_gap() -> None:
    node = await Node.start(A, replace(QUICK, drain_ms=200))
    first = await dialled_by_d(node, b"1")
    await eventually(lambda: node.events == [("up", D)])
    second = await dialled_by_d(node, b"2")
    await first.send(Kind.CONSENSUS, b"sent on the older")
    await second.send(Kind.CONSENSUS, b"sent on the newer")
    await eventually(lambda: len(node.received) == 2)
    assert node.network.send(D, Kind.CONSENSUS, b"answer")
    while (frame := await second.frame()) is not None and frame[0] is not Kind.CONSENSUS:
        pass
    assert frame == (Kind.CONSENSUS, b"answer")
    assert await first.is_closed()
    await node.refuses(Reason.REPLACED)
    assert node.events == [("up", D)]
    assert len(node.network.peers()) == 1
    for peer in (first, second):
        await peer.close()
    await node.network.stop()


async def test_newcomer_that_leaves_while_the_older_is_probed_changes_nothing() -> None:
    node = await Node.start(A)
    first = await dialled_by_d(node, b"1")
    await eventually(lambda: node.events == [("up", D)])
    second = await RawPeer.connect(node)
    greeting = asyncio.create_task(second.hello(local_of(D), A, b"2" * 32, b"j" * 16))
    await eventually(lambda: len(node.network._links._timers) == 1)
    await second.close()
    await eventually(lambda: len(node.network._links._timers) == 0)
    await asyncio.gather(greeting, return_exceptions=True)
    assert node.events == [("up", D)]
    await first.close()
    await node.network.stop()


async def test_newcomer_counts_when_the_older_ends_while_it_is_probed() -> None:
    node = await Node.start(A)
    first = await dialled_by_d(node, b"1")
    await eventually(lambda: node.events == [("up", D)])
    second = await RawPeer.connect(node)
    greeting = asyncio.create_task(second.hello(local_of(D), A, b"2" * 32, b"j" * 16))
    await eventually(lambda: len(node.network._links._timers) == 1)
    await first.close()
    await greeting
    assert node.events == [("up", D), ("down", D), ("up", D)]
    await second.close()
    await node.network.stop()


async def test_stop_in_the_middle_of_a_probe_and_a_handshake_leaves_nothing() -> None:
    node = await Node.start(A)
    first = await dialled_by_d(node, b"1")
    second = await RawPeer.connect(node)
    greeting = asyncio.create_task(second.hello(local_of(D), A, b"2" * 32, b"j" * 16))
    await eventually(lambda: len(node.network._links._timers) == 1)
    _, silent = await asyncio.open_connection(HOST, node.network.port)
    await eventually(lambda: node.network.half_open == 2)
    await node.network.stop()
    await asyncio.gather(greeting, return_exceptions=True)
    assert node.network.half_open == 0
    assert not node.network._every
    silent.transport.abort()
    for peer in (first, second):
        await peer.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_member_table_changed_during_a_hello_is_the_one_that_counts() -> None:
    node = await Node.start(A)
    peer = await RawPeer.connect(node)
    await eventually(lambda: any(link.entry for link in node.network._every))
    old = node.network._greeter
    node.network._greeter = replace(old, members=type(old.members)(()))
    task = asyncio.create_task(peer.hello(local_of(D), A, b"1" * 32))
    await node.refuses(Reason.REMOVED)
    assert node.network.connected() == set()
    await peer.close()
    await asyncio.gather(task, return_exceptions=True)
    await node.network.stop()


async def test_callback_that_fails_hides_the_event_from_nobody() -> None:
    mesh = await Mesh.start((A, B))
    heard: list[str] = []

    def broken(member: str) -> None:
        raise RuntimeError("defect")

    mesh[A].network.on_down(broken)
    mesh[A].network.on_down(heard.append)
    mesh[A].network.disconnect(B)
    await eventually(lambda: heard == [B])
    assert mesh[A].network.counters.handler_errors == 1
    await mesh.whole()
    await mesh.stop()

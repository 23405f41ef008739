"""A peer that no longer answers is found within the configured patience."""

from __future__ import annotations

import time

from msgspec.structs import replace

from node.network.errors import Reason
from node.network.kinds import Kind
from node.network.limits import Limits
from tests.unit.node.network.harness import (
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

SHORT = replace(QUICK, ping_ms=50, silence_ms=300)


def test_default_patience_finds_a_stopped_peer_within_five_seconds() -> None:
    limits = Limits()
    assert limits.silence_ms + limits.ping_ms <= 5_000
    assert limits.silence_ms >= 3 * limits.ping_ms


async def test_member_that_neither_speaks_nor_answers_is_down() -> None:
    node = await Node.start(A, SHORT)
    stopped = await RawPeer.connect(node)
    await stopped.hello(local_of(D), A, b"n" * 32)
    await eventually(lambda: node.events == [("up", D)])
    start = time.monotonic()
    await eventually(lambda: node.events == [("up", D), ("down", D)])
    assert 0.2 <= time.monotonic() - start <= 2
    assert node.refused(Reason.SILENT) == 1
    await stopped.close()
    await node.network.stop()


async def test_quiet_members_that_answer_pings_stay_connected() -> None:
    mesh = await Mesh.start((A, B), SHORT)
    start = time.monotonic()
    await eventually(lambda: time.monotonic() - start > 0.8)
    assert [event for event, _ in mesh[A].events + mesh[B].events] == ["up", "up"]
    assert max(peer.silent_ms for peer in mesh[A].network.peers()) < 300
    await mesh.works()
    await mesh.stop()


async def test_own_pause_is_not_held_against_the_peers() -> None:
    mesh = await Mesh.start((A, B), SHORT)
    end = time.monotonic() + 0.6
    while time.monotonic() < end:  # both networks share this loop, which stands still
        pass
    await mesh.works()
    assert ("down", B) not in mesh[A].events
    assert ("down", A) not in mesh[B].events
    await mesh.stop()


async def test_ping_is_answered_with_its_own_bytes() -> None:
    node = await Node.start(A)
    peer = await RawPeer.connect(node)
    await peer.hello(local_of(D), A, b"n" * 32)
    await peer.send(Kind.PING, b"12345678")
    while (frame := await peer.frame()) is not None and frame[0] is not Kind.PONG:
        pass
    assert frame == (Kind.PONG, b"12345678")
    await peer.close()
    await node.network.stop()

"""Requests come back, time out, or are refused; nothing about them is unbounded."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from bulwark.ledger.errors import DecodeError
from node.network.errors import (
    NotConnected,
    PayloadTooLarge,
    RequestRefused,
    RequestTimeout,
    TooManyRequests,
)
from node.network.kinds import MAX_PAYLOAD_BYTES, Kind
from tests.unit.node.network.harness import QUICK, A, B, C, D, Mesh, RawPeer, eventually, local_of

ECHO, SLOW, BROKEN, LONG = 1, 2, 3, 4


async def echo(member: str, body: bytes) -> bytes:
    return member.encode() + b":" + body


@pytest.fixture
async def asked(mesh: Mesh) -> Mesh:
    mesh[B].network.on_request(ECHO, echo)
    return mesh


async def test_answer_comes_back_to_the_one_who_asked(asked: Mesh) -> None:
    answers = await asyncio.gather(
        *(asked[A].network.request(B, ECHO, b"%d" % n, 5_000) for n in range(16)),
        *(asked[C].network.request(B, ECHO, b"%d" % n, 5_000) for n in range(16)),
    )
    wanted = [b"%s:%d" % (m.encode(), n) for m in (A, C) for n in range(16)]
    assert answers == wanted
    assert asked[B].network.counters.requests_served == 32


async def test_answer_of_the_longest_size_passes(asked: Mesh) -> None:
    async def long(member: str, body: bytes) -> bytes:
        return bytes(int(body))

    asked[B].network.on_request(LONG, long)
    most = MAX_PAYLOAD_BYTES - 9
    assert len(await asked[A].network.request(B, LONG, b"%d" % most, 8_000)) == most
    with pytest.raises(RequestRefused, match="failed"):
        await asked[A].network.request(B, LONG, b"%d" % (most + 1), 8_000)


async def test_request_without_an_answer_times_out_and_the_late_answer_is_dropped(
    asked: Mesh,
) -> None:
    gate = asyncio.Event()

    async def slow(member: str, body: bytes) -> bytes:
        await gate.wait()
        return b"late"

    asked[B].network.on_request(SLOW, slow)
    with pytest.raises(RequestTimeout, match="request 2 to bank-b: no answer in 50 ms"):
        await asked[A].network.request(B, SLOW, b"", 50)
    gate.set()
    await eventually(lambda: asked[A].network.counters.responses_late == 1)
    assert await asked[A].network.request(B, ECHO, b"x", 5_000) == b"bank-a:x"


async def test_unknown_topic_and_failing_responder_are_told_apart(asked: Mesh) -> None:
    async def broken(member: str, body: bytes) -> bytes:
        raise RuntimeError("defect")

    asked[B].network.on_request(BROKEN, broken)
    with pytest.raises(RequestRefused, match="answered unknown"):
        await asked[A].network.request(B, 77, b"", 5_000)
    with pytest.raises(RequestRefused, match="answered failed"):
        await asked[A].network.request(B, BROKEN, b"", 5_000)
    assert asked[B].network.counters.handler_errors == 1


async def test_more_requests_than_a_peer_may_have_served_are_answered_busy(asked: Mesh) -> None:
    gate = asyncio.Event()
    working = 0

    async def slow(member: str, body: bytes) -> bytes:
        nonlocal working
        working += 1
        await gate.wait()
        return b"done"

    asked[B].network.on_request(SLOW, slow)
    asks = [
        asyncio.create_task(asked[A].network.request(B, SLOW, b"", 8_000))
        for _ in range(QUICK.requests_served + 3)
    ]
    await eventually(lambda: asked[B].network.counters.requests_busy == 3)
    assert working == QUICK.requests_served
    gate.set()
    results = await asyncio.gather(*asks, return_exceptions=True)
    assert results.count(b"done") == QUICK.requests_served
    assert sum(isinstance(result, RequestRefused) for result in results) == 3


async def test_own_outstanding_requests_are_bounded() -> None:
    mesh = await Mesh.start((A, B), replace(QUICK, requests_outstanding=2))
    never = asyncio.Event()

    async def slow(member: str, body: bytes) -> bytes:
        await never.wait()
        return b""

    mesh[B].network.on_request(SLOW, slow)
    asks = [asyncio.create_task(mesh[A].network.request(B, SLOW, b"", 60_000)) for _ in range(2)]
    await eventually(lambda: len(next(iter(mesh[B].network._calls.values()))._serving) == 2)
    with pytest.raises(TooManyRequests, match="2 are outstanding"):
        await mesh[A].network.request(B, SLOW, b"", 1_000)
    await mesh.stop()
    results = await asyncio.gather(*asks, return_exceptions=True)
    assert all(isinstance(result, NotConnected) for result in results)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_request_to_a_member_that_is_not_there_fails_at_once(asked: Mesh) -> None:
    await asked[C].network.stop()
    await eventually(lambda: C not in asked[A].network.connected())
    with pytest.raises(NotConnected):
        await asked[A].network.request(C, ECHO, b"", 5_000)
    with pytest.raises(NotConnected):
        await asked[A].network.request(A, ECHO, b"", 5_000)


async def test_request_longer_than_its_limit_is_not_sent(asked: Mesh) -> None:
    with pytest.raises(PayloadTooLarge):
        await asked[A].network.request(B, ECHO, bytes(1024 * 1024), 5_000)


async def test_answer_nobody_asked_for_is_counted_and_ignored(mesh: Mesh) -> None:
    await mesh.nodes.pop(D).network.stop()
    peer = await RawPeer.connect(mesh[A])
    await peer.hello(local_of(D), A, b"n" * 32)
    await peer.send(Kind.RESPONSE, bytes(8) + b"\x00" + b"surprise")
    await eventually(lambda: mesh[A].network.counters.responses_late == 1)
    assert D in mesh[A].network.connected()
    await peer.close()


async def test_second_handler_of_one_kind_or_topic_is_refused(asked: Mesh) -> None:
    with pytest.raises(ValueError, match="taken"):
        asked[B].network.on_request(ECHO, echo)
    with pytest.raises(ValueError, match="outside"):
        asked[B].network.on_request(256, echo)
    with pytest.raises(ValueError, match="CONSENSUS"):
        asked[B].network.on_frame(Kind.CONSENSUS, lambda member, payload: None)
    with pytest.raises(ValueError, match="the mesh's own"):
        asked[B].network.on_frame(Kind.REQUEST, lambda member, payload: None)


async def test_a_body_that_is_no_request_is_the_askers_fault_and_logged_once(
    asked: Mesh, caplog: pytest.LogCaptureFixture
) -> None:
    """Found by the fuzzing target `peer`: each one cost a traceback in the log."""

    async def strict(member: str, body: bytes) -> bytes:
        raise DecodeError("request", "4 bytes needed")

    asked[B].network.on_request(BROKEN, strict)
    for _ in range(5):
        with pytest.raises(RequestRefused, match="answered failed"):
            await asked[A].network.request(B, BROKEN, b"", 5_000)
    counters = asked[B].network.counters
    assert (counters.requests_malformed, counters.handler_errors) == (5, 0)
    lines = [r for r in caplog.records if "malformed request" in r.message]
    # Both may have dialled: then there were two connections for a moment.
    assert 1 <= len(lines) <= counters.connections
    assert lines[0].exc_info is None

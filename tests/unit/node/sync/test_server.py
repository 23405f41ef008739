"""Serving is paced by member, one answer at a time, and stays under the mesh's limit."""

from __future__ import annotations

import asyncio

import pytest

from bulwark.ledger.errors import DecodeError
from bulwark.ledger.hashing import keccak256
from bulwark.ledger.ids import Height
from node.requests import Topic, encode_first
from node.storage import schema
from node.storage.memory import MemoryStore
from node.sync.pace import Pace
from node.sync.server import BlockServer, StateServer, TargetServer, serve_sync
from node.sync.wire import (
    MAX_STATE_BYTES,
    decode_blocks,
    decode_target,
    decode_values,
    encode_hashes,
)
from tests.unit.node.sync.support import BAD, GOOD, source


async def test_who_takes_more_than_its_share_waits_and_nobody_else_does() -> None:
    pace = Pace(bytes_per_second=10, burst=100)
    await pace.spend(BAD, 100)
    waits = asyncio.create_task(pace.spend(BAD, 100))
    await pace.spend(GOOD, 100)
    for _ in range(20):
        await asyncio.sleep(0)
    assert not waits.done()
    waits.cancel()


async def test_the_wait_ends_when_the_allowance_is_there_again() -> None:
    pace = Pace(bytes_per_second=2_000, burst=100)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await pace.spend(BAD, 200)
    assert loop.time() - began >= 0.04


async def test_a_member_gets_one_answer_after_the_other() -> None:
    pace = Pace(bytes_per_second=1e9)
    server = BlockServer(source().chain, pace)
    async with pace.line(BAD):
        waits = asyncio.create_task(server(BAD, encode_first(Height(1))))
        others = await server(GOOD, encode_first(Height(1)))
        assert len(decode_blocks(others)) == 12
        assert not waits.done()
    assert await waits == others


async def test_state_answers_in_order_with_gaps_and_stop_under_the_byte_limit() -> None:
    codes = [bytes([n]) * 100_000 for n in range(15)]
    pairs = {schema.state(keccak256(code)): code for code in codes}
    server = StateServer(MemoryStore(pairs))
    asked = [keccak256(codes[0]), bytes(32), *(keccak256(code) for code in codes[1:])]
    values = decode_values(await server(GOOD, encode_hashes(asked)))
    assert values[:3] == (codes[0], None, codes[1])
    assert sum(len(value) for value in values if value) <= MAX_STATE_BYTES
    assert 1 < len(values) < len(asked)
    with pytest.raises(DecodeError):
        await server(GOOD, b"\x00")


async def test_all_three_topics_are_served() -> None:
    served: dict[int, object] = {}
    serve_sync(served.__setitem__, source().store, source().chain)
    assert set(served) == {Topic.BLOCKS, Topic.STATE, Topic.TARGET}
    target = decode_target(await TargetServer(source().chain)(GOOD, b""))
    assert target is not None
    assert target.header == source().chain.tip
    with pytest.raises(DecodeError):
        await TargetServer(source().chain)(GOOD, b"x")

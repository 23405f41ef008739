"""A relay passes sealed questions on, learns no content, and lets nobody learn the asker."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulwark.ledger.ids import MemberId
from node.guarded.relay import (
    MAX_UNDER_WAY,
    Delay,
    PassRefused,
    Relay,
    decode_pass,
    encode_pass,
)
from node.requests import PeerUnavailable, Topic

ASKER, OWN, TARGET, OBSERVER = map(MemberId, ("bank-a", "bank-b", "bank-c", "regulator"))
SIZE = 1000


class Far:
    """A mesh with one evaluator behind it."""

    def __init__(self) -> None:
        self.asked: list[tuple[MemberId, Topic, bytes]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.is_down = False
        self.is_full = asyncio.Event()

    def connected(self) -> list[MemberId]:
        return [TARGET]

    async def ask(self, member: MemberId, topic: Topic, body: bytes, timeout_ms: int) -> bytes:
        self.asked.append((member, topic, body))
        if len(self.asked) == MAX_UNDER_WAY:
            self.is_full.set()
        await self.open.wait()
        if self.is_down:
            raise PeerUnavailable(member, "gone")
        return b"answer"


class Pauses:
    """Remembers the waits and does not wait."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seen.append(seconds)


@pytest.fixture
async def far() -> Far:
    return Far()


@pytest.fixture
async def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
async def relay(far: Far, pauses: Pauses) -> Relay:
    counter = iter(range(10**6))
    return Relay(
        own=OWN,
        mesh=far,
        evaluators=lambda: {ASKER, OWN, TARGET},
        sizes=lambda: {SIZE},
        delay=Delay(5, 25),
        timeout_ms=100,
        random_bytes=lambda size: (next(counter) * 37 % 256).to_bytes(1, "big") * size,
        pause=pauses,
    )


async def test_a_question_reaches_its_evaluator_unchanged_and_the_answer_comes_back(
    relay: Relay, far: Far
) -> None:
    assert await relay.serve(ASKER, encode_pass(TARGET, bytes(SIZE))) == b"answer"
    assert far.asked == [(TARGET, Topic.GUARDED, bytes(SIZE))]
    assert relay.passed == 1


async def test_every_pass_waits_a_random_time_within_its_bounds(
    relay: Relay, pauses: Pauses
) -> None:
    for _ in range(20):
        await relay.serve(ASKER, encode_pass(TARGET, bytes(SIZE)))
    assert all(0.005 <= seconds <= 0.025 for seconds in pauses.seen)
    assert len(set(pauses.seen)) > 10


@pytest.mark.parametrize("target", [ASKER, OWN, OBSERVER])
async def test_an_evaluator_that_would_learn_the_asker_or_is_none_is_refused(
    relay: Relay, far: Far, target: MemberId
) -> None:
    with pytest.raises(PassRefused):
        await relay.serve(ASKER, encode_pass(target, bytes(SIZE)))
    assert not far.asked
    assert relay.refused == 1


@pytest.mark.parametrize("size", [0, SIZE - 1, SIZE + 1])
async def test_a_length_that_would_tell_something_is_refused(
    relay: Relay, far: Far, size: int
) -> None:
    with pytest.raises(PassRefused):
        await relay.serve(ASKER, encode_pass(TARGET, bytes(size)))
    assert not far.asked


async def test_one_member_has_a_bounded_number_of_passes_under_way(relay: Relay, far: Far) -> None:
    far.open.clear()
    passes = [
        asyncio.create_task(relay.serve(ASKER, encode_pass(TARGET, bytes(SIZE))))
        for _ in range(MAX_UNDER_WAY)
    ]
    await far.is_full.wait()
    with pytest.raises(PassRefused):
        await relay.serve(ASKER, encode_pass(TARGET, bytes(SIZE)))
    other = asyncio.create_task(relay.serve(OBSERVER, encode_pass(TARGET, bytes(SIZE))))
    far.open.set()
    assert await asyncio.gather(*passes, other) == [b"answer"] * (MAX_UNDER_WAY + 1)
    assert await relay.serve(ASKER, encode_pass(TARGET, bytes(SIZE))) == b"answer"


async def test_an_evaluator_that_is_gone_frees_the_pass(relay: Relay, far: Far) -> None:
    far.is_down = True
    for _ in range(MAX_UNDER_WAY + 1):
        with pytest.raises(PassRefused):
            await relay.serve(ASKER, encode_pass(TARGET, bytes(SIZE)))


@given(st.binary(max_size=80))
def test_other_bytes_are_refused(data: bytes) -> None:
    try:
        target, sealed = decode_pass(data)
    except PassRefused:
        return
    assert encode_pass(target, sealed) == data

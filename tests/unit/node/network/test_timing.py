"""Clocks of members as one node measures them, and what it answers to those who ask."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulwark.ledger.errors import DecodeError
from bulwark.ledger.ids import MemberId
from node.network.errors import RequestTimeout
from node.network.timing import KEPT, Timekeeper, decode_answer, encode_answer

BRAVO = MemberId("bravo")


class Peers:
    """Members with clocks of their own; every answer takes its time."""

    def __init__(self) -> None:
        self.now_ms = 1_000_000
        self.offset_ms = 0
        self.trip_ms = 10
        self.answer: bytes | None = None
        self.fails = False

    def connected(self) -> set[MemberId]:
        return {BRAVO}

    async def request(self, member: MemberId, topic: int, payload: bytes, timeout_ms: int) -> bytes:
        assert payload == b""
        self.now_ms += self.trip_ms // 2
        answer = encode_answer(self.now_ms + self.offset_ms, "1.2")
        self.now_ms += self.trip_ms - self.trip_ms // 2
        if self.fails:
            raise RequestTimeout(member, topic, "no answer")
        return answer if self.answer is None else self.answer


@pytest.fixture
def peers() -> Peers:
    return Peers()


@pytest.fixture
def keeper(peers: Peers) -> Timekeeper:
    return Timekeeper(peers, 9, lambda: peers.now_ms, "1.0")


@pytest.mark.parametrize("offset_ms", [-700_000, -3, 0, 3, 3_600_000])
async def test_a_clock_is_measured_within_half_of_the_round_trip(
    peers: Peers, keeper: Timekeeper, offset_ms: int
) -> None:
    peers.offset_ms, peers.trip_ms = offset_ms, 41
    await keeper.ask_all()
    sample = keeper.sample(BRAVO)
    assert sample is not None
    assert abs(sample.offset_ms - offset_ms) <= sample.error_ms <= 22
    assert keeper.version(BRAVO) == "1.2"


async def test_of_the_last_measurements_the_surest_counts(peers: Peers, keeper: Timekeeper) -> None:
    for trip_ms in (4, 2_000, 900):
        peers.trip_ms = trip_ms
        await keeper.ask_all()
    sample = keeper.sample(BRAVO)
    assert sample is not None and sample.error_ms == 3
    for _ in range(KEPT):
        await keeper.ask_all()
    sample = keeper.sample(BRAVO)
    assert sample is not None and sample.error_ms > 400


async def test_a_member_that_does_not_answer_or_talks_nonsense_says_nothing(
    peers: Peers, keeper: Timekeeper
) -> None:
    peers.fails = True
    await keeper.ask_all()
    peers.fails = False
    for answer in (b"", b"\xff" * 8, encode_answer(1, "x") + b"!", bytes(7)):
        peers.answer = answer
        await keeper.ask_all()
    assert keeper.sample(BRAVO) is None and keeper.version(BRAVO) == ""


async def test_a_lost_member_is_forgotten(peers: Peers, keeper: Timekeeper) -> None:
    await keeper.ask_all()
    keeper.forget(BRAVO)
    assert keeper.sample(BRAVO) is None and keeper.version(BRAVO) == ""


async def test_a_member_that_asks_too_often_or_too_much_gets_nothing(
    peers: Peers, keeper: Timekeeper
) -> None:
    assert decode_answer(await keeper.serve(BRAVO, b"")) == (peers.now_ms, "1.0")
    assert await keeper.serve(BRAVO, b"") == b""
    assert await keeper.serve(MemberId("charlie"), b"?") == b""
    peers.now_ms += 500
    assert await keeper.serve(BRAVO, b"") != b""


def test_a_version_that_could_break_a_log_line_is_not_shown() -> None:
    assert decode_answer(encode_answer(1, "1.0\nfake")) == (1, "?")


@given(st.binary(max_size=100))
def test_arbitrary_answers_are_read_or_refused(data: bytes) -> None:
    try:
        now_ms, version = decode_answer(data)
    except DecodeError:
        return
    assert now_ms >= 0 and version.isprintable()

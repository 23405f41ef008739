"""The driver by itself: what it refuses, bounds, keeps as evidence, and how it stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from bulwark.ledger.ids import Digest, Epoch, Height, MemberId, ValidatorIndex, View
from bulwark.ledger.votes import VoteKind, VoteSubject
from consensus.effects import Halt, Report, SetTimer
from consensus.events import Received, TimerFired, TxPending
from consensus.evidence import DoubleVote, WrongNewView
from consensus.keyring import LocalKeyring
from consensus.messages import NewView, StatusReport, Vote, encode_message
from consensus.types import TimerName
from node.driver import driver as driver_module
from node.evidence import Case
from node.evidence_book import EVIDENCE
from tests.unit.node.driver.cluster import Hub, Station, until
from tests.unit.node.execution.alliance import VOTE_KEYS, make_genesis

BRAVO, CHARLIE = MemberId("bravo"), MemberId("charlie")
GENESIS = make_genesis()


def keyring(index: int) -> LocalKeyring:
    return LocalKeyring(VOTE_KEYS[index], GENESIS.domain())


def status(index: int) -> bytes:
    unsigned = StatusReport(
        View(0), False, Height(0), Height(0), False, (), ValidatorIndex(index), b""
    )
    signature = keyring(index).sign(StatusReport.TAG, unsigned.signed_body())
    return encode_message(replace(unsigned, signature=signature))


def double_vote(height: int) -> DoubleVote:
    votes = []
    for mark in (b"a", b"b"):
        subject = VoteSubject(VoteKind.COMMIT, View(0), Height(height), Digest(mark * 32))
        votes.append(Vote(subject, ValidatorIndex(1), keyring(1).sign_vote(subject)))
    return DoubleVote(*votes)


class SetClock:
    ms = 1_000

    def now_ms(self) -> int:
        return self.ms

    def offset_ms(self) -> int:
        return 0


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[Station]:
    station = Station(Hub(), 0, tmp_path, GENESIS)
    yield station
    await station.stop()


async def test_what_does_not_authenticate_or_comes_from_no_validator_is_dropped(
    station: Station,
) -> None:
    station.driver.receive(BRAVO, b"?")
    station.driver.receive(MemberId("stranger"), status(1))
    assert (station.driver.refused_messages, station.driver.dropped_events) == (1, 1)


@pytest.mark.parametrize(
    ("limit", "value"), [("MAX_QUEUED_MESSAGES", 1), ("MAX_QUEUED_BYTES", len(status(1)))]
)
async def test_one_peer_that_floods_does_not_crowd_out_the_others(
    station: Station, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(driver_module, limit, value)
    for _ in range(3):
        station.driver.receive(BRAVO, status(1))
    station.driver.receive(CHARLIE, status(2))
    senders = [e.sender for e in station.driver._events if isinstance(e, Received)]
    assert senders == [1, 2]
    assert station.driver.dropped_events == 2
    async with asyncio.timeout(10):
        await station.driver._turn()
    station.driver.receive(BRAVO, status(1))
    assert station.driver.dropped_events == 2


async def test_a_timer_that_fires_before_its_time_is_set_again(station: Station) -> None:
    clock = SetClock()
    station.driver._clock = clock  # type: ignore[assignment]
    station.driver._carry_out(SetTimer(TimerName.STATUS, 1_020))
    station.driver._fire(TimerName.STATUS, 1_020)
    fired = TimerFired(TimerName.STATUS)
    assert fired not in station.driver._events
    clock.ms = 1_020
    await until(lambda: fired in station.driver._events)
    assert station.driver._timers == {}


async def test_what_nobody_could_propose_is_no_pending_work(station: Station) -> None:
    station.driver.pending_changed(None, 7)
    station.driver.pending_changed(5, 7)
    assert list(station.driver._events)[1:] == [TxPending(None, 0), TxPending(5, 7)]


async def test_evidence_is_kept_in_bounds_and_can_be_read_back(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.evidence_book.MAX_CASES", 2)
    for height in range(4):
        station.driver._carry_out(Report(double_vote(height)))
    kept = [value for _, value in station.store.iterate(EVIDENCE)]
    expected = [Case(Epoch(0), double_vote(height)) for height in range(2)]
    assert sorted(kept) == sorted(case.encode() for case in expected)
    assert {Case.decode(value) for value in kept} == set(expected)
    new_view = NewView(View(1), (), (), ValidatorIndex(1), bytes(65))
    assert encode_message(new_view) in Case(Epoch(0), WrongNewView(new_view, ())).encode()


async def test_a_halted_driver_says_why_once_and_ends(station: Station) -> None:
    station.driver._carry_out(Halt("two certificates"))
    station.driver._carry_out(Halt("again"))
    async with asyncio.timeout(10):
        await station.driver.run()
    assert station.halted == ["consensus: two certificates"]

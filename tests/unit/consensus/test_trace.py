"""Traces: every event has one encoding, and a run can be repeated without any key."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from bulwark.ledger.errors import DecodeError
from bulwark.ledger.ids import Height, TimestampMs, ValidatorIndex, View
from bulwark.ledger.votes import VoteKind
from consensus.authentication import Authenticated
from consensus.config import Config
from consensus.effects import Broadcast, CheckBatch, Effect, Execute, Persist, Send, SetTimer
from consensus.errors import RecordsDamaged
from consensus.events import (
    BatchChecked,
    ClockSet,
    Event,
    Executed,
    PeerDown,
    PeerUp,
    ProposalReady,
    Received,
    Start,
    StateInstalled,
    SyncFailed,
    TimerFired,
    TxPending,
)
from consensus.messages import encode_message
from consensus.replay import TraceDiffers, replay
from consensus.trace import (
    Opening,
    Record,
    Step,
    decode_event,
    decode_record,
    effects_digest,
    encode_event,
    encode_record,
)
from consensus.types import TimerName
from node.driver.trace import TraceRecorder, read_trace
from tests.simulation.options import Options
from tests.simulation.world import World
from tests.unit.consensus.support import Peers, batch_of

PEERS = Peers()
BATCH = batch_of(b"tx a")
CERTIFICATE = PEERS.checkpoint(3)
EVENTS: tuple[Event, ...] = (
    Start(),
    Received(ValidatorIndex(2), Authenticated(PEERS.vote(VoteKind.COMMIT, 1, 2, BATCH.digest, 3))),
    *(TimerFired(name) for name in TimerName),
    ProposalReady(View(1), Height(2), BATCH),
    BatchChecked(BATCH.digest, True),
    BatchChecked(BATCH.digest, False, "too late"),
    Executed(Height(4), BATCH.digest),
    Executed(Height(4), BATCH.digest, Height(16)),
    TxPending(None, 0),
    TxPending(TimestampMs(5), 7),
    StateInstalled(Height(3), CERTIFICATE.subject.digest, CERTIFICATE),
    StateInstalled(Height(3), CERTIFICATE.subject.digest, CERTIFICATE, Height(3)),
    SyncFailed(),
    PeerUp(ValidatorIndex(1)),
    PeerDown(ValidatorIndex(1)),
    ClockSet(-1_500),
    ClockSet(3),
)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_is_read_back_as_it_was_written(event: Event) -> None:
    data = encode_event(event)
    assert decode_event(data) == event
    for damaged in (data[:-1], data + b"\x00", b"\xff" + data[1:]):
        with pytest.raises(DecodeError):
            decode_event(damaged)


def test_a_timer_that_does_not_exist_is_refused() -> None:
    data = encode_event(TimerFired(TimerName.STATUS)).replace(b"status", b"statux")
    with pytest.raises(DecodeError):
        decode_event(data)


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """What one node of a stormy world with two epochs recorded, restarts and all."""
    path = tmp_path_factory.mktemp("trace") / "trace"
    options = Options(
        blocks=40,
        seed=11,
        gst_ms=12_000,
        crash_every_ms=2_000,
        epoch_changes=1,
        request_every_ms=200,
    )
    world = World(options)
    recorder = world.nodes[1].recorder = TraceRecorder(path)
    world.run()
    recorder.close()
    assert path.stat().st_mode & 0o777 == 0o600
    return list(read_trace(path))


def test_a_recorded_run_is_repeated_step_by_step_without_a_key(records: list[Record]) -> None:
    done = replay(records)
    assert done.epochs > 1
    assert done.steps == sum(isinstance(record, Step) for record in records)
    assert done.last is not None
    assert done.last.executed >= 40


def test_the_first_step_that_differs_is_named(records: list[Record]) -> None:
    place = next(
        i
        for i, record in enumerate(records)
        if isinstance(record, Step) and record.effects != effects_digest([])
    )
    step = records[place]
    assert isinstance(step, Step)
    changed = [*records[:place], replace(step, effects=bytes(16)), *records[place + 1 :]]
    with pytest.raises(TraceDiffers) as caught:
        replay(changed)
    assert caught.value.step == sum(isinstance(record, Step) for record in records[: place + 1])


def test_a_step_that_signs_more_or_less_differs(records: list[Record]) -> None:
    place = next(i for i, r in enumerate(records) if isinstance(r, Step) and r.signatures)
    step = records[place]
    assert isinstance(step, Step)
    for signatures in ((), (*step.signatures, bytes(65))):
        changed = [*records[:place], replace(step, signatures=signatures)]
        with pytest.raises(TraceDiffers):
            replay(changed)


def test_a_trace_begins_with_an_opening(records: list[Record]) -> None:
    with pytest.raises(TraceDiffers):
        replay(records[1:])


def test_records_are_read_back_as_they_were_written(records: list[Record]) -> None:
    for record in records[:50]:
        data = encode_record(record)
        assert encode_record(decode_record(data)) == data
    with pytest.raises(DecodeError):
        decode_record(b"\x07")


def test_damaged_records_stop_a_replay_as_they_stop_a_start(records: list[Record]) -> None:
    opening = records[0]
    assert isinstance(opening, Opening)
    damaged = replace(opening, records=((b"view", b"\x00"),))
    with pytest.raises(RecordsDamaged):
        replay([damaged, *records[1:2]])


def test_effects_are_told_apart_by_every_field() -> None:
    vote = PEERS.vote(VoteKind.COMMIT, 0, 1, BATCH.digest, 1)
    other = PEERS.vote(VoteKind.COMMIT, 0, 1, BATCH.digest, 2)
    effects: list[Effect] = [
        Persist(((b"a", b"b"),)),
        Persist(((b"a", None),)),
        Persist(((b"ab", b""),)),
        Send(ValidatorIndex(1), vote),
        Send(ValidatorIndex(2), vote),
        Broadcast(vote),
        Broadcast(other),
        SetTimer(TimerName.STATUS, 5),
        SetTimer(TimerName.STATUS, 6),
        CheckBatch(BATCH.digest, BATCH),
        Execute(Height(3), BATCH, CERTIFICATE),
    ]
    assert len({effects_digest([effect]) for effect in effects}) == len(effects)


def test_a_vote_with_a_short_digest_or_signature_can_not_be_written() -> None:
    vote = PEERS.vote(VoteKind.COMMIT, 0, 1, BATCH.digest, 1)
    short = replace(vote.subject, digest=vote.subject.digest[:31])
    for wrong in (replace(vote, signature=b""), replace(vote, subject=short)):
        with pytest.raises(DecodeError):
            encode_message(wrong)


def test_an_opening_carries_stable_certificate_and_epoch_end() -> None:
    opening = Opening(
        Config(),
        PEERS.alliance.terms,
        PEERS.alliance.keyrings[0].address,
        ((b"key", b"value"),),
        Height(3),
        CERTIFICATE.subject.digest,
        CERTIFICATE,
        Height(16),
        True,
    )
    assert decode_record(encode_record(opening)) == replace(
        opening, terms=replace(opening.terms, window=Config().window)
    )

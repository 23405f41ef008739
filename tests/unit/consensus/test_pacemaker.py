"""Timers T1..T8: when a view is given up, and when it is not."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bulwark.ledger.ids import ValidatorIndex, View
from bulwark.ledger.votes import VoteKind
from consensus.config import Config
from consensus.effects import SetTimer
from consensus.events import PeerDown, PeerUp, TimerFired, TxPending
from consensus.messages import ViewChange
from consensus.pacemaker import Pacemaker, Situation
from consensus.types import TimerName
from tests.unit.consensus.support import START_MS, Subject, batch_of, header_of, only, sent

BATCH = batch_of(b"tx 1")


def timers(subject: Subject) -> dict[TimerName, int]:
    """The timers that are set, relative to the start."""
    return {name: at - START_MS for name, at in subject.replica.snapshot().timers}


def test_an_idle_replica_waits_for_nothing_but_an_overdue_heartbeat_t7() -> None:
    assert timers(Subject()) == {TimerName.STATUS: 500, TimerName.PROGRESS: 31_000}
    proposer = timers(Subject(me=0))
    assert proposer == {TimerName.STATUS: 500, TimerName.HEARTBEAT: 30_000}


def test_a_heartbeat_that_does_not_come_costs_its_proposer_the_view_t7() -> None:
    subject = Subject()
    subject.now += 31_000
    (message,) = sent(subject.give(TimerFired(TimerName.PROGRESS)), ViewChange)
    assert message.view == 1


def test_a_pending_request_starts_progress_and_fairness_t1_t2() -> None:
    subject = Subject()
    subject.now += 100
    subject.give(TxPending(START_MS + 50, 3))
    assert timers(subject)[TimerName.PROGRESS] == 1_100
    assert timers(subject)[TimerName.FAIRNESS] == 5_050
    subject.give(TxPending(None, 0))
    assert timers(subject) == {TimerName.STATUS: 500, TimerName.PROGRESS: 31_000}


def test_progress_restarts_its_timer_but_not_the_fairness_timer_t2() -> None:
    subject = Subject()
    subject.give(TxPending(START_MS, 3))
    subject.now += 700
    subject.run_block(1)
    assert timers(subject)[TimerName.PROGRESS] == 1_700
    assert timers(subject)[TimerName.FAIRNESS] == 5_000
    subject.now = START_MS + 5_000
    assert sent(subject.give(TimerFired(TimerName.FAIRNESS)), ViewChange)


def test_a_proposal_in_flight_is_work_even_without_requests_t1() -> None:
    subject = Subject()
    subject.hear(subject.pre_prepare(0, 1, BATCH, 0))
    assert timers(subject)[TimerName.PROGRESS] == 1_000


def test_no_progress_is_nobodys_fault_while_a_block_executes_here_t1() -> None:
    subject = Subject()
    subject.give(TxPending(START_MS, 1))
    subject.approve(subject.hear(subject.pre_prepare(0, 1, BATCH, 0)))
    subject.vote_all(VoteKind.PREPARE, 1, BATCH.digest)
    effects = subject.vote_all(VoteKind.COMMIT, 1, BATCH.digest)
    assert TimerName.PROGRESS not in timers(subject)
    subject.now += 300
    subject.execute(effects)
    assert timers(subject)[TimerName.PROGRESS] == 1_300


def test_a_lagging_replica_blames_nobody_t8() -> None:
    subject = Subject()
    subject.give(TxPending(START_MS, 1))
    subject.vote_all(VoteKind.CHECKPOINT, 1, header_of(1, BATCH.digest))
    assert set(timers(subject)) == {TimerName.STATUS}


def test_a_closed_connection_to_the_proposer_shortens_the_wait_t6() -> None:
    subject = Subject()
    subject.give(TxPending(START_MS, 1))
    subject.now += 200
    subject.give(PeerDown(ValidatorIndex(2)))
    assert timers(subject)[TimerName.PROGRESS] == 1_000
    subject.give(PeerDown(ValidatorIndex(0)))
    assert timers(subject)[TimerName.PROGRESS] == 350
    subject.give(PeerUp(ValidatorIndex(0)))
    assert timers(subject)[TimerName.PROGRESS] == 1_000


def test_a_proposer_that_is_gone_when_work_arrives_is_given_the_short_wait_t6() -> None:
    subject = Subject()
    subject.give(PeerDown(ValidatorIndex(0)))
    subject.now += 10_000
    subject.give(TxPending(subject.now, 1))
    assert timers(subject)[TimerName.PROGRESS] == 10_150


def test_an_invalid_batch_shortens_the_wait_t6() -> None:
    subject = Subject()
    subject.give(TxPending(START_MS, 1))
    subject.approve(subject.hear(subject.pre_prepare(0, 1, BATCH, 0)), ok=False)
    assert timers(subject)[TimerName.PROGRESS] == 150


def test_timeouts_grow_with_views_and_fall_with_the_first_block_t4() -> None:
    subject = Subject()
    subject.enter(2)
    assert subject.replica.snapshot().timeout_ms == 2_250
    subject.run_block(1, view=2, proposer=2)
    assert subject.replica.snapshot().timeout_ms == 1_000


def test_a_moved_timer_that_fires_is_ignored() -> None:
    subject = Subject()
    subject.give(TxPending(START_MS, 1))
    assert not sent(subject.give(TimerFired(TimerName.PROGRESS)), ViewChange)
    assert not subject.give(TimerFired(TimerName.NEW_VIEW))


def test_an_unchanged_deadline_is_not_set_again() -> None:
    subject = Subject()
    subject.give(TxPending(START_MS, 1))
    assert not only(subject.give(TxPending(START_MS, 2)), SetTimer)


@given(st.integers(0, 10_000))
def test_the_timeout_is_capped_and_never_shrinks_l4(attempt: int) -> None:
    config = Config()
    assert config.timeout_ms(attempt) <= config.timeout_ms(attempt + 1) <= 30_000
    assert config.proposal_delay_ms(attempt) <= config.proposal_delay_ms(attempt + 1)


SITUATIONS = st.builds(
    Situation,
    changing=st.booleans(),
    in_flight=st.booleans(),
    busy=st.booleans(),
    lagging=st.booleans(),
    awaited=st.integers(0, 3).map(ValidatorIndex),
    my_turn=st.booleans(),
)


@given(st.lists(st.tuples(SITUATIONS, st.integers(0, 3), st.integers(0, 2_000)), max_size=30))
@settings(deadline=None)
def test_effects_always_describe_the_deadlines_exactly(
    moves: list[tuple[Situation, int, int]],
) -> None:
    pace, now, known = Pacemaker(Config(), View(0)), START_MS, {}
    pace.on_start(now)
    for situation, count, wait in moves:
        now += wait
        pace.on_pending(now - 5 if count else None, count)
        for effect in pace.update(situation, now):
            if isinstance(effect, SetTimer):
                known[effect.name] = effect.at_ms
            else:
                del known[effect.name]  # type: ignore[union-attr]
        assert known == dict(pace.deadlines)
        for name in [name for name, at in known.items() if at <= now]:
            assert pace.is_due(name, now)
            del known[name]

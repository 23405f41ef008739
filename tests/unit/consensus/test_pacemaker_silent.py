"""T9: heartbeats come early while a validator waits for checkpoints, within a budget."""

from __future__ import annotations

from bulwark.ledger.ids import ValidatorIndex, View
from consensus.config import Config
from consensus.pacemaker import HURRIED_BLOCKS, Pacemaker, Situation
from consensus.types import TimerName
from tests.unit.consensus.support import START_MS

CONFIG = Config()
BUDGET = HURRIED_BLOCKS * CONFIG.window
HEARTBEAT, STATUS = CONFIG.heartbeat_ms, CONFIG.status_interval_ms
PROPOSER, WIPED = ValidatorIndex(0), ValidatorIndex(3)


def make_pace() -> Pacemaker:
    """A pacemaker that began at START_MS."""
    pace = Pacemaker(CONFIG, View(0))
    pace.on_start(START_MS)
    return pace


def timers(
    pace: Pacemaker, *, my_turn: bool = True, awaited: int = 0, lagging: bool = False
) -> dict[TimerName, int]:
    """Deadlines of an idle replica, relative to the start."""
    situation = Situation(False, False, False, lagging, ValidatorIndex(awaited), my_turn)
    pace.update(situation, START_MS)
    return {name: at - START_MS for name, at in pace.deadlines}


def test_heartbeats_come_at_status_pace_while_somebody_is_silent_t9() -> None:
    pace = make_pace()
    assert timers(pace)[TimerName.HEARTBEAT] == HEARTBEAT
    pace.on_silent(WIPED, True)
    assert pace.hurried
    assert timers(pace)[TimerName.HEARTBEAT] == STATUS
    pace.on_silent(WIPED, False)
    assert not pace.hurried
    assert timers(pace)[TimerName.HEARTBEAT] == HEARTBEAT


def test_each_silent_validator_counts_for_itself_t9() -> None:
    pace = make_pace()
    for index in (1, 2):
        pace.on_silent(ValidatorIndex(index), True)
    pace.on_silent(ValidatorIndex(1), False)
    assert pace.hurried
    pace.on_silent(ValidatorIndex(2), False)
    assert not pace.hurried


def test_the_pause_is_never_longer_than_a_heartbeat_t9() -> None:
    pace = Pacemaker(Config(heartbeat_ms=100, status_interval_ms=700), View(0))
    pace.on_start(START_MS)
    pace.on_silent(WIPED, True)
    assert timers(pace)[TimerName.HEARTBEAT] == 100


def test_the_same_claim_again_moves_no_deadline_t9() -> None:
    pace = make_pace()
    for silent in (False, True):
        pace.on_silent(WIPED, silent)
        timers(pace)
        pace.on_silent(WIPED, silent)
        assert not pace.stale
    pace.on_silent(WIPED, False)
    assert pace.stale


def test_early_heartbeats_end_with_their_budget_t9() -> None:
    pace = make_pace()
    pace.on_heartbeat(START_MS)
    pace.on_silent(WIPED, True)
    for _ in range(BUDGET - 1):
        pace.on_heartbeat(START_MS)
    assert pace.hurried
    pace.on_heartbeat(START_MS)
    assert not pace.hurried
    assert timers(pace)[TimerName.HEARTBEAT] == HEARTBEAT
    pace.on_heartbeat(START_MS)
    assert not pace.hurried


def test_one_early_heartbeat_comes_back_with_each_ordinary_interval_t9() -> None:
    pace = make_pace()
    pace.on_silent(WIPED, True)
    for _ in range(BUDGET + 1):
        pace.on_heartbeat(START_MS)
    pace.on_heartbeat(START_MS + HEARTBEAT - 1)
    assert not pace.hurried
    pace.on_heartbeat(START_MS + 3 * HEARTBEAT)
    assert pace.hurried
    pace.on_heartbeat(START_MS + 3 * HEARTBEAT)
    assert pace.hurried
    pace.on_heartbeat(START_MS + 3 * HEARTBEAT)
    assert not pace.hurried


def test_a_long_quiet_time_fills_the_budget_and_no_more_t9() -> None:
    pace = make_pace()
    pace.on_heartbeat(START_MS + 10 * BUDGET * HEARTBEAT)
    pace.on_silent(WIPED, True)
    for _ in range(BUDGET - 1):
        pace.on_heartbeat(START_MS + 10 * BUDGET * HEARTBEAT)
    assert pace.hurried
    pace.on_heartbeat(START_MS + 10 * BUDGET * HEARTBEAT)
    assert not pace.hurried


def test_the_others_wait_a_timeout_for_the_early_heartbeat_t9() -> None:
    pace = make_pace()
    pace.on_silent(WIPED, True)
    idle = timers(pace, my_turn=False)
    assert idle[TimerName.PROGRESS] == STATUS + CONFIG.base_timeout_ms
    assert TimerName.HEARTBEAT not in idle


def test_a_silent_proposer_counts_as_absent_t9() -> None:
    pace = make_pace()
    pace.on_silent(PROPOSER, True)
    idle = timers(pace, my_turn=False)
    assert idle[TimerName.PROGRESS] == STATUS + CONFIG.peer_down_ms
    assert timers(pace, my_turn=False, awaited=1)[TimerName.PROGRESS] == STATUS + 1_000
    pace.on_pending(START_MS, 1)
    assert timers(pace, my_turn=False)[TimerName.PROGRESS] == CONFIG.peer_down_ms


def test_a_lagging_replica_waits_for_no_heartbeat_t8() -> None:
    pace = make_pace()
    pace.on_silent(WIPED, True)
    assert set(timers(pace, lagging=True)) == {TimerName.STATUS}

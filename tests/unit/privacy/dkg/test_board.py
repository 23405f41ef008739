"""The board takes any bytes, changes by good posts only, and is equal wherever it is built."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulwark.privacy.dkg.board import Board
from bulwark.privacy.dkg.outcome import Done, Failed, FailureReason, Running
from bulwark.privacy.dkg.phases import Close, Phase, Verdict
from bulwark.privacy.dkg.posts import max_post_bytes
from bulwark.privacy.dkg.record import max_record_bytes
from bulwark.privacy.dkg.session import Purpose
from tests.unit.privacy.dkg.crooks import BEHAVIOURS
from tests.unit.privacy.dkg.world import Ceremony, ceremony, names

ROOT = Path(__file__).resolve().parents[4]


def state(board: Board) -> bytes:
    """Everything a board holds, as bytes to compare."""
    return pickle.dumps((board.record, board.outcome))


def at(phase: Phase, count: int = 4) -> Ceremony:
    """A ceremony with every kind of trouble, played up to the phase and not closed."""
    made = ceremony(Purpose.GENERATE, names(count))
    BEHAVIOURS["wrong pair, then wrong Feldman commitments"](made, 2)
    while made.board.phase < phase:
        made.play(made.board.phase)
        made.close()
    return made


@pytest.fixture(scope="module")
def stages() -> dict[Phase, Ceremony]:
    return {phase: at(phase) for phase in Phase}


@pytest.mark.parametrize("phase", Phase)
def test_post_of_a_stranger_another_phase_or_too_many_bytes_changes_nothing(
    phase: Phase, stages: dict[Phase, Ceremony]
) -> None:
    made = stages[phase]
    before = state(made.board)
    due = sorted(made.board.record.awaiting())[0]
    for sender in (0, -1, 5, 255, 256, 10**9):
        assert made.board.post(sender, phase, b"") is Verdict.NOT_A_PARTY
    for other in Phase:
        if other is not phase:
            assert made.board.post(due, other, b"x") is Verdict.WRONG_PHASE
    longest = max_post_bytes(made.session, phase)
    assert made.board.post(due, phase, bytes(longest + 1)) is Verdict.TOO_LONG
    assert state(made.board) == before


@pytest.mark.parametrize("phase", Phase)
def test_honest_post_is_taken_once_and_any_cut_or_extended_one_never(phase: Phase) -> None:
    made = at(phase)
    due = sorted(made.board.record.awaiting())[-1]
    data = made.parties[due].to_post(phase, made.board)
    assert data is not None
    before = state(made.board)
    for wrong in (data[:-1], data + b"\x00", b"", data[1:]):
        assert made.board.post(due, phase, wrong) in {Verdict.MALFORMED, Verdict.TOO_LONG}
        assert state(made.board) == before
    assert made.board.post(due, phase, data) is Verdict.TAKEN
    after = state(made.board)
    assert made.board.post(due, phase, data) is Verdict.DUPLICATE
    assert state(made.board) == after != before


@pytest.mark.parametrize("phase", [Phase.DEFEND])
def test_party_with_nothing_due_may_pass_and_may_not_post(
    phase: Phase, stages: dict[Phase, Ceremony]
) -> None:
    board = stages[phase].board
    before = state(board)
    assert board.post(1, phase, b"") is Verdict.PASSED
    assert board.post(1, phase, b"\x00") is Verdict.NOT_EXPECTED
    assert state(board) == before
    assert board.outcome == Running(phase, frozenset({2}))


def test_late_post_is_refused_and_its_sender_is_out() -> None:
    made = ceremony(Purpose.GENERATE, names(4))
    late = made.parties[2].to_post(Phase.COMMIT, made.board)
    assert late is not None
    made.bends[2, Phase.COMMIT] = lambda _made, _post: None
    made.play(Phase.COMMIT)
    made.close()
    assert made.board.post(2, Phase.COMMIT, late) is Verdict.WRONG_PHASE
    assert 2 not in made.board.record.dealing
    assert made.parties[2].to_post(Phase.DEAL, made.board) == b""


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(Phase), st.data())
def test_random_bytes_never_raise_and_never_change_the_board(
    stages: dict[Phase, Ceremony], phase: Phase, data: st.DataObject
) -> None:
    """COMMIT takes any 32 bytes, by design; nothing else random can be a post."""
    made = stages[phase]
    longest = max_post_bytes(made.session, phase)
    post = data.draw(st.binary(max_size=longest + 2).filter(lambda it: not harmless(phase, it)))
    sender = data.draw(st.integers(-1, 300))
    before = state(made.board)
    assert made.board.post(sender, phase, post) is not Verdict.TAKEN
    assert state(made.board) == before


def harmless(phase: Phase, post: bytes) -> bool:
    """Posts that anybody can make: hashes in COMMIT, lists without evidence."""
    if phase is Phase.COMMIT:
        return len(post) == 32
    if phase is Phase.COMPLAIN:
        return True
    return phase in {Phase.ACCUSE, Phase.RECONSTRUCT} and post == b"\x00"


@settings(deadline=None, max_examples=60)
@given(
    phase=st.sampled_from([Phase.DEAL, Phase.DEFEND, Phase.EXTRACT, Phase.RECONSTRUCT]),
    data=st.data(),
)
def test_honest_post_with_one_bit_flipped_is_refused(
    stages: dict[Phase, Ceremony], phase: Phase, data: st.DataObject
) -> None:
    """But for the later Feldman commitments: only the holders see that those are wrong."""
    made = stages[phase]
    sender = data.draw(st.sampled_from(sorted(made.board.record.awaiting())))
    post = bytearray(made.parties[sender].to_post(phase, made.board) or b"")
    bits = [*range(8 * len(post))]
    if phase is Phase.EXTRACT:
        del bits[8 * 32 : -8 * 64]
    bit = data.draw(st.sampled_from(bits))
    post[bit // 8] ^= 1 << bit % 8
    before = state(made.board)
    assert made.board.post(sender, phase, bytes(post)) is not Verdict.TAKEN
    assert state(made.board) == before


@settings(deadline=None, max_examples=10)
@given(st.permutations(range(1, 5)), st.permutations(range(1, 5)))
def test_order_of_posts_inside_a_phase_does_not_matter(one: list[int], other: list[int]) -> None:
    made = ceremony(Purpose.GENERATE, names(4))
    BEHAVIOURS["wrong last Feldman commitment"](made, 3)
    twin = Board(made.session)
    while isinstance(made.board.outcome, Running):
        phase, begin = made.board.phase, len(made.log)
        made.play(phase, one)
        posts = {entry[0]: entry[2] for entry in made.log[begin:] if not isinstance(entry, Close)}
        for sender in other:
            if sender in posts:
                twin.post(sender, phase, posts[sender])
        made.close()
        twin.advance(Close.DEADLINE)
        assert twin.digest == made.board.digest
    assert twin.outcome == made.board.outcome
    assert isinstance(twin.outcome, Done)


REPLAY = """
import pickle, sys
from bulwark.privacy.dkg.board import Board
from bulwark.privacy.dkg.phases import Close
session, log = pickle.loads(bytes.fromhex(sys.stdin.read()))
board = Board(session)
for entry in log:
    board.advance(entry) if isinstance(entry, Close) else board.post(*entry)
print(board.digest.hex(), board.record.result.digest.hex(), board.outcome.dealers)
"""


def test_another_process_builds_the_same_board_from_the_same_ledger() -> None:
    made = ceremony(Purpose.GENERATE, names(7))
    BEHAVIOURS["wrong Feldman commitments"](made, 3)
    BEHAVIOURS["wrong pair for one"](made, 5)
    outcome = made.run()
    assert isinstance(outcome, Done)
    result = made.board.record.result
    assert result is not None
    printed = subprocess.run(
        [sys.executable, "-c", REPLAY],
        input=pickle.dumps((made.session, made.log)).hex(),
        env={**os.environ, "PYTHONHASHSEED": "12345"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    wanted = f"{made.board.digest.hex()} {result.digest.hex()} {outcome.dealers}"
    assert printed.strip() == wanted


def test_digest_changes_with_every_post_and_every_close() -> None:
    made = ceremony(Purpose.GENERATE, names(4))
    seen = {made.board.digest}
    for phase in (Phase.COMMIT, Phase.DEAL, Phase.COMPLAIN):
        for index in made.holders:
            data = made.parties[index].to_post(phase, made.board)
            assert made.board.post(index, phase, data or b"") is Verdict.TAKEN
            seen.add(made.board.digest)
        made.close()
        seen.add(made.board.digest)
    assert len(seen) == 1 + 3 * 5


def test_what_a_board_keeps_is_bounded_by_its_session() -> None:
    made = ceremony(Purpose.GENERATE, names(7))
    BEHAVIOURS["wrong Feldman commitments"](made, 3)
    made.run()
    record = made.board.record
    kept = sum(len(post.encode()) for post in record.deals.values())
    kept += sum(32 * len(points) for points in record.feldman.values())
    kept += sum(64 * len(pairs) for pairs in record.opened.values())
    assert kept <= max_record_bytes(made.session)


def test_ended_board_takes_nothing() -> None:
    made = ceremony(Purpose.GENERATE, names(1))
    made.close()
    outcome = made.board.outcome
    assert isinstance(outcome, Failed) and outcome.reason is FailureReason.TOO_FEW_DEALERS
    assert made.board.post(1, Phase.COMMIT, bytes(32)) is Verdict.OVER
    assert "FAILED" not in repr(made.board) and "Failed" in repr(made.board)

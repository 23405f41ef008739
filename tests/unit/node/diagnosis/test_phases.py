"""What is said of the height that is being made."""

from __future__ import annotations

import pytest

from node.diagnosis import phases
from node.diagnosis.facts import Settings
from node.diagnosis.finding import Severity
from tests.unit.node.diagnosis.builders import NOW_MS, consensus, healthy, slot, waiting


def test_nobody_is_named_before_a_block_may_take_so_long() -> None:
    assert not list(phases.phase(waiting(consensus(pending=1), 900)))
    assert not list(phases.phase(healthy()))


def test_the_proposer_is_named_when_no_proposal_came() -> None:
    (found,) = phases.phase(waiting(consensus(pending=4)))
    assert (found.code, found.subject) == ("height.no-proposal", "bank-c")
    assert found.seen == (
        "block 41, view 2: no proposal from bank-c for 3.0 s; 4 transactions wait"
    )


def test_a_node_that_has_to_propose_itself_is_told_so() -> None:
    (found,) = phases.phase(waiting(consensus(pending=1, proposer=0)))
    assert (found.code, found.subject) == ("height.own-proposal", "bank-a")


@pytest.mark.parametrize(
    ("phase", "votes", "code", "word"),
    [
        ("proposed", "prepares", "height.prepare-missing", "PREPARE"),
        ("prepared", "commits", "height.commit-missing", "COMMIT"),
    ],
)
def test_missing_votes_are_counted_and_their_voters_named(
    phase: str, votes: str, code: str, word: str
) -> None:
    own = consensus(slots=(slot(phase, **{votes: (0, 2)}),))
    (found,) = phases.phase(waiting(own))
    assert found.code == code
    assert found.seen == (
        f"block 41, view 2: 2 of 3 needed {word} votes for 3.0 s; none from telco-b, telco-d"
    )
    assert ("missing", "telco-b telco-d") in found.values


def test_a_refused_proposal_says_why() -> None:
    own = consensus(slots=(slot("refused", refusal="nonce.too-low"),))
    (found,) = phases.phase(waiting(own))
    assert (found.code, found.subject) == ("height.refused", "bank-c")
    assert "nonce.too-low" in found.seen


def test_a_late_proposal_and_a_missing_batch_are_said_beside_the_votes() -> None:
    own = consensus(slots=(slot("proposed", timely=False, has_body=False),))
    codes = [f.code for f in phases.phase(waiting(own))]
    assert codes == ["height.untimely", "height.no-body", "height.prepare-missing"]


def test_a_slow_execution_is_named() -> None:
    (found,) = phases.phase(waiting(consensus(executing=41)))
    assert found.code == "height.executing" and "sidecars are missing" in found.advice


def test_a_view_change_and_a_sync_speak_for_themselves() -> None:
    assert not list(phases.phase(waiting(consensus(changing=True))))
    assert not list(phases.phase(waiting(consensus(syncing=True))))


def test_missing_checkpoint_votes_are_named_once_they_are_late() -> None:
    own = consensus(slots=(slot("executed", height=40, checkpoints=(0, 1)),))
    facts = healthy(consensus=own, finalized=39, tip_ms=NOW_MS - 1_500)
    (found,) = phases.checkpoints(facts)
    assert found.code == "height.checkpoint-missing"
    assert "2 of 3 needed CHECKPOINT votes; none from bank-c, telco-d" in found.seen
    assert not list(phases.checkpoints(healthy(consensus=own, finalized=39)))
    assert not list(phases.checkpoints(healthy(consensus=own, tip_ms=NOW_MS - 1_500)))


def test_another_result_of_the_same_block_is_critical() -> None:
    own = consensus(slots=(slot("executed", height=40, dissent=(3,)),))
    (found,) = phases.checkpoints(healthy(consensus=own))
    assert (found.code, found.subject) == ("height.checkpoint-differs", "telco-d")
    assert found.severity is Severity.CRITICAL


def test_an_idle_alliance_without_heartbeat_is_not_well() -> None:
    short = Settings(heartbeat_ms=2_000, base_timeout_ms=500)
    assert not list(phases.heartbeat(healthy(settings=short, tip_ms=NOW_MS - 4_000)))
    (found,) = phases.heartbeat(healthy(settings=short, tip_ms=NOW_MS - 4_001))
    assert (found.code, found.subject) == ("height.heartbeat-overdue", "bank-c")
    assert "makes one every 2.0 s, bank-c is next to propose" in found.seen

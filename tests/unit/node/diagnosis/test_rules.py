"""Quorum, views, clocks, the node's own standing and its surroundings: a test a rule."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from node.diagnosis import clocks, levels, quorum, standing, surroundings, upkeep, views
from node.diagnosis.facts import (
    DAY_MS,
    START_MS,
    UNKNOWN_HEIGHT,
    CertificateFacts,
    ClockSample,
    DiskFacts,
    EvidenceFacts,
    LevelFacts,
    PoolFacts,
    ProposedLevel,
    PruningFacts,
    RestoreFacts,
    SyncFacts,
    SyncLiar,
)
from node.diagnosis.finding import Finding, Severity
from tests.unit.node.diagnosis.builders import NOW_MS, consensus, healthy, member, status


def clocked(*offsets: int, error_ms: int = 5):
    members = (
        member(i + 1, clock=ClockSample(offset, error_ms, NOW_MS))
        for i, offset in enumerate(offsets)
    )
    return healthy(members=tuple(members))


def test_a_lost_quorum_says_the_sum_and_who_would_complete_it() -> None:
    away = (member(1), member(2, connected=False), member(3, connected=False))
    (found,) = quorum.lost(healthy(members=away))
    assert found.seen == (
        "2 of 4 validators vote (bank-a, telco-b), 3 are needed; missing: bank-c, telco-d"
    )
    assert found.advice.startswith("bring back any 1 of bank-c, telco-d")
    assert not list(quorum.lost(healthy()))


def test_a_silent_validator_does_not_count_as_a_vote() -> None:
    wiped = (member(1), member(2, status=status(silent=True)), member(3, connected=False))
    (found,) = quorum.lost(healthy(members=wiped))
    assert ("missing", "bank-c telco-d") in found.values


def test_a_quorum_without_reserve_is_a_warning() -> None:
    (found,) = quorum.thin(healthy(members=(member(1), member(2), member(3, connected=False))))
    assert found.severity is Severity.WARNING and "missing: telco-d" in found.seen
    assert not list(quorum.thin(healthy()))


def test_a_view_change_counts_who_asks_and_names_the_leader_once_enough_do() -> None:
    own = consensus(changing=True, view=3, leader=3, view_changes=((0, 3), (1, 3)))
    (found,) = views.changing(healthy(consensus=own))
    assert "2 of 3 needed validators ask for it or a later one (bank-a, telco-b)" in found.seen
    enough = consensus(changing=True, view=3, leader=3, view_changes=((0, 3), (1, 3), (2, 4)))
    (found,) = views.changing(healthy(consensus=enough))
    assert found.subject == "telco-d" and "only its NEW-VIEW from telco-d is missing" in found.seen


def test_a_leader_that_is_away_is_named() -> None:
    own = consensus(changing=True, view=3, leader=3)
    away = (member(1), member(2), member(3, connected=False))
    codes = [f.code for f in views.changing(healthy(consensus=own, members=away))]
    assert codes == ["view.changing", "view.leader-away"]


def test_others_that_want_another_view_are_worth_knowing() -> None:
    (found,) = views.asked(healthy(consensus=consensus(view_changes=((1, 3), (2, 2)))))
    assert found.seen == "this node works in view 2; others ask: telco-b for view 3"


def test_views_in_a_row_without_a_block_are_critical() -> None:
    (found,) = views.many(healthy(consensus=consensus(attempt=3, timeout_ms=3_375)))
    assert found.severity is Severity.CRITICAL
    assert "3 views in a row brought no block; the timeout is now 3.4 s" in found.seen
    assert not list(views.many(healthy(consensus=consensus(attempt=2))))


def test_a_member_whose_clock_is_off_is_named() -> None:
    (found,) = clocks.skew(clocked(0, 1_200, 3))
    assert (found.code, found.subject) == ("clock.peer", "bank-c")
    assert "1.2 s ahead of this node's; at most 500 ms is allowed" in found.seen


def test_when_most_members_disagree_this_clock_is_the_wrong_one() -> None:
    (found,) = clocks.skew(clocked(1_200, 1_210, 1_190))
    assert (found.code, found.subject) == ("clock.own", "bank-a")
    assert "1.2 s behind the others (3 members agree)" in found.seen


def test_what_the_measurement_can_not_know_accuses_nobody() -> None:
    assert not list(clocks.skew(clocked(900, 0, 0, error_ms=400)))


def test_a_wall_clock_that_was_set_is_told() -> None:
    codes = [f.code for f in clocks.moved(healthy(clock_moved_ms=-9_000, clock_held_ms=8_000))]
    assert codes == ["clock.held", "clock.moved"]
    assert not list(clocks.moved(healthy(clock_moved_ms=-400, clock_held_ms=400)))


@pytest.mark.parametrize(
    ("reason", "cure"),
    [
        ("storage: write failed: No space left on device", "free disk space"),
        ("another node with the identity bank-a is running", "stop the other node"),
        ("consensus: P1: would contradict", "do not restart"),
        ("it was stopped by its operator", "bulwark node run"),
        ("anything else", "read its log"),
    ],
)
def test_a_halted_node_says_why_and_how_to_mend_it(reason: str, cure: str) -> None:
    (found,) = standing.halted(healthy(halted=reason))
    assert reason in found.seen and cure in found.advice


def test_silence_after_a_wipe_has_an_end_in_blocks_and_time() -> None:
    own = consensus(silent_until=50)
    (found,) = standing.silence(healthy(consensus=own))
    assert "until block 50 is final: 10 blocks more, at most 5 min" in found.seen
    own = consensus(silent_until=UNKNOWN_HEIGHT)
    (found,) = standing.silence(healthy(consensus=own))
    assert "how long is known once 3 validators sent their STATUS" in found.seen


def test_a_validator_outside_the_set_and_an_observer_are_told_apart() -> None:
    (found,) = standing.role(healthy(consensus=None, epoch=2))
    assert found.code == "node.not-validator" and "epoch 2" in found.seen
    (found,) = standing.role(healthy(consensus=None, role_wanted="observer"))
    assert found.severity is Severity.INFO


def test_the_end_of_an_epoch_is_announced_and_awaited() -> None:
    (found,) = standing.epoch(healthy(epoch=1, epoch_end=44))
    assert "it ends with block 44, 4 blocks from now" in found.seen
    (found,) = standing.epoch(healthy(epoch=1, epoch_end=40, finalized=39))
    assert "waits for its CHECKPOINT votes" in found.seen
    assert not list(standing.epoch(healthy(epoch_end=39)))


def test_a_sync_says_how_far_how_fast_and_from_whom() -> None:
    running = SyncFacts(1_000, 400, "blocks", "bank-c", NOW_MS - 60_000, 600, NOW_MS - 100)
    (found,) = standing.sync(healthy(sync=running))
    assert found.code == "sync.running"
    assert found.seen == (
        "this node catches up (blocks) from bank-c: block 400 of 1000, "
        "600 blocks behind, about 60.0 s left"
    )
    stalled = SyncFacts(1_000, 400, moved_ms=NOW_MS - 40_000)
    liars = (SyncLiar("telco-d", "block 7 has another batch", NOW_MS - 1_000),)
    codes = [f.code for f in standing.sync(healthy(sync=stalled, liars=liars))]
    assert codes == ["sync.stalled", "sync.liar"]


def test_the_state_of_a_sync_is_counted_in_values_and_has_no_time_left() -> None:
    fetching = SyncFacts(1_000, 1_000, "state", "bank-c, telco-d", state_values=90, per_second=30)
    (found,) = standing.sync(healthy(sync=fetching))
    assert found.seen == (
        "this node catches up (state) from bank-c, telco-d: block 1000 of 1000, "
        "0 blocks behind; 90 state values, 30/s"
    )
    assert dict(found.values)["phase"] == "state"


def test_who_lied_in_sync_is_named_with_the_reason_for_an_hour_after_it() -> None:
    def told(age_ms: int) -> list[Finding]:
        return list(standing.sync(healthy(liars=(SyncLiar("bank-c", "wrong", NOW_MS - age_ms),))))

    (found,) = told(60_000)
    assert (found.code, found.subject) == ("sync.liar", "bank-c")
    assert found.seen.endswith("and was dropped: wrong")
    assert told(standing.LIAR_SHOWN_MS) == []


def test_a_node_that_is_behind_and_does_not_sync_is_told() -> None:
    ahead = (member(1, status=status(stable=60)),)
    (found,) = standing.sync(healthy(members=ahead))
    assert found.code == "sync.behind" and "20 blocks behind" in found.seen


def test_a_disk_that_runs_full_is_told_in_time() -> None:
    (found,) = surroundings.disk(healthy(disk=DiskFacts(1 << 30, 1 << 40)))
    assert (found.code, found.severity) == ("disk.low", Severity.WARNING)
    (found,) = surroundings.disk(healthy(disk=DiskFacts(10 << 20, 1 << 40)))
    assert found.seen == "10.0 MiB of 1024.0 GiB free at the database"
    assert not list(surroundings.disk(healthy(disk=DiskFacts(8 << 30, 1 << 40))))


def test_transactions_behind_a_nonce_gap_are_told_apart_from_a_slow_proposer() -> None:
    (found,) = surroundings.waiting(healthy(pool=PoolFacts(3, 99, 10, 3, None)))
    assert (found.code, found.severity) == ("mempool.gap", Severity.WARNING)
    (found,) = surroundings.waiting(healthy(pool=PoolFacts(3, 99, 10, 1, NOW_MS)))
    assert found.severity is Severity.INFO
    (found,) = surroundings.waiting(healthy(pool=PoolFacts(10, 99, 10)))
    assert found.code == "mempool.full"


@pytest.mark.parametrize(
    ("left_ms", "code"), [(-DAY_MS, "tls.expired"), (29 * DAY_MS, "tls.expires")]
)
def test_the_end_of_a_certificate_is_told_before_it_comes(left_ms: int, code: str) -> None:
    facts = healthy(certificates=(CertificateFacts("tls/node.pem", NOW_MS + left_ms),))
    assert [f.code for f in surroundings.certificates(facts)] == [code]
    calm = healthy(certificates=(CertificateFacts("tls/node.pem", NOW_MS + 31 * DAY_MS),))
    assert not list(surroundings.certificates(calm))


def test_a_key_that_is_not_pinned_is_critical() -> None:
    facts = healthy(certificates=(CertificateFacts("n", NOW_MS + 99 * DAY_MS, pin_known=False),))
    (found,) = surroundings.certificates(facts)
    assert (found.code, found.severity) == ("tls.pin", Severity.CRITICAL)


def test_evidence_names_the_culprit() -> None:
    facts = healthy(evidence=(EvidenceFacts("telco-d", ("double-vote",), 2),))
    (found,) = surroundings.misconduct(facts)
    assert found.seen == "2 pieces of evidence against telco-d: double-vote"


def test_another_version_is_worth_knowing() -> None:
    (found,) = surroundings.versions(healthy(members=(member(1, version="1.1"), member(2))))
    assert found.seen == "telco-b runs version 1.1, this node 1.0"


def test_a_quorum_that_forms_after_a_start_is_no_alarm_and_one_that_does_not_is() -> None:
    away = (member(1), member(2, connected=False), member(3, connected=False))
    (found,) = quorum.lost(healthy(members=away, started_ms=NOW_MS - START_MS + 1))
    assert (found.code, found.severity) == ("quorum.forming", Severity.INFO)
    (found,) = quorum.lost(healthy(members=away, started_ms=NOW_MS - START_MS))
    assert (found.code, found.severity) == ("quorum.lost", Severity.CRITICAL)
    thin = healthy(members=(member(1), member(2), member(3, connected=False)))
    assert not list(quorum.thin(replace(thin, started_ms=NOW_MS - 3_000)))


def test_many_views_are_no_alarm_while_the_quorum_has_only_just_come_together() -> None:
    own = consensus(attempt=3)
    assert [f.code for f in views.many(healthy(consensus=own))] == ["view.many"]
    assert not list(views.many(healthy(consensus=own, started_ms=NOW_MS - 3_000)))
    fresh = tuple(member(i, changed_ms=NOW_MS - 3_000) for i in (1, 2, 3))
    assert not list(views.many(healthy(consensus=own, members=fresh)))
    one_came_back = (member(1), member(2), member(3, changed_ms=NOW_MS - 3_000))
    assert list(views.many(healthy(consensus=own, members=one_came_back)))


def test_a_build_that_lacks_a_voted_level_is_told_where_it_will_stop() -> None:
    level = LevelFacts(in_force=0, known=1, voted=2)
    (found,) = levels.own_build(healthy(level=level, epoch_end=48))
    assert (found.code, found.severity) == ("level.build-too-old", Severity.CRITICAL)
    assert "level 2, in force behind block 48, 8 blocks from now" in found.seen
    assert "levels up to 1" in found.seen
    assert not list(levels.own_build(healthy(level=replace(level, known=2), epoch_end=48)))


def test_an_open_proposal_of_an_unknown_level_warns_in_time() -> None:
    wish = ProposedLevel(7, 2, NOW_MS + 3 * DAY_MS)
    level = LevelFacts(known=1, proposed=(wish,))
    (found,) = levels.own_build(healthy(level=level))
    assert (found.code, found.severity) == ("level.proposed", Severity.WARNING)
    assert "proposal 7" in found.seen
    assert not list(levels.own_build(healthy(level=replace(level, known=2))))


def test_members_whose_builds_lack_a_level_are_named() -> None:
    others = (member(1, level=2), member(2, level=1), member(3, level=None, connected=False))
    wish = ProposedLevel(7, 2, NOW_MS + DAY_MS)
    (found,) = levels.members(healthy(members=others, level=LevelFacts(known=2, proposed=(wish,))))
    assert found.subject == "bank-c" and "level 2 is proposed" in found.seen
    assert "do not approve" in found.advice
    (found,) = levels.members(healthy(members=others, level=LevelFacts(known=2, voted=2)))
    assert "level 2 is voted" in found.seen
    assert not list(levels.members(healthy(members=others, level=LevelFacts(known=2, voted=1))))


def test_pruning_is_told_and_never_an_alarm() -> None:
    pruning = PruningFacts(bodies_below=30, states_below=20, phase="sweeping", since_ms=NOW_MS)
    (found,) = upkeep.pruning(healthy(pruning=pruning))
    assert (found.code, found.severity) == ("pruning.running", Severity.INFO)
    assert "bodies below block 30, states below 20" in found.seen
    (found,) = upkeep.pruning(healthy(pruning=replace(pruning, phase="", waits=True)))
    assert found.code == "pruning.waits"
    assert not list(upkeep.pruning(healthy(pruning=replace(pruning, phase=""))))
    assert not list(upkeep.pruning(healthy()))


def test_a_restore_is_told_until_the_node_is_in_step_and_is_critical_once_it_stands_still() -> None:
    restore = RestoreFacts(31, "block 40 of 60", NOW_MS - 200_000, NOW_MS - 1_000)
    (found,) = upkeep.restore(healthy(restore=restore))
    assert (found.code, found.severity) == ("restore.running", Severity.WARNING)
    assert "block 31" in found.seen and "block 40 of 60" in found.seen
    stands = replace(restore, moved_ms=NOW_MS - 121_000)
    (found,) = upkeep.restore(healthy(restore=stands))
    assert (found.code, found.severity) == ("restore.stalled", Severity.CRITICAL)
    assert not list(upkeep.restore(healthy()))


def test_wrong_answers_are_not_explained_as_a_copied_vote_key() -> None:
    wrong = EvidenceFacts("bank-c", ("wrong-evaluation",), 1)
    (found,) = surroundings.misconduct(healthy(evidence=(wrong,)))
    assert "share" in found.advice and "copied database" not in found.advice
    both = EvidenceFacts("bank-c", ("double-vote", "wrong-evaluation"), 2)
    (found,) = surroundings.misconduct(healthy(evidence=(both,)))
    assert "share" in found.advice and "copied database" in found.advice

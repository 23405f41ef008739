"""The verdict, golden texts of whole diagnoses, and that no facts at all can break a rule."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from node.diagnosis.facts import (
    CertificateFacts,
    ClockSample,
    ConsensusFacts,
    DiskFacts,
    EvidenceFacts,
    Facts,
    MemberFacts,
    PeerStatus,
    PoolFacts,
    Refusal,
    Settings,
    SlotFacts,
    SyncFacts,
    SyncLiar,
)
from node.diagnosis.finding import Severity, Verdict
from node.diagnosis.text import document, lines
from node.diagnosis.verdict import diagnose
from tests.unit.node.diagnosis.builders import (
    NOW_MS,
    consensus,
    healthy,
    member,
    observer,
    slot,
    waiting,
)

WIPED = consensus(silent_until=50)
AWAY = (member(1), member(2, connected=False), member(3, connected=False), observer())


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [
        (healthy(), Verdict.HEALTHY),
        (healthy(tip_ms=NOW_MS - 6_000), Verdict.IDLE),
        (waiting(consensus(pending=1), 2_500), Verdict.SLOW),
        (waiting(consensus(pending=1), 11_000), Verdict.STUCK),
        (healthy(members=AWAY), Verdict.STUCK),
        (healthy(tip_ms=NOW_MS - 80_000), Verdict.STUCK),
        (healthy(sync=SyncFacts(900, 40)), Verdict.CATCHING_UP),
        (healthy(consensus=consensus(syncing=True)), Verdict.CATCHING_UP),
        (healthy(consensus=WIPED), Verdict.SILENT),
        (healthy(halted="storage: full"), Verdict.HALTED),
        (healthy(running=False), Verdict.HALTED),
        (healthy(consensus=None, role_wanted="observer"), Verdict.HEALTHY),
    ],
)
def test_the_verdict_is_the_worst_word_that_applies(facts: Facts, verdict: Verdict) -> None:
    assert diagnose(facts).verdict is verdict


def test_all_well_is_one_line() -> None:
    found = diagnose(healthy())
    assert found.well
    assert list(lines(document(found))) == ["healthy: block 40, final 40; 4 of 4 validators vote"]


def test_a_node_without_peers_before_its_first_block_says_so() -> None:
    nobody = tuple(member(i, connected=False, status=None, changed_ms=None) for i in (1, 2, 3))
    facts = healthy(executed=0, finalized=0, tip_ms=0, started_ms=NOW_MS - 20_000, members=nobody)
    assert list(lines(document(diagnose(facts))))[:3] == [
        "stuck: no block after 0 for 20.0 s; none of 3 members is connected",
        "critical node.no-peers: none of 3 members is connected",
        "         do: check this node's network, its listening port and the addresses in node.toml",
    ]


def test_two_lost_validators_read_as_one_story() -> None:
    own = consensus(pending=1, slots=(slot("proposed", prepares=(0, 1)),), view_changes=((1, 3),))
    facts = replace(waiting(own, 12_000), members=AWAY)
    assert list(lines(document(diagnose(facts)))) == [
        "stuck: no block after 40 for 12.0 s; 2 of 4 validators vote (bank-a, telco-b), 3 are "
        "needed; missing: bank-c, telco-d",
        "critical quorum.lost: 2 of 4 validators vote (bank-a, telco-b), 3 are needed; missing: "
        "bank-c, telco-d",
        "         do: bring back any 1 of bank-c, telco-d; blocks then go on by themselves",
        "warning  height.prepare-missing: block 41, view 2: 2 of 3 needed PREPARE votes for "
        "12.0 s; none from bank-c, telco-d",
        "         do: look at bank-c, telco-d: down, cut off, behind, in another view, or without "
        "the batch",
        "warning  peer.not-connected: validator bank-c is not connected for 60.0 s",
        "         do: check that the node of bank-c runs and that its address in node.toml is "
        "reachable",
        "warning  peer.not-connected: validator telco-d is not connected for 60.0 s",
        "         do: check that the node of telco-d runs and that its address in node.toml is "
        "reachable",
        "info     view.asked: this node works in view 2; others ask: telco-b for view 3",
        "         do: a few that ask alone have a bad connection or a slow machine",
    ]


names = st.sampled_from(["bank-a", "telco-b", "bank-c", "x"])
words = st.text(max_size=8)
moments = st.integers(-(1 << 50), 1 << 63)
numbers = st.integers(-4, 1 << 63)
small = st.integers(-2, 140)
indices = st.lists(small, max_size=5).map(tuple)


def some(strategy):
    return st.none() | strategy


MEMBERS = st.builds(
    MemberFacts,
    id=names,
    validator=some(small),
    connected=st.booleans(),
    changed_ms=some(moments),
    refusal=some(st.builds(Refusal, st.sampled_from(["wrong-pin", "tls", "?"]), words, moments)),
    status=some(
        st.builds(PeerStatus, numbers, st.booleans(), numbers, numbers, st.booleans(), moments)
    ),
    clock=some(st.builds(ClockSample, moments, numbers, moments)),
    version=words,
)
SLOTS = st.builds(
    SlotFacts,
    height=numbers,
    phase=st.sampled_from(["empty", "proposed", "refused", "prepared", "committed", "executed"]),
    prepares=indices,
    commits=indices,
    checkpoints=indices,
    dissent=indices,
    has_body=st.booleans(),
    refusal=words,
    timely=st.booleans(),
)
CORES = st.builds(
    ConsensusFacts,
    me=small,
    view=numbers,
    changing=st.booleans(),
    leader=small,
    proposer=small,
    next_height=numbers,
    pending=numbers,
    timeout_ms=numbers,
    attempt=small,
    executing=some(numbers),
    syncing=st.booleans(),
    silent_until=some(numbers),
    view_changes=st.lists(st.tuples(small, numbers), max_size=4).map(tuple),
    slots=st.lists(SLOTS, max_size=3).map(tuple),
)
SYNCS = st.builds(
    SyncFacts,
    target=numbers,
    applied=numbers,
    phase=words,
    peer=names,
    since_ms=some(moments),
    blocks_per_minute=some(numbers),
    moved_ms=some(moments),
    state_values=numbers,
    per_second=numbers,
)
FACTS = st.builds(
    Facts,
    now_ms=moments,
    own=names,
    validators=st.lists(names, max_size=4, unique=True).map(tuple),
    quorum=small,
    executed=numbers,
    finalized=numbers,
    tip_ms=moments,
    running=st.booleans(),
    halted=words,
    started_ms=moments,
    role_wanted=st.sampled_from(["validator", "observer"]),
    epoch=numbers,
    epoch_end=some(numbers),
    members=st.lists(MEMBERS, max_size=4).map(tuple),
    consensus=some(CORES),
    pool=st.builds(PoolFacts, numbers, numbers, numbers, numbers, some(moments)),
    sync=some(SYNCS),
    liars=st.lists(st.builds(SyncLiar, names, words, moments), max_size=3).map(tuple),
    disk=some(st.builds(DiskFacts, numbers, numbers, words)),
    certificates=st.lists(
        st.builds(CertificateFacts, words, moments, st.booleans()), max_size=2
    ).map(tuple),
    evidence=st.lists(
        st.builds(EvidenceFacts, names, st.just(("double-vote",)), numbers), max_size=2
    ).map(tuple),
    version=words,
    clock_moved_ms=moments,
    clock_held_ms=moments,
    settings=st.builds(Settings, numbers, numbers, numbers, numbers),
)


@settings(deadline=None, max_examples=300)
@given(FACTS)
def test_no_facts_make_a_rule_raise_and_every_answer_is_json(facts: Facts) -> None:
    found = diagnose(facts)
    shown = json.loads(json.dumps(document(found)))
    assert next(lines(shown)) == found.headline
    for finding in found.findings:
        assert finding.seen and "\n" not in finding.code
        assert list(found.findings) == sorted(found.findings, key=lambda f: -f.severity)
    assert found.well == (
        found.verdict in (Verdict.HEALTHY, Verdict.IDLE)
        and all(f.severity is Severity.INFO for f in found.findings)
    )


def test_a_node_that_has_just_started_is_starting_and_not_stuck() -> None:
    nobody = tuple(member(i, connected=False, status=None, changed_ms=None) for i in (1, 2, 3))
    facts = healthy(started_ms=NOW_MS - 4_000, members=nobody)
    told = diagnose(facts)
    assert told.verdict is Verdict.STARTING
    assert not told.well
    assert told.headline == "starting: block 40; 1 of 4 validators vote so far, 3 are needed"
    assert "quorum.lost" not in [finding.code for finding in told.findings]

"""Scores are exact, explained to the point, and never turned against a victim."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bulwark.indicators.lifetime import DAY_MS, EVEN, FAST, FULL, remaining
from bulwark.indicators.scoring import (
    EVIDENCE_WEIGHT,
    Assessment,
    RecordView,
    assess,
    band_of,
)
from bulwark.indicators.vocabulary import (
    Band,
    EvidenceLevel,
    FraudType,
    Kind,
    ObjectRole,
    Tlp,
    Usage,
)
from bulwark.ledger.ids import MemberId
from bulwark.ledger.lifecycle import ConsentStanding, State
from bulwark.ledger.standing import Standing, standing_of

TODAY = 20_000
NOW_MS = TODAY * DAY_MS + 1


def record(**changes: object) -> RecordView:
    plain = RecordView(
        kind=Kind.IBAN,
        fraud_type=FraudType.MULE_ACCOUNT,
        object_role=ObjectRole.MULE,
        evidence_level=EvidenceLevel.CONFIRMED,
        confidence=80,
        first_seen_day=TODAY,
        last_seen_day=TODAY,
        valid_until_day=TODAY + 365,
        reporter="bank-a",
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def codes(answer: Assessment) -> list[str]:
    return [reason.code for reason in answer.reasons]


def test_nothing_known_is_band_none_without_reasons() -> None:
    assert assess([], NOW_MS) == Assessment(Band.NONE, 0, ())


def test_one_confirmed_report_scores_confidence_times_evidence() -> None:
    answer = assess([record()], NOW_MS)
    assert (answer.score, answer.band, answer.reporters) == (68, Band.HIGH, 1)
    assert [(r.code, r.weight) for r in answer.reasons] == [("evidence", 68)]
    assert answer.reasons[0].text == "evidence: confirmed; method: mule_account"


def test_a_second_customer_raises_the_evidence() -> None:
    assert assess([record(distinct_customers=2)], NOW_MS).score == 74
    assert assess([record(distinct_customers=1)], NOW_MS).score == 68


def test_second_member_corroborates_and_second_report_of_the_same_does_not() -> None:
    twice = assess([record(), record()], NOW_MS)
    both = assess([record(), record(reporter="telco-b")], NOW_MS)
    assert twice.score == 68
    assert (both.score, both.band) == (89, Band.VERY_HIGH)
    assert [(r.code, r.weight) for r in both.reasons] == [("evidence", 68), ("corroboration", 21)]


def test_one_member_alone_does_not_reach_the_highest_band() -> None:
    alone = assess([record(confidence=100)], NOW_MS)
    assert (alone.score, alone.band) == (74, Band.HIGH)
    assert alone.reasons[-1].code == "single_reporter" and alone.reasons[-1].weight == -11
    ruled = assess([record(confidence=100, evidence_level=EvidenceLevel.AUTHORITY)], NOW_MS)
    assert (ruled.score, ruled.band) == (100, Band.VERY_HIGH)


@pytest.mark.parametrize(
    "role", [ObjectRole.COMPROMISED_VICTIM, ObjectRole.IMPERSONATED, ObjectRole.TARGET]
)
def test_victims_and_genuine_parties_are_protected_and_never_scored(role: ObjectRole) -> None:
    answer = assess([record(object_role=role, reporter=str(i)) for i in range(5)], NOW_MS)
    assert (answer.score, answer.band, answer.protected) == (0, Band.NONE, True)
    assert codes(answer) == [f"protect.{role.label}"]
    mixed = assess([record(), record(object_role=role, reporter="b")], NOW_MS)
    assert mixed.score == assess([record()], NOW_MS).score and mixed.protected


def test_expired_record_does_not_count_from_the_day_after() -> None:
    last_day = record(last_seen_day=TODAY - 5, valid_until_day=TODAY)
    assert assess([last_day], NOW_MS).score > 0
    answer = assess([last_day], NOW_MS + DAY_MS)
    assert (answer.score, codes(answer)) == (0, ["expired"])


def test_kind_gives_the_life_span_where_none_is_stated() -> None:
    phone = record(kind=Kind.PHONE, last_seen_day=TODAY - 11, valid_until_day=0)
    assert assess([phone], NOW_MS).score == 0
    assert assess([replace(phone, kind=Kind.IBAN)], NOW_MS).score > 60


def test_score_decays_day_by_day_and_a_new_sighting_restores_it() -> None:
    phone = record(kind=Kind.PHONE, last_seen_day=TODAY - 4, valid_until_day=TODAY + 6)
    aged = assess([phone], NOW_MS)
    assert codes(aged) == ["evidence", "age"] and 0 < aged.score < 68
    sighted = record(kind=Kind.PHONE, valid_until_day=TODAY + 10)
    assert assess([phone, sighted], NOW_MS).score == 68


@pytest.mark.parametrize("state", list(State))
def test_a_record_answers_in_the_state_active_only(state: State) -> None:
    answer = assess([record(standing=Standing(state))], NOW_MS)
    if state is State.ACTIVE:
        assert answer.stands and answer.score == 68
        return
    assert not answer.stands and answer.score == 0 and answer.limits == ()
    expected = {
        State.DISPUTED: ["disputed"],
        State.OVERRULED: ["withdrawn"],
        State.RETRACTED: ["withdrawn"],
        State.EXPIRED: ["expired"],
        State.ERASED: [],
    }
    assert codes(answer) == expected[state]


@pytest.mark.parametrize("consent", list(ConsentStanding))
def test_a_record_whose_consent_does_not_stand_is_restricted(consent: ConsentStanding) -> None:
    answer = assess([record(standing=standing_of(MemberId("bank-a"), (), consent))], NOW_MS)
    counts = consent in (ConsentStanding.NONE, ConsentStanding.GIVEN)
    assert answer.stands is counts
    assert codes(answer) == (["evidence"] if counts else ["consent"])


def test_a_restricted_record_leaves_the_others() -> None:
    disputed = record(standing=Standing(State.DISPUTED, restricted=True))
    answer = assess([disputed, record(reporter="telco-b")], NOW_MS)
    assert (answer.score, answer.reporters, codes(answer)) == (68, 1, ["evidence", "disputed"])


def test_a_record_in_breach_or_marked_red_does_not_answer() -> None:
    assert codes(assess([record(breach="policy.retention")], NOW_MS)) == ["breach"]
    assert codes(assess([record(tlp=Tlp.RED)], NOW_MS)) == ["red"]


def test_distinct_customers_and_reporters_are_told() -> None:
    two = [record(distinct_customers=2), record(distinct_customers=3, reporter="telco-b")]
    answer = assess([*two, record(distinct_customers=1)], NOW_MS)
    assert (answer.reporters, answer.customers) == (2, 5)
    told = next(reason for reason in answer.reasons if reason.code == "customers")
    assert told.weight == 0 and told.text.startswith("5 distinct customer(s) of 2 member(s)")
    victims = [replace(view, object_role=ObjectRole.TARGET) for view in two]
    assert assess(victims, NOW_MS).customers == 0


def test_an_adverse_action_needs_two_members_and_no_record_that_forbids_it() -> None:
    strong = record(confidence=100, tlp=Tlp.GREEN)
    alone = assess([strong], NOW_MS)
    both = assess([strong, replace(strong, reporter="telco-b")], NOW_MS)
    assert both.permitted_actions[-1] == "refuse" and "refuse" not in alone.permitted_actions
    bound = replace(strong, reporter="telco-b", usage=Usage.NO_SOLE_BASIS)
    answer = assess([strong, bound], NOW_MS)
    assert answer.score == both.score and "refuse" not in answer.permitted_actions
    assert [limit.code for limit in both.limits] == ["own_assessment", "tlp:green"]
    assert [limit.code for limit in answer.limits] == [
        "own_assessment",
        "no_sole_basis",
        "tlp:green",
    ]


def test_the_strictest_mark_and_every_duty_hold_for_the_answer() -> None:
    marked = record(tlp=Tlp.CLEAR, usage=Usage.NOTIFY_SUBJECT)
    answer = assess([marked, record(reporter="telco-b")], NOW_MS)
    assert [limit.code for limit in answer.limits] == [
        "own_assessment",
        "notify_subject",
        "no_onward_sharing",
        "tlp:amber_strict",
    ]
    # What does not answer brings no duty.
    gone = record(reporter="telco-b", standing=Standing(State.RETRACTED))
    codes_ = [limit.code for limit in assess([marked, gone], NOW_MS).limits]
    assert codes_ == ["own_assessment", "notify_subject", "tlp:clear"]


def test_nothing_is_done_against_a_holder_that_is_to_be_protected() -> None:
    strong = [record(reporter=name, confidence=100, tlp=Tlp.GREEN) for name in "ab"]
    victim = record(object_role=ObjectRole.COMPROMISED_VICTIM, reporter="c", tlp=Tlp.GREEN)
    answer = assess([*strong, victim], NOW_MS)
    assert answer.permitted_actions == ("assess", "protect_holder", "warn_customer")
    assert assess([victim], NOW_MS).permitted_actions == ("assess", "protect_holder")
    assert assess([], NOW_MS).permitted_actions == ()


def test_evidence_levels_rise_with_their_codes() -> None:
    weights = [EVIDENCE_WEIGHT[level] for level in EvidenceLevel]
    assert weights == sorted(weights)


@pytest.mark.parametrize(
    ("score", "band"),
    [(0, 0), (1, 1), (24, 1), (25, 2), (49, 2), (50, 3), (74, 3), (75, 4), (100, 4)],
)
def test_bands_start_where_the_docs_say(score: int, band: int) -> None:
    assert band_of(score) == band


def test_decay_is_the_misp_polynomial_rounded_to_thousandths() -> None:
    assert [remaining(age, 10, EVEN) for age in (0, 1, 5, 9, 10)] == [1000, 900, 500, 100, 0]
    for age in range(1, 10):
        exact = 1000 * (1 - (age / 10) ** (1 / 2.3))
        assert abs(remaining(age, 10, FAST) - exact) <= 1
    assert remaining(-3, 10, FAST) == FULL and remaining(11, 10, FAST) == 0


views = st.builds(
    record,
    kind=st.sampled_from(Kind),
    object_role=st.sampled_from(ObjectRole),
    evidence_level=st.sampled_from(EvidenceLevel),
    fraud_type=st.sampled_from(FraudType),
    confidence=st.integers(0, 100),
    last_seen_day=st.integers(TODAY - 400, TODAY + 1),
    valid_until_day=st.just(0) | st.integers(TODAY - 30, TODAY + 400),
    reporter=st.sampled_from("abcd"),
    distinct_customers=st.integers(0, 3),
    tlp=st.sampled_from(Tlp),
    usage=st.integers(0, 7),
    standing=st.builds(Standing, st.sampled_from(State), st.booleans()),
)


@given(st.lists(views, max_size=12), st.integers(0, 2**32))
@settings(deadline=None, max_examples=300)
def test_weights_add_up_and_order_of_reports_does_not_matter(
    records: list[RecordView], seed: int
) -> None:
    answer = assess(records, NOW_MS)
    assert 0 <= answer.score <= 100 and answer.band is band_of(answer.score)
    assert sum(reason.weight for reason in answer.reasons) == answer.score
    shuffled = records[:]
    random.Random(seed).shuffle(shuffled)
    assert assess(shuffled, NOW_MS) == answer


@given(st.lists(views, max_size=8), views)
@settings(deadline=None, max_examples=300)
def test_a_protecting_record_never_raises_a_score(
    records: list[RecordView], new: RecordView
) -> None:
    for role in (ObjectRole.COMPROMISED_VICTIM, ObjectRole.IMPERSONATED, ObjectRole.TARGET):
        with_it = assess([*records, replace(new, object_role=role)], NOW_MS)
        assert with_it.score == assess(records, NOW_MS).score


@given(st.integers(1, 400), st.integers(1, 400))
@settings(deadline=None)
def test_decay_never_rises_with_age(age: int, life: int) -> None:
    assert remaining(age, life, FAST) <= remaining(age - 1, life, FAST) <= FULL
    assert remaining(age, life, EVEN) == max(0, FULL - int(Fraction(FULL * age, life)))


def copy(source: bytes, **changes: object) -> RecordView:
    return record(source=source, evidence_level=EvidenceLevel.REPORTED_BY_CUSTOMER, **changes)


def test_two_members_that_copied_one_source_are_one_voice() -> None:
    alone = assess([copy(b"event")], NOW_MS)
    both = assess([copy(b"event"), copy(b"event", reporter="telco-b")], NOW_MS)
    assert (both.score, both.band, both.reporters) == (alone.score, alone.band, 1)
    assert codes(both) == ["evidence", "same_source"]
    assert (
        both.reasons[1].text == "1 more member(s) copied it from a source that is counted already"
    )


def test_copies_of_two_sources_corroborate_each_other() -> None:
    both = assess([copy(b"one"), copy(b"two", reporter="telco-b")], NOW_MS)
    assert (both.reporters, codes(both)) == (2, ["evidence", "corroboration"])


def test_a_source_counts_by_its_strongest_copy_and_never_reaches_the_highest_band_alone() -> None:
    views = [copy(b"event", reporter=f"bank-{n}", confidence=90 + n) for n in range(10)]
    strong = [replace(view, evidence_level=EvidenceLevel.CONFIRMED) for view in views]
    answer = assess(strong, NOW_MS)
    assert (answer.score, answer.band, answer.reporters) == (74, Band.HIGH, 1)
    assert "refuse" not in answer.permitted_actions


def test_own_facts_of_a_member_count_beside_the_copy_of_another() -> None:
    own = record(evidence_level=EvidenceLevel.SUSPECTED)
    views = [own, copy(b"event"), copy(b"event", reporter="telco-b")]
    answer = assess(views, NOW_MS)
    assert answer.reporters == 2 and "same_source" not in codes(answer)
    assert answer.score == assess([own, views[2]], NOW_MS).score


def test_one_member_with_copies_of_many_sources_is_one_voice() -> None:
    answer = assess([copy(bytes([n])) for n in range(9)], NOW_MS)
    assert (answer.reporters, answer.score) == (1, assess([copy(b"x")], NOW_MS).score)


def test_customers_of_copies_that_do_not_count_are_not_added_up() -> None:
    views = [
        copy(b"event", reporter="bank-a", confidence=90, distinct_customers=3),
        copy(b"event", reporter="telco-b", distinct_customers=3),
    ]
    assert assess(views, NOW_MS).customers == 3


_MEMBERS = st.sampled_from(["a", "b", "c", "d"])
_SOURCES = st.sampled_from([None, b"s", b"t", b"u"])
_SAID = st.lists(st.tuples(_MEMBERS, _SOURCES, st.integers(0, 100)), min_size=1, max_size=8)


def _views(
    said: list[tuple[str, bytes | None, int]], level: EvidenceLevel = EvidenceLevel.AUTHORITY
) -> list[RecordView]:
    return [
        record(reporter=who, source=source, confidence=confidence, evidence_level=level)
        for who, source, confidence in said
    ]


@settings(max_examples=150, deadline=None)
@given(_SAID, st.randoms(use_true_random=False))
def test_whoever_copied_what_nothing_is_counted_twice(
    said: list[tuple[str, bytes | None, int]], chance: random.Random
) -> None:
    """Against all choices of statements in which no member and no source occurs twice."""
    views = _views(said)
    answer = assess(views, NOW_MS)
    mixed = list(views)
    chance.shuffle(mixed)
    assert replace(assess(mixed, NOW_MS), limits=answer.limits) == answer
    most = 0
    for chosen in range(1 << len(said)):
        picked = [said[n] for n in range(len(said)) if chosen >> n & 1]
        members = [who for who, _, _ in picked]
        sources = [source for _, source, _ in picked if source is not None]
        if picked and len(set(members)) == len(members) and len(set(sources)) == len(sources):
            alone = [replace(view, source=None) for view in _views(picked)]
            most = max(most, assess(alone, NOW_MS).score)
    assert answer.score <= most
    assert answer.score >= max(assess([view], NOW_MS).score for view in views)


@settings(max_examples=150, deadline=None)
@given(_SAID, st.sampled_from([EvidenceLevel.CONFIRMED, EvidenceLevel.AUTHORITY]))
def test_no_member_takes_from_what_the_others_amount_to_without_it(
    said: list[tuple[str, bytes | None, int]], level: EvidenceLevel
) -> None:
    for member in {who for who, _, _ in said}:
        others = [one for one in said if one[0] != member]
        if others:
            without = assess(_views(others, level), NOW_MS)
            assert assess(_views(said, level), NOW_MS).score >= without.score

"""Advice: never more than records permit, never clean where it is not, never against victims."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulwark.advice.advice import (
    HELD_BACK,
    USUAL,
    Advice,
    Facts,
    Level,
    ThresholdFault,
    Thresholds,
    advise,
    got_worse,
)
from bulwark.indicators.scoring import RecordView, assess
from bulwark.indicators.usage import permitted_actions
from bulwark.indicators.vocabulary import Band, EvidenceLevel, FraudType, Kind, ObjectRole

DAY = 20_000
BANDS = st.sampled_from(list(Band))
ORDER = [Level.NONE, Level.WARN, Level.DELAY, Level.BLOCK]


def facts_of(records: list[RecordView], *, is_complete: bool = True) -> Facts:
    found = assess(records, DAY * 86_400_000)
    limits = [limit.code for limit in found.limits]
    return Facts(found.band.label, is_complete, found.protected, found.permitted_actions, limits)


@st.composite
def records(draw: st.DrawFn) -> RecordView:
    return RecordView(
        kind=Kind.PHONE,
        fraud_type=FraudType.VISHING,
        object_role=draw(st.sampled_from(list(ObjectRole))),
        evidence_level=draw(st.sampled_from(list(EvidenceLevel))),
        confidence=draw(st.integers(0, 100)),
        first_seen_day=DAY,
        last_seen_day=DAY,
        valid_until_day=DAY + 10,
        reporter=draw(st.sampled_from(["a", "b", "c"])),
        usage=draw(st.integers(0, 7)),
    )


@st.composite
def thresholds(draw: st.DrawFn) -> Thresholds:
    warn = draw(st.sampled_from([*list(Band)[1:], None]))
    delay = draw(st.sampled_from([*[b for b in Band if b >= max(Band.MEDIUM, warn or 0)], None]))
    block = draw(st.sampled_from([Band.VERY_HIGH, None]))
    return Thresholds(warn, delay, block)


@given(st.lists(records(), max_size=6), thresholds(), st.booleans())
def test_advice_stays_inside_what_the_records_permit(
    views: list[RecordView], wanted: Thresholds, is_complete: bool
) -> None:
    facts = facts_of(views, is_complete=is_complete)
    advice = advise(facts, wanted)
    needs = {
        Level.WARN: {"warn_customer"},
        Level.DELAY: {"ask_confirmation", "delay_for_review"},
        Level.BLOCK: {"refuse"},
    }
    if advice.level in needs:
        assert needs[advice.level] & set(facts.permitted_actions)
    if facts.is_protected:
        assert advice.level is Level.PROTECT
    if "no_sole_basis" in facts.limits:
        assert advice.level is not Level.BLOCK
    if not is_complete:
        assert advice.level is not Level.NONE
    assert set(advice.codes) <= {HELD_BACK, *facts.limits}


@given(st.lists(records(), max_size=6), thresholds())
def test_a_member_s_thresholds_only_make_it_milder(
    views: list[RecordView], wanted: Thresholds
) -> None:
    facts = facts_of(views)
    assert advise(facts, wanted).level <= advise(facts, USUAL).level


@pytest.mark.parametrize(
    ("band", "founded", "level"),
    [
        (Band.NONE, True, Level.NONE),
        (Band.LOW, True, Level.WARN),
        (Band.MEDIUM, True, Level.DELAY),
        (Band.HIGH, True, Level.DELAY),
        (Band.VERY_HIGH, True, Level.BLOCK),
        (Band.VERY_HIGH, False, Level.DELAY),
    ],
)
def test_each_band_has_its_step(band: Band, founded: bool, level: Level) -> None:
    from bulwark.indicators.usage import Limit

    limits = (Limit("own_assessment", ""), Limit("tlp:amber", ""))
    actions = permitted_actions(band, limits, is_protected=False, is_founded=founded)
    advice = advise(Facts(band.label, True, False, actions, ["own_assessment"]), USUAL)
    assert advice.level is level
    assert (HELD_BACK in advice.codes) == (band is Band.VERY_HIGH and not founded)


def test_an_answer_that_could_not_be_made_is_never_advised_as_clean() -> None:
    assert advise(Facts("unknown", False, False), USUAL).level is Level.CHECK
    assert advise(Facts("none", False, False), USUAL).level is Level.CHECK
    assert advise(Facts("none", True, False), USUAL).level is Level.NONE


@pytest.mark.parametrize(
    "wanted",
    [
        {"warn": Band.NONE},
        {"delay": Band.LOW},
        {"block": Band.HIGH},
        {"warn": Band.HIGH, "delay": Band.MEDIUM},
    ],
)
def test_a_threshold_outside_what_is_permitted_is_refused(wanted: dict[str, Band]) -> None:
    with pytest.raises(ThresholdFault):
        Thresholds(**wanted)


@given(BANDS, BANDS, st.sampled_from(ORDER), st.sampled_from(ORDER))
def test_worse_is_a_higher_level_or_band(
    then: Band, now: Band, level_then: Level, level_now: Level
) -> None:
    worse = got_worse(Advice(level_then), then.label, Advice(level_now), now.label)
    assert worse == (level_now > level_then or now > then)


def test_an_unknown_answer_is_not_worse_and_what_follows_one_is_judged_by_itself() -> None:
    check = Advice(Level.CHECK)
    for level, band in itertools.product(ORDER, Band):
        assert not got_worse(Advice(level), band.label, check, "unknown")
    assert got_worse(check, "unknown", Advice(Level.DELAY), "high")
    assert not got_worse(check, "unknown", Advice(Level.WARN), "low")

"""Up to f dishonest members, each behaviour by itself: the ceremony ends well without them."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from bulwark.privacy.dkg.outcome import Done, Fault, FaultKind
from bulwark.privacy.dkg.phases import Phase, Verdict
from bulwark.privacy.dkg.session import Purpose
from bulwark.privacy.group import multiply_base
from bulwark.privacy.sharing import Share, recover
from tests.unit.privacy.dkg.checks import assert_sound
from tests.unit.privacy.dkg.crooks import (
    BEHAVIOURS,
    blinded,
    first,
    silent,
    wrong_feldman,
    wrong_pairs,
)
from tests.unit.privacy.dkg.world import Alliance, ceremony, generated, names


@pytest.fixture(scope="module")
def four() -> Alliance:
    return generated(4)


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_generation_ends_well_with_f_members_that_are(name: str) -> None:
    made = ceremony(Purpose.GENERATE, names(7))
    bad = {2, 5}
    for index in bad:
        BEHAVIOURS[name](made, index)
    assert isinstance(made.run(), Done)
    assert_sound(made, bad)


@pytest.mark.parametrize("name", BEHAVIOURS)
@pytest.mark.parametrize("purpose", [Purpose.REFRESH, Purpose.RESHARE])
def test_refresh_and_reshare_end_well_with_f_members_that_are(
    name: str, purpose: Purpose, four: Alliance
) -> None:
    members = names(4) if purpose is Purpose.REFRESH else names(5)
    made = ceremony(purpose, members, old=four)
    BEHAVIOURS[name](made, 3)
    assert isinstance(made.run(), Done)
    assert_sound(made, {3})


class Consequence(NamedTuple):
    """The phase in which it shows, what is said of that post, whether its dealing is in the key."""

    phase: Phase
    verdict: Verdict | None
    kind: FaultKind | None
    dealt: bool


SILENT = FaultKind.SILENT
CONSEQUENCES = {
    "silent in COMMIT": Consequence(Phase.COMMIT, None, SILENT, False),
    "silent in DEAL": Consequence(Phase.DEAL, None, SILENT, False),
    "silent in EXTRACT": Consequence(Phase.EXTRACT, None, SILENT, True),
    "garbage in DEAL": Consequence(Phase.DEAL, Verdict.MALFORMED, SILENT, False),
    "wrong commitment hash": Consequence(Phase.DEAL, Verdict.NOT_COMMITTED, SILENT, False),
    "degree too high": Consequence(Phase.DEAL, Verdict.TOO_LONG, SILENT, False),
    "degree too low": Consequence(Phase.DEAL, Verdict.MALFORMED, SILENT, False),
    "identity among the commitments": Consequence(Phase.DEAL, Verdict.MALFORMED, SILENT, False),
    "commitment with bit 255": Consequence(Phase.DEAL, Verdict.MALFORMED, SILENT, False),
    "wrong pair for one": Consequence(Phase.DEFEND, Verdict.TAKEN, None, True),
    "unreadable for one": Consequence(Phase.DEFEND, Verdict.TAKEN, None, True),
    "wrong pair for all": Consequence(Phase.COMPLAIN, None, FaultKind.MANY_COMPLAINTS, False),
    "unreadable for all": Consequence(Phase.COMPLAIN, None, FaultKind.MANY_COMPLAINTS, False),
    "degree hidden": Consequence(Phase.COMPLAIN, None, FaultKind.MANY_COMPLAINTS, False),
    "another secret": Consequence(Phase.COMPLAIN, None, FaultKind.MANY_COMPLAINTS, False),
    "wrong pair and wrong defence": Consequence(Phase.DEFEND, Verdict.WRONG_PAIR, SILENT, False),
    "wrong pair and no defence": Consequence(Phase.DEFEND, None, SILENT, False),
    "possession missing": Consequence(Phase.EXTRACT, Verdict.MALFORMED, SILENT, True),
    "possession wrong": Consequence(Phase.EXTRACT, Verdict.NO_POSSESSION, SILENT, True),
    "possession replayed": Consequence(Phase.EXTRACT, Verdict.NO_POSSESSION, SILENT, True),
    "identity among the Feldman commitments": Consequence(
        Phase.EXTRACT, Verdict.MALFORMED, SILENT, True
    ),
    "wrong Feldman commitments": Consequence(Phase.ACCUSE, None, FaultKind.WRONG_FELDMAN, True),
    "wrong last Feldman commitment": Consequence(Phase.ACCUSE, None, FaultKind.WRONG_FELDMAN, True),
    "wrong pair, then wrong Feldman commitments": Consequence(
        Phase.EXTRACT, Verdict.CONTRADICTION, SILENT, True
    ),
    "false complaint": Consequence(Phase.COMPLAIN, Verdict.TAKEN, None, True),
    "false accusation": Consequence(Phase.ACCUSE, Verdict.UNFOUNDED, SILENT, True),
    "forged accusation": Consequence(Phase.ACCUSE, Verdict.WRONG_PAIR, SILENT, True),
    "another result confirmed": Consequence(Phase.CONFIRM, Verdict.OTHER_RESULT, SILENT, True),
}


@pytest.mark.parametrize("name", CONSEQUENCES)
def test_dishonest_member_is_found_in_the_phase_and_way_it_shows(name: str) -> None:
    phase, verdict, kind, dealt = CONSEQUENCES[name]
    made = ceremony(Purpose.GENERATE, names(4))
    BEHAVIOURS[name](made, 2)
    outcome = made.run()
    assert isinstance(outcome, Done)
    if verdict is not None:
        assert made.verdicts[2, phase] is verdict
    if kind is None:
        assert not outcome.faults
    else:
        assert Fault(2, phase, kind) in outcome.faults
    assert (2 in outcome.dealers) is dealt


@pytest.mark.parametrize("name", ["wrong Feldman commitments", "silent in EXTRACT"])
def test_secret_of_a_caught_dealer_stays_in_a_generated_key(name: str) -> None:
    made = ceremony(Purpose.GENERATE, names(4))
    wanted = made.parties[2]._dealing
    assert wanted is not None
    BEHAVIOURS[name](made, 2)
    made.run()
    result = made.board.record.result
    assert result is not None
    opened = result.opened[2]
    assert opened == wanted.polynomial.values
    total = recover([Share(s.index, s.secret_share) for s in made.shares([1, 3, 4]).values()])
    known = [made.parties[index]._dealing for index in (1, 3, 4)]
    others = [dealing.polynomial.values.coefficients[0] for dealing in known if dealing]
    assert total == others[0] + others[1] + others[2] + wanted.polynomial.values.coefficients[0]


@pytest.mark.parametrize("purpose", [Purpose.REFRESH, Purpose.RESHARE])
@pytest.mark.parametrize("name", BEHAVIOURS)
def test_no_dealer_of_a_refresh_or_reshare_is_opened_at_more_than_f_places(
    name: str, purpose: Purpose, four: Alliance
) -> None:
    """What it dealt in a reshare is its old share of the live key."""
    made = ceremony(purpose, names(4), old=four)
    BEHAVIOURS[name](made, 2)
    made.run()
    result = made.board.record.result
    assert result is not None and not result.opened
    assert all(len(pairs) <= 1 for pairs in made.board.record.opened.values())


@pytest.mark.parametrize("purpose", [Purpose.REFRESH, Purpose.RESHARE])
def test_pairs_with_a_blinding_do_not_fit_where_the_key_is_fixed(
    purpose: Purpose, four: Alliance
) -> None:
    """Else the shares would fit the commitments and not add up to the share keys."""
    made = ceremony(purpose, names(4), old=four)
    blinded(made, 2)
    outcome = made.run()
    assert isinstance(outcome, Done)
    assert outcome.dealers == (1, 3, 4)
    assert_sound(made, {2})


def test_defended_pair_serves_the_holder_that_complained() -> None:
    made = ceremony(Purpose.GENERATE, names(4))
    wrong_pairs(first)(made, 2)
    made.run()
    assert made.board.record.complaints == {2: {1}}
    share = made.parties[1].share(made.board)
    assert multiply_base(share.secret_share) == share.public_share


def test_false_complaint_opens_the_complainers_own_pairs_only() -> None:
    made = ceremony(Purpose.GENERATE, names(4))
    BEHAVIOURS["false complaint"](made, 3)
    made.run()
    assert {tuple(pairs) for pairs in made.board.record.opened.values()} == {(3,)}


def test_holder_caught_as_a_dealer_still_counts_as_a_holder() -> None:
    made = ceremony(Purpose.GENERATE, names(4))
    silent(Phase.COMMIT)(made, 2)
    outcome = made.run()
    assert isinstance(outcome, Done)
    assert outcome.dealers == (1, 3, 4)
    assert outcome.unconfirmed == ()
    assert made.parties[2].share(made.board).public_share == outcome.key.share_keys[1]


def test_holder_that_shows_wrong_feldman_commitments_needs_no_help() -> None:
    """One honest accusation is enough, here the only one."""
    made = ceremony(Purpose.GENERATE, names(4))
    wrong_feldman(made, 2)
    for index in (1, 4):
        silent(Phase.ACCUSE)(made, index)
    outcome = made.run()
    assert isinstance(outcome, Done)
    assert Fault(2, Phase.ACCUSE, FaultKind.WRONG_FELDMAN) in outcome.faults
    shares = [Share(s.index, s.secret_share) for s in made.shares([1, 3, 4]).values()]
    assert multiply_base(recover(shares)) == outcome.key.public_key

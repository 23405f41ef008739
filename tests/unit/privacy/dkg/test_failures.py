"""More than f silent: the ceremony fails, names them, opens no key and leaves the old sharing."""

from __future__ import annotations

import pytest

from bulwark.privacy.dkg.dealing import make_dealing
from bulwark.privacy.dkg.outcome import Done, Failed, FailureReason
from bulwark.privacy.dkg.phases import Close, Phase, Verdict
from bulwark.privacy.dkg.session import Purpose
from bulwark.privacy.errors import SessionRefused, ShareUnavailable
from tests.unit.privacy.dkg.crooks import BEHAVIOURS, silent, wrong_feldman
from tests.unit.privacy.dkg.world import Alliance, ceremony, generated, names, stream

FEW = FailureReason.TOO_FEW_DEALERS


@pytest.fixture(scope="module")
def four() -> Alliance:
    return generated(4)


@pytest.mark.parametrize("phase", [Phase.COMMIT, Phase.DEAL, Phase.EXTRACT])
def test_more_than_f_silent_dealers_fail_the_generation_and_are_named(phase: Phase) -> None:
    made = ceremony(Purpose.GENERATE, names(4))
    for index in (2, 4):
        silent(phase)(made, index)
    outcome = made.run()
    assert isinstance(outcome, Failed)
    assert (outcome.reason, outcome.phase, outcome.named) == (FEW, phase, (2, 4))
    with pytest.raises(ShareUnavailable):
        made.parties[1].share(made.board)


def test_dealers_lost_in_different_phases_are_named_together() -> None:
    made = ceremony(Purpose.GENERATE, names(4))
    silent(Phase.DEAL)(made, 1)
    BEHAVIOURS["wrong pair and no defence"](made, 3)
    outcome = made.run()
    assert isinstance(outcome, Failed)
    assert (outcome.reason, outcome.phase, outcome.named) == (FEW, Phase.DEFEND, (1, 3))


def test_outage_in_extract_fails_rather_than_opening_every_polynomial() -> None:
    made = ceremony(Purpose.GENERATE, names(4))
    for index in made.holders:
        silent(Phase.EXTRACT)(made, index)
    outcome = made.run()
    assert isinstance(outcome, Failed)
    assert not made.board.record.opened


def test_wrong_commitments_of_more_than_f_dealers_fail_and_open_no_polynomial() -> None:
    made = ceremony(Purpose.GENERATE, names(4))
    for index in (2, 3):
        wrong_feldman(made, index)
    outcome = made.run()
    assert isinstance(outcome, Failed)
    assert (outcome.reason, outcome.phase, outcome.named) == (FEW, Phase.ACCUSE, (2, 3))


def test_too_few_opened_pairs_name_the_caught_dealer_and_the_silent_holders() -> None:
    made = ceremony(Purpose.GENERATE, names(4))
    silent(Phase.EXTRACT)(made, 2)
    for index in (2, 4):
        silent(Phase.RECONSTRUCT)(made, index)
    outcome = made.run()
    assert isinstance(outcome, Failed)
    assert outcome.reason is FailureReason.NOT_RECONSTRUCTED
    assert outcome.named == (2, 4)


@pytest.mark.parametrize("name", ["silent in CONFIRM", "another result confirmed"])
def test_more_than_f_missing_confirmations_fail_and_the_old_sharing_stays(
    name: str, four: Alliance
) -> None:
    made = ceremony(Purpose.REFRESH, names(4), old=four)
    for index in (1, 2):
        BEHAVIOURS[name](made, index)
    outcome = made.run()
    assert isinstance(outcome, Failed)
    assert outcome.reason is FailureReason.NOT_CONFIRMED
    assert outcome.named == (1, 2)
    with pytest.raises(ShareUnavailable):
        made.parties[3].share(made.board)


@pytest.mark.parametrize("phase", Phase)
def test_ceremony_given_up_in_any_phase_leaves_the_old_sharing_usable(
    phase: Phase, four: Alliance
) -> None:
    made = ceremony(Purpose.REFRESH, names(4), old=four)
    while made.board.phase < phase:
        made.play(made.board.phase)
        made.close()
    made.close(Close.ABORTED)
    outcome = made.board.outcome
    assert isinstance(outcome, Failed)
    assert (outcome.reason, outcome.phase, outcome.named) == (FailureReason.ABORTED, phase, ())
    assert made.board.post(1, phase, b"") is Verdict.OVER
    assert made.board.advance(Close.DEADLINE) is outcome
    again = ceremony(Purpose.REFRESH, names(4), old=four, seed="again")
    assert isinstance(again.run(), Done)


def test_reshare_with_fewer_than_t_old_dealers_fails(four: Alliance) -> None:
    made = ceremony(Purpose.RESHARE, names(5), old=four)
    for index in (1, 2):
        silent(Phase.DEAL)(made, index)
    outcome = made.run()
    assert isinstance(outcome, Failed)
    assert (outcome.reason, outcome.named) == (FEW, (1, 2))


def test_f_unconfirmed_holders_are_listed_and_the_ceremony_is_done() -> None:
    made = ceremony(Purpose.GENERATE, names(4))
    silent(Phase.CONFIRM)(made, 3)
    outcome = made.run()
    assert isinstance(outcome, Done)
    assert outcome.unconfirmed == (3,)


def test_ceremony_is_done_at_once_when_every_holder_has_confirmed() -> None:
    made = ceremony(Purpose.GENERATE, names(4))
    made.run(until=Phase.RECONSTRUCT)
    made.play(Phase.CONFIRM)
    assert isinstance(made.board.outcome, Done)


def test_key_that_would_be_the_identity_fails_the_ceremony() -> None:
    """Nobody can aim at it; here one party knows the other's secret and takes its negative."""
    made = ceremony(Purpose.GENERATE, names(2))
    theirs = made.parties[1]._dealing
    assert theirs is not None
    negative = -theirs.polynomial.values.coefficients[0]
    source = stream("negative")

    drawn = [negative.encoding + bytes(32)]

    def chosen(count: int) -> bytes:
        return drawn.pop() if drawn else source(count)

    made.parties[2]._dealing = make_dealing(made.session, 2, None, chosen)
    outcome = made.run()
    assert isinstance(outcome, Failed)
    assert (outcome.reason, outcome.named) == (FailureReason.KEY_REFUSED, ())


def test_dealer_without_its_old_share_can_not_deal_it(four: Alliance) -> None:
    session = ceremony(Purpose.RESHARE, names(4), old=four).session
    with pytest.raises(SessionRefused, match="dealer 2"):
        make_dealing(session, 2, None, stream("nothing"))

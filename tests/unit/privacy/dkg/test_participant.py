"""A party survives restarts at every moment, comes back late, and never acts for a lost dealing."""

from __future__ import annotations

import pytest

from bulwark.privacy.dkg.board import Board
from bulwark.privacy.dkg.outcome import Done, Running
from bulwark.privacy.dkg.participant import Participant
from bulwark.privacy.dkg.phases import Phase, Verdict
from bulwark.privacy.dkg.posts import encode_indices
from bulwark.privacy.dkg.session import Purpose
from bulwark.privacy.errors import CeremonyStateRefused, SessionRefused, ShareUnavailable
from bulwark.privacy.group import multiply_base
from tests.unit.privacy.dkg.checks import assert_sound
from tests.unit.privacy.dkg.crooks import BEHAVIOURS, every, silent, wrong_pairs
from tests.unit.privacy.dkg.world import Alliance, Ceremony, ceremony, generated, names, stream


@pytest.fixture(scope="module")
def four() -> Alliance:
    return generated(4)


def restarted(made: Ceremony, index: int) -> Participant:
    party = made.parties[index]
    key = made.keys.get(index)
    return Participant.decode(made.session, index, key, party.encode(), party._old)


@pytest.mark.parametrize("purpose", Purpose)
def test_party_restarted_before_and_after_every_post_gives_the_same_bytes(
    purpose: Purpose, four: Alliance
) -> None:
    old = None if purpose is Purpose.GENERATE else four
    made = ceremony(purpose, names(5 if purpose is Purpose.RESHARE else 4), old=old)
    BEHAVIOURS["wrong pair for one"](made, 3)
    if purpose is Purpose.GENERATE:
        BEHAVIOURS["wrong last Feldman commitment"](made, 3)
    while isinstance(made.board.outcome, Running):
        phase = made.board.phase
        for index in made.parties:
            again = restarted(made, index)
            first = again.to_post(phase, made.board)
            assert first == made.parties[index].to_post(phase, made.board)
            assert first == again.to_post(phase, made.board) == again.to_post(phase, made.board)
            assert again.encode() == made.parties[index].encode()
            made.parties[index] = again
        made.play(phase)
        assert [party.to_post(phase, made.board) for party in made.parties.values()]
        made.close()
    assert_sound(made, {3})


def test_holder_that_was_away_until_defend_derives_its_share_from_the_ledger() -> None:
    made = ceremony(Purpose.GENERATE, names(4))
    away = (Phase.COMMIT, Phase.DEAL, Phase.COMPLAIN, Phase.DEFEND)
    silent(*away)(made, 4)
    made.run(until=Phase.DEFEND)
    made.parties[4] = Participant.begin(made.session, 4, made.keys[4], stream("back"))
    outcome = made.run()
    assert isinstance(outcome, Done)
    assert outcome.dealers == (1, 2, 3)
    assert outcome.unconfirmed == ()
    share = made.parties[4].share(made.board)
    assert share.public_share == outcome.key.share_keys[3]


@pytest.mark.parametrize("purpose", Purpose)
def test_holder_that_was_away_all_the_time_derives_its_share_after_the_end(
    purpose: Purpose, four: Alliance
) -> None:
    """With nothing but its sealing key, its old share for a refresh, and the ledger."""
    old = None if purpose is Purpose.GENERATE else four
    made = ceremony(purpose, names(4), old=old)
    silent(*Phase)(made, 2)
    outcome = made.run()
    assert isinstance(outcome, Done)
    assert outcome.unconfirmed == (2,)
    share = four.shares["member 1"] if purpose is Purpose.REFRESH else None
    back = Participant.begin(made.session, 2, made.keys[2], stream("back"), share)
    assert back.share(made.replayed()).public_share == outcome.key.share_keys[1]


def test_holder_that_was_away_and_dealt_a_wrong_pair_says_whose_it_lacks() -> None:
    made = ceremony(Purpose.GENERATE, names(4))
    wrong_pairs(lambda others: [4])(made, 2)
    silent(Phase.COMPLAIN)(made, 4)
    outcome = made.run()
    assert isinstance(outcome, Done)
    assert (outcome.dealers, outcome.unconfirmed) == ((1, 2, 3, 4), (4,))
    with pytest.raises(ShareUnavailable) as caught:
        made.parties[4].share(made.board)
    assert caught.value.dealers == (2,)
    assert set(made.shares([1, 2, 3])) == {1, 2, 3}


def test_party_that_lost_its_state_opens_nothing_of_a_new_dealing() -> None:
    made = ceremony(Purpose.GENERATE, names(4))
    BEHAVIOURS["false complaint"](made, 3)
    made.run(until=Phase.COMMIT)
    lost = Participant.begin(made.session, 2, made.keys[2], stream("another"))
    assert lost.to_post(Phase.DEAL, made.board) is None
    made.run(until=Phase.COMPLAIN)
    assert 2 in made.board.record.expected()
    assert lost.to_post(Phase.DEFEND, made.board) is None
    made.run(until=Phase.DEFEND)
    assert lost.to_post(Phase.EXTRACT, made.board) is None


def test_dealer_blamed_by_more_than_f_opens_no_pair() -> None:
    made = ceremony(Purpose.GENERATE, names(4))
    wrong_pairs(every)(made, 2)
    made.run(until=Phase.COMPLAIN)
    assert made.parties[2].to_post(Phase.DEFEND, made.board) == b""
    assert made.board.record.dealing == (1, 3, 4)


def test_party_posts_only_in_the_open_phase_and_not_after_the_end() -> None:
    made = ceremony(Purpose.GENERATE, names(4))
    assert made.parties[1].to_post(Phase.DEAL, made.board) is None
    with pytest.raises(ShareUnavailable, match="no result"):
        made.parties[1].share(made.board)
    made.run()
    assert made.parties[1].to_post(Phase.CONFIRM, made.board) is None


def test_erased_party_posts_nothing_and_derives_nothing(four: Alliance) -> None:
    made = ceremony(Purpose.REFRESH, names(4), old=four)
    made.run()
    party = made.parties[1]
    party.share(made.board)
    party.erase()
    assert party._dealing is None and party._old is None
    assert party._sealing is None and not party._pairs
    with pytest.raises(ShareUnavailable, match="erased"):
        party.share(made.board)
    assert party.to_post(Phase.COMMIT, Board(made.session)) is None
    assert len(party.encode()) == 1 + 32 + 1 + 1


def test_state_of_another_session_party_version_or_length_is_refused() -> None:
    made = ceremony(Purpose.GENERATE, names(4))
    other = ceremony(Purpose.GENERATE, names(4), seed="other")
    state, key = made.parties[1].encode(), made.keys[1]
    wrong = {
        "version": b"\x02" + state[1:],
        "session": other.parties[1].encode(),
        "party": made.parties[2].encode(),
        "bytes needed": state[:-1],
        "after the end": state + b"\x00",
        "group order": state[:35] + b"\xff" * 32 + state[67:],
        "flag": state[:34] + b"\x02" + state[35:],
    }
    for reason, data in wrong.items():
        with pytest.raises(CeremonyStateRefused, match=reason):
            Participant.decode(made.session, 1, key, data)


def test_party_that_does_not_fit_its_session_is_refused(four: Alliance) -> None:
    made = ceremony(Purpose.REFRESH, names(4), old=four)
    session, source = made.session, stream("source")
    for index in (0, 5):
        with pytest.raises(SessionRefused, match="allowed 1 to 4"):
            Participant.begin(session, index, made.keys[1], source)
    for key in (None, made.keys[2]):
        with pytest.raises(SessionRefused, match="sealing key"):
            Participant.begin(session, 1, key, source)
    with pytest.raises(SessionRefused, match="old share of party 1"):
        Participant.begin(session, 1, made.keys[1], source, four.shares["member 1"])
    fresh = ceremony(Purpose.GENERATE, names(4))
    with pytest.raises(SessionRefused, match="holds no share"):
        Participant.begin(fresh.session, 1, fresh.keys[1], source, four.shares["member 0"])
    with pytest.raises(SessionRefused, match="another session"):
        made.parties[1].to_post(Phase.COMMIT, fresh.board)
    with pytest.raises(SessionRefused, match="another session"):
        made.parties[1].share(fresh.board)


def test_nothing_secret_is_printed() -> None:
    made = ceremony(Purpose.GENERATE, names(4))
    made.run()
    dealing = made.parties[1]._dealing
    assert dealing is not None
    share = made.parties[1].share(made.board)
    secrets = [*dealing.polynomial.values.coefficients, share.secret_share]
    shown = repr((made.parties, dealing, dealing.polynomial, dealing.pair(1), share))
    assert multiply_base(secrets[0]).encoding.hex() not in shown
    for secret in secrets:
        assert secret.encoding.hex() not in shown and repr(secret.encoding) not in shown
        assert str(int(secret)) not in shown


def test_member_with_an_unusable_sealing_key_is_answered_in_clear_and_harms_itself_only() -> None:
    made = ceremony(Purpose.GENERATE, names(4), unusable={3})
    made.run(until=Phase.DEAL)
    complaint = encode_indices(made.board.record.dealing)
    assert made.board.post(3, Phase.COMPLAIN, complaint) is Verdict.TAKEN
    made.log.append((3, Phase.COMPLAIN, complaint))
    outcome = made.run()
    assert isinstance(outcome, Done)
    assert outcome.dealers == (1, 2, 4)
    assert {dealer: [*pairs] for dealer, pairs in made.board.record.opened.items()} == {
        1: [3],
        2: [3],
        4: [3],
    }
    assert_sound(made, {3})


def test_pairs_of_one_board_are_never_used_for_another() -> None:
    """The same session built twice, with another dealing of dealer 2."""
    made, twin = ceremony(Purpose.GENERATE, names(4)), ceremony(Purpose.GENERATE, names(4))
    twin.parties[2] = Participant.begin(twin.session, 2, twin.keys[2], stream("another dealing"))
    made.run()
    outcome = twin.run()
    assert isinstance(outcome, Done)
    assert made.parties[1].share(made.board) != twin.parties[1].share(twin.board)
    share = made.parties[1].share(twin.board)
    assert share == twin.parties[1].share(twin.board)

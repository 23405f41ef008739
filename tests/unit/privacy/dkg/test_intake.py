"""Posts that are well formed and still not what the phase asks for, and the rules' exact edges."""

from __future__ import annotations

import pytest

from bulwark.privacy.dkg.outcome import Done, Failed, Fault, FaultKind
from bulwark.privacy.dkg.pedersen import Pair
from bulwark.privacy.dkg.phases import Phase, Verdict
from bulwark.privacy.dkg.posts import decode_pairs, encode_indices, encode_pairs, seal_info
from bulwark.privacy.dkg.session import Purpose
from bulwark.privacy.errors import SealRefused
from bulwark.privacy.group import ONE, ZERO
from tests.unit.privacy.dkg.checks import assert_sound
from tests.unit.privacy.dkg.crooks import silent, wrong_feldman, wrong_pairs
from tests.unit.privacy.dkg.world import Ceremony, ceremony, names


def with_complaints(count: int, complainers: list[int]) -> Ceremony:
    """Dealer 1 sent wrong pairs to these holders; DEFEND is open."""
    made = ceremony(Purpose.GENERATE, names(count))
    wrong_pairs(lambda _others: complainers)(made, 1)
    made.run(until=Phase.COMPLAIN)
    return made


@pytest.mark.parametrize("accused", [[2], [1, 2], [9], [0]])
def test_complaint_about_a_party_that_does_not_deal_is_refused(accused: list[int]) -> None:
    made = ceremony(Purpose.GENERATE, names(4))
    silent(Phase.COMMIT)(made, 2)
    made.run(until=Phase.DEAL)
    assert made.board.post(3, Phase.COMPLAIN, encode_indices(accused)) is Verdict.MALFORMED
    assert not made.board.record.complaints


def test_defence_must_answer_every_complaint_and_no_other() -> None:
    made = with_complaints(7, [3, 4])
    honest = decode_pairs(made.parties[1].to_post(Phase.DEFEND, made.board) or b"")
    assert set(honest) == {3, 4}
    dealing = made.parties[1]._dealing
    assert dealing is not None
    more = {**honest, 5: dealing.pair(5)}
    for pairs in ({}, {3: honest[3]}, {4: honest[4]}, more, {3: honest[3], 5: dealing.pair(5)}):
        post = encode_pairs(pairs)
        assert made.board.post(1, Phase.DEFEND, post) is Verdict.MALFORMED
    swapped = {3: honest[4], 4: honest[3]}
    assert made.board.post(1, Phase.DEFEND, encode_pairs(swapped)) is Verdict.WRONG_PAIR
    assert not made.board.record.opened
    assert made.board.post(1, Phase.DEFEND, encode_pairs(honest)) is Verdict.TAKEN
    assert made.board.record.opened == {1: honest}


def test_dealer_with_f_complaints_may_defend_itself_and_one_more_puts_it_out() -> None:
    made = with_complaints(7, [3, 4])
    outcome = made.run()
    assert isinstance(outcome, Done) and 1 in outcome.dealers
    assert_sound(made, {1})
    blamed = with_complaints(7, [3, 4, 5])
    outcome = blamed.run()
    assert isinstance(outcome, Done) and 1 not in outcome.dealers
    assert outcome.faults == (Fault(1, Phase.COMPLAIN, FaultKind.MANY_COMPLAINTS),)


def test_accusation_of_a_dealer_without_feldman_commitments_is_refused() -> None:
    made = ceremony(Purpose.GENERATE, names(4))
    silent(Phase.EXTRACT)(made, 2)
    made.run(until=Phase.EXTRACT)
    pair = made.parties[3]._pair(2, made.board)
    assert pair is not None
    for accused in (2, 9):
        post = encode_pairs({accused: pair})
        assert made.board.post(3, Phase.ACCUSE, post) is Verdict.MALFORMED


def test_accusation_with_one_unfounded_part_is_refused_whole() -> None:
    made = ceremony(Purpose.GENERATE, names(4))
    wrong_feldman(made, 2)
    made.run(until=Phase.EXTRACT)
    right, wrong = made.parties[3]._pair(1, made.board), made.parties[3]._pair(2, made.board)
    assert right is not None and wrong is not None
    both = encode_pairs({1: right, 2: wrong})
    assert made.board.post(3, Phase.ACCUSE, both) is Verdict.UNFOUNDED
    forged = encode_pairs({1: Pair(ONE, ZERO), 2: wrong})
    assert made.board.post(3, Phase.ACCUSE, forged) is Verdict.WRONG_PAIR
    assert not made.board.record.accused and not made.board.record.opened
    assert made.board.post(3, Phase.ACCUSE, encode_pairs({2: wrong})) is Verdict.TAKEN


def test_pair_of_another_holder_is_no_evidence() -> None:
    made = ceremony(Purpose.GENERATE, names(4))
    wrong_feldman(made, 2)
    made.run(until=Phase.EXTRACT)
    pair = made.parties[3]._pair(2, made.board)
    assert pair is not None
    assert made.board.post(4, Phase.ACCUSE, encode_pairs({2: pair})) is Verdict.WRONG_PAIR


def test_pair_of_a_dealer_that_was_not_caught_is_not_taken() -> None:
    made = ceremony(Purpose.GENERATE, names(4))
    silent(Phase.EXTRACT)(made, 2)
    made.run(until=Phase.ACCUSE)
    held = {dealer: made.parties[3]._pair(dealer, made.board) for dealer in (1, 2)}
    pairs = {dealer: pair for dealer, pair in held.items() if pair is not None}
    assert made.board.record.caught == (2,)
    assert made.board.post(3, Phase.RECONSTRUCT, encode_pairs(pairs)) is Verdict.MALFORMED
    del pairs[1]
    assert made.board.post(3, Phase.RECONSTRUCT, encode_pairs(pairs)) is Verdict.TAKEN


def test_exactly_t_opened_pairs_are_enough_and_t_minus_1_are_not() -> None:
    for silent_holders, kind in (([4], Done), ([3, 4], Failed)):
        made = ceremony(Purpose.GENERATE, names(4))
        silent(Phase.EXTRACT)(made, 2)
        for index in silent_holders:
            silent(Phase.RECONSTRUCT)(made, index)
        assert isinstance(made.run(), kind)


def test_copied_commitment_hash_is_worth_nothing() -> None:
    """The hash names its dealer, so the DEAL post of another does not open a copy of it."""
    made = ceremony(Purpose.GENERATE, names(4))
    theirs = made.parties[1].to_post(Phase.COMMIT, made.board)
    made.bends[2, Phase.COMMIT] = lambda _made, _post: theirs
    made.run(until=Phase.COMMIT)
    deal = made.parties[1].to_post(Phase.DEAL, made.board)
    assert deal is not None
    assert made.board.post(1, Phase.DEAL, deal) is Verdict.TAKEN
    assert made.board.post(2, Phase.DEAL, deal) is Verdict.NOT_COMMITTED


def test_sealed_pair_opens_for_its_session_dealer_and_holder_only() -> None:
    made = ceremony(Purpose.GENERATE, names(4))
    made.run(until=Phase.DEAL)
    sealed, key = made.board.record.deals[1].sealed_for(2), made.keys[2]
    assert len(key.open(seal_info(made.session, 1, 2), sealed)) == 64
    other = ceremony(Purpose.GENERATE, names(4), seed="other").session
    for session, dealer, holder in ((made.session, 2, 2), (made.session, 1, 3), (other, 1, 2)):
        with pytest.raises(SealRefused):
            key.open(seal_info(session, dealer, holder), sealed)

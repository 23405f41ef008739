"""The tagging round: any t good answers give the RFC's output, a wrong one names its sender."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulwark.privacy import oprf
from bulwark.privacy.errors import (
    BadEvaluation,
    InputRefused,
    RandomnessRefused,
    RoundNotReady,
    SharingRefused,
    ThresholdKeyRefused,
)
from bulwark.privacy.group import (
    GENERATOR,
    IDENTITY,
    ONE,
    ZERO,
    Element,
    Scalar,
    decode_element,
    decode_scalar,
    multiply_base,
    weighted_sum,
)
from bulwark.privacy.oprf import Mode
from bulwark.privacy.sharing import lagrange_at_zero
from bulwark.privacy.tags import TAG_BYTES
from bulwark.privacy.threshold import (
    MAX_BATCH,
    Evaluation,
    EvaluatorShare,
    TaggingRound,
    ThresholdKey,
    evaluate,
)

RandomBytes = Callable[[int], bytes]
Deal = Callable[..., tuple[ThresholdKey, list[EvaluatorShare]]]
SECRET = Scalar.from_int(0x7A65)
INPUTS = [b"\x01phone\x00+4915112345678", b"", b"\x01iban\x00DE89370400440532013000"]
RFC = json.loads(
    (Path(__file__).parents[2] / "vectors/oprf/rfc9497_ristretto255_sha512.json").read_text()
)[1]


def expected(inputs: list[bytes], secret: Scalar = SECRET) -> list[bytes]:
    return [oprf.evaluate(Mode.VOPRF, secret, data)[:TAG_BYTES] for data in inputs]


@pytest.mark.parametrize(("threshold", "holders"), [(1, 1), (1, 3), (2, 3), (3, 4), (3, 5), (5, 5)])
def test_every_set_of_t_evaluators_gives_the_tags_of_the_single_key(
    threshold: int, holders: int, deal: Deal, random_bytes: RandomBytes
) -> None:
    key, shares = deal(threshold, holders, SECRET)
    for chosen in combinations(shares, threshold):
        tagging = TaggingRound(key, INPUTS, random_bytes)
        blinded = tagging.blinded_elements()
        for share in reversed(chosen):
            assert not tagging.ready
            assert tagging.accept(evaluate(share, blinded, random_bytes))
        assert tagging.accepted == {share.index for share in chosen}
        assert tagging.tags() == expected(INPUTS)


@pytest.mark.parametrize("number", range(3))
def test_shared_key_of_the_rfc_gives_the_outputs_of_the_rfc(
    number: int, deal: Deal, random_bytes: RandomBytes
) -> None:
    case = RFC["vectors"][number]
    key, shares = deal(5, 7, decode_scalar(bytes.fromhex(RFC["skSm"])))
    assert key.public_key.encoding.hex() == RFC["pkSm"]
    inputs = [bytes.fromhex(part) for part in case["Input"].split(",")]
    tagging = TaggingRound(key, inputs, random_bytes)
    for share in shares[1:6]:
        tagging.accept(evaluate(share, tagging.blinded_elements(), random_bytes))
    outputs = [bytes.fromhex(part) for part in case["Output"].split(",")]
    assert tagging.outputs() == outputs
    assert tagging.tags() == [output[:TAG_BYTES] for output in outputs]


@settings(deadline=None, max_examples=15)
@given(st.lists(st.binary(max_size=80), min_size=1, max_size=6), st.permutations(range(4)))
def test_tags_do_not_depend_on_blinds_batch_or_evaluators(
    deal: Deal, new_stream: Callable[[str], RandomBytes], inputs: list[bytes], order: list[int]
) -> None:
    key, shares = deal(3, 4, SECRET)
    random_bytes = new_stream(f"{inputs}{order}")
    tagging = TaggingRound(key, inputs, random_bytes)
    for place in order[:3]:
        tagging.accept(evaluate(shares[place], tagging.blinded_elements(), random_bytes))
    assert tagging.tags() == expected(inputs)


def test_t_minus_1_answers_give_no_tags(deal: Deal, random_bytes: RandomBytes) -> None:
    key, shares = deal(3, 4, SECRET)
    tagging = TaggingRound(key, INPUTS, random_bytes)
    for share in shares[:2]:
        tagging.accept(evaluate(share, tagging.blinded_elements(), random_bytes))
    with pytest.raises(RoundNotReady) as caught:
        tagging.tags()
    assert (caught.value.held, caught.value.needed) == (2, 3)


def test_t_minus_1_answers_do_not_combine_to_the_whole_keys_answer(
    deal: Deal, random_bytes: RandomBytes
) -> None:
    key, shares = deal(3, 4, SECRET)
    blinded = TaggingRound(key, INPUTS[:1], random_bytes).blinded_elements()
    whole = oprf.blind_evaluate(SECRET, decode_element(blinded[0]))
    for size, hits in ((2, 0), (3, 4)):
        combined = [
            weighted_sum(
                lagrange_at_zero(tuple(share.index for share in chosen)),
                [
                    decode_element(evaluate(share, blinded, random_bytes).elements[0])
                    for share in chosen
                ],
            )
            for chosen in combinations(shares, size)
        ]
        assert combined.count(whole) == hits


def test_share_of_another_dealing_of_the_same_secret_is_named(
    deal: Deal, random_bytes: RandomBytes
) -> None:
    key, _ = deal(3, 4, SECRET)
    _, others = deal(3, 5, SECRET)
    tagging = TaggingRound(key, INPUTS, random_bytes)
    with pytest.raises(BadEvaluation, match="evaluator 2") as caught:
        tagging.accept(evaluate(others[1], tagging.blinded_elements(), random_bytes))
    assert caught.value.index == 2


@pytest.mark.parametrize("liar", [1, 2, 3, 4])
def test_wrong_share_is_named_and_the_round_goes_on_with_the_others(
    liar: int, deal: Deal, random_bytes: RandomBytes
) -> None:
    key, shares = deal(3, 4, SECRET)
    tagging = TaggingRound(key, INPUTS, random_bytes)
    wrong = shares[liar - 1].secret_share + ONE
    lying = EvaluatorShare(liar, wrong, multiply_base(wrong))
    with pytest.raises(BadEvaluation, match="proof does not hold") as caught:
        tagging.accept(evaluate(lying, tagging.blinded_elements(), random_bytes))
    assert caught.value.index == liar
    for share in shares:
        if share.index != liar:
            tagging.accept(evaluate(share, tagging.blinded_elements(), random_bytes))
    assert tagging.tags() == expected(INPUTS)


class TestClient:
    def test_blinds_are_fresh_in_every_round_and_for_equal_inputs(
        self, deal: Deal, random_bytes: RandomBytes
    ) -> None:
        key, _ = deal(3, 4, SECRET)
        rounds = [TaggingRound(key, [b"x", b"x"], random_bytes) for _ in range(3)]
        sent = [encoding for tagging in rounds for encoding in tagging.blinded_elements()]
        assert len(set(sent)) == 6

    def test_second_answer_of_one_evaluator_does_not_count_twice(
        self, deal: Deal, random_bytes: RandomBytes
    ) -> None:
        key, shares = deal(3, 4, SECRET)
        tagging = TaggingRound(key, INPUTS, random_bytes)
        blinded = tagging.blinded_elements()
        assert tagging.accept(evaluate(shares[0], blinded, random_bytes))
        for _ in range(3):
            assert not tagging.accept(evaluate(shares[0], blinded, random_bytes))
        assert tagging.accepted == {1}
        assert not tagging.ready

    def test_answers_after_the_last_needed_one_are_not_taken(
        self, deal: Deal, random_bytes: RandomBytes
    ) -> None:
        key, shares = deal(3, 4, SECRET)
        tagging = TaggingRound(key, INPUTS, random_bytes)
        for share in shares[:3]:
            tagging.accept(evaluate(share, tagging.blinded_elements(), random_bytes))
        assert not tagging.accept(evaluate(shares[3], tagging.blinded_elements(), random_bytes))
        assert tagging.accepted == {1, 2, 3}

    def test_tags_may_be_taken_twice_and_the_list_is_the_callers(
        self, deal: Deal, random_bytes: RandomBytes
    ) -> None:
        key, shares = deal(1, 1, SECRET)
        tagging = TaggingRound(key, INPUTS, random_bytes)
        tagging.accept(evaluate(shares[0], tagging.blinded_elements(), random_bytes))
        tagging.tags().clear()
        assert tagging.tags() == expected(INPUTS)
        tagging.blinded_elements().clear()
        assert len(tagging.blinded_elements()) == len(INPUTS)

    @pytest.mark.parametrize("count", [0, MAX_BATCH + 1])
    def test_number_of_inputs_is_bounded(
        self, count: int, deal: Deal, random_bytes: RandomBytes
    ) -> None:
        with pytest.raises(InputRefused, match=f"number of inputs is {count}"):
            TaggingRound(deal(1, 1, SECRET)[0], [b"x"] * count, random_bytes)

    def test_input_longer_than_the_rfc_allows_is_refused(
        self, deal: Deal, random_bytes: RandomBytes
    ) -> None:
        with pytest.raises(InputRefused, match="input length is 65536"):
            TaggingRound(deal(1, 1, SECRET)[0], [b"x", bytes(65536)], random_bytes)

    def test_full_batch_is_served(self, deal: Deal, random_bytes: RandomBytes) -> None:
        key, shares = deal(1, 1, SECRET)
        inputs = [number.to_bytes(2, "big") for number in range(MAX_BATCH)]
        tagging = TaggingRound(key, inputs, random_bytes)
        tagging.accept(evaluate(shares[0], tagging.blinded_elements(), random_bytes))
        assert tagging.tags() == expected(inputs)

    def test_round_shows_neither_inputs_nor_blinds(self, deal: Deal) -> None:
        tagging = TaggingRound(deal(3, 4, SECRET)[0], [b"+4915112345678"], lambda n: b"\x07" * n)
        assert repr(tagging) == "TaggingRound(1 inputs, 0 of 3 evaluations)"

    def test_broken_source_of_randomness_is_refused(self, deal: Deal) -> None:
        with pytest.raises(RandomnessRefused):
            TaggingRound(deal(3, 4, SECRET)[0], [b"x"], bytes)


class TestKeys:
    def test_identity_is_refused_as_any_key(self, deal: Deal) -> None:
        key, _ = deal(3, 4, SECRET)
        for public, share_keys in (
            (IDENTITY, key.share_keys),
            (key.public_key, (*key.share_keys[:3], IDENTITY)),
        ):
            with pytest.raises(ThresholdKeyRefused, match="identity"):
                ThresholdKey(3, public, share_keys)

    @pytest.mark.parametrize("threshold", [0, 5])
    def test_threshold_outside_the_holders_is_refused(self, threshold: int, deal: Deal) -> None:
        key, _ = deal(3, 4, SECRET)
        with pytest.raises(ThresholdKeyRefused, match="threshold"):
            ThresholdKey(threshold, key.public_key, key.share_keys)

    def test_no_share_keys_are_refused(self) -> None:
        with pytest.raises(ThresholdKeyRefused, match="0 holders"):
            ThresholdKey(1, GENERATOR, ())

    def test_keys_off_the_polynomial_are_refused(self, deal: Deal) -> None:
        key, _ = deal(3, 4, SECRET)
        swapped = (key.share_keys[1], key.share_keys[0], *key.share_keys[2:])
        changed: list[tuple[int, Element, tuple[Element, ...]]] = [
            (3, key.public_key, swapped),
            (3, key.public_key + GENERATOR, key.share_keys),
            (2, key.public_key, key.share_keys),
        ]
        for threshold, public, share_keys in changed:
            with pytest.raises(ThresholdKeyRefused, match="one polynomial"):
                ThresholdKey(threshold, public, share_keys)

    def test_share_that_is_not_its_keys_is_refused(self) -> None:
        with pytest.raises(ThresholdKeyRefused, match="evaluator 3"):
            EvaluatorShare(3, SECRET + ONE, multiply_base(SECRET))
        with pytest.raises(ThresholdKeyRefused, match="identity"):
            EvaluatorShare(3, ZERO, IDENTITY)
        with pytest.raises(SharingRefused, match="holder index 0"):
            EvaluatorShare(0, SECRET, multiply_base(SECRET))

    def test_share_shows_its_index_and_not_its_secret(self) -> None:
        shown = repr(EvaluatorShare(3, SECRET, multiply_base(SECRET)))
        assert "index=3" in shown
        assert SECRET.encoding.hex() not in shown
        assert repr(SECRET.encoding) not in shown


def test_answers_may_be_checked_on_several_threads(deal: Deal, random_bytes: RandomBytes) -> None:
    key, shares = deal(3, 5, SECRET)
    tagging = TaggingRound(key, INPUTS, random_bytes)
    answers = [evaluate(share, tagging.blinded_elements(), random_bytes) for share in shares]
    with ThreadPoolExecutor(5) as pool:
        kept = list(pool.map(tagging.accept, answers))
    # Threads that start together may keep more than t answers; the first t of them are used.
    assert 3 <= sum(kept) == len(tagging.accepted)
    assert tagging.tags() == expected(INPUTS)


def test_evaluation_travels_as_plain_bytes(deal: Deal, random_bytes: RandomBytes) -> None:
    key, shares = deal(3, 4, SECRET)
    tagging = TaggingRound(key, INPUTS, random_bytes)
    answer = evaluate(shares[0], tagging.blinded_elements(), random_bytes)
    again = Evaluation(answer.index, tuple(bytes(e) for e in answer.elements), bytes(answer.proof))
    assert [len(element) for element in again.elements] == [32, 32, 32]
    assert len(again.proof) == 64
    assert tagging.accept(again)

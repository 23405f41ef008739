"""Hostile bytes on both sides of the tagging round are refused and blamed on the right party."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from msgspec.structs import replace

from bulwark.privacy.errors import BadEvaluation, BlindedElementRefused, InputRefused
from bulwark.privacy.group import (
    GENERATOR,
    ONE,
    ORDER,
    Scalar,
    decode_element,
    multiply,
    multiply_base,
)
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
GOOD = GENERATOR.encoding
BAD_ELEMENTS = {
    "identity": bytes(32),
    "bit 255": GOOD[:31] + bytes((GOOD[31] | 0x80,)),
    "field element of p": b"\xed" + b"\xff" * 30 + b"\x7f",
    "negative": b"\x01" + bytes(31),
    "short": GOOD[:31],
    "long": GOOD + b"\x00",
    "empty": b"",
}


class Scene:
    """A round of three inputs and the honest answer of evaluator 2."""

    def __init__(self, deal: Deal, random_bytes: RandomBytes) -> None:
        self.key, self.shares = deal(3, 4, SECRET)
        self.tagging = TaggingRound(self.key, [b"one", b"two", b"three"], random_bytes)
        self.blinded = self.tagging.blinded_elements()
        self.honest = evaluate(self.shares[1], self.blinded, random_bytes)

    def refuses(self, evaluation: Evaluation) -> BadEvaluation:
        with pytest.raises(BadEvaluation) as caught:
            self.tagging.accept(evaluation)
        assert caught.value.index == evaluation.index
        assert not self.tagging.accepted
        return caught.value


@pytest.fixture
def scene(deal: Deal, random_bytes: RandomBytes) -> Scene:
    return Scene(deal, random_bytes)


class TestHostileClient:
    @pytest.mark.parametrize("name", BAD_ELEMENTS)
    @pytest.mark.parametrize("position", [0, 2])
    def test_bad_blinded_element_is_refused_with_its_position_and_nothing_is_answered(
        self, name: str, position: int, scene: Scene, random_bytes: RandomBytes
    ) -> None:
        scene.blinded[position] = BAD_ELEMENTS[name]
        with pytest.raises(BlindedElementRefused) as caught:
            evaluate(scene.shares[0], scene.blinded, random_bytes)
        assert caught.value.position == position

    @pytest.mark.parametrize("count", [0, MAX_BATCH + 1])
    def test_number_of_elements_is_bounded_before_they_are_looked_at(
        self, count: int, scene: Scene, random_bytes: RandomBytes
    ) -> None:
        with pytest.raises(InputRefused, match=f"number of blinded elements is {count}"):
            evaluate(scene.shares[0], [b"junk"] * count, random_bytes)

    def test_equal_elements_in_a_request_are_answered(
        self, scene: Scene, random_bytes: RandomBytes
    ) -> None:
        answer = evaluate(scene.shares[0], [GOOD, GOOD], random_bytes)
        assert answer.elements[0] == answer.elements[1]


class TestHostileEvaluator:
    def test_honest_answer_is_taken(self, scene: Scene) -> None:
        assert scene.tagging.accept(scene.honest)

    @pytest.mark.parametrize("name", BAD_ELEMENTS)
    @pytest.mark.parametrize("position", [0, 2])
    def test_bad_element_is_blamed_with_its_position(
        self, name: str, position: int, scene: Scene
    ) -> None:
        elements = list(scene.honest.elements)
        elements[position] = BAD_ELEMENTS[name]
        error = scene.refuses(replace(scene.honest, elements=tuple(elements)))
        assert f"element {position}" in error.reason

    def test_every_flipped_bit_of_an_answer_is_refused(self, scene: Scene) -> None:
        fields = (*scene.honest.elements, scene.honest.proof)
        for place, field in enumerate(fields):
            for bit in self.some_bits(len(field)):
                flipped = (int.from_bytes(field, "little") ^ (1 << bit)).to_bytes(
                    len(field), "little"
                )
                changed = (*fields[:place], flipped, *fields[place + 1 :])
                scene.refuses(replace(scene.honest, elements=changed[:-1], proof=changed[-1]))
        assert scene.tagging.accept(scene.honest)

    @staticmethod
    def some_bits(length: int) -> Iterable[int]:
        """The lowest and the highest bit of every byte."""
        return (8 * byte + bit for byte in range(length) for bit in (0, 7))

    def test_swapped_elements_are_refused(self, scene: Scene) -> None:
        first, second, third = scene.honest.elements
        scene.refuses(replace(scene.honest, elements=(second, first, third)))
        scene.refuses(replace(scene.honest, elements=(first, third, second)))

    def test_swapped_halves_of_the_proof_are_refused(self, scene: Scene) -> None:
        proof = scene.honest.proof
        scene.refuses(replace(scene.honest, proof=proof[32:] + proof[:32]))

    @pytest.mark.parametrize("half", [0, 1])
    def test_proof_scalar_plus_l_is_refused(self, half: int, scene: Scene) -> None:
        parts = [scene.honest.proof[:32], scene.honest.proof[32:]]
        value = int.from_bytes(parts[half], "little") + ORDER
        parts[half] = value.to_bytes(32, "little")
        error = scene.refuses(replace(scene.honest, proof=b"".join(parts)))
        assert "group order" in error.reason

    @pytest.mark.parametrize("length", [0, 32, 63, 65])
    def test_proof_of_another_length_is_refused(self, length: int, scene: Scene) -> None:
        scene.refuses(replace(scene.honest, proof=(scene.honest.proof + bytes(1))[:length]))

    @pytest.mark.parametrize("count", [0, 2, 4])
    def test_another_number_of_elements_is_refused(self, count: int, scene: Scene) -> None:
        elements = (*scene.honest.elements, scene.honest.elements[0])[:count]
        error = scene.refuses(replace(scene.honest, elements=elements))
        assert f"{count} elements, asked for 3" in error.reason

    @pytest.mark.parametrize("index", [-1, 0, 5, 2**63])
    def test_index_of_nobody_is_refused(self, index: int, scene: Scene) -> None:
        assert "no such evaluator" in scene.refuses(replace(scene.honest, index=index)).reason

    @pytest.mark.parametrize("index", [1, 3, 4])
    def test_answer_under_the_name_of_another_is_refused(self, index: int, scene: Scene) -> None:
        scene.refuses(replace(scene.honest, index=index))

    def test_answer_to_another_request_is_refused(
        self, scene: Scene, random_bytes: RandomBytes
    ) -> None:
        other = TaggingRound(scene.key, [b"one", b"two", b"three"], random_bytes)
        scene.refuses(evaluate(scene.shares[1], other.blinded_elements(), random_bytes))

    def test_one_wrong_element_among_right_ones_is_refused_even_with_a_proof_made_for_it(
        self, scene: Scene, random_bytes: RandomBytes
    ) -> None:
        wrong = scene.shares[1].secret_share + ONE
        lying = evaluate(
            EvaluatorShare(2, wrong, multiply_base(wrong)), scene.blinded, random_bytes
        )
        mixed = (*scene.honest.elements[:2], lying.elements[2])
        for proof in (scene.honest.proof, lying.proof):
            scene.refuses(Evaluation(2, mixed, proof))

    def test_errors_that_would_cancel_in_a_plain_sum_are_refused(self, scene: Scene) -> None:
        first, second, third = (decode_element(e) for e in scene.honest.elements)
        shift = multiply(Scalar.from_int(9), GENERATOR)
        shifted = ((first + shift).encoding, (second - shift).encoding, third.encoding)
        scene.refuses(replace(scene.honest, elements=shifted))

"""The tagging round: t of n members compute tags of blinded inputs, without I/O.

The client blinds up to 256 inputs and sends the same blinded elements to some members; each member
multiplies them with its share of the key and proves it (one RFC 9497 proof for the whole list, with
its share key K_i in the place of pkS); the client checks each proof, and t good answers combine to
the output RFC 9497 defines for the whole key (interpolation in the exponent, as in TOPPSS, Jarecki
and others 2017).

Rules owned here: an evaluator answers a whole request or nothing; a wrong answer names its
evaluator; the public data of a key is checked to fit together before it is used; a blind serves one
round. It does not decide who may ask, count quotas, sign answers or talk to anyone.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from bulwark.privacy import oprf, sigma
from bulwark.privacy.errors import (
    BadEvaluation,
    BlindedElementRefused,
    EncodingRefused,
    InputRefused,
    RoundNotReady,
    SharingRefused,
    ThresholdKeyRefused,
)
from bulwark.privacy.group import (
    Element,
    RandomBytes,
    Scalar,
    decode_element,
    invert_all,
    multiply_base_or_identity,
    random_scalar,
    weighted_sum,
)
from bulwark.privacy.sharing import (
    check_index,
    check_threshold,
    lagrange_at_zero,
    on_one_polynomial,
)
from bulwark.privacy.tags import TAG_BYTES

MAX_BATCH = 256
"""Blinded elements in one request."""

_CONTEXT = oprf.CONTEXTS[oprf.Mode.VOPRF]


class ThresholdKey(Struct, frozen=True):
    """The public data of a shared key: t, K = k*G and K_i = k_i*G for the holders 1..n in order.

    Building one checks that all keys lie on one polynomial of degree t-1. Raises
    `ThresholdKeyRefused`.
    """

    threshold: int
    public_key: Element
    share_keys: tuple[Element, ...]

    def __post_init__(self) -> None:
        try:
            check_threshold(self.threshold, len(self.share_keys))
        except SharingRefused as error:
            raise ThresholdKeyRefused(error.reason) from None
        if self.public_key.is_identity or any(key.is_identity for key in self.share_keys):
            raise ThresholdKeyRefused("a key is the identity element")
        if not on_one_polynomial(self.threshold, self.public_key, self.share_keys):
            raise ThresholdKeyRefused(
                f"the keys do not lie on one polynomial of degree {self.threshold - 1}"
            )

    @property
    def holders(self) -> int:
        return len(self.share_keys)


class EvaluatorShare(Struct, frozen=True):
    """One member's share k_i of the key and its share key K_i = k_i*G; the secret is not printed.

    Raises `ThresholdKeyRefused` if the two do not belong together, `SharingRefused` for an index
    outside 1..255.
    """

    index: int
    secret_share: Scalar
    public_share: Element

    def __post_init__(self) -> None:
        check_index(self.index)
        if self.public_share.is_identity:
            raise ThresholdKeyRefused(f"share key of evaluator {self.index} is the identity")
        if multiply_base_or_identity(self.secret_share) != self.public_share:
            raise ThresholdKeyRefused(f"secret of evaluator {self.index} is not its share key's")


class Evaluation(Struct, frozen=True):
    """An evaluator's answer as it travels: its index, one element for each asked, 64-byte proof."""

    index: int
    elements: tuple[bytes, ...]
    proof: bytes


def evaluate(
    share: EvaluatorShare, blinded: Sequence[bytes], random_bytes: RandomBytes
) -> Evaluation:
    """The evaluator's side: multiply every blinded element with the share and prove it.

    `blinded` holds 1 to 256 encodings of 32 bytes. Raises `InputRefused` for their number,
    `BlindedElementRefused` for the first that is not canonical or is the identity,
    `RandomnessRefused`.
    """
    if not 1 <= len(blinded) <= MAX_BATCH:
        raise InputRefused("number of blinded elements", len(blinded), f"1 to {MAX_BATCH}")
    inputs: list[Element] = []
    for position, encoding in enumerate(blinded):
        try:
            inputs.append(decode_element(encoding))
        except EncodingRefused as error:
            raise BlindedElementRefused(position, error.reason) from None
    nonce = sigma.hedged_nonce(_CONTEXT, share.secret_share, inputs, random_bytes)
    outputs, proof = oprf.blind_evaluate_batch(
        share.secret_share, share.public_share, inputs, nonce
    )
    return Evaluation(share.index, tuple(element.encoding for element in outputs), proof.encode())


def check_evaluation(
    key: ThresholdKey, blinded: Sequence[Element], evaluation: Evaluation
) -> list[Element]:
    """The elements of an answer to these blinded elements, once they are proved right.

    Raises `BadEvaluation`, which names the evaluator and says why it is wrong.
    """
    index = evaluation.index
    if not 1 <= index <= key.holders:
        raise BadEvaluation(index, f"no such evaluator, allowed 1 to {key.holders}")
    if len(evaluation.elements) != len(blinded):
        count = len(evaluation.elements)
        raise BadEvaluation(index, f"{count} elements, asked for {len(blinded)}")
    try:
        proof = sigma.decode_proof(evaluation.proof)
        elements = [
            decode_element(encoding, what=f"element {position}")
            for position, encoding in enumerate(evaluation.elements)
        ]
    except EncodingRefused as error:
        raise BadEvaluation(index, str(error)) from None
    if not oprf.verify_batch(key.share_keys[index - 1], blinded, elements, proof):
        raise BadEvaluation(index, "the proof does not hold for its share key")
    return elements


class TaggingRound:
    """The client's side of one round, for 1 to 256 inputs of at most 65535 bytes each.

    Send `blinded_elements()` to evaluators, hand each answer to `accept`, and take `tags()` once
    `ready`. Raises `InputRefused`, `RandomnessRefused`.
    """

    __slots__ = ("_accepted", "_blinded", "_blinds", "_inputs", "_key", "_outputs")

    def __init__(
        self, key: ThresholdKey, inputs: Sequence[bytes], random_bytes: RandomBytes
    ) -> None:
        if not 1 <= len(inputs) <= MAX_BATCH:
            raise InputRefused("number of inputs", len(inputs), f"1 to {MAX_BATCH}")
        for data in inputs:
            oprf.check_input(data)
        self._key = key
        self._inputs = tuple(inputs)
        self._blinds = [random_scalar(random_bytes) for _ in inputs]
        self._blinded = [
            oprf.blind(oprf.Mode.VOPRF, data, blind)
            for data, blind in zip(inputs, self._blinds, strict=True)
        ]
        self._accepted: dict[int, list[Element]] = {}
        self._outputs: list[bytes] | None = None

    def __repr__(self) -> str:
        held, needed = len(self._accepted), self._key.threshold
        return f"TaggingRound({len(self._inputs)} inputs, {held} of {needed} evaluations)"

    @property
    def ready(self) -> bool:
        """Whether t good evaluations are held."""
        return len(self._accepted) >= self._key.threshold

    @property
    def accepted(self) -> frozenset[int]:
        """The indices of the evaluators whose answers are held."""
        return frozenset(self._accepted)

    def blinded_elements(self) -> list[bytes]:
        """What every evaluator is sent: one encoding of 32 bytes an input, in their order."""
        return [element.encoding for element in self._blinded]

    def accept(self, evaluation: Evaluation) -> bool:
        """Check one answer against its evaluator's share key and keep it.

        True if it was kept. False, without a check, if the round is ready or already holds an
        answer of this evaluator. Raises `BadEvaluation`, which names the evaluator; the round goes
        on with the others. Threads may call it side by side, which is where the time goes.
        """
        index = evaluation.index
        if not 1 <= index <= self._key.holders:
            raise BadEvaluation(index, f"no such evaluator, allowed 1 to {self._key.holders}")
        if self.ready or index in self._accepted:
            return False
        self._accepted[index] = check_evaluation(self._key, self._blinded, evaluation)
        return True

    def tags(self) -> list[bytes]:
        """The tags (32 bytes each) of the inputs, in their order. Raises `RoundNotReady`."""
        return [output[:TAG_BYTES] for output in self.outputs()]

    def outputs(self) -> list[bytes]:
        """The 64-byte outputs of RFC 9497 for the whole key, in the order of the inputs.

        Raises `RoundNotReady`.
        """
        if not self.ready:
            raise RoundNotReady(len(self._accepted), self._key.threshold)
        if self._outputs is None:
            self._outputs = self._combine()
        return list(self._outputs)

    def _combine(self) -> list[bytes]:
        """Interpolate at 0 and unblind in one step.

        The inverse of the blind is multiplied into the Lagrange weights (1 us each) instead of into
        the combined element (a whole multiplication of a point).
        """
        indices = tuple(sorted(self._accepted)[: self._key.threshold])
        answers = [self._accepted[index] for index in indices]
        weights = lagrange_at_zero(indices)
        outputs = []
        for position, unblind in enumerate(invert_all(self._blinds)):
            scalars = [weight * unblind for weight in weights]
            element = weighted_sum(scalars, [answer[position] for answer in answers])
            outputs.append(oprf.output_hash(self._inputs[position], element))
        return outputs

"""Non-interactive proof that several pairs of elements share one discrete logarithm.

The batched DLEQ proof of RFC 9497 section 2.2, for the generator G: whoever knows k shows that
K = k*G and D_i = k*C_i for all i, in 64 bytes whatever the number of pairs. The byte strings that
are hashed are exactly the RFC's, so its vectors hold; `context` is the RFC's contextString and
keeps protocols apart (opening a proof will use one of its own).

Rules owned here: the order of the composites, the challenge, and the making of the nonce (`nonce`
must never serve two statements, so it is derived from the secret, fresh bytes and the statement
together: a broken source of randomness then does not give the key away). It does not decode
elements from peers; it takes decoded ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from msgspec import Struct

from bulwark.privacy.errors import EncodingRefused, InputRefused, RandomnessRefused
from bulwark.privacy.group import (
    SCALAR_BYTES,
    WIDE_BYTES,
    Element,
    RandomBytes,
    Scalar,
    decode_scalar,
    hash_to_scalar,
    multiply_base,
    multiply_base_or_identity,
    multiply_or_identity,
    weighted_sum,
)

PROOF_BYTES = 2 * SCALAR_BYTES
MAX_PAIRS = 65535
"""The RFC counts the pairs of a batch in two bytes."""

_ELEMENT_PREFIX = b"\x00\x20"


class DleqProof(Struct, frozen=True):
    """Challenge c and response s of the proof; on the wire c | s, 64 bytes."""

    challenge: Scalar
    response: Scalar

    def encode(self) -> bytes:
        return self.challenge.encoding + self.response.encoding


def decode_proof(encoding: bytes) -> DleqProof:
    """The proof of 64 bytes. Raises `EncodingRefused` for another length or a scalar >= L."""
    if not isinstance(encoding, bytes) or len(encoding) != PROOF_BYTES:
        raise EncodingRefused("proof", f"must be {PROOF_BYTES} bytes")
    return DleqProof(
        decode_scalar(encoding[:SCALAR_BYTES], what="challenge of the proof"),
        decode_scalar(encoding[SCALAR_BYTES:], what="response of the proof"),
    )


def prove(
    context: bytes,
    secret: Scalar,
    public: Element,
    inputs: Sequence[Element],
    outputs: Sequence[Element],
    nonce: Scalar,
) -> DleqProof:
    """GenerateProof of RFC 9497 section 2.2.1: A = G, B = `public`, C = `inputs`, D = `outputs`.

    `nonce` comes from `hedged_nonce`. Raises `InputRefused` for 0 or more than 65535 pairs or lists
    of different length.
    """
    weights = _composite_weights(context, public, inputs, outputs)
    mixed_input = weighted_sum(weights, inputs)
    # ComputeCompositesFast: who knows the secret gets the second sum by one multiplication.
    mixed_output = multiply_or_identity(secret, mixed_input)
    challenge = _challenge(
        context,
        public,
        mixed_input,
        mixed_output,
        multiply_base(nonce),
        multiply_or_identity(nonce, mixed_input),
    )
    return DleqProof(challenge, nonce - challenge * secret)


def verify(
    context: bytes,
    public: Element,
    inputs: Sequence[Element],
    outputs: Sequence[Element],
    proof: DleqProof,
) -> bool:
    """VerifyProof of RFC 9497 section 2.2.2: A = G, B = `public`, C = `inputs`, D = `outputs`.

    Raises `InputRefused` as `prove` does.
    """
    weights = _composite_weights(context, public, inputs, outputs)
    mixed_input = weighted_sum(weights, inputs)
    mixed_output = weighted_sum(weights, outputs)
    scalars = (proof.response, proof.challenge)
    commitment = multiply_base_or_identity(proof.response) + multiply_or_identity(
        proof.challenge, public
    )
    expected = _challenge(
        context,
        public,
        mixed_input,
        mixed_output,
        commitment,
        weighted_sum(scalars, (mixed_input, mixed_output)),
    )
    return expected == proof.challenge


def hedged_nonce(
    context: bytes,
    secret: Scalar,
    inputs: Sequence[Element],
    random_bytes: RandomBytes,
) -> Scalar:
    """A nonce for `prove` from the secret, 64 fresh bytes and the statement's inputs.

    The public key and the outputs follow from secret and inputs. Raises `RandomnessRefused`.
    """
    fresh = random_bytes(WIDE_BYTES)
    if not isinstance(fresh, bytes) or len(fresh) != WIDE_BYTES:
        raise RandomnessRefused(f"asked for {WIDE_BYTES} bytes and got something else")
    statement = b"".join(element.encoding for element in inputs)
    return hash_to_scalar(secret.encoding + fresh + statement, b"Bulwark-v1-DLEQ-nonce-" + context)


def _composite_weights(
    context: bytes, public: Element, inputs: Sequence[Element], outputs: Sequence[Element]
) -> list[Scalar]:
    """The weights d_i of ComputeComposites (RFC 9497 section 2.2.1), in the order of the pairs."""
    if not 1 <= len(inputs) <= MAX_PAIRS:
        raise InputRefused("number of pairs", len(inputs), f"1 to {MAX_PAIRS}")
    if len(outputs) != len(inputs):
        raise InputRefused("number of outputs", len(outputs), f"{len(inputs)}, as inputs")
    seed_dst = b"Seed-" + context
    framed_dst = len(seed_dst).to_bytes(2, "big") + seed_dst
    seed = hashlib.sha512(_ELEMENT_PREFIX + public.encoding + framed_dst).digest()
    head = len(seed).to_bytes(2, "big") + seed
    dst = b"HashToScalar-" + context
    return [
        hash_to_scalar(
            b"".join(
                (
                    head,
                    position.to_bytes(2, "big"),
                    _ELEMENT_PREFIX,
                    pair[0].encoding,
                    _ELEMENT_PREFIX,
                    pair[1].encoding,
                    b"Composite",
                )
            ),
            dst,
        )
        for position, pair in enumerate(zip(inputs, outputs, strict=True))
    ]


def _challenge(context: bytes, *elements: Element) -> Scalar:
    """The challenge over B, M, Z, t2, t3 in this order (RFC 9497 section 2.2.1)."""
    framed = b"".join(_ELEMENT_PREFIX + element.encoding for element in elements)
    return hash_to_scalar(framed + b"Challenge", b"HashToScalar-" + context)

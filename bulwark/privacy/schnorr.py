"""Proof of possession: whoever registers or deals a public key shows that it knows the secret.

A Schnorr proof (Schnorr 1991, made non-interactive by Fiat and Shamir) for Y = x*G, bound to what
the key is for and by whom. Without it the last one to name a key in a sum of keys could cancel the
others (rogue keys), and one member could register the key of another as its own.

Rules owned here: the label of the transcript holds the purpose, so a proof for one purpose is no
proof for another; the challenge covers label, context, public key and commitment; the proof is
c | s, 64 bytes, both canonical; neither the key nor the commitment may be the identity. The nonce
comes from the secret, fresh bytes and the statement together, so that a broken source of randomness
does not give the key away. Checking is total: any bytes give True or False and never an error.

It does not say what a context holds: that is the caller's, and must name who, and where.
"""

from __future__ import annotations

from bulwark.privacy.errors import EncodingRefused, InputRefused, RandomnessRefused, ZeroScalar
from bulwark.privacy.group import (
    SCALAR_BYTES,
    WIDE_BYTES,
    Element,
    RandomBytes,
    Scalar,
    decode_element,
    decode_scalar,
    hash_to_scalar,
    multiply_base,
    multiply_base_or_identity,
    multiply_or_identity,
)
from bulwark.privacy.transcript import Transcript

POSSESSION_BYTES = 2 * SCALAR_BYTES
MAX_PURPOSE_BYTES = 255
MAX_CONTEXT_BYTES = 65535

RING_KEY = b"ring-key"
"""Purpose: a member's ring key; context = chain id (8 bytes, big-endian) | member id (32)."""
REGULATOR_KEY = b"regulator-key"
"""Purpose: the regulator's part of the opener; context as for a ring key."""
DEALING = b"dealing"
"""Purpose: the constant term of a dealing; context = session id (32) | index of the dealer (1)."""

_LABEL = b"Bulwark-v1-possession-"
_DST_NONCE = b"Bulwark-v1-possession-nonce"


def prove_possession(
    purpose: bytes, context: bytes, secret: Scalar, random_bytes: RandomBytes
) -> bytes:
    """The proof that the caller knows `secret` of secret*G: challenge | response, 64 bytes.

    `purpose` has 1 to 255 bytes, `context` at most 65,535. Raises `InputRefused`, `ZeroScalar`,
    `RandomnessRefused`.
    """
    if not _in_bounds(purpose, context):
        raise InputRefused(
            "purpose or context of a proof of possession",
            f"{len(purpose)} and {len(context)} bytes",
            f"1 to {MAX_PURPOSE_BYTES} and at most {MAX_CONTEXT_BYTES}",
        )
    if secret.is_zero:
        raise ZeroScalar("proof of possession")
    statement = _statement(purpose, context, multiply_base(secret))
    nonce = _hedged_nonce(secret, statement, random_bytes)
    challenge = statement.fork().add_elements((multiply_base(nonce),)).challenge()
    return challenge.encoding + (nonce - challenge * secret).encoding


def verify_possession(purpose: bytes, context: bytes, public: Element, proof: bytes) -> bool:
    """Whether `proof` shows knowledge of the secret of `public`, for this purpose and context.

    False for everything that is not a proof: another length, a scalar of L or more, the identity as
    key or commitment, a purpose or context out of bounds.
    """
    if public.is_identity or not _in_bounds(purpose, context):
        return False
    if not isinstance(proof, bytes) or len(proof) != POSSESSION_BYTES:
        return False
    try:
        challenge = decode_scalar(proof[:SCALAR_BYTES])
        response = decode_scalar(proof[SCALAR_BYTES:])
    except EncodingRefused:
        return False
    commitment = multiply_base_or_identity(response) + multiply_or_identity(challenge, public)
    if commitment.is_identity:
        return False
    return _statement(purpose, context, public).add_elements((commitment,)).challenge() == challenge


def verify_encoded_possession(purpose: bytes, context: bytes, public: bytes, proof: bytes) -> bool:
    """As `verify_possession`, for a key of 32 bytes from outside; a bad encoding gives False."""
    try:
        key = decode_element(public)
    except EncodingRefused:
        return False
    return verify_possession(purpose, context, key, proof)


def _in_bounds(purpose: bytes, context: bytes) -> bool:
    return 1 <= len(purpose) <= MAX_PURPOSE_BYTES and len(context) <= MAX_CONTEXT_BYTES


def _statement(purpose: bytes, context: bytes, public: Element) -> Transcript:
    return Transcript(_LABEL + purpose).add(context).add_elements((public,))


def _hedged_nonce(secret: Scalar, statement: Transcript, random_bytes: RandomBytes) -> Scalar:
    fresh = random_bytes(WIDE_BYTES)
    if not isinstance(fresh, bytes) or len(fresh) != WIDE_BYTES:
        raise RandomnessRefused(f"asked for {WIDE_BYTES} bytes and got something else")
    nonce = hash_to_scalar(secret.encoding + fresh + statement.digest(), _DST_NONCE)
    if nonce.is_zero:
        raise RandomnessRefused("it led to the zero nonce")
    return nonce

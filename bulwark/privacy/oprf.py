"""RFC 9497 OPRF and VOPRF with one server, suite ristretto255-SHA512.

A client blinds an input, a server multiplies it with its key, the client unblinds and hashes: it
learns one output and the server learns nothing. The alliance's tags use the verifiable mode with
the key shared among the members (`threshold`), and the combined output equals the output here, so
this module is both the set of steps the threshold round is made of and its reference.

Rules owned here: context strings, domain separation tags, the bound of the RFC on inputs, the final
hash. POPRF (mode 2) is left out on purpose: its key inversion cannot be shared additively.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from enum import IntEnum

from bulwark.privacy import sigma
from bulwark.privacy.errors import IdentityResult, InputRefused, ZeroScalar
from bulwark.privacy.group import (
    Element,
    Scalar,
    hash_to_group,
    hash_to_scalar,
    multiply,
    multiply_base,
)

OUTPUT_BYTES = 64
SEED_BYTES = 32
MAX_INPUT_BYTES = 65535
"""The RFC counts the bytes of an input in two bytes."""

_ELEMENT_PREFIX = b"\x00\x20"


class Mode(IntEnum):
    """Protocol variant, as numbered in RFC 9497 section 3.1."""

    OPRF = 0
    VOPRF = 1


CONTEXTS = {mode: b"OPRFV1-" + bytes((mode,)) + b"-ristretto255-SHA512" for mode in Mode}
"""CreateContextString of RFC 9497 section 3.1 for each mode."""

_GROUP_DSTS = {mode: b"HashToGroup-" + context for mode, context in CONTEXTS.items()}


def check_input(data: bytes) -> None:
    """Refuse an input that is longer than the RFC allows. Raises `InputRefused`."""
    if len(data) > MAX_INPUT_BYTES:
        raise InputRefused("input length", len(data), f"0 to {MAX_INPUT_BYTES} bytes")


def hash_input(mode: Mode, data: bytes) -> Element:
    """HashToGroup of an input. Raises `InputRefused`; `IdentityResult` for chance 2^-252."""
    check_input(data)
    element = hash_to_group(data, _GROUP_DSTS[mode])
    if element.is_identity:
        raise IdentityResult("hashing the input")
    return element


def blind(mode: Mode, data: bytes, blind_scalar: Scalar) -> Element:
    """Blind of RFC 9497 section 3.3.1; `blind_scalar` is uniform and used once. Raises as above."""
    return multiply(blind_scalar, hash_input(mode, data))


def blind_evaluate(secret: Scalar, blinded: Element) -> Element:
    """BlindEvaluate of the base mode (RFC 9497 section 3.3.1). Raises `IdentityResult`."""
    return multiply(secret, blinded)


def blind_evaluate_batch(
    secret: Scalar, public: Element, blinded: Sequence[Element], nonce: Scalar
) -> tuple[list[Element], sigma.DleqProof]:
    """BlindEvaluate of the verifiable mode (RFC 9497 section 3.3.2) over a batch, with its proof.

    `nonce` as in `sigma.prove`. Raises `InputRefused`, `IdentityResult`.
    """
    evaluated = [multiply(secret, element) for element in blinded]
    context = CONTEXTS[Mode.VOPRF]
    return evaluated, sigma.prove(context, secret, public, blinded, evaluated, nonce)


def verify_batch(
    public: Element,
    blinded: Sequence[Element],
    evaluated: Sequence[Element],
    proof: sigma.DleqProof,
) -> bool:
    """Whether `evaluated` came from `blinded` by the key of `public` (RFC 9497 section 3.3.2)."""
    return sigma.verify(CONTEXTS[Mode.VOPRF], public, blinded, evaluated, proof)


def finalize(data: bytes, blind_scalar: Scalar, evaluated: Element) -> bytes:
    """Finalize of RFC 9497 section 3.3.1: the 64-byte output for `data`.

    In the verifiable mode call `verify_batch` first. Raises `ZeroScalar`, `InputRefused`.
    """
    return output_hash(data, multiply(blind_scalar.inverse(), evaluated))


def output_hash(data: bytes, unblinded: Element) -> bytes:
    """The last hash of Finalize over the input and the unblinded element. Raises `InputRefused`."""
    check_input(data)
    return hashlib.sha512(
        b"".join(
            (
                len(data).to_bytes(2, "big"),
                data,
                _ELEMENT_PREFIX,
                unblinded.encoding,
                b"Finalize",
            )
        )
    ).digest()


def evaluate(mode: Mode, secret: Scalar, data: bytes) -> bytes:
    """Evaluate of RFC 9497 section 3.3.1: the 64-byte output, by the holder of the whole key."""
    return output_hash(data, multiply(secret, hash_input(mode, data)))


def derive_key_pair(mode: Mode, seed: bytes, info: bytes) -> tuple[Scalar, Element]:
    """DeriveKeyPair of RFC 9497 section 3.2.1: secret and public key from a 32-byte seed.

    `info` has at most 65535 bytes. Raises `InputRefused`; `ZeroScalar` for chance 2^-64512.
    """
    if len(seed) != SEED_BYTES:
        raise InputRefused("seed length", len(seed), f"{SEED_BYTES} bytes")
    if len(info) > MAX_INPUT_BYTES:
        raise InputRefused("key info length", len(info), f"0 to {MAX_INPUT_BYTES} bytes")
    material = seed + len(info).to_bytes(2, "big") + info
    dst = b"DeriveKeyPair" + CONTEXTS[mode]
    for counter in range(256):
        secret = hash_to_scalar(material + bytes((counter,)), dst)
        if not secret.is_zero:
            return secret, multiply_base(secret)
    raise ZeroScalar("key derivation")

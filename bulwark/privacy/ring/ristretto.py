"""The product's suite, ristretto255 with SHA-512, and the names of the ring proof bound to it.

Rules owned here: the suite's identifier and version. Strict decoding and all arithmetic are those
of `bulwark.privacy.group`; multiplications and scalar arithmetic run in constant time there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from bulwark.privacy import group
from bulwark.privacy.group import Element, Scalar
from bulwark.privacy.ring import proof
from bulwark.privacy.ring.statement import Ring, RingStatement


class Ristretto255:
    """ristretto255 as a `Suite`; there is one, `RISTRETTO255`."""

    identifier = b"ARP-1/ristretto255-SHA512"
    version = 1
    order = group.ORDER
    element_bytes = group.ELEMENT_BYTES
    scalar_bytes = group.SCALAR_BYTES
    generator = group.GENERATOR
    identity = group.IDENTITY
    scalar = staticmethod(Scalar.from_int)

    def encode_element(self, element: Element, /) -> bytes:
        return element.encoding

    def decode_element(self, encoding: bytes, /, *, allow_identity: bool, what: str) -> Element:
        return group.decode_element(encoding, allow_identity=allow_identity, what=what)

    def encode_scalar(self, scalar: Scalar, /) -> bytes:
        return scalar.encoding

    def decode_scalar(self, encoding: bytes, /, *, what: str) -> Scalar:
        return group.decode_scalar(encoding, what=what)

    def reduce(self, wide: bytes, /) -> Scalar:
        return group.reduce_scalar(wide)

    def hash_to_group(self, message: bytes, dst: bytes, /) -> Element:
        return group.hash_to_group(message, dst)

    def multiply(self, scalar: Scalar, element: Element, /) -> Element:
        return group.multiply_or_identity(scalar, element)

    def multiply_base(self, scalar: Scalar, /) -> Element:
        return group.multiply_base_or_identity(scalar)

    def weighted_sum(self, scalars: Sequence[Scalar], elements: Sequence[Element], /) -> Element:
        return group.weighted_sum(scalars, elements)


RISTRETTO255 = Ristretto255()

MemberRing: TypeAlias = Ring[Element, Scalar]
Statement: TypeAlias = RingStatement[Element, Scalar]
Proof: TypeAlias = proof.RingProof[Element, Scalar]


def member_ring(keys: Sequence[Element]) -> MemberRing:
    """The ring of these keys in this order. Raises `InputRefused` or `RingRefused`."""
    return Ring(RISTRETTO255, tuple(keys))


def proof_bytes(members: int) -> int:
    """Length of an encoded proof over a ring of `members` keys. Raises `InputRefused`."""
    return proof.proof_bytes(RISTRETTO255, members)


def decode_proof(encoding: bytes, members: int) -> Proof:
    """The proof over a ring of `members` keys. Raises `EncodingRefused` or `InputRefused`."""
    return proof.decode(RISTRETTO255, encoding, members)

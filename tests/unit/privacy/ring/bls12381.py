"""BLS12-381 G1 as a suite, twice: by py-arkworks-bls12381 and by py_ecc. Oracles for tests only.

Both take variable time with secrets. The traps of arkworks' decoders are closed by encoding again.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import py_arkworks_bls12381 as ark
from py_ecc.bls.hash_to_curve import hash_to_G1
from py_ecc.bls.point_compression import compress_G1, decompress_G1
from py_ecc.optimized_bls12_381 import G1, Z1, add, curve_order, eq, multiply, neg

from bulwark.privacy.errors import EncodingRefused

IDENTIFIER = b"ARP-1/BLS12-381-G1-SHA256"
VERSION = 0xF1


class Arkworks:
    """Elements are G1Point, scalars are its Scalar."""

    identifier, version, order = IDENTIFIER, VERSION, curve_order
    element_bytes, scalar_bytes = 48, 32
    identity = ark.G1Point.identity()
    generator = ark.G1Point()

    def encode_element(self, element):
        return bytes(element.to_compressed_bytes())

    def decode_element(self, encoding, *, allow_identity, what):
        try:
            element = ark.G1Point.from_compressed_bytes(encoding)
        except ValueError as error:
            raise EncodingRefused(what, "not on the curve or not in the group") from error
        if self.encode_element(element) != encoding:
            raise EncodingRefused(what, "not canonical")
        if element == self.identity and not allow_identity:
            raise EncodingRefused(what, "identity")
        return element

    def encode_scalar(self, scalar):
        return bytes(scalar.to_le_bytes())

    def decode_scalar(self, encoding, *, what):
        value = int.from_bytes(encoding, "little")
        if len(encoding) != 32 or value >= curve_order:
            raise EncodingRefused(what, "not below the order")
        return self.scalar(value)

    def scalar(self, value):
        return ark.Scalar.from_le_bytes(value.to_bytes(32, "little"))

    def reduce(self, wide):
        return self.scalar(int.from_bytes(wide, "little") % curve_order)

    def hash_to_group(self, message, dst):
        return ark.G1Point.hash_to_curve(message, dst)

    def multiply(self, scalar, element):
        return element * scalar

    def multiply_base(self, scalar):
        return self.generator * scalar

    def weighted_sum(self, scalars, elements):
        assert len(scalars) == len(elements)
        return ark.G1Point.multiexp_unchecked(list(elements), list(scalars))


@dataclass(frozen=True, eq=False)
class EccPoint:
    raw: tuple

    def __add__(self, other):
        return EccPoint(add(self.raw, other.raw))

    def __sub__(self, other):
        return EccPoint(add(self.raw, neg(other.raw)))

    def __eq__(self, other):
        return eq(self.raw, other.raw)

    def __hash__(self):
        return hash(int(compress_G1(self.raw)))


class EccScalar(int):
    def __add__(self, other):
        return EccScalar(int.__add__(self, other) % curve_order)

    def __sub__(self, other):
        return EccScalar(int.__sub__(self, other) % curve_order)

    def __mul__(self, other):
        return EccScalar(int.__mul__(self, other) % curve_order)

    def __neg__(self):
        return EccScalar(int.__neg__(self) % curve_order)


class PyEcc:
    """The same suite in plain Python."""

    identifier, version, order = IDENTIFIER, VERSION, curve_order
    element_bytes, scalar_bytes = 48, 32
    identity = EccPoint(Z1)
    generator = EccPoint(G1)

    def encode_element(self, element):
        return int(compress_G1(element.raw)).to_bytes(48, "big")

    def decode_element(self, encoding, *, allow_identity, what):
        element = EccPoint(decompress_G1(int.from_bytes(encoding, "big")))
        if not eq(multiply(element.raw, curve_order), Z1):
            raise EncodingRefused(what, "not in the group")
        if element == self.identity and not allow_identity:
            raise EncodingRefused(what, "identity")
        return element

    def encode_scalar(self, scalar):
        return int(scalar).to_bytes(32, "little")

    def decode_scalar(self, encoding, *, what):
        return self.scalar(int.from_bytes(encoding, "little"))

    def scalar(self, value):
        assert 0 <= value < curve_order
        return EccScalar(value)

    def reduce(self, wide):
        return EccScalar(int.from_bytes(wide, "little") % curve_order)

    def hash_to_group(self, message, dst):
        return EccPoint(hash_to_G1(message, dst, hashlib.sha256))

    def multiply(self, scalar, element):
        return EccPoint(multiply(element.raw, int(scalar)))

    def multiply_base(self, scalar):
        return self.multiply(scalar, self.generator)

    def weighted_sum(self, scalars, elements):
        assert len(scalars) == len(elements)
        total = self.identity
        for scalar, element in zip(scalars, elements, strict=True):
            total = total + self.multiply(scalar, element)
        return total


ARKWORKS = Arkworks()
PY_ECC = PyEcc()

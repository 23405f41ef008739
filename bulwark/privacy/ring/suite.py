"""Suite: what the ring proof asks of a prime-order group, its scalars and its hashing.

Rules owned here: the protocol's code touches elements and scalars through these operations only, so
one code runs over ristretto255 (the product) and over other groups (the tests' oracles). A suite
decodes strictly: one value, one encoding; the identity only where it is allowed by name.

It does not say which operations run in constant time: a suite for secrets has to.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Protocol, Self, TypeVar


class GroupElement(Protocol):
    """An element of the group, written additively; hashable, equal by value."""

    def __add__(self, other: Self, /) -> Self: ...

    def __sub__(self, other: Self, /) -> Self: ...

    def __hash__(self) -> int: ...


class FieldScalar(Protocol):
    """An integer modulo the order of the group."""

    def __add__(self, other: Self, /) -> Self: ...

    def __sub__(self, other: Self, /) -> Self: ...

    def __mul__(self, other: Self, /) -> Self: ...

    def __neg__(self) -> Self: ...

    def __int__(self) -> int: ...


E = TypeVar("E", bound=GroupElement)
S = TypeVar("S", bound=FieldScalar)


class Suite(Hashable, Protocol[E, S]):
    """A group of prime order with its generator, its scalars and its hash to the group."""

    @property
    def identifier(self) -> bytes:
        """Name of the suite; part of every challenge and of every domain separation tag."""

    @property
    def version(self) -> int:
        """First byte of an encoded proof, 1 to 255."""

    @property
    def order(self) -> int: ...

    @property
    def element_bytes(self) -> int: ...

    @property
    def scalar_bytes(self) -> int: ...

    @property
    def generator(self) -> E: ...

    @property
    def identity(self) -> E: ...

    def encode_element(self, element: E, /) -> bytes: ...

    def decode_element(self, encoding: bytes, /, *, allow_identity: bool, what: str) -> E:
        """Raises `EncodingRefused`, which names `what`."""

    def encode_scalar(self, scalar: S, /) -> bytes: ...

    def decode_scalar(self, encoding: bytes, /, *, what: str) -> S:
        """Raises `EncodingRefused`, which names `what`."""

    def scalar(self, value: int, /) -> S:
        """The scalar of a public integer in [0, order)."""

    def reduce(self, wide: bytes, /) -> S:
        """64 uniform little-endian bytes modulo the order."""

    def hash_to_group(self, message: bytes, dst: bytes, /) -> E: ...

    def multiply(self, scalar: S, element: E, /) -> E:
        """The product, which may be the identity."""

    def multiply_base(self, scalar: S, /) -> E:
        """scalar * generator, which may be the identity."""

    def weighted_sum(self, scalars: Sequence[S], elements: Sequence[E], /) -> E:
        """Sum of the products; both have one length, which may be 0."""

"""The prime-order group ristretto255 (RFC 9496) and its scalar field, strictly decoded.

Rules owned here:

* One value has one encoding. An `Element` or `Scalar` cannot be built from bytes that are not the
  canonical encoding: wrong length, bit 255 set (libsodium 1.0.18 lets it pass), a non-canonical
  field element, a scalar of L or more (libsodium takes it modulo L).
* The identity is refused wherever bytes are decoded, unless the caller allows it by name.
* Every return code of libsodium is looked at. A product that is the identity is an error in
  `multiply` and a value in `multiply_or_identity` and `weighted_sum`: secrets take the first,
  sums of a verification the others.
* Every call writes into a buffer of its own, so threads may use this module freely.
* Randomness is passed in as `random_bytes`, a function from a count to that many bytes.

Multiplications and scalar arithmetic are libsodium's and run in constant time; the comparison of
scalars does too. It does not wipe memory: Python copies `bytes` as it likes.
"""

from __future__ import annotations

import ctypes
import hmac
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from bulwark.privacy.errors import (
    EncodingRefused,
    GroupFault,
    IdentityResult,
    InputRefused,
    RandomnessRefused,
    SelfTestFailed,
    ZeroScalar,
)
from bulwark.privacy.expand import expand_message_xmd
from bulwark.privacy.sodium import library

ORDER = 2**252 + 27742317777372353535851937790883648493
"""L, the number of elements of the group (RFC 9496 section 4)."""

ELEMENT_BYTES = 32
SCALAR_BYTES = 32
WIDE_BYTES = 64
"""Bytes from which an element or a scalar is derived without a noticeable bias."""

RandomBytes = Callable[[int], bytes]
"""A source of random bytes: count in, exactly that many bytes out."""

_ZERO = bytes(32)
_Buffer = ctypes.c_char * 32
_new = object.__new__
_set = object.__setattr__


@dataclass(frozen=True, slots=True)
class Element:
    """A group element by its canonical encoding of 32 bytes; the identity is 32 zero bytes.

    Building one checks the encoding. Raises `EncodingRefused`. For bytes from outside use
    `decode_element`, which also refuses the identity.
    """

    encoding: bytes

    def __post_init__(self) -> None:
        _check_element(self.encoding, "element")

    @property
    def is_identity(self) -> bool:
        return self.encoding == _ZERO

    def __add__(self, other: Element) -> Element:
        out = _Buffer()
        if library().add(out, self.encoding, other.encoding):
            raise GroupFault("addition")
        return _element(out.raw)

    def __sub__(self, other: Element) -> Element:
        out = _Buffer()
        if library().subtract(out, self.encoding, other.encoding):
            raise GroupFault("subtraction")
        return _element(out.raw)


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """An integer modulo L by its canonical little-endian encoding of 32 bytes; never printed.

    Building one checks the encoding. Raises `EncodingRefused`. Zero is a scalar.
    """

    encoding: bytes = field(repr=False)

    def __post_init__(self) -> None:
        _check_scalar(self.encoding, "scalar")

    @classmethod
    def from_int(cls, value: int) -> Scalar:
        """The scalar of a public integer in [0, L); nothing is reduced silently.

        Raises `InputRefused`, without the value.
        """
        if not 0 <= value < ORDER:
            raise InputRefused("integer for a scalar", "out of range", "0 to L - 1")
        return _scalar(value.to_bytes(SCALAR_BYTES, "little"))

    @property
    def is_zero(self) -> bool:
        return hmac.compare_digest(self.encoding, _ZERO)

    def __int__(self) -> int:
        return int.from_bytes(self.encoding, "little")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Scalar):
            return NotImplemented
        return hmac.compare_digest(self.encoding, other.encoding)

    def __hash__(self) -> int:
        return hash(self.encoding)

    def __add__(self, other: Scalar) -> Scalar:
        out = _Buffer()
        library().scalar_add(out, self.encoding, other.encoding)
        return _scalar(out.raw)

    def __sub__(self, other: Scalar) -> Scalar:
        out = _Buffer()
        library().scalar_subtract(out, self.encoding, other.encoding)
        return _scalar(out.raw)

    def __mul__(self, other: Scalar) -> Scalar:
        out = _Buffer()
        library().scalar_multiply(out, self.encoding, other.encoding)
        return _scalar(out.raw)

    def __neg__(self) -> Scalar:
        out = _Buffer()
        library().scalar_negate(out, self.encoding)
        return _scalar(out.raw)

    def inverse(self) -> Scalar:
        """The scalar s with s * self = 1. Raises `ZeroScalar`."""
        out = _Buffer()
        if library().scalar_invert(out, self.encoding):
            raise ZeroScalar("inversion")
        return _scalar(out.raw)


def _element(encoding: bytes) -> Element:
    """An element libsodium has just written, without checking it again."""
    made = _new(Element)
    _set(made, "encoding", encoding)
    return made


def _scalar(encoding: bytes) -> Scalar:
    """A scalar libsodium has just reduced, without checking it again."""
    made = _new(Scalar)
    _set(made, "encoding", encoding)
    return made


IDENTITY = _element(_ZERO)
GENERATOR = _element(
    bytes.fromhex("e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76")
)
ZERO = _scalar(_ZERO)
ONE = _scalar((1).to_bytes(32, "little"))

_KNOWN_FIFTEEN = "e0c418f7c8d9c4cdd7395b93ea124f3ad99021bb681dfc3302a9d99a2e53e64e"
_KNOWN_DERIVATION = (
    "5d1be09e3d0c82fc538112490e35701979d99e06ca3e2b5b54bffe8b4dc772c1"
    "4d98b696a1bbfb5ca32c436cc61c16563790306c79eaca7705668b47dffe5bb6",
    "3066f82a1a747d45120d1740f14358531a8f04bbffe6a819f86dfe50f44a0a46",
)
_KNOWN_BAD = (
    "00" * 32,
    "ed" + "ff" * 30 + "7f",
    "01" + "00" * 31,
    "26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371",
)
"""The identity, a field element of p or more, a negative one and a non-square."""


def _check_length(encoding: bytes, what: str, length: int) -> None:
    if not isinstance(encoding, bytes):
        raise EncodingRefused(what, f"type {type(encoding).__name__}, must be bytes")
    if len(encoding) != length:
        raise EncodingRefused(what, f"{len(encoding)} bytes, must be {length}")


def _check_element(encoding: bytes, what: str) -> None:
    _check_length(encoding, what, ELEMENT_BYTES)
    if encoding[31] & 0x80:
        raise EncodingRefused(what, "bit 255 is set")
    if library().is_valid_point(encoding) != 1:
        raise EncodingRefused(what, "not a canonical encoding of a ristretto255 element")


def _check_scalar(encoding: bytes, what: str) -> None:
    _check_length(encoding, what, SCALAR_BYTES)
    if int.from_bytes(encoding, "little") >= ORDER:
        raise EncodingRefused(what, "not below the group order")


def decode_element(
    encoding: bytes, *, allow_identity: bool = False, what: str = "element"
) -> Element:
    """The element of 32 bytes from outside (RFC 9496 section 4.3.1); `what` names it in the error.

    Raises `EncodingRefused`, also for the identity unless it is allowed.
    """
    _check_element(encoding, what)
    if encoding == _ZERO and not allow_identity:
        raise EncodingRefused(what, "the identity element is not allowed")
    return _element(encoding)


def decode_scalar(encoding: bytes, *, what: str = "scalar") -> Scalar:
    """The scalar of 32 little-endian bytes from outside, maybe zero. Raises `EncodingRefused`."""
    _check_scalar(encoding, what)
    return _scalar(encoding)


def reduce_scalar(wide: bytes) -> Scalar:
    """64 uniform little-endian bytes modulo L. Raises `EncodingRefused` for another length."""
    _check_length(wide, "wide scalar", WIDE_BYTES)
    out = _Buffer()
    library().scalar_reduce(out, wide)
    return _scalar(out.raw)


def random_scalar(random_bytes: RandomBytes) -> Scalar:
    """A uniform scalar other than zero from 64 random bytes.

    Zero means a broken source (chance 2^-252), so it is refused rather than drawn again. Raises
    `RandomnessRefused`.
    """
    drawn = random_bytes(WIDE_BYTES)
    if not isinstance(drawn, bytes) or len(drawn) != WIDE_BYTES:
        raise RandomnessRefused(f"asked for {WIDE_BYTES} bytes and got something else")
    scalar = reduce_scalar(drawn)
    if scalar.is_zero:
        raise RandomnessRefused("it gave the zero scalar")
    return scalar


def hash_to_scalar(message: bytes, dst: bytes) -> Scalar:
    """HashToScalar of RFC 9497 section 4.1: 64 expanded bytes modulo L. May be zero."""
    return reduce_scalar(expand_message_xmd(message, dst, WIDE_BYTES))


def hash_to_group(message: bytes, dst: bytes) -> Element:
    """hash_to_ristretto255 of RFC 9380 appendix B. The identity (chance 2^-252) is returned."""
    return map_to_group(expand_message_xmd(message, dst, WIDE_BYTES))


def map_to_group(wide: bytes) -> Element:
    """The element derived from 64 uniform bytes (RFC 9496 section 4.3.4)."""
    _check_length(wide, "wide element", WIDE_BYTES)
    out = _Buffer()
    if library().from_hash(out, wide):
        raise GroupFault("derivation of an element")
    return _element(out.raw)


def multiply(scalar: Scalar, element: Element) -> Element:
    """scalar * element, never the identity. Raises `IdentityResult`."""
    out = _Buffer()
    if library().multiply(out, scalar.encoding, element.encoding):
        _expect_identity(scalar, element)
        raise IdentityResult("multiplication")
    return _element(out.raw)


def multiply_or_identity(scalar: Scalar, element: Element) -> Element:
    """scalar * element where the identity is a legitimate result."""
    out = _Buffer()
    if library().multiply(out, scalar.encoding, element.encoding):
        _expect_identity(scalar, element)
        return IDENTITY
    return _element(out.raw)


def multiply_base(scalar: Scalar) -> Element:
    """scalar * generator, never the identity. Raises `IdentityResult`."""
    out = _Buffer()
    if library().multiply_base(out, scalar.encoding):
        _expect_identity(scalar, GENERATOR)
        raise IdentityResult("multiplication of the generator")
    return _element(out.raw)


def multiply_base_or_identity(scalar: Scalar) -> Element:
    """scalar * generator where the identity is a legitimate result."""
    return IDENTITY if scalar.is_zero else multiply_base(scalar)


def weighted_sum(scalars: Sequence[Scalar], elements: Sequence[Element]) -> Element:
    """scalars[0] * elements[0] + scalars[1] * elements[1] + ...; may be the identity.

    Both have one length, which may be 0. Raises `InputRefused`.
    """
    if len(scalars) != len(elements):
        raise InputRefused("number of scalars", len(scalars), f"{len(elements)}, as elements")
    sodium = library()
    multiply_into, add_into = sodium.multiply, sodium.add
    total, term = _Buffer(), _Buffer()
    started = False
    for scalar, element in zip(scalars, elements, strict=True):
        if multiply_into(term, scalar.encoding, element.encoding):
            _expect_identity(scalar, element)
        elif not started:
            total, term, started = term, total, True
        elif add_into(total, total, term):
            raise GroupFault("addition")
    return _element(total.raw) if started else IDENTITY


def sum_elements(elements: Iterable[Element]) -> Element:
    """The sum of the elements, the identity for none."""
    total = IDENTITY
    for position, element in enumerate(elements):
        total = total + element if position else element
    return total


def invert_all(scalars: Sequence[Scalar]) -> list[Scalar]:
    """The inverses of all scalars for one inversion and three products each (Montgomery).

    Raises `ZeroScalar` if one of them is zero.
    """
    products = [ONE]
    for scalar in scalars:
        products.append(products[-1] * scalar)
    tail = products[-1].inverse()
    inverses: list[Scalar] = []
    for position in range(len(scalars) - 1, -1, -1):
        inverses.append(tail * products[position])
        tail = tail * scalars[position]
    inverses.reverse()
    return inverses


def self_test() -> str:
    """Ask the loaded libsodium questions with known answers; the node calls this at its start.

    The answers are from RFC 9496 appendix A. Returns which library is in use. Raises
    `GroupUnavailable` or `SelfTestFailed`, which names the check.
    """
    sodium = library()
    source = f"libsodium {sodium.version} ({sodium.source})"
    minus_one = Scalar.from_int(ORDER - 1)
    derived = map_to_group(bytes.fromhex(_KNOWN_DERIVATION[0]))
    fifteen = multiply_base(Scalar.from_int(15))
    checks = {
        "multiple of the generator": fifteen.encoding.hex() == _KNOWN_FIFTEEN,
        "multiplication": multiply(Scalar.from_int(5), multiply_base(Scalar.from_int(3)))
        == fifteen,
        "derivation of an element": derived.encoding.hex() == _KNOWN_DERIVATION[1],
        "addition": weighted_sum((ONE, ONE), (derived, fifteen)) - fifteen == derived,
        "identity as a sum": weighted_sum((minus_one, ONE), (derived, derived)) == IDENTITY,
        "identity as a product": multiply_or_identity(ZERO, derived) == IDENTITY,
        "product of scalars": minus_one * minus_one == ONE and (ONE - ONE).is_zero,
        "inverse of a scalar": minus_one.inverse() == minus_one == -ONE,
        "wide reduction": reduce_scalar(ORDER.to_bytes(WIDE_BYTES, "little")).is_zero,
        "strict decoding": all(_refuses(bytes.fromhex(bad)) for bad in _KNOWN_BAD),
        "bit 255": _refuses(fifteen.encoding[:31] + bytes((fifteen.encoding[31] | 0x80,))),
    }
    for check, passed in checks.items():
        if not passed:
            raise SelfTestFailed(check, source)
    return source


def _refuses(encoding: bytes) -> bool:
    try:
        decode_element(encoding)
    except EncodingRefused:
        return True
    return False


def _expect_identity(scalar: Scalar, element: Element) -> None:
    """Tell the identity as a result from a failure: the order is prime, so one factor is zero."""
    if not scalar.is_zero and not element.is_identity:
        raise GroupFault("multiplication")

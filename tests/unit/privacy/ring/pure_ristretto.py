"""ristretto255 in plain integers from the text of RFC 9496: a second group for the same bytes.

Slow and not constant in time: an oracle for tests only.
"""

from __future__ import annotations

from dataclasses import dataclass

from bulwark.privacy.errors import EncodingRefused
from bulwark.privacy.expand import expand_message_xmd

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)


def is_negative(value: int) -> bool:
    return value % P % 2 == 1


def absolute(value: int) -> int:
    return -value % P if is_negative(value) else value % P


def sqrt_ratio(u: int, v: int) -> tuple[bool, int]:
    """Section 4.2 SQRT_RATIO_M1."""
    u, v = u % P, v % P
    r = u * v**3 * pow(u * v**7, (P - 5) // 8, P) % P
    check = v * r * r % P
    correct, flipped = check == u, check == -u % P
    if flipped or check == -u * SQRT_M1 % P:
        r = r * SQRT_M1 % P
    return correct or flipped, absolute(r)


INVSQRT_A_MINUS_D = sqrt_ratio(1, -1 - D)[1]
# The negative root, as the constant of section 4.1 has it.
SQRT_AD_MINUS_ONE = -sqrt_ratio(-D - 1, 1)[1] % P


@dataclass(frozen=True)
class Point:
    x: int
    y: int
    z: int
    t: int

    def __add__(self, other: Point) -> Point:
        a = (self.y - self.x) * (other.y - other.x) % P
        b = (self.y + self.x) * (other.y + other.x) % P
        c = 2 * D * self.t * other.t % P
        d = 2 * self.z * other.z % P
        e, f, g, h = b - a, d - c, d + c, b + a
        return Point(e * f % P, g * h % P, f * g % P, e * h % P)

    def __sub__(self, other: Point) -> Point:
        return self + Point(-other.x, other.y, other.z, -other.t)

    def __eq__(self, other: object) -> bool:
        """Section 4.3.3: equal as elements of the quotient."""
        if not isinstance(other, Point):
            return NotImplemented
        return (self.x * other.y - self.y * other.x) % P == 0 or (
            self.y * other.y - self.x * other.x
        ) % P == 0

    def __hash__(self) -> int:
        return hash(encode(self))


def decode(encoding: bytes) -> Point:
    """Section 4.3.1."""
    s = int.from_bytes(encoding, "little")
    if len(encoding) != 32 or s >= P or is_negative(s):
        raise EncodingRefused("element", "not canonical")
    u1, u2 = (1 - s * s) % P, (1 + s * s) % P
    v = (-D * u1 * u1 - u2 * u2) % P
    square, root = sqrt_ratio(1, v * u2 * u2)
    x = absolute(2 * s * root * u2)
    y = u1 * root * root * u2 * v % P
    if not square or is_negative(x * y) or y == 0:
        raise EncodingRefused("element", "not canonical")
    return Point(x, y, 1, x * y % P)


def encode(point: Point) -> bytes:
    """Section 4.3.2."""
    u1 = (point.z + point.y) * (point.z - point.y) % P
    u2 = point.x * point.y % P
    root = sqrt_ratio(1, u1 * u2 * u2)[1]
    den1, den2 = root * u1 % P, root * u2 % P
    z_inverse = den1 * den2 * point.t % P
    x, y, den = point.x, point.y, den2
    if is_negative(point.t * z_inverse):
        x, y, den = point.y * SQRT_M1, point.x * SQRT_M1, den1 * INVSQRT_A_MINUS_D
    if is_negative(x * z_inverse):
        y = -y
    return absolute(den * (point.z - y)).to_bytes(32, "little")


def map_half(half: bytes) -> Point:
    """Section 4.3.4 MAP."""
    t = int.from_bytes(half, "little") % 2**255
    r = SQRT_M1 * t * t % P
    u = (r + 1) * (1 - D * D) % P
    v = (-1 - r * D) * (r + D) % P
    square, s = sqrt_ratio(u, v)
    c = P - 1
    if not square:
        s, c = -absolute(s * t) % P, r
    n = (c * (r - 1) * (D - 1) ** 2 - v) % P
    w0, w1, w2, w3 = 2 * s * v, n * SQRT_AD_MINUS_ONE, 1 - s * s, 1 + s * s
    return Point(w0 * w3 % P, w2 * w1 % P, w1 * w3 % P, w0 * w2 % P)


class Residue(int):
    """A scalar."""

    def __add__(self, other: int) -> Residue:
        return Residue(int.__add__(self, other) % L)

    def __sub__(self, other: int) -> Residue:
        return Residue(int.__sub__(self, other) % L)

    def __mul__(self, other: int) -> Residue:
        return Residue(int.__mul__(self, other) % L)

    def __neg__(self) -> Residue:
        return Residue(int.__neg__(self) % L)


class PureRistretto:
    """The same suite as the product's, by name and bytes."""

    identifier = b"ARP-1/ristretto255-SHA512"
    version = 1
    order = L
    element_bytes = scalar_bytes = 32
    identity = Point(0, 1, 1, 0)
    generator = decode(
        bytes.fromhex("e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76")
    )

    def encode_element(self, element):
        return encode(element)

    def decode_element(self, encoding, *, allow_identity, what):
        if encoding == bytes(32) and not allow_identity:
            raise EncodingRefused(what, "identity")
        return decode(encoding)

    def encode_scalar(self, scalar):
        return int(scalar).to_bytes(32, "little")

    def decode_scalar(self, encoding, *, what):
        value = int.from_bytes(encoding, "little")
        if value >= L:
            raise EncodingRefused(what, "not below the order")
        return Residue(value)

    def scalar(self, value):
        assert 0 <= value < L
        return Residue(value)

    def reduce(self, wide):
        return Residue(int.from_bytes(wide, "little") % L)

    def hash_to_group(self, message, dst):
        wide = expand_message_xmd(message, dst, 64)
        return map_half(wide[:32]) + map_half(wide[32:])

    def multiply(self, scalar, element):
        total = self.identity
        for bit in bin(int(scalar))[2:]:
            total = total + total
            if bit == "1":
                total = total + element
        return total

    def multiply_base(self, scalar):
        return self.multiply(scalar, self.generator)

    def weighted_sum(self, scalars, elements):
        assert len(scalars) == len(elements)
        total = self.identity
        for scalar, element in zip(scalars, elements, strict=True):
            total = total + self.multiply(scalar, element)
        return total


PURE = PureRistretto()

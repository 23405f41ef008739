"""The ring proof as a value, and its one encoding.

    version (1 byte) | E1 E2 T A B C D | G_01 G_02 .. G_(m-1)1 G_(m-1)2 | R1 R2 R3
                     | f_01 f_02 f_03 .. f_(m-1)3 | z_A z_C z s_r s_x

Rules owned here: the length follows from the number of members alone, 1 + 32 * (15 + 5m) bytes over
ristretto255 with m = max(1, ceil(log_4 N)); the version names the suite; every element is canonical
and not the identity, except E2 and the G_k, which may be; every scalar is below the order. So a
proof has one encoding. It does not check any equation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Generic

from bulwark.privacy.errors import EncodingRefused
from bulwark.privacy.ring.generators import BASE, MAX_DIGITS
from bulwark.privacy.ring.statement import digits_for
from bulwark.privacy.ring.suite import E, S, Suite

_NAMES = ("E1", "E2", "T", "A", "B", "C", "D", "R1", "R2", "R3")
_ANSWERS = ("z_A", "z_C", "z", "s_r", "s_x")


@dataclass(frozen=True, slots=True)
class RingProof(Generic[E, S]):
    """A proof with m digits; every value in it is public.

    `g` holds m pairs (G_k1, G_k2), `f` m rows of f_j1, f_j2, f_j3. Raises `EncodingRefused` for a
    wrong shape or for the identity where it is not allowed.
    """

    suite: Suite[E, S] = field(repr=False, compare=False)
    e1: E
    e2: E
    nullifier: E
    a: E
    b: E
    c: E
    d: E
    g: tuple[tuple[E, E], ...]
    r1: E
    r2: E
    r3: E
    f: tuple[tuple[S, ...], ...]
    z_a: S
    z_c: S
    z: S
    s_r: S
    s_x: S

    def __post_init__(self) -> None:
        if not 1 <= len(self.g) <= MAX_DIGITS or len(self.f) != len(self.g):
            raise EncodingRefused("proof", f"needs 1 to {MAX_DIGITS} pairs G and as many rows f")
        if any(len(row) != BASE - 1 for row in self.f):
            raise EncodingRefused("proof", f"a row f needs {BASE - 1} scalars")
        identity = self.suite.identity
        head = (self.e1, self.e2, self.nullifier, self.a, self.b, self.c, self.d)
        head_and_tail = (*head, self.r1, self.r2, self.r3)
        for name, element in zip(_NAMES, head_and_tail, strict=True):
            if name != "E2" and element == identity:
                raise EncodingRefused(name, "the identity element is not allowed")

    @property
    def digits(self) -> int:
        """m."""
        return len(self.g)

    def elements(self) -> Iterator[E]:
        """All elements in the order of the wire and of the challenge."""
        yield from (self.e1, self.e2, self.nullifier, self.a, self.b, self.c, self.d)
        yield from chain.from_iterable(self.g)
        yield from (self.r1, self.r2, self.r3)

    def scalars(self) -> Iterator[S]:
        """All scalars in the order of the wire."""
        yield from chain.from_iterable(self.f)
        yield from (self.z_a, self.z_c, self.z, self.s_r, self.s_x)

    def encode(self) -> bytes:
        suite = self.suite
        return b"".join(
            (
                bytes((suite.version,)),
                *map(suite.encode_element, self.elements()),
                *map(suite.encode_scalar, self.scalars()),
            )
        )


def proof_bytes(suite: Suite[E, S], members: int) -> int:
    """Length of the encoding of a proof over a ring of `members` keys. Raises `InputRefused`."""
    digits = digits_for(members)
    elements = len(_NAMES) + 2 * digits
    scalars = (BASE - 1) * digits + len(_ANSWERS)
    return 1 + elements * suite.element_bytes + scalars * suite.scalar_bytes


def decode(suite: Suite[E, S], encoding: bytes, members: int) -> RingProof[E, S]:
    """The proof over a ring of `members` keys from bytes of outside.

    Raises `EncodingRefused`, which names the field; `InputRefused` for the number of members.
    """
    length = proof_bytes(suite, members)
    if not isinstance(encoding, bytes):
        raise EncodingRefused("proof", f"type {type(encoding).__name__}, must be bytes")
    if len(encoding) != length:
        raise EncodingRefused("proof", f"{len(encoding)} bytes, must be {length}")
    if encoding[0] != suite.version:
        raise EncodingRefused("proof", f"version {encoding[0]}, must be {suite.version}")
    digits = digits_for(members)
    reader = _Reader(suite, encoding)
    # Python evaluates arguments in the order they are written in, which is the order of the wire.
    return RingProof(
        suite=suite,
        e1=reader.element("E1"),
        e2=reader.element("E2", allow_identity=True),
        nullifier=reader.element("T"),
        a=reader.element("A"),
        b=reader.element("B"),
        c=reader.element("C"),
        d=reader.element("D"),
        g=tuple(
            (
                reader.element(f"G_{k},1", allow_identity=True),
                reader.element(f"G_{k},2", allow_identity=True),
            )
            for k in range(digits)
        ),
        r1=reader.element("R1"),
        r2=reader.element("R2"),
        r3=reader.element("R3"),
        f=tuple(tuple(reader.scalar(f"f_{j},{i}") for i in range(1, BASE)) for j in range(digits)),
        z_a=reader.scalar("z_A"),
        z_c=reader.scalar("z_C"),
        z=reader.scalar("z"),
        s_r=reader.scalar("s_r"),
        s_x=reader.scalar("s_x"),
    )


class _Reader(Generic[E, S]):
    """Takes fields off the front of an encoding whose length was checked."""

    def __init__(self, suite: Suite[E, S], encoding: bytes) -> None:
        self._suite = suite
        self._encoding = encoding
        self._at = 1

    def _take(self, count: int) -> bytes:
        self._at += count
        return self._encoding[self._at - count : self._at]

    def element(self, name: str, *, allow_identity: bool = False) -> E:
        taken = self._take(self._suite.element_bytes)
        return self._suite.decode_element(taken, allow_identity=allow_identity, what=name)

    def scalar(self, name: str) -> S:
        return self._suite.decode_scalar(self._take(self._suite.scalar_bytes), what=name)

"""Private Search Sets: a keyed-hash list and a Bloom filter of values, for tools that screen.

Rules: the values are those this member holds in clear; the key is one that it chose and hands over
by another way, never the default `infected`. Whoever has the key can try all telephone numbers in
minutes, and so can a dishonest receiver: give a set to one receiver, with a key of its own. The
filter is of format dcso-v1 (FNV-1, 64 bits), so that PSS tools read it; the stated false-positive
probability is that of its capacity, `expected_fp` that of what is in it.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import struct
from collections.abc import Callable, Iterable
from typing import Any, Final

import orjson
from msgspec import Struct

CAPACITY_MAX: Final = 10_000_000
FP_MIN, FP_MAX = 1e-9, 0.1
KEY_MIN: Final = 16
"""Bytes of a key; 32 random ones are right."""
FORBIDDEN_KEYS: Final = frozenset({b"infected"})
META, LIST, BLOOM = "private-search-set.json", "private-search-set.pss", "private-search-set.bloom"

_OFFSET: Final = 14_695_981_039_346_656_037
_PRIME: Final = 1_099_511_628_211
_MODULUS: Final = 18_446_744_073_709_551_557
_GENERATOR: Final = 18_446_744_073_709_550_147
_MASK: Final = (1 << 64) - 1
_HEAD: Final = struct.Struct("<QQdQQQ")
_VERSION: Final = 1


class PssInvalid(Exception):
    """A set can not be made; says why."""


ALGORITHMS: Final[dict[str, Callable[[bytes, bytes], bytes]]] = {
    "Blake2b": lambda key, value: hashlib.blake2b(value, key=key[:64]).digest(),
    "HMAC-SHA-256": lambda key, value: hmac.digest(key, value, "sha256"),
    "HMAC-SHA-512": lambda key, value: hmac.digest(key, value, "sha512"),
}
"""Keyed hashes that PSS names and this makes; Blake3 has no implementation here."""


class Bloom:
    """A Bloom filter in the dcso-v1 format."""

    def __init__(self, capacity: int, probability: float) -> None:
        """Sized so that `capacity` values give this probability of a false positive."""
        if not 1 <= capacity <= CAPACITY_MAX or not FP_MIN <= probability <= FP_MAX:
            raise PssInvalid(f"capacity is 1 to {CAPACITY_MAX}, probability {FP_MIN} to {FP_MAX}")
        self.capacity, self.probability = capacity, probability
        self.bits = abs(math.ceil(capacity * math.log(probability) / math.log(2) ** 2))
        self.hashes = math.ceil(math.log(2) * self.bits / capacity)
        self.count = 0
        self._bytes = bytearray(math.ceil(self.bits / 64) * 8)

    def add(self, value: bytes) -> None:
        """Put a value in. Raises PssInvalid where the filter is full."""
        is_new = False
        for bit in self._fingerprint(value):
            mask = 1 << bit % 8
            is_new |= not self._bytes[bit // 8] & mask
            self._bytes[bit // 8] |= mask
        self.count += is_new
        if self.count >= self.capacity:
            raise PssInvalid(f"the filter is full at {self.capacity} values")

    def __contains__(self, value: bytes) -> bool:
        return all(self._bytes[bit // 8] & 1 << bit % 8 for bit in self._fingerprint(value))

    @property
    def expected_fp(self) -> float:
        """Probability that a value which is not in it is found, with what is in it now."""
        return float((1 - math.exp(-self.hashes * self.count / self.bits)) ** self.hashes)

    def encode(self) -> bytes:
        """The file."""
        head = _HEAD.pack(
            _VERSION, self.capacity, self.probability, self.hashes, self.bits, self.count
        )
        return head + bytes(self._bytes)

    @classmethod
    def decode(cls, raw: bytes) -> Bloom:
        """A filter from its file. Raises PssInvalid."""
        if len(raw) < _HEAD.size:
            raise PssInvalid("shorter than the head of a filter")
        flags, capacity, probability, hashes, bits, count = _HEAD.unpack_from(raw)
        if flags & 0xFF != _VERSION:
            raise PssInvalid("no filter of format dcso-v1")
        made = cls(capacity, probability)
        if (made.bits, made.hashes) != (bits, hashes) or len(raw) - _HEAD.size < len(made._bytes):
            raise PssInvalid("its sizes do not fit its capacity and probability")
        made.count = count
        made._bytes = bytearray(raw[_HEAD.size : _HEAD.size + len(made._bytes)])
        return made

    def _fingerprint(self, value: bytes) -> list[int]:
        digest = _fnv1(value) % _MODULUS
        bits: list[int] = []
        for _ in range(self.hashes):
            digest = (digest * _GENERATOR & _MASK) % _MODULUS
            bits.append(digest % self.bits)
        return bits


class PssWish(Struct, frozen=True, kw_only=True):
    """What a set is to be."""

    name: str
    key: bytes
    key_id: str
    algorithm: str = "HMAC-SHA-256"
    probability: float = 0.0001
    capacity: int = 0
    """0: twice the number of values, so that it can grow."""
    description: str = ""


def pss_files(
    values: Iterable[tuple[str, str]], wish: PssWish, generated_s: int
) -> dict[str, bytes]:
    """File name to content of a set of (MISP type, value). Raises PssInvalid."""
    make = ALGORITHMS.get(wish.algorithm)
    if make is None:
        raise PssInvalid(f"algorithm is one of {', '.join(ALGORITHMS)}")
    if len(wish.key) < KEY_MIN or wish.key in FORBIDDEN_KEYS:
        raise PssInvalid(f"the key wants {KEY_MIN} bytes or more that nobody guesses")
    listed = sorted(set(values))
    digests = sorted({make(wish.key, value.encode()).hex().encode() for _, value in listed})
    bloom = Bloom(wish.capacity or max(16, 2 * len(digests)), wish.probability)
    for digest in digests:
        bloom.add(digest)
    meta: dict[str, Any] = {
        "version": 1,
        "name": wish.name,
        "description": wish.description or f"{len(digests)} values of a fraud alliance's member",
        "generated-timestamp": generated_s,
        "algorithm": wish.algorithm,
        "keyid": wish.key_id,
        "misp-attribute-types": sorted({kind for kind, _ in listed}),
        "canonicalization-format": "bulwark: canonical form of the kind, see docs/misp.md",
        "bloomfilter": {
            "capacity": bloom.capacity,
            "fp-probability": bloom.probability,
            "expected-fp-probability": bloom.expected_fp,
            "format": "dcso-v1",
            "match-count": 1,
        },
    }
    return {
        META: orjson.dumps(meta, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS),
        LIST: b"".join(digest + b"\n" for digest in digests),
        BLOOM: bloom.encode(),
    }


def _fnv1(value: bytes) -> int:
    digest = _OFFSET
    for byte in value:
        digest = digest * _PRIME & _MASK ^ byte
    return digest

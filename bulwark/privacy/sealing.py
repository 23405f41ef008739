"""Sealed messages: only the holder of one X25519 key reads them, and only for one purpose.

HPKE of RFC 9180, base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305; the sealed
message is enc (32 bytes) | ciphertext | tag (16 bytes), one encryption for each encapsulation and
no associated data. `info` says what the message is for; `sealing_info` builds it so that chain,
purpose and subject can not be read in two ways, and a message sealed for one opens for no other.

Rules owned here: keys are canonical and never of low order; sizes are bounded before anything is
computed; an opening that fails says that it failed and not why; `pad` makes the length of a message
say nothing but its size class. This is the one module of the package that draws randomness itself:
`cryptography` makes the ephemeral key inside, from the operating system.

It does not say who sealed a message (base mode names no sender), it does not keep a message from
being opened twice, and a ciphertext does not commit to its key: whoever needs one of these puts a
signature, a nonce or a commitment inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NewType

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from bulwark.privacy.errors import (
    EncodingRefused,
    InputRefused,
    PaddingRefused,
    RandomnessRefused,
    SealRefused,
)
from bulwark.privacy.group import RandomBytes

SEALING_KEY_BYTES = 32
SEAL_OVERHEAD = 48
"""Bytes a sealed message has more than its plaintext: encapsulated key and tag."""
MAX_PLAINTEXT_BYTES = 1 << 16
MAX_INFO_BYTES = 1024
LENGTH_BYTES = 4
"""Bytes of the length in front of a padded message."""

SealingPublic = NewType("SealingPublic", bytes)
"""A checked public sealing key: 32 bytes, canonical, not of low order."""

_PRIME = 2**255 - 19
_LOW_ORDER = frozenset(
    (
        0,
        1,
        _PRIME - 1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
    )
)
"""The u-coordinates below p of the points of order 1, 2, 4 and 8 (RFC 7748 section 7)."""

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
_INFO_LABEL = b"Bulwark-v1-seal"
_NOT_OPENED = "it can not be opened with this key for this purpose"


def decode_sealing_key(encoding: bytes) -> SealingPublic:
    """The public sealing key of 32 bytes from outside.

    Raises `EncodingRefused` for another length, for a coordinate of p or more or with bit 255 set
    (one key would have two encodings), and for points of low order (the shared secret would be
    known to all).
    """
    if not isinstance(encoding, bytes) or len(encoding) != SEALING_KEY_BYTES:
        raise EncodingRefused("sealing key", f"must be {SEALING_KEY_BYTES} bytes")
    coordinate = int.from_bytes(encoding, "little")
    if coordinate >= _PRIME:
        raise EncodingRefused("sealing key", "not a canonical X25519 coordinate")
    if coordinate in _LOW_ORDER:
        raise EncodingRefused("sealing key", "a point of low order")
    return SealingPublic(encoding)


def sealing_info(purpose: bytes, chain_id: int, genesis_hash: bytes, subject: bytes) -> bytes:
    """What a message is for, as `info` of `seal` and `open`.

    `purpose` is a constant of the protocol, `subject` names the one thing the message is about (a
    case and a holder, a session and a dealer). Raises `InputRefused`.
    """
    if not 0 <= chain_id < 1 << 64:
        raise InputRefused("chain id", chain_id, "0 to 2^64 - 1")
    if len(genesis_hash) != 32:
        raise InputRefused("genesis hash", f"{len(genesis_hash)} bytes", "32 bytes")
    fields = (_INFO_LABEL, purpose, chain_id.to_bytes(8, "big"), genesis_hash, subject)
    info = b"".join(len(part).to_bytes(4, "big") + part for part in fields)
    _check_info(info)
    return info


def seal(public: bytes, info: bytes, plaintext: bytes) -> bytes:
    """`plaintext` (at most 65,536 bytes) for the holder of `public`, for the purpose `info`.

    The result has 48 bytes more. Raises `EncodingRefused` for the key, `InputRefused` for lengths.
    """
    key = X25519PublicKey.from_public_bytes(decode_sealing_key(public))
    _check_info(info)
    if len(plaintext) > MAX_PLAINTEXT_BYTES:
        raise InputRefused(
            "length of a message to seal", len(plaintext), f"0 to {MAX_PLAINTEXT_BYTES} bytes"
        )
    return _SUITE.encrypt(plaintext, key, info)


@dataclass(frozen=True, slots=True, eq=False)
class SealingKey:
    """A private X25519 key by its 32 bytes; never printed."""

    secret: bytes = field(repr=False)
    public: SealingPublic = field(init=False)
    _key: X25519PrivateKey = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.secret, bytes) or len(self.secret) != SEALING_KEY_BYTES:
            raise EncodingRefused("secret sealing key", f"must be {SEALING_KEY_BYTES} bytes")
        key = X25519PrivateKey.from_private_bytes(self.secret)
        object.__setattr__(self, "_key", key)
        object.__setattr__(self, "public", SealingPublic(key.public_key().public_bytes_raw()))

    @classmethod
    def new(cls, random_bytes: RandomBytes) -> SealingKey:
        """A fresh key. Raises `RandomnessRefused`."""
        drawn = random_bytes(SEALING_KEY_BYTES)
        if not isinstance(drawn, bytes) or len(drawn) != SEALING_KEY_BYTES:
            raise RandomnessRefused(f"asked for {SEALING_KEY_BYTES} bytes and got something else")
        if drawn == bytes(SEALING_KEY_BYTES):
            raise RandomnessRefused("it gave zero bytes only")
        return cls(drawn)

    def open(self, info: bytes, sealed: bytes) -> bytes:
        """The plaintext of `seal(self.public, info, plaintext)`.

        Raises `SealRefused` for anything else, with one reason for every failure but the length;
        `InputRefused` for an `info` that is too long.
        """
        _check_info(info)
        most = MAX_PLAINTEXT_BYTES + SEAL_OVERHEAD
        if not isinstance(sealed, bytes) or not SEAL_OVERHEAD <= len(sealed) <= most:
            raise SealRefused(f"must be {SEAL_OVERHEAD} to {most} bytes")
        try:
            return _SUITE.decrypt(sealed, self._key, info)
        except (InvalidTag, ValueError):
            raise SealRefused(_NOT_OPENED) from None


def size_class(length: int, classes: Sequence[int]) -> int:
    """The smallest of `classes` that holds a message of `length` bytes padded.

    Raises `InputRefused` if none does.
    """
    fitting = [size for size in classes if size >= length + LENGTH_BYTES]
    if not fitting:
        largest = max(classes, default=LENGTH_BYTES) - LENGTH_BYTES
        raise InputRefused("length of a message to pad", length, f"0 to {largest} bytes")
    return min(fitting)


def pad(plaintext: bytes, size: int) -> bytes:
    """Exactly `size` bytes: length (4 bytes, big-endian) | plaintext | zeros.

    A relay that sees the sealed form learns `size` and nothing about the length. Raises
    `InputRefused` if it does not fit.
    """
    spare = size - LENGTH_BYTES - len(plaintext)
    if spare < 0:
        raise InputRefused(
            "length of a message to pad", len(plaintext), f"0 to {size - LENGTH_BYTES} bytes"
        )
    return len(plaintext).to_bytes(LENGTH_BYTES, "big") + plaintext + bytes(spare)


def unpad(padded: bytes, size: int) -> bytes:
    """The plaintext of `pad(plaintext, size)`; anything else is refused.

    Only for what came out of `SealingKey.open`: telling good padding from bad is no oracle once
    the tag was checked. Raises `PaddingRefused`.
    """
    if len(padded) != size or size < LENGTH_BYTES:
        raise PaddingRefused(f"{len(padded)} bytes, must be {size}")
    end = LENGTH_BYTES + int.from_bytes(padded[:LENGTH_BYTES], "big")
    if end > size:
        raise PaddingRefused("the length is over the size")
    if padded.count(0, end) != size - end:
        raise PaddingRefused("the filling is not zero")
    return padded[LENGTH_BYTES:end]


def _check_info(info: bytes) -> None:
    if len(info) > MAX_INFO_BYTES:
        raise InputRefused("length of an info", len(info), f"0 to {MAX_INFO_BYTES} bytes")

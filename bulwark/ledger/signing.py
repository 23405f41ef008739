"""secp256k1 signatures with domain tags: the only place that signs or checks ledger bytes.

Rules: a signed byte string starts with a domain tag, the chain id, the genesis hash and the epoch
(pitfall S1), so no signature is valid for another purpose, chain or membership. A signature is
65 bytes r | s | y-parity with s in the lower half; a second form of the same signature is refused.
One library (coincurve, libsecp256k1) decides validity, as two would disagree one day.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from coincurve import PrivateKey, PublicKey

from bulwark.ledger.errors import SignatureInvalid
from bulwark.ledger.hashing import keccak256
from bulwark.ledger.ids import Address, Digest, Epoch

SIGNATURE_BYTES: Final = 65
_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_HALF_ORDER: Final = _ORDER // 2


@dataclass(frozen=True, slots=True)
class SigningDomain:
    """What a signature is bound to besides its message."""

    chain_id: int
    """EIP-155 chain id, below 2**63."""
    genesis_hash: Digest
    """Hash of the alliance's genesis document."""
    epoch: Epoch
    """Membership epoch in which the signature counts."""

    def digest(self, tag: bytes, body: bytes) -> Digest:
        """keccak256 of the domain, `tag` (at most 255 bytes) and `body`: the signed 32 bytes."""
        return keccak256(
            b"bulwark\x00"
            + len(tag).to_bytes(1, "big")
            + tag
            + self.chain_id.to_bytes(8, "big")
            + self.genesis_hash
            + self.epoch.to_bytes(8, "big")
            + body
        )


class Signer(Protocol):
    """Signs ledger bytes for one address: a key in memory, or one inside a hardware token."""

    @property
    def address(self) -> Address:
        """Address of the key."""
        ...

    def sign(self, digest: Digest) -> bytes:
        """Sign a 32-byte digest; 65 bytes r | s | y-parity, low-s."""
        ...


class SigningKey:
    """A secp256k1 secret key; signing is deterministic (RFC 6979)."""

    __slots__ = ("_key", "address")

    def __init__(self, secret: bytes) -> None:
        """`secret` is 32 bytes in [1, order); raises SignatureInvalid otherwise."""
        if len(secret) != 32 or not 0 < int.from_bytes(secret, "big") < _ORDER:
            raise SignatureInvalid("secret key", "32 bytes in [1, group order) needed")
        self._key = PrivateKey(secret)
        self.address: Address = _address_of(self._key.public_key)

    @property
    def secret(self) -> bytes:
        """The 32 secret bytes, for the keystore only."""
        return self._key.secret

    def sign(self, digest: Digest) -> bytes:
        """Sign a 32-byte digest; 65 bytes r | s | y-parity, low-s."""
        return self._key.sign_recoverable(digest, hasher=None)

    def __repr__(self) -> str:
        return f"SigningKey(address=0x{self.address.hex()})"


def _address_of(key: PublicKey) -> Address:
    return Address(keccak256(key.format(compressed=False)[1:])[12:])


def address_of_point(point: bytes) -> Address:
    """Address of a public key (33 or 65 bytes, SEC 1); raises SignatureInvalid."""
    try:
        return _address_of(PublicKey(point))
    except ValueError as error:
        raise SignatureInvalid("public key", "not a point of secp256k1") from error


def recoverable(digest: Digest, raw: bytes, signer: Address) -> bytes:
    """The one valid form of a plain ECDSA signature r | s (64 bytes) that `signer` made.

    s is taken to the lower half, and the y-parity is found by trying both. Raises SignatureInvalid
    when neither gives `signer`, as for a token that signed something else.
    """
    if len(raw) != SIGNATURE_BYTES - 1:
        raise SignatureInvalid("signature", f"{len(raw)} bytes given, {SIGNATURE_BYTES - 1} needed")
    s = int.from_bytes(raw[32:], "big")
    low = raw[:32] + min(s, _ORDER - s).to_bytes(32, "big")
    for parity in (b"\x00", b"\x01"):
        try:
            if recover(digest, low + parity) == signer:
                return low + parity
        except SignatureInvalid:
            continue
    raise SignatureInvalid("signature", f"not made by 0x{signer.hex()}")


def recover(digest: Digest, signature: bytes, what: str = "signature") -> Address:
    """Address of the key that made `signature` over `digest`; raises SignatureInvalid."""
    if len(signature) != SIGNATURE_BYTES:
        raise SignatureInvalid(what, f"{len(signature)} bytes given, {SIGNATURE_BYTES} needed")
    if signature[64] > 1:
        raise SignatureInvalid(what, "y-parity is 0 or 1")
    if int.from_bytes(signature[32:64], "big") > _HALF_ORDER:
        raise SignatureInvalid(what, "s is in the upper half of the group order")
    try:
        key = PublicKey.from_signature_and_message(signature, digest, hasher=None)
    except Exception as error:  # coincurve raises bare Exception for an unrecoverable signature
        raise SignatureInvalid(what, "no key fits this signature") from error
    return _address_of(key)


def verify(signer: Address, digest: Digest, signature: bytes, what: str = "signature") -> None:
    """Check that `signer` made `signature` over `digest`; raises SignatureInvalid."""
    found = recover(digest, signature, what)
    if found != signer:
        raise SignatureInvalid(what, f"made by 0x{found.hex()}, expected 0x{signer.hex()}")


Check: TypeAlias = Callable[[Address, Digest, bytes, str], None]
"""How a signature is checked: `verify`, or the simulator's cheap scheme. (signer, digest,
signature, what) -> None, raises SignatureInvalid."""

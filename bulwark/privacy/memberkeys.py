"""The keys a member and the regulator hold besides their accounts, and how they are registered.

A member proves membership with its ring key x (Y = x*G) and receives sealed messages with an X25519
sealing key; the regulator holds one part of the opener. A registration of a member is
ring key (32) | proof of possession (64) | sealing key (32), one of the regulator key (32) | proof
(64). The proof is bound to the chain and to the id, so nobody registers a copied key or proof.

Rules owned here: a ring key is never the identity; a registration decodes strictly or not at all; a
ring key that anybody used before is refused (two members with one key would share their quota, and
an opening would name both). The sealing key needs no proof: a wrong one harms only who registered
it, and the member's signed transaction binds it to the rest.

It does not say when a key takes effect or which keys are in force: that is the contract's.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from msgspec import Struct

from bulwark.privacy import schnorr
from bulwark.privacy.errors import EncodingRefused, InputRefused, RegistrationRefused, ZeroScalar
from bulwark.privacy.group import (
    ELEMENT_BYTES,
    Element,
    RandomBytes,
    Scalar,
    decode_element,
    decode_scalar,
    multiply_base,
    random_scalar,
)
from bulwark.privacy.schnorr import POSSESSION_BYTES
from bulwark.privacy.sealing import SEALING_KEY_BYTES, SealingPublic, decode_sealing_key
from bulwark.privacy.sigma import decode_proof

MEMBER_ID_BYTES = 32
REGISTRATION_BYTES = ELEMENT_BYTES + POSSESSION_BYTES + SEALING_KEY_BYTES
REGULATOR_REGISTRATION_BYTES = ELEMENT_BYTES + POSSESSION_BYTES


@dataclass(frozen=True, slots=True)
class _KeyPair:
    secret: Scalar = field(repr=False)
    public: Element = field(init=False)

    def __post_init__(self) -> None:
        if self.secret.is_zero:
            raise ZeroScalar("key")
        object.__setattr__(self, "public", multiply_base(self.secret))


@dataclass(frozen=True, slots=True)
class RingSecret(_KeyPair):
    """A member's x in [1, L), never printed, with Y = x*G. Raises `ZeroScalar`."""


@dataclass(frozen=True, slots=True)
class RegulatorSecret(_KeyPair):
    """The regulator's part of the opener's key, never printed, with its public key.

    Raises `ZeroScalar`.
    """


def new_ring_key(random_bytes: RandomBytes) -> RingSecret:
    """A fresh ring key. Raises `RandomnessRefused`."""
    return RingSecret(random_scalar(random_bytes))


def new_regulator_key(random_bytes: RandomBytes) -> RegulatorSecret:
    """A fresh key of the regulator. Raises `RandomnessRefused`."""
    return RegulatorSecret(random_scalar(random_bytes))


def decode_ring_secret(encoding: bytes) -> RingSecret:
    """The ring key from the 32 bytes it is stored as. Raises `EncodingRefused`, `ZeroScalar`."""
    return RingSecret(decode_scalar(encoding, what="secret ring key"))


def decode_regulator_secret(encoding: bytes) -> RegulatorSecret:
    """The regulator's key from its stored 32 bytes. Raises `EncodingRefused`, `ZeroScalar`."""
    return RegulatorSecret(decode_scalar(encoding, what="secret regulator key"))


def possession_context(chain_id: int, member_id: bytes) -> bytes:
    """What a key's proof of possession is bound to: chain id (8 bytes, big-endian) | id (32).

    Raises `InputRefused`.
    """
    if not 0 <= chain_id < 1 << 64:
        raise InputRefused("chain id", chain_id, "0 to 2^64 - 1")
    if not isinstance(member_id, bytes) or len(member_id) != MEMBER_ID_BYTES:
        raise InputRefused("member id", f"{len(member_id)} bytes", f"{MEMBER_ID_BYTES} bytes")
    return chain_id.to_bytes(8, "big") + member_id


class Registration(Struct, frozen=True):
    """A member's keys as it sends them: ring key, 64-byte proof of possession, sealing key."""

    ring_key: Element
    possession: bytes
    sealing_key: SealingPublic

    def encode(self) -> bytes:
        """128 bytes: ring key | proof | sealing key."""
        return self.ring_key.encoding + self.possession + self.sealing_key


class RegulatorRegistration(Struct, frozen=True):
    """The regulator's part of the opener as it is sent: key and 64-byte proof of possession."""

    key: Element
    possession: bytes

    def encode(self) -> bytes:
        """96 bytes: key | proof."""
        return self.key.encoding + self.possession


def register(
    secret: RingSecret,
    sealing_key: SealingPublic,
    chain_id: int,
    member_id: bytes,
    random_bytes: RandomBytes,
) -> Registration:
    """A member's registration. Raises `InputRefused`, `RandomnessRefused`."""
    context = possession_context(chain_id, member_id)
    proof = schnorr.prove_possession(schnorr.RING_KEY, context, secret.secret, random_bytes)
    return Registration(secret.public, proof, sealing_key)


def register_regulator(
    secret: RegulatorSecret, chain_id: int, member_id: bytes, random_bytes: RandomBytes
) -> RegulatorRegistration:
    """The regulator's registration. Raises `InputRefused`, `RandomnessRefused`."""
    context = possession_context(chain_id, member_id)
    proof = schnorr.prove_possession(schnorr.REGULATOR_KEY, context, secret.secret, random_bytes)
    return RegulatorRegistration(secret.public, proof)


def decode_registration(encoding: bytes) -> Registration:
    """The registration of 128 bytes from outside; the proof itself is not checked yet.

    Raises `EncodingRefused`, which names the field.
    """
    if not isinstance(encoding, bytes) or len(encoding) != REGISTRATION_BYTES:
        raise EncodingRefused("registration", f"must be {REGISTRATION_BYTES} bytes")
    key, proof = _decode_key_and_proof(encoding[:-SEALING_KEY_BYTES], "ring key")
    return Registration(key, proof, decode_sealing_key(encoding[-SEALING_KEY_BYTES:]))


def decode_regulator_registration(encoding: bytes) -> RegulatorRegistration:
    """The regulator's registration of 96 bytes; the proof itself is not checked yet.

    Raises `EncodingRefused`, which names the field.
    """
    if not isinstance(encoding, bytes) or len(encoding) != REGULATOR_REGISTRATION_BYTES:
        raise EncodingRefused(
            "regulator's registration", f"must be {REGULATOR_REGISTRATION_BYTES} bytes"
        )
    return RegulatorRegistration(*_decode_key_and_proof(encoding, "regulator key"))


def check_registration(
    registration: Registration,
    chain_id: int,
    member_id: bytes,
    keys_of_others: Collection[Element],
) -> None:
    """Refuse a registration whose proof does not hold for this member of this chain.

    `keys_of_others` are the ring keys that any other member ever used. Raises
    `RegistrationRefused`, `InputRefused`.
    """
    context = possession_context(chain_id, member_id)
    if registration.ring_key in keys_of_others:
        raise RegistrationRefused("the ring key is or was another member's")
    if not schnorr.verify_possession(
        schnorr.RING_KEY, context, registration.ring_key, registration.possession
    ):
        raise RegistrationRefused("the proof of possession does not hold for this member and chain")


def check_regulator_registration(
    registration: RegulatorRegistration, chain_id: int, member_id: bytes
) -> None:
    """Refuse a regulator's key whose proof does not hold for this id of this chain.

    Raises `RegistrationRefused`, `InputRefused`.
    """
    context = possession_context(chain_id, member_id)
    if not schnorr.verify_possession(
        schnorr.REGULATOR_KEY, context, registration.key, registration.possession
    ):
        raise RegistrationRefused("the proof of possession does not hold for this id and chain")


def _decode_key_and_proof(encoding: bytes, what: str) -> tuple[Element, bytes]:
    key = decode_element(encoding[:ELEMENT_BYTES], what=what)
    proof = encoding[ELEMENT_BYTES:]
    decode_proof(proof)
    return key, proof

"""Sealing against RFC 9180: a second composition of it, checked by the RFC's own vectors.

The one-shot interface of the library takes no associated data and the RFC's vectors have some, so
they can not be fed to it directly. Here HPKE is put together a second time from HMAC, X25519 and
the AEAD, that composition is held to the vectors to the byte, and it and the product then open what
the other has sealed, once with the RFC's own keys.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from hypothesis import given, settings
from hypothesis import strategies as st

from bulwark.privacy.sealing import SealingKey, seal

FOLDER = Path(__file__).parents[2] / "vectors/hpke"
VECTOR: dict[str, Any] = json.loads(
    (FOLDER / "rfc9180_base_x25519_hkdfsha256_chacha20poly1305.json").read_text()
)
KEM_SUITE = b"KEM" + (0x20).to_bytes(2, "big")
HPKE_SUITE = b"HPKE" + b"".join(part.to_bytes(2, "big") for part in (0x20, 1, 3))


def value(name: str) -> bytes:
    return bytes.fromhex(VECTOR[name])


def extract(suite: bytes, salt: bytes, label: bytes, secret: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + secret, hashlib.sha256)


def expand(suite: bytes, key: bytes, label: bytes, info: bytes, length: int) -> bytes:
    head = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    block, output = b"", b""
    while len(output) < length:
        count = bytes((len(output) // 32 + 1,))
        block = hmac.digest(key, block + head + count, hashlib.sha256)
        output += block
    return output[:length]


def shared_secret(
    private: bytes, their_public: bytes, encapsulated: bytes, receiver: bytes
) -> bytes:
    agreed = X25519PrivateKey.from_private_bytes(private).exchange(
        X25519PublicKey.from_public_bytes(their_public)
    )
    drawn = extract(KEM_SUITE, b"", b"eae_prk", agreed)
    return expand(KEM_SUITE, drawn, b"shared_secret", encapsulated + receiver, 32)


def schedule(shared: bytes, info: bytes) -> tuple[bytes, bytes, bytes]:
    """Key schedule context, key and base nonce of base mode (RFC 9180 section 5.1)."""
    context = b"\0" + extract(HPKE_SUITE, b"", b"psk_id_hash", b"")
    context += extract(HPKE_SUITE, b"", b"info_hash", info)
    secret = extract(HPKE_SUITE, shared, b"secret", b"")
    key = expand(HPKE_SUITE, secret, b"key", context, 32)
    return context, key, expand(HPKE_SUITE, secret, b"base_nonce", context, 12)


def test_second_composition_agrees_with_the_rfc_on_every_value_of_the_schedule() -> None:
    receiver, encapsulated = value("pkRm"), value("enc")
    sent = shared_secret(value("skEm"), receiver, encapsulated, receiver)
    received = shared_secret(value("skRm"), encapsulated, encapsulated, receiver)
    assert sent == received == value("shared_secret")
    names = ("key_schedule_context", "key", "base_nonce")
    assert schedule(sent, value("info")) == tuple(value(name) for name in names)


@pytest.mark.parametrize("case", VECTOR["encryptions"], ids=lambda case: f"seq {case['seq']}")
def test_second_composition_encrypts_as_the_rfc(case: dict[str, Any]) -> None:
    _, key, base = schedule(value("shared_secret"), value("info"))
    nonce = (int.from_bytes(base, "big") ^ case["seq"]).to_bytes(12, "big")
    assert nonce.hex() == case["nonce"]
    plaintext, data = bytes.fromhex(case["pt"]), bytes.fromhex(case["aad"])
    assert ChaCha20Poly1305(key).encrypt(nonce, plaintext, data).hex() == case["ct"]


def test_public_key_of_the_rfc_comes_from_its_secret_key() -> None:
    assert SealingKey(value("skRm")).public == value("pkRm")


def test_message_under_the_keys_of_the_rfc_opens() -> None:
    """Key, nonce and encapsulated key are the RFC's; only the associated data is empty."""
    plaintext = bytes.fromhex(VECTOR["encryptions"][0]["pt"])
    body = ChaCha20Poly1305(value("key")).encrypt(value("base_nonce"), plaintext, b"")
    assert SealingKey(value("skRm")).open(value("info"), value("enc") + body) == plaintext


@settings(deadline=None, max_examples=20)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200), st.binary(max_size=500))
def test_second_composition_opens_what_was_sealed(
    secret: bytes, info: bytes, plaintext: bytes
) -> None:
    key = SealingKey(secret)
    sealed = seal(key.public, info, plaintext)
    encapsulated, body = sealed[:32], sealed[32:]
    _, message_key, nonce = schedule(
        shared_secret(secret, encapsulated, encapsulated, key.public), info
    )
    assert ChaCha20Poly1305(message_key).decrypt(nonce, body, b"") == plaintext

"""Signatures: bound to their domain, in one form only, by one key only."""

from __future__ import annotations

import pytest

from bulwark.ledger.errors import SignatureInvalid
from bulwark.ledger.hashing import keccak256, sha256
from bulwark.ledger.ids import Epoch
from bulwark.ledger.signing import (
    SigningDomain,
    SigningKey,
    address_of_point,
    recover,
    recoverable,
    verify,
)

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
KEY = SigningKey(sha256(b"key"))
DIGEST = keccak256(b"message")
DOMAIN = SigningDomain(7, sha256(b"genesis"), Epoch(0))


def test_known_key_has_its_known_ethereum_address():
    # Private key 1: the generator itself.
    address = SigningKey((1).to_bytes(32, "big")).address
    assert address.hex() == "7e5f4552091a69125d5dfcb7b8c2659029395bdf"


def test_signature_recovers_to_its_signer():
    signature = KEY.sign(DIGEST)
    assert len(signature) == 65
    assert recover(DIGEST, signature) == KEY.address
    verify(KEY.address, DIGEST, signature)


def test_signing_is_deterministic():
    assert KEY.sign(DIGEST) == SigningKey(KEY.secret).sign(DIGEST)


def test_upper_half_form_of_a_signature_is_refused():
    signature = KEY.sign(DIGEST)
    s = ORDER - int.from_bytes(signature[32:64], "big")
    twin = signature[:32] + s.to_bytes(32, "big") + bytes([signature[64] ^ 1])
    with pytest.raises(SignatureInvalid, match="upper half"):
        recover(DIGEST, twin)


@pytest.mark.parametrize("length", [0, 64, 66])
def test_signature_of_another_length_is_refused(length):
    with pytest.raises(SignatureInvalid, match=f"{length} bytes given"):
        recover(DIGEST, bytes(length))


def test_parity_above_1_is_refused():
    with pytest.raises(SignatureInvalid, match="y-parity"):
        recover(DIGEST, KEY.sign(DIGEST)[:64] + b"\x02")


@pytest.mark.parametrize("r", [0, ORDER, 2**256 - 1])
def test_signature_with_impossible_r_is_refused(r):
    with pytest.raises(SignatureInvalid, match="no key fits"):
        recover(DIGEST, r.to_bytes(32, "big") + (1).to_bytes(32, "big") + b"\x00")


def test_signature_of_another_key_is_refused():
    with pytest.raises(SignatureInvalid, match="made by"):
        verify(SigningKey(sha256(b"other")).address, DIGEST, KEY.sign(DIGEST))


@pytest.mark.parametrize("secret", [bytes(32), ORDER.to_bytes(32, "big"), b"\x01" * 31])
def test_secret_outside_the_group_order_is_refused(secret):
    with pytest.raises(SignatureInvalid, match="secret key"):
        SigningKey(secret)


def test_secret_is_not_in_the_representation():
    assert KEY.secret.hex() not in repr(KEY)
    assert KEY.address.hex() in repr(KEY)


def test_every_part_of_the_domain_changes_the_digest():
    domains = [
        DOMAIN,
        SigningDomain(8, DOMAIN.genesis_hash, DOMAIN.epoch),
        SigningDomain(7, sha256(b"other"), DOMAIN.epoch),
        SigningDomain(7, DOMAIN.genesis_hash, Epoch(1)),
    ]
    digests = {
        d.digest(tag, body) for d in domains for tag in (b"a", b"ab") for body in (b"b", b"")
    }
    assert len(digests) == 16


def test_tag_and_body_can_not_be_shifted_into_each_other():
    assert DOMAIN.digest(b"ab", b"c") != DOMAIN.digest(b"a", b"bc")


def test_hash_functions_have_their_published_answers():
    assert sha256(b"abc").hex().startswith("ba7816bf8f01cfea")
    assert keccak256(b"").hex().startswith("c5d2460186f7233c")


@pytest.mark.parametrize("message", [b"one", b"two", b"three", b"four", b"five"])
def test_a_plain_signature_of_either_half_becomes_the_one_valid_form(message):
    digest = keccak256(message)
    signature = KEY.sign(digest)
    s = int.from_bytes(signature[32:64], "big")
    for raw in (signature[:64], signature[:32] + (ORDER - s).to_bytes(32, "big")):
        assert recoverable(digest, raw, KEY.address) == signature


def test_a_plain_signature_of_another_key_another_length_or_no_point_is_refused():
    other = SigningKey(sha256(b"other"))
    with pytest.raises(SignatureInvalid, match="not made by 0x"):
        recoverable(DIGEST, other.sign(DIGEST)[:64], KEY.address)
    with pytest.raises(SignatureInvalid, match="65 bytes given, 64 needed"):
        recoverable(DIGEST, KEY.sign(DIGEST), KEY.address)
    with pytest.raises(SignatureInvalid, match="not made by 0x"):
        recoverable(DIGEST, bytes(64), KEY.address)


def test_a_point_has_the_address_of_its_key_in_both_forms_and_bytes_that_are_none_are_refused():
    one = (1).to_bytes(32, "big")
    generator = bytes.fromhex("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")
    whole = bytes.fromhex(
        "04"
        + generator[1:].hex()
        + ("483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8")
    )
    assert address_of_point(generator) == address_of_point(whole) == SigningKey(one).address
    with pytest.raises(SignatureInvalid, match="not a point"):
        address_of_point(b"\x02" + b"\xff" * 32)

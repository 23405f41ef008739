"""Hold tokens: what was signed holds for this customer and payment, now, once; no other does."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bulwark.advice.holdtoken import (
    MAX_TOKEN,
    HoldToken,
    TokenRefused,
    Use,
    check_token,
    commitment,
    read_token,
    sign_token,
)
from bulwark.client.verify_cooling_off import ReleaseCheck, UsedInMemory

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
OPENING = b"o" * 32
ABOUT = {"customer": "customer 7", "payment": "payment 9"}
TOKEN = HoldToken(
    token_id=b"i" * 16,
    use=Use.RELEASE,
    member="bank-a",
    customer=commitment("customer", OPENING, ABOUT["customer"]),
    payment=commitment("payment", OPENING, ABOUT["payment"]),
    band="high",
    issued_ms=1_000,
    not_before_ms=2_000,
    expires_ms=9_000,
)


def checked(text: str, **more: object) -> HoldToken:
    how: dict[str, object] = {
        "member": "bank-a", "opening": OPENING, "now_ms": 3_000, **ABOUT, **more,
    }  # fmt: skip
    return check_token(text, KEY.public_key(), **how)  # type: ignore[arg-type]


def refused(text: str, **more: object) -> str:
    with pytest.raises(TokenRefused) as caught:
        checked(text, **more)
    return caught.value.code


def encoded(payload: bytes, key: Ed25519PrivateKey = KEY) -> str:
    parts = (payload, key.sign(b"bulwark/cooling-off-token/1\x00" + payload))
    texts = [base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts]
    return ".".join(("bco1", *texts))


def test_a_token_says_what_was_signed() -> None:
    text = sign_token(TOKEN, KEY)
    assert checked(text) == TOKEN and len(text) < MAX_TOKEN
    for secret in (*ABOUT.values(), OPENING.hex()):
        assert secret not in base64.urlsafe_b64decode(text.split(".")[1] + "==").decode()


@pytest.mark.parametrize(
    ("token", "how", "code"),
    [
        (TOKEN, {"member": "bank-b"}, "member"),
        (replace(TOKEN, use=Use.HOLD), {}, "use"),
        (TOKEN, {"customer": "customer 8"}, "customer"),
        (TOKEN, {"payment": "payment 8"}, "payment"),
        (TOKEN, {"opening": b"p" * 32}, "customer"),
        (TOKEN, {"now_ms": 1_999}, "early"),
        (TOKEN, {"now_ms": 9_000}, "expired"),
    ],
)
def test_each_check_has_its_code(token: HoldToken, how: dict[str, object], code: str) -> None:
    assert refused(sign_token(token, KEY), **how) == code


def test_a_hold_token_is_read_during_the_pause() -> None:
    held = sign_token(replace(TOKEN, use=Use.HOLD), KEY)
    assert checked(held, use=Use.HOLD, now_ms=1_500).use is Use.HOLD


def test_another_key_s_token_is_refused() -> None:
    assert refused(sign_token(TOKEN, OTHER)) == "signature"


@given(st.integers(0, 400), st.integers(1, 255))
def test_a_changed_token_is_refused(at: int, by: int) -> None:
    text = sign_token(TOKEN, KEY).encode()
    at %= len(text)
    changed = text[:at] + bytes((text[at] ^ by,)) + text[at + 1 :]
    with pytest.raises(TokenRefused):
        read_token(changed.decode("latin-1"), KEY.public_key())


@given(st.text(max_size=200))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(TokenRefused):
        read_token(text, KEY.public_key())


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2}, {"extra": 1}, {"use": "loan"}, {"id": "00"}, {"issued": -1}, {"issued": True},
        {"expires": 1 << 60}, {"band": "Very High"}, {"customer": "g" * 64}, {"member": ""},
    ],
)  # fmt: skip
def test_a_signed_payload_that_is_no_token_s_is_refused(change: dict[str, object]) -> None:
    document = json.loads(TOKEN.payload()) | change
    payload = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    assert refused(encoded(payload)) == "malformed"


@pytest.mark.parametrize("payload", [b"[]", b"1", b"{}", b"\xff", b'{"v":1}'])
def test_a_signed_payload_of_another_shape_is_refused(payload: bytes) -> None:
    assert refused(encoded(payload)) == "malformed"


def test_a_payload_that_is_not_canonical_is_refused() -> None:
    spaced = json.dumps(json.loads(TOKEN.payload()), sort_keys=True).encode()
    assert refused(encoded(spaced)) == "malformed"
    assert refused("bco1." + "A" * MAX_TOKEN) == "malformed"


def test_a_commitment_binds_field_and_text_and_needs_its_whole_opening() -> None:
    found = {
        commitment(field, opening, text)
        for field in ("customer", "payment")
        for opening in (OPENING, b"p" * 32)
        for text in ("a", "b")
    }
    assert len(found) == 8
    with pytest.raises(ValueError, match="32 bytes"):
        commitment("customer", b"short", "a")


def test_a_payment_system_releases_once_and_forgets_what_expired() -> None:
    now_ms = [3_000]
    used = UsedInMemory(lambda: now_ms[0])
    key = KEY.public_key().public_bytes_raw()
    check = ReleaseCheck("bank-a", key, used, lambda: now_ms[0])
    text = sign_token(TOKEN, KEY)
    assert check.release(text, opening=OPENING, **ABOUT) == TOKEN
    with pytest.raises(TokenRefused) as caught:
        check.release(text, opening=OPENING, **ABOUT)
    assert caught.value.code == "used"
    now_ms[0] = 9_001
    assert used.add(TOKEN.token_id, 10_000), "expired ones are forgotten"
    with pytest.raises(ValueError, match="32 bytes"):
        ReleaseCheck("bank-a", b"short", used, lambda: 0)

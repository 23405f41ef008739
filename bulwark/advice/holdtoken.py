"""Hold tokens: what a member signs about a payment that it holds, or lets go after the pause.

Rules: a token is `bco1.PAYLOAD.SIGNATURE` in base64url without padding; the payload is canonical
JSON (sorted keys, no spaces), the signature Ed25519 over a domain tag and the payload's bytes.
A `hold` token says that a payment waits; a `release` token, which only exists after the customer
said yes and a second screening was no worse, lets it go. Customer and payment are in it as salted
SHA-256 commitments: the salt (opening) is handed over beside the token, so the token alone tells
neither. Times are milliseconds since 1970 UTC.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from enum import StrEnum
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from msgspec import Struct

PREFIX: Final = "bco1"
MAX_TOKEN: Final = 1_400
"""Characters; a longer text is no token."""
OPENING_BYTES: Final = 32
ID_BYTES: Final = 16
_DOMAIN: Final = b"bulwark/cooling-off-token/1\x00"
_COMMIT: Final = b"bulwark/cooling-off-commitment/1\x00"
_HEX: Final = re.compile(r"[0-9a-f]+\Z")
_WORD: Final = re.compile(r"[a-z0-9_-]{1,31}\Z")
_MAX_MS: Final = 1 << 53


class Use(StrEnum):
    """What a token is for."""

    HOLD = "hold"
    RELEASE = "release"


class TokenRefused(ValueError):
    """A token does not hold; `code` is stable: malformed, signature, member, use, customer,
    payment, early, expired, used."""

    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        super().__init__(f"{code}: {detail}")


class HoldToken(Struct, frozen=True):
    """What a token says."""

    token_id: bytes
    """16 random bytes; hold and release of one cooling-off share them."""
    use: Use
    member: str
    customer: bytes
    """Commitment, 32 bytes."""
    payment: bytes
    """Commitment, 32 bytes."""
    band: str
    """Band of the screening that the token rests on."""
    issued_ms: int
    not_before_ms: int
    """Earliest time of a release."""
    expires_ms: int

    def payload(self) -> bytes:
        """The canonical JSON that is signed."""
        document = {
            "band": self.band,
            "customer": self.customer.hex(),
            "expires": self.expires_ms,
            "id": self.token_id.hex(),
            "issued": self.issued_ms,
            "member": self.member,
            "not_before": self.not_before_ms,
            "payment": self.payment.hex(),
            "use": self.use.value,
            "v": 1,
        }
        return json.dumps(document, sort_keys=True, separators=(",", ":")).encode("ascii")


def commitment(field: str, opening: bytes, text: str) -> bytes:
    """SHA-256 over domain tag, field name, salt and text; `field` is customer or payment."""
    if len(opening) != OPENING_BYTES:
        raise ValueError(f"an opening has {OPENING_BYTES} bytes")
    return hashlib.sha256(_COMMIT + field.encode() + b"\x00" + opening + text.encode()).digest()


def sign_token(token: HoldToken, key: Ed25519PrivateKey) -> str:
    """The token as text."""
    payload = token.payload()
    return f"{PREFIX}.{_encoded(payload)}.{_encoded(key.sign(_DOMAIN + payload))}"


def read_token(text: str, key: Ed25519PublicKey) -> HoldToken:
    """What a token of the key's holder says, whatever the time. Raises TokenRefused."""
    parts = text.split(".") if len(text) <= MAX_TOKEN else []
    if len(parts) != 3 or parts[0] != PREFIX:
        raise TokenRefused("malformed", f"a token is {PREFIX}.PAYLOAD.SIGNATURE")
    payload, signature = _decoded(parts[1]), _decoded(parts[2])
    try:
        key.verify(signature, _DOMAIN + payload)
    except InvalidSignature as error:
        raise TokenRefused("signature", "it was not signed with this member's key") from error
    token = _parsed(payload)
    if token.payload() != payload:
        raise TokenRefused("malformed", "its payload is not canonical")
    return token


def check_token(
    text: str,
    key: Ed25519PublicKey,
    *,
    member: str,
    customer: str,
    payment: str,
    opening: bytes,
    now_ms: int,
    use: Use = Use.RELEASE,
) -> HoldToken:
    """A token that holds now for this customer and payment. Raises TokenRefused.

    The order of the checks is that of TokenRefused's codes. That a release was used before is for
    the caller to remember, by `token_id`, until `expires_ms`.
    """
    token = read_token(text, key)
    if token.member != member:
        raise TokenRefused("member", "it is another member's")
    if token.use is not use:
        raise TokenRefused("use", f"it is a {token.use} token, a {use} token is wanted")
    pairs = (("customer", customer, token.customer), ("payment", payment, token.payment))
    for field, given, committed in pairs:
        if not hmac.compare_digest(commitment(field, opening, given), committed):
            raise TokenRefused(field, f"it is about another {field}")
    if use is Use.RELEASE and now_ms < token.not_before_ms:
        raise TokenRefused("early", "the pause is not over")
    if now_ms >= token.expires_ms:
        raise TokenRefused("expired", "its time is over")
    return token


def _parsed(payload: bytes) -> HoldToken:
    try:
        found = json.loads(payload)
        if found.pop("v") != 1:
            raise TokenRefused("malformed", "it is of another version")
        token = HoldToken(
            token_id=_bytes(found.pop("id"), ID_BYTES),
            use=Use(found.pop("use")),
            member=_word(found.pop("member")),
            customer=_bytes(found.pop("customer"), 32),
            payment=_bytes(found.pop("payment"), 32),
            band=_word(found.pop("band")),
            issued_ms=_time(found.pop("issued")),
            not_before_ms=_time(found.pop("not_before")),
            expires_ms=_time(found.pop("expires")),
        )
    except TokenRefused:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TokenRefused("malformed", "its payload is not that of a token") from error
    if found:
        raise TokenRefused("malformed", "its payload has unknown fields")
    return token


def _bytes(text: str, size: int) -> bytes:
    if len(text) != 2 * size or _HEX.match(text) is None:
        raise ValueError
    return bytes.fromhex(text)


def _word(text: str) -> str:
    if _WORD.match(text) is None:
        raise ValueError
    return text


def _time(value: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _MAX_MS:
        raise ValueError
    return value


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _decoded(text: str) -> bytes:
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise TokenRefused("malformed", "a part of it is no base64url") from error
    if _encoded(data) != text:
        raise TokenRefused("malformed", "a part of it is no base64url")
    return data

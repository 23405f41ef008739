"""Release check of a payment system: may this held payment go now? Offline, with one public key.

Rules: the payment system holds every payment that it got a hold token for, and lets it go only on a
release token that passes `ReleaseCheck.release`: signed by this member's key, about this customer
and this payment, after the pause, before its end, and never used before. Used tokens are remembered
through a port, until they expire; a payment system with several machines gives one that all share.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bulwark.advice.holdtoken import HoldToken, TokenRefused, check_token

KEY_BYTES: Final = 32


class UsedTokens(Protocol):
    """Port: what remembers used tokens, durably and for all machines that release payments."""

    def add(self, token_id: bytes, expires_ms: int) -> bool:
        """Remember a token; False where it is known already. One atomic step."""
        ...


class UsedInMemory:
    """UsedTokens of one process; forgets what expired. Lost with the process."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._known: dict[bytes, int] = {}

    def add(self, token_id: bytes, expires_ms: int) -> bool:
        """See UsedTokens."""
        now_ms = self._now_ms()
        self._known = {known: end for known, end in self._known.items() if end > now_ms}
        if token_id in self._known:
            return False
        self._known[token_id] = expires_ms
        return True


class ReleaseCheck:
    """The check of one payment system."""

    def __init__(
        self, member: str, public_key: bytes, used: UsedTokens, now_ms: Callable[[], int]
    ) -> None:
        """`public_key`: 32 bytes, as `bulwark cooling-off key` prints them in hexadecimal."""
        if len(public_key) != KEY_BYTES:
            raise ValueError(f"the key has {KEY_BYTES} bytes")
        self._member = member
        self._key = Ed25519PublicKey.from_public_bytes(public_key)
        self._used = used
        self._now_ms = now_ms

    def release(self, token: str, *, customer: str, payment: str, opening: bytes) -> HoldToken:
        """The token, used up, if the payment may go now. Raises TokenRefused.

        `customer`, `payment`: the references that the cooling-off was issued for; `opening`: the
        32 bytes that came with it.
        """
        now_ms = self._now_ms()
        found = check_token(
            token,
            self._key,
            member=self._member,
            customer=customer,
            payment=payment,
            opening=opening,
            now_ms=now_ms,
        )
        if not self._used.add(found.token_id, found.expires_ms):
            raise TokenRefused("used", "this release was used before")
        return found

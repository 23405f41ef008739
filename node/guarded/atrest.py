"""Encryption at rest of what only this member may read: AES-256-GCM under derived keys.

Rules: every use has a key of its own, derived from the vault key (HKDF-SHA256), so that a value of
one use opens in no other; the place of a value is its associated data, so values can not be moved;
losing the vault key loses them all.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bulwark.privacy.group import RandomBytes
from node.storage.errors import StoreDamaged

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_LABEL: Final = b"bulwark/at-rest/1/"


def use_key(vault_key: bytes, use: bytes) -> bytes:
    """The 32-byte key of one use. Raises ValueError for a vault key of another length."""
    if len(vault_key) != KEY_BYTES:
        raise ValueError(f"the vault key has {len(vault_key)} bytes, {KEY_BYTES} needed")
    return HKDF(SHA256(), KEY_BYTES, None, _LABEL + use).derive(vault_key)


class AtRest:
    """Encrypts values of one use."""

    def __init__(self, vault_key: bytes, use: bytes, random_bytes: RandomBytes) -> None:
        """`vault_key`: the member's 32 secret bytes; `use`: a name that no other use has."""
        self._cipher = AESGCM(use_key(vault_key, use))
        self._random_bytes = random_bytes

    def encrypt(self, place: bytes, plain: bytes) -> bytes:
        """What is stored at `place`: 12 bytes of nonce, ciphertext, 16 bytes of tag."""
        nonce = self._random_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, place)

    def decrypt(self, place: bytes, stored: bytes) -> bytes:
        """Inverse of encrypt(). Raises StoreDamaged, which names the place."""
        try:
            return self._cipher.decrypt(stored[:_NONCE_BYTES], stored[_NONCE_BYTES:], place)
        except (InvalidTag, ValueError) as error:
            raise StoreDamaged(
                f"key {place.hex()}", "the value does not open under the vault key"
            ) from error

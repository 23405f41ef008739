"""The casebook: reference codes of persons' disputes, kept at the member through which they came.

Rules: a code is random and says nothing; it stands under a keyed hash, and what it leads to (ids of
records) is sealed with AES-256-GCM under a key derived from the member's vault key, so that the
database alone does not tell who asked about what. Nothing of the person is in here either: the
member's own files know who holds which code.
"""

from __future__ import annotations

import hmac
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Struct

from bulwark.ledger.ids import RecordId
from bulwark.privacy.group import RandomBytes
from node.rotation.keyline import Renaming, first_key
from node.storage.errors import StoreDamaged
from node.storage.port import KeyValueStore
from node.storage.schema import DISPUTES

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no letter that is read as a digit."""
CODE_CHARS: Final = 16
"""Characters of a code without hyphens: 80 bits, which nobody guesses over an API."""
_GROUP: Final = 4
_LOOKALIKE: Final = str.maketrans("OIL", "011")
BY_CODE: Final = DISPUTES + b"c"
BY_DISPUTE: Final = DISPUTES + b"d"
_NONCE_BYTES: Final = 12
Puts = dict[bytes, bytes | None]


class Case(Struct, frozen=True):
    """A person's dispute."""

    code: str
    dispute_id: RecordId
    subject: RecordId


class Casebook:
    """Codes of one member."""

    def __init__(self, store: KeyValueStore, vault_key: bytes, random_bytes: RandomBytes) -> None:
        self._store = store
        self._cipher = AESGCM(derived(vault_key, b"seal"))
        self._index_key = derived(first_key(vault_key), b"index")
        self._renamed = Renaming(vault_key)
        self._random_bytes = random_bytes

    def new_code(self) -> str:
        """A fresh code, in groups of four characters."""
        number = int.from_bytes(self._random_bytes(10), "big")
        digits = [ALPHABET[number >> 5 * place & 31] for place in range(CODE_CHARS)]
        text = "".join(digits)
        return "-".join(text[at : at + _GROUP] for at in range(0, CODE_CHARS, _GROUP))

    def puts(self, case: Case) -> Puts:
        """What keeps a case, for the caller's own atomic write."""
        by_code = BY_CODE + self._name(_plain(case.code) or "")
        by_dispute = BY_DISPUTE + self._name(case.dispute_id.hex())
        body = case.dispute_id + case.subject + case.code.encode("ascii")
        return {by_code: self._seal(by_code, body), by_dispute: self._seal(by_dispute, body)}

    def find(self, code: str) -> Case | None:
        """The case of a code as a person types it. Raises StoreDamaged."""
        plain = _plain(code)
        return None if plain is None else self._read(BY_CODE + self._name(plain))

    def of_dispute(self, dispute_id: RecordId) -> Case | None:
        """The case of a dispute, None for one of no person. Raises StoreDamaged."""
        return self._read(BY_DISPUTE + self._name(dispute_id.hex()))

    def _read(self, key: bytes) -> Case | None:
        stored = self._store.get(key)
        if stored is None:
            return None
        try:
            body = self._cipher.decrypt(stored[:_NONCE_BYTES], stored[_NONCE_BYTES:], key)
        except InvalidTag as error:
            raise StoreDamaged(f"key {key.hex()}", "does not open under the vault key") from error
        return Case(body[64:].decode("ascii"), RecordId(body[:32]), RecordId(body[32:64]))

    def _seal(self, key: bytes, body: bytes) -> bytes:
        nonce = self._random_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, body, key)

    def _name(self, text: str) -> bytes:
        return self._renamed(hmac.digest(self._index_key, text.encode("ascii"), "sha256"))


def _plain(code: str) -> str | None:
    """A code without hyphens and look-alikes, None for text that can be none."""
    text = code.strip().upper().replace("-", "").translate(_LOOKALIKE)
    fits = len(text) == CODE_CHARS and set(text) <= set(ALPHABET)
    return text if fits else None


def derived(key: bytes, use: bytes) -> bytes:
    """The 32-byte key of one use, from a vault key."""
    info = b"bulwark/disputes/1/" + use
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(key)

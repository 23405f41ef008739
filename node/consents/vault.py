"""The vault: this member's consent receipts, encrypted at rest.

Rules: each receipt is sealed with AES-256-GCM under the vault key of the keystore with a fresh
nonce; its key in the database is a random id, so neither key nor value says who consented. Losing
the vault key loses every receipt, and that is what it is for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bulwark.ledger.ids import Digest
from bulwark.privacy.group import RandomBytes
from node.storage.port import KeyValueStore
from node.storage.schema import CONSENTS

_NONCE_BYTES = 12


class VaultDamaged(Exception):
    """A stored receipt does not open under the vault key."""


@dataclass(frozen=True, slots=True)
class StoredConsent:
    """One receipt with what is needed to prove and to withdraw it."""

    consent_id: str
    receipt: Mapping[str, object]
    salt: bytes
    commitment: bytes
    given: Digest
    """Transaction that anchored it."""
    withdrawn: Digest | None = None
    """Transaction that anchored the withdrawal."""

    def __repr__(self) -> str:
        return f"StoredConsent({self.consent_id})"

    @property
    def anchor_id(self) -> bytes:
        """32 bytes: the consent id, which is random, in binary."""
        return bytes.fromhex(self.consent_id)

    def withdraw(self, transaction_hash: Digest) -> StoredConsent:
        """The same receipt with its withdrawal."""
        return replace(self, withdrawn=transaction_hash)


class Vault:
    """Receipts by consent id."""

    def __init__(self, store: KeyValueStore, key: bytes, random_bytes: RandomBytes) -> None:
        self._store = store
        self._cipher = AESGCM(key)
        self._random_bytes = random_bytes

    def entry(self, consent: StoredConsent) -> dict[bytes, bytes | None]:
        """The put that keeps a receipt."""
        plain = orjson.dumps(
            {
                "receipt": consent.receipt,
                "salt": consent.salt.hex(),
                "commitment": consent.commitment.hex(),
                "given": consent.given.hex(),
                "withdrawn": consent.withdrawn.hex() if consent.withdrawn else None,
            }
        )
        nonce = self._random_bytes(_NONCE_BYTES)
        name = consent.anchor_id
        return {CONSENTS + name: nonce + self._cipher.encrypt(nonce, plain, name)}

    def find(self, consent_id: str) -> StoredConsent | None:
        """A receipt of this member; raises VaultDamaged."""
        try:
            name = bytes.fromhex(consent_id)
        except ValueError:
            return None
        value = self._store.get(CONSENTS + name) if len(name) == 32 else None
        if value is None:
            return None
        try:
            plain = self._cipher.decrypt(value[:_NONCE_BYTES], value[_NONCE_BYTES:], name)
        except InvalidTag as error:
            raise VaultDamaged(f"receipt {name.hex()} does not open under the vault key") from error
        stored = orjson.loads(plain)
        withdrawn = stored["withdrawn"]
        return StoredConsent(
            consent_id=name.hex(),
            receipt=stored["receipt"],
            salt=bytes.fromhex(stored["salt"]),
            commitment=bytes.fromhex(stored["commitment"]),
            given=Digest(bytes.fromhex(stored["given"])),
            withdrawn=Digest(bytes.fromhex(withdrawn)) if withdrawn else None,
        )

"""The vault: this member's consent receipts, each version encrypted under a key of its own.

Rules: a version is sealed with AES-256-GCM under a fresh random key, and that key is wrapped under
a key derived from the vault key; so destroying the wrapped key of 60 bytes makes the version
unreadable, wherever a copy of the ciphertext may be, backups without the vault key included. An
erased receipt leaves a tombstone with its anchor id. Persons are found by a keyed hash of their
pairwise identifier or telephone number; no key of the database and no value says who consented.
Losing the vault key loses every receipt, and that is what it is for.

Layout under CONSENTS: v | id | version2 -> sealed version; k | id | version2 -> wrapped key;
m | id -> sealed facts; p | person hash | id -> empty; r | id | record id -> empty: own record that
rests on it; x | id -> tombstone: time8 | versions2.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Struct
from msgspec.structs import replace

from bulwark.ledger.ids import Digest, RecordId
from bulwark.privacy.group import RandomBytes
from node.rotation.keyline import Renaming, first_key
from node.storage.port import KeyValueStore
from node.storage.schema import CONSENTS

Puts = dict[bytes, bytes | None]
_NONCE_BYTES: Final = 12
_ID_BYTES: Final = 32
VERSIONS: Final = CONSENTS + b"v"
KEYS: Final = CONSENTS + b"k"
FACTS: Final = CONSENTS + b"m"
PERSONS: Final = CONSENTS + b"p"
RESTING: Final = CONSENTS + b"r"
TOMBSTONES: Final = CONSENTS + b"x"


class VaultDamaged(Exception):
    """A stored receipt does not open under the vault key."""


class Version(Struct, frozen=True):
    """One version of a receipt with what proves it."""

    number: int
    """From 1."""
    receipt: Mapping[str, Any]
    salt: bytes

    def __repr__(self) -> str:
        return f"Version({self.number})"


class StoredConsent(Struct, frozen=True):
    """What is kept of a consent besides its receipts; nothing of it names the person."""

    consent_id: str
    transactions: tuple[Digest, ...]
    """Transactions that anchored version 1, 2, and so on."""
    persons: tuple[bytes, ...]
    """Keyed hashes under which it is found."""
    ended: Digest | None = None
    """Transaction that anchored the end."""
    reason: int = 0
    """Code of the end's reason."""

    @property
    def anchor_id(self) -> bytes:
        """32 bytes: the consent id, which is random, in binary."""
        return bytes.fromhex(self.consent_id)

    @property
    def latest(self) -> int:
        """Number of the last version."""
        return len(self.transactions)

    def renew(self, transaction_hash: Digest) -> StoredConsent:
        """The same consent with one more version."""
        return replace(self, transactions=(*self.transactions, transaction_hash))

    def end(self, transaction_hash: Digest, reason: int) -> StoredConsent:
        """The same consent with its end."""
        return replace(self, ended=transaction_hash, reason=reason)


class Tombstone(Struct, frozen=True):
    """What is left of an erased receipt."""

    consent_id: str
    erased_ms: int
    versions: int


class Vault:
    """Receipts by consent id."""

    def __init__(self, store: KeyValueStore, key: bytes, random_bytes: RandomBytes) -> None:
        self._store = store
        self._wrapping = AESGCM(derived(key, b"wrap"))
        self._facts = AESGCM(derived(key, b"facts"))
        self._index_key = derived(first_key(key), b"index")
        self._renamed = Renaming(key)
        self._random_bytes = random_bytes

    # Writing: what each step adds, for the caller's own atomic write

    def put_version(self, consent: StoredConsent, version: Version) -> Puts:
        """The puts that keep a version of a receipt and the facts after it."""
        name = consent.anchor_id
        tail = name + version.number.to_bytes(2, "big")
        plain = orjson.dumps({"receipt": version.receipt, "salt": version.salt.hex()})
        key = self._random_bytes(32)
        puts: Puts = {
            VERSIONS + tail: self._seal(AESGCM(key), plain, VERSIONS + tail),
            KEYS + tail: self._seal(self._wrapping, key, KEYS + tail),
            **self.put_facts(consent),
        }
        for person in consent.persons:
            puts[PERSONS + self._renamed(person) + name] = b""
        return puts

    def put_facts(self, consent: StoredConsent) -> Puts:
        """The put that keeps the facts of a consent."""
        plain = orjson.dumps(
            {
                "transactions": [each.hex() for each in consent.transactions],
                "persons": [each.hex() for each in consent.persons],
                "ended": consent.ended.hex() if consent.ended else None,
                "reason": consent.reason,
            }
        )
        key = FACTS + consent.anchor_id
        return {key: self._seal(self._facts, plain, key)}

    def put_resting(self, anchor_id: bytes, record_id: RecordId) -> Puts:
        """The put that remembers an own record that rests on a consent."""
        return {RESTING + anchor_id + record_id: b""}

    def erasure(self, consent: StoredConsent, now_ms: int) -> Puts:
        """The deletes of every key, version, index entry and fact, and the tombstone."""
        name = consent.anchor_id
        puts: Puts = {FACTS + name: None}
        for prefix in (KEYS, VERSIONS):
            for key, _ in self._store.iterate(prefix + name):
                puts[key] = None
        for person in consent.persons:
            puts[PERSONS + self._renamed(person) + name] = None
        puts[TOMBSTONES + name] = now_ms.to_bytes(8, "big") + consent.latest.to_bytes(2, "big")
        return puts

    # Reading

    def person(self, kind: str, name: str) -> bytes:
        """The keyed hash under which a person is found; `kind` is subject or phone."""
        return hmac.digest(self._index_key, f"{kind}\x00{name}".encode(), "sha256")

    def find(self, consent_id: str) -> StoredConsent | None:
        """A consent of this member that is not erased; raises VaultDamaged."""
        name = _name_of(consent_id)
        value = None if name is None else self._store.get(FACTS + name)
        if name is None or value is None:
            return None
        found = orjson.loads(self._open(self._facts, value, FACTS + name))
        ended = found["ended"]
        return StoredConsent(
            consent_id=name.hex(),
            transactions=tuple(Digest(bytes.fromhex(each)) for each in found["transactions"]),
            persons=tuple(bytes.fromhex(each) for each in found["persons"]),
            ended=Digest(bytes.fromhex(ended)) if ended else None,
            reason=found["reason"],
        )

    def version(self, consent: StoredConsent, number: int | None = None) -> Version:
        """A version of its receipt, the last unless named; raises VaultDamaged, LookupError."""
        wanted = consent.latest if number is None else number
        tail = consent.anchor_id + wanted.to_bytes(2, "big")
        wrapped, sealed = self._store.get(KEYS + tail), self._store.get(VERSIONS + tail)
        if wrapped is None or sealed is None:
            raise LookupError(f"receipt {consent.consent_id} has no version {wanted}")
        key = self._open(self._wrapping, wrapped, KEYS + tail)
        found = orjson.loads(self._open(AESGCM(key), sealed, VERSIONS + tail))
        return Version(wanted, found["receipt"], bytes.fromhex(found["salt"]))

    def versions(self, consent: StoredConsent) -> list[Version]:
        """All versions of its receipt, the first first; raises VaultDamaged."""
        return [self.version(consent, number + 1) for number in range(consent.latest)]

    def tombstone(self, consent_id: str) -> Tombstone | None:
        """What is left of an erased receipt."""
        name = _name_of(consent_id)
        value = None if name is None else self._store.get(TOMBSTONES + name)
        if name is None or value is None:
            return None
        return Tombstone(name.hex(), int.from_bytes(value[:8], "big"), int.from_bytes(value[8:]))

    def resting(self, anchor_id: bytes) -> list[RecordId]:
        """Own records that were reported on a consent, also those that never got anchored."""
        prefix = RESTING + anchor_id
        return [RecordId(key[len(prefix) :]) for key, _ in self._store.iterate(prefix)]

    def of_person(self, person: bytes) -> list[str]:
        """Ids of a person's consents that are not erased."""
        prefix = PERSONS + self._renamed(person)
        return [key[len(prefix) :].hex() for key, _ in self._store.iterate(prefix)]

    def page(self, after: str, limit: int) -> list[str]:
        """Up to `limit` consent ids behind `after`, in their own order; empty text begins."""
        name = _name_of(after)
        start = None if name is None else FACTS + name + b"\x00"
        pairs: Iterator[tuple[bytes, bytes]] = self._store.iterate(FACTS, start=start)
        return [key[len(FACTS) :].hex() for key, _ in islice(pairs, limit)]

    def _seal(self, cipher: AESGCM, plain: bytes, name: bytes) -> bytes:
        nonce = self._random_bytes(_NONCE_BYTES)
        return nonce + cipher.encrypt(nonce, plain, name)

    def _open(self, cipher: AESGCM, value: bytes, name: bytes) -> bytes:
        try:
            return cipher.decrypt(value[:_NONCE_BYTES], value[_NONCE_BYTES:], name)
        except (InvalidTag, ValueError) as error:
            raise VaultDamaged(f"key {name.hex()} does not open under the vault key") from error


def _name_of(consent_id: str) -> bytes | None:
    try:
        name = bytes.fromhex(consent_id)
    except ValueError:
        return None
    return name if len(name) == _ID_BYTES else None


def derived(key: bytes, use: bytes) -> bytes:
    """The 32-byte key of one use, from a vault key."""
    info = b"bulwark/vault/1/" + use
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(key)

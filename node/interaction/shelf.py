"""A shelf: encrypted documents of one sort that this member keeps, each under a key of its own.

Rules: a document is sealed with AES-256-GCM under a fresh key at every write, and that key is
wrapped under one derived from the vault key; so who deletes the wrapped key has erased the document
wherever a copy of its ciphertext may be. Documents are found by keyed names, which say nothing to
whoever has the disk alone. Nothing here is ever written to the ledger.

Layout under INTERACTION and the shelf's own byte: d | id -> sealed document; k | id -> wrapped key;
t | time8 | id -> empty, in order of time; n | name | id -> 16 bytes that the shelf's owner chose.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Iterator, Mapping
from itertools import islice
from typing import Any, Final

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bulwark.privacy.group import RandomBytes
from node.guarded.atrest import KEY_BYTES, AtRest
from node.logs import Log
from node.rotation.keyline import Renaming, first_key
from node.storage.errors import StoreDamaged
from node.storage.port import KeyValueStore
from node.storage.schema import INTERACTION, number8

ID_BYTES: Final = 16
NAME_BYTES: Final = 16
ORDER_BYTES: Final = 8 + ID_BYTES
MAX_NAMED: Final = 1_000
"""Documents under one name that are read: more customers than that change no answer."""
CHUNK: Final = 100
"""Documents that are walked over between two turns of the event loop."""
NO_VALUE: Final = bytes(NAME_BYTES)
REPORTS, COOLING_OFFS, PROTECTIONS, FEEDBACK = SORTS = (b"\x01", b"\x02", b"\x03", b"\x04")
"""The sorts of shelves there are."""
_NONCE_BYTES: Final = 12
_ROUNDS: Final = 2
"""Compactions that take a value from memory through the levels: one writes it, one merges it."""
_RENEW_S: Final = 0.05
_RENEWALS: Final = 100
Puts = dict[bytes, bytes | None]
Document = dict[str, Any]

log = Log("interaction")


class Shelf:
    """Documents of one sort."""

    def __init__(
        self, store: KeyValueStore, sort: bytes, vault_key: bytes, random_bytes: RandomBytes
    ) -> None:
        """`sort`: one byte that no other shelf has."""
        use = b"interaction/" + sort.hex().encode()
        self._store = store
        self._wrapping = AtRest(vault_key, use, random_bytes)
        info = b"bulwark/" + use + b"/index/1"
        self._index_key = HKDF(SHA256(), 32, None, info).derive(first_key(vault_key))
        self._renamed = Renaming(vault_key)
        self._random_bytes = random_bytes
        base = INTERACTION + sort
        self._base = base
        self._documents, self._keys = base + b"d", base + b"k"
        self._times, self._names = base + b"t", base + b"n"

    def new_id(self) -> bytes:
        """A fresh id."""
        return self._random_bytes(ID_BYTES)

    def name(self, sort: str, text: str) -> bytes:
        """The keyed name of a text; `sort` parts names of different things."""
        return hmac.digest(self._index_key, f"{sort}\x00{text}".encode(), "sha256")[:NAME_BYTES]

    # Writing: what each step adds, for the caller's own atomic write

    def puts(
        self,
        identity: bytes,
        document: Mapping[str, Any],
        time_ms: int,
        names: Mapping[bytes, bytes] | None = None,
    ) -> Puts:
        """The puts that keep a document, anew or in place of what was there.

        `time_ms` stays the same for the life of a document; `names` are added to those it
        has, each with a value: a keyed name, which is renamed as they are, or NO_VALUE.
        """
        key = self._random_bytes(KEY_BYTES)
        nonce = self._random_bytes(_NONCE_BYTES)
        at, wrapped_at = self._documents + identity, self._keys + identity
        plain = orjson.dumps(document)
        puts: Puts = {
            at: nonce + AESGCM(key).encrypt(nonce, plain, at),
            wrapped_at: self._wrapping.encrypt(wrapped_at, key),
            self._times + number8(time_ms) + identity: b"",
        }
        for name, value in (names or {}).items():
            shown = value if value == NO_VALUE else self._renamed(value)
            puts[self._names + self._renamed(name) + identity] = shown
        return puts

    def forget_name(self, identity: bytes, name: bytes) -> Puts:
        """The delete of one name of a document."""
        return {self._names + self._renamed(name) + identity: None}

    def removal(self, identity: bytes, time_ms: int, names: Mapping[bytes, bytes]) -> Puts:
        """The deletes of a document, its key, its place in time and these names."""
        gone = [self._documents + identity, self._keys + identity]
        gone.append(self._times + number8(time_ms) + identity)
        gone += [self._names + self._renamed(name) + identity for name in names]
        return dict.fromkeys(gone)

    # Reading

    def get(self, identity: bytes) -> Document | None:
        """A document, None where there is none. Raises StoreDamaged."""
        at, wrapped_at = self._documents + identity, self._keys + identity
        sealed, wrapped = self._store.get(at), self._store.get(wrapped_at)
        if sealed is None or wrapped is None or len(identity) != ID_BYTES:
            return None
        key = self._wrapping.decrypt(wrapped_at, wrapped)
        try:
            plain = AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], at)
        except (InvalidTag, ValueError) as error:
            raise StoreDamaged(f"key {at.hex()}", "the value does not open") from error
        found: Document = orjson.loads(plain)
        return found

    def named(self, name: bytes, most: int = MAX_NAMED) -> list[tuple[bytes, bytes]]:
        """(id, chosen value) of documents under a name, at most `most`, in order of their ids."""
        prefix = self._names + self._renamed(name)
        found = islice(self._store.iterate(prefix), most)
        return [(key[len(prefix) :], value) for key, value in found]

    def newest(self, before: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """(order, id), newest first; `before`: the order of the last one of the page before."""
        start = None if before is None else self._times + before
        for key, _ in self._store.iterate(self._times, start=start, reverse=True):
            order = key[len(self._times) :]
            if order != before:
                yield order, order[8:]

    async def oldest(self) -> AsyncIterator[tuple[int, bytes]]:
        """(time, id), oldest first; others get turns, and what they write meanwhile may be seen."""
        start: bytes | None = None
        while True:
            keys = [key for key, _ in islice(self._store.iterate(self._times, start=start), CHUNK)]
            for key in keys:
                yield _time_and_id(key[len(self._times) :])
            if len(keys) < CHUNK:
                return
            start = keys[-1] + b"\x00"
            await asyncio.sleep(0)

    async def count(self) -> int:
        """How many documents there are."""
        return len([identity async for _, identity in self.oldest()])

    async def shred(self) -> bool:
        """Take what was deleted off the disk; False if an open view kept the files from renewal.

        Raises StoreWriteFailed.
        """
        low, high = self._base + b"\x00", self._base + b"\xff"
        for _ in range(_ROUNDS):
            self._store.write({low: b"", high: b""}, sync=False)
            await asyncio.to_thread(self._store.compact, low, high)
        for _ in range(_RENEWALS):
            if self._store.renew():
                return True
            await asyncio.sleep(_RENEW_S)
        log.warning("the database could not be renewed after an erasure; the next one does it")
        return False


def _time_and_id(order: bytes) -> tuple[int, bytes]:
    return int.from_bytes(order[:8], "big"), order[8:]

"""The file of API keys on disk: read, and changed under a lock so that no change is lost.

Rules: the file is the store; it holds hashes only, is written whole (0600, all of it or none after
a crash) and under a lock file beside it, so that the node and the command line may change it at the
same time. A change that the rules of `node.identity.apikey` refuse leaves it as it was.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from msgspec import Struct

from node.identity.apikey import (
    KEY_ID,
    MAX_ENTRIES,
    MAX_KEYS,
    ApiKey,
    ApiKeys,
    Network,
    RandomBytes,
    new_key,
)
from node.identity.principal import RateLimit
from node.keys import write_private
from node.service import Busy, Conflict, NotFound, Role

MAX_OVERLAP_MS: Final = 90 * 86_400_000
"""Longest time that the key before a rotation is still taken."""


class Wish(Struct, frozen=True):
    """A key that somebody wants."""

    role: Role
    id: str | None = None
    """None: the role and a number."""
    label: str = ""
    expires_ms: int | None = None
    networks: Sequence[Network] = ()
    limit: RateLimit | None = None


class KeyFile:
    """One file of API keys."""

    def __init__(self, path: Path, random_bytes: RandomBytes = os.urandom) -> None:
        self.path = path
        self._random = random_bytes

    def read(self) -> ApiKeys:
        """What it holds, no keys if there is no file. Raises ApiKeysInvalid."""
        if not self.path.exists():
            return ApiKeys(())
        return ApiKeys.load(self.path)

    def stamp(self) -> tuple[int, int, int]:
        """What changes when the file does; zeros if there is none."""
        try:
            found = self.path.stat()
        except OSError:
            return (0, 0, 0)
        return (found.st_mtime_ns, found.st_ino, found.st_size)

    def create(self, wish: Wish, now_ms: int) -> tuple[ApiKeys, ApiKey, str]:
        """Add a key; all keys, the new one, and its clear text.

        Raises Conflict for an id that was used, Busy when there are too many, ApiKeysInvalid,
        KeystoreError.
        """
        clear, digest = new_key(self._random)

        def add(keys: ApiKeys) -> ApiKey:
            name = wish.id or _free_name(wish.role, keys)
            if KEY_ID.match(name) is None or keys.get(name) is not None:
                detail = "id: 1 to 63 of a-z, 0-9, '.', '_', '-', never used before"
                raise Conflict(detail)
            if sum(key.revoked_ms is None for key in keys.entries) >= MAX_KEYS:
                raise Busy(f"there are {MAX_KEYS} keys, no more are allowed; revoke one")
            if len(keys.entries) >= MAX_ENTRIES:
                raise Busy(f"the file has {MAX_ENTRIES} entries; remove old revoked ones by hand")
            return ApiKey(
                name,
                wish.role,
                digest,
                label=wish.label,
                created_ms=now_ms,
                expires_ms=wish.expires_ms,
                networks=tuple(wish.networks),
                limit=wish.limit,
            )

        keys, key = self._change(add)
        return keys, key, clear

    def rotate(
        self, key_id: str, overlap_ms: int, now_ms: int, expires_ms: int | None = None
    ) -> tuple[ApiKeys, ApiKey, str]:
        """Give a key a new secret; the one before is taken for `overlap_ms` more.

        `expires_ms` moves its end, None leaves it. Raises NotFound, Conflict for a revoked key,
        ApiKeysInvalid, KeystoreError.
        """
        clear, digest = new_key(self._random)

        def turn(keys: ApiKeys) -> ApiKey:
            known = _known(keys, key_id)
            return replace(
                known,
                sha256=digest,
                previous=known.sha256 if overlap_ms > 0 else None,
                previous_until_ms=now_ms + overlap_ms if overlap_ms > 0 else 0,
                expires_ms=known.expires_ms if expires_ms is None else expires_ms,
            )

        keys, key = self._change(turn)
        return keys, key, clear

    def revoke(self, key_id: str, now_ms: int) -> tuple[ApiKeys, ApiKey]:
        """End a key for good. Raises NotFound, Conflict if it is, ApiKeysInvalid, KeystoreError."""

        def end(keys: ApiKeys) -> ApiKey:
            return replace(_known(keys, key_id), revoked_ms=now_ms)

        return self._change(end)

    def _change(self, make: Callable[[ApiKeys], ApiKey]) -> tuple[ApiKeys, ApiKey]:
        with self._locked():
            keys = self.read()
            key = make(keys)
            changed = keys.with_entry(key)
            write_private(self.path, changed.to_json(), overwrite=True)
        return changed, key

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Nobody else changes the file meanwhile; waits for who does."""
        lock = self.path.with_name(f".{self.path.name}.lock")
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _known(keys: ApiKeys, key_id: str) -> ApiKey:
    found = keys.get(key_id)
    if found is None:
        raise NotFound(f"there is no key {key_id!r}")
    if found.revoked_ms is not None:
        raise Conflict(f"the key {key_id} was revoked")
    return found


def _free_name(role: Role, keys: ApiKeys) -> str:
    names = (role.value, *(f"{role.value}-{number}" for number in range(2, MAX_ENTRIES + 2)))
    return next(name for name in names if keys.get(name) is None)

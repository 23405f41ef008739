"""What a node remembers of API keys besides their file: last use, and which ones were told.

Rules: ids name people, so both are encrypted under a key of their own. Last uses are kept in memory
and written together from time to time, so no request waits for a disk; a crash loses the last half
minute of them. What the access log was told of each key is kept by
its fingerprint, so a change of the file while the node was stopped is told at its next start.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final

import orjson

from node.guarded.atrest import AtRest
from node.identity.apikey import ApiKey, ApiKeys
from node.storage.port import KeyValueStore
from node.storage.schema import IDENTITY

USED: Final = IDENTITY + b"\x01"
"""-> JSON {key id: wall clock ms of its last use}, encrypted."""
TOLD: Final = IDENTITY + b"\x02"
"""-> JSON {key id: [fingerprint of the secret, of the entry, is it revoked]}, encrypted."""
MAX_TOLD: Final = 20
"""Changes that are told one by one; of more at once the rest is told by its number."""


class KeyMemory:
    """Uses and told changes of keys."""

    def __init__(self, store: KeyValueStore, at_rest: AtRest) -> None:
        """Raises StoreDamaged."""
        self._store = store
        self._at_rest = at_rest
        self._used: dict[str, int] = self._read(USED) or {}
        self._is_unwritten = False

    def used(self, key_id: str, now_ms: int) -> None:
        """A key was shown."""
        self._used[key_id] = now_ms
        self._is_unwritten = True

    def last_used(self, key_id: str) -> int | None:
        """When a key was last shown, None if it never was."""
        return self._used.get(key_id)

    def write(self) -> None:
        """Write what was used since; durable with the next barrier. Raises StoreWriteFailed."""
        if self._is_unwritten:
            self._is_unwritten = False
            self._write(USED, self._used)

    def changes(self, keys: ApiKeys) -> list[tuple[str, str]]:
        """(action, key id) of what is not told yet, and remember it as told.

        The first keys that a node ever sees are what it begins with, and no change. Raises
        StoreDamaged, StoreWriteFailed.
        """
        told = self._read(TOLD)
        now = {key.id: _prints(key) for key in keys.entries}
        if told == now:
            return []
        self._write(TOLD, now)
        if told is None:
            return []
        found = [
            (action, name)
            for name, prints in now.items()
            if (action := _action(told.get(name), prints)) is not None
        ]
        found += [("api-key.removed", name) for name in told if name not in now]
        if len(found) > MAX_TOLD:
            rest = f"{len(found) - MAX_TOLD} more keys"
            return [*found[:MAX_TOLD], ("api-key.changed", rest)]
        return found

    def _read(self, key: bytes) -> Any:
        held = self._store.get(key)
        return None if held is None else orjson.loads(self._at_rest.decrypt(key, held))

    def _write(self, key: bytes, document: object) -> None:
        plain = orjson.dumps(document)
        self._store.write({key: self._at_rest.encrypt(key, plain)}, sync=False)


def _prints(key: ApiKey) -> list[object]:
    document = orjson.dumps(key.document())
    return [
        sha256(b"secret\0" + key.sha256).hexdigest()[:16],
        sha256(b"entry\0" + document).hexdigest()[:16],
        key.revoked_ms is not None,
    ]


def _action(before: list[object] | None, now: list[object]) -> str | None:
    if before == now:
        return None
    if before is None:
        return "api-key.created"
    if now[2] and not before[2]:
        return "api-key.revoked"
    return "api-key.rotated" if before[0] != now[0] else "api-key.changed"

"""Idempotency keys: the same key and body give the same outcome, also after a restart.

Rules: an entry is written in the same synced write as what it promises; another body under a known
key is refused; entries are dropped after 24 hours. Keys are stored hashed, since clients put
meaning into them.
"""

from __future__ import annotations

from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Digest
from node.service import Idempotency, IdempotencyMismatch
from node.storage.port import KeyValueStore
from node.storage.schema import IDEMPOTENCY

KEEP_MS = 24 * 3600 * 1000
MAX_IDS = 100_000
"""Outcomes of one request."""


class IdempotencyStore:
    """Outcomes by hashed key: a list of 32-byte ids, zero for a refused row."""

    def __init__(self, store: KeyValueStore) -> None:
        self._store = store

    def find(self, wish: Idempotency) -> tuple[bytes, ...] | None:
        """Ids of an earlier request; None for a new key. Raises IdempotencyMismatch."""
        value = self._store.get(_key(wish))
        if value is None:
            return None
        reader = Reader(value, "idempotency entry")
        reader.uint(8, "created_ms")
        body = reader.fixed(32, "body")
        ids = reader.sequence("ids", MAX_IDS, lambda r: r.fixed(32, "id"))
        reader.end()
        if body != wish.body_digest:
            raise IdempotencyMismatch(
                "this Idempotency-Key was used with another request; use a new key"
            )
        return ids

    @staticmethod
    def entry(wish: Idempotency, ids: list[bytes], now_ms: int) -> dict[bytes, bytes | None]:
        """The put that keeps an outcome."""
        writer = Writer().uint(now_ms, 8).fixed(wish.body_digest, 32)
        return {_key(wish): writer.sequence(ids, lambda w, i: w.fixed(i, 32)).done()}

    def prune(self, now_ms: int) -> int:
        """Drop entries older than a day; how many."""
        old: dict[bytes, bytes | None] = {}
        for key, value in self._store.iterate(IDEMPOTENCY):
            if int.from_bytes(value[:8], "big") + KEEP_MS < now_ms:
                old[key] = None
        if old:
            self._store.write(old, sync=False)
        return len(old)


def _key(wish: Idempotency) -> bytes:
    return IDEMPOTENCY + sha256(wish.key.encode("utf-8"))


def request_digest(method: str, path: str, body: bytes) -> Digest:
    """What makes two requests the same."""
    return sha256(method.encode() + b"\x00" + path.encode() + b"\x00" + body)

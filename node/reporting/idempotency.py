"""Idempotency keys: the same key and body give the same outcome, also after a restart.

Rules: an entry is written in the same synced write as what it promises; another body under a known
key is refused; entries are dropped after 24 hours. Keys and bodies are stored under a keyed hash:
clients put meaning into keys, and a body with one phone number is found by trying all of them.
Which rows were duplicates is kept behind the ids, only where one was: entries of a version that did
not keep it read as without.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection

from bulwark.ledger.codec import Reader, Writer
from node.rotation.keyline import Renaming, first_key
from node.service import Idempotency, IdempotencyMismatch
from node.storage.port import KeyValueStore
from node.storage.schema import IDEMPOTENCY

KEEP_MS = 24 * 3600 * 1000
MAX_IDS = 100_000
"""Outcomes of one request."""


class IdempotencyStore:
    """Outcomes by hashed key: a list of 32-byte ids, zero for a refused row, and the duplicates."""

    def __init__(self, store: KeyValueStore, index_key: bytes) -> None:
        """`index_key`: the member's own 32 bytes, without which entries say nothing."""
        self._store = store
        self._index_key, self._renamed = first_key(index_key), Renaming(index_key)

    def find(self, wish: Idempotency) -> tuple[bytes, ...] | None:
        """Ids of an earlier request; None for a new key. Raises IdempotencyMismatch."""
        rows = self.rows(wish)
        return None if rows is None else tuple(identity for identity, _ in rows)

    def rows(self, wish: Idempotency) -> tuple[tuple[bytes, bool], ...] | None:
        """The same with whether each row was a duplicate. Raises IdempotencyMismatch."""
        value = self._store.get(self._name(wish))
        if value is None:
            return None
        reader = Reader(value, "idempotency entry")
        reader.uint(8, "created_ms")
        body = reader.fixed(32, "body")
        ids = reader.sequence("ids", MAX_IDS, lambda r: r.fixed(32, "id"))
        marks = reader.blob("duplicates", (MAX_IDS + 7) // 8) if reader.left else b""
        reader.end()
        if not hmac.compare_digest(body, self._body(wish)):
            raise IdempotencyMismatch(
                "this Idempotency-Key was used with another request; use a new key"
            )
        return tuple((identity, _is_marked(marks, row)) for row, identity in enumerate(ids))

    def entry(
        self,
        wish: Idempotency,
        ids: list[bytes],
        now_ms: int,
        duplicates: Collection[int] = (),
    ) -> dict[bytes, bytes | None]:
        """The put that keeps an outcome; `duplicates` are positions among `ids`."""
        writer = Writer().uint(now_ms, 8).fixed(self._body(wish), 32)
        writer.sequence(ids, lambda w, i: w.fixed(i, 32))
        if duplicates:
            marks = bytearray((len(ids) + 7) // 8)
            for row in duplicates:
                marks[row // 8] |= 1 << row % 8
            writer.blob(bytes(marks))
        return {self._name(wish): writer.done()}

    def prune(self, now_ms: int) -> int:
        """Drop entries older than a day; how many."""
        old: dict[bytes, bytes | None] = {}
        for key, value in self._store.iterate(IDEMPOTENCY):
            if int.from_bytes(value[:8], "big") + KEEP_MS < now_ms:
                old[key] = None
        if old:
            self._store.write(old, sync=False)
        return len(old)

    def _name(self, wish: Idempotency) -> bytes:
        return IDEMPOTENCY + self._hash(b"name", wish.key.encode("utf-8"))

    def _body(self, wish: Idempotency) -> bytes:
        return self._hash(b"body", wish.body_digest)

    def _hash(self, use: bytes, data: bytes) -> bytes:
        whole = b"bulwark/idempotency/" + use + b"\x00" + data
        return self._renamed(hmac.digest(self._index_key, whole, "sha256"))


def _is_marked(marks: bytes, row: int) -> bool:
    return row // 8 < len(marks) and bool(marks[row // 8] >> row % 8 & 1)

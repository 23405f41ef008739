"""Spent nullifiers of this evaluator: a slot answers one request, also after a restart.

Rules: the nullifier is on disk before the first answer leaves (`spend`, then the caller's
durability barrier); the same request may be asked again and is answered again, another one under
the same nullifier is refused; nullifiers of a quota epoch are dropped when two later ones have
begun, since a request of an old epoch is refused for its epoch alone. What was served, for auditors
and openings, is kept apart (`served`).
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from node.guarded.forgotten import read_forgotten
from node.storage.port import KeyValueStore
from node.storage.schema import EVALUATIONS, number8
from node.storage.seal import seal, unseal

NULLIFIERS: Final = EVALUATIONS + b"\x01"
"""epoch8 | scope1 | nullifier32 -> statement hash, sealed."""
KEPT_EPOCHS: Final = 2
"""The one that runs and the one before."""


class Spending(Enum):
    """What became of a nullifier."""

    FRESH = "fresh"
    """It was not known and is now spent."""
    REPEATED = "repeated"
    """It was spent for this very request."""
    CONFLICT = "conflict"
    """It was spent for another request."""


class SpentNullifiers:
    """Nullifiers by epoch and scope."""

    def __init__(self, store: KeyValueStore) -> None:
        self._store = store
        self._forgotten = read_forgotten(store)

    def is_forgotten(self, epoch: int) -> bool:
        """Whether slots of this epoch may be spent here without this database knowing it."""
        return epoch <= self._forgotten.epoch

    def look(self, epoch: int, scope: int, nullifier: bytes, statement: bytes) -> Spending:
        """What `spend` would answer, without spending."""
        return self._found(_key(epoch, scope, nullifier), statement)

    def spend(self, epoch: int, scope: int, nullifier: bytes, statement: bytes) -> Spending:
        """Spend a 32-byte nullifier for a request with this 32-byte statement hash.

        The write is visible at once and durable after the caller's next barrier. Raises
        StoreWriteFailed, StoreDamaged.
        """
        key = _key(epoch, scope, nullifier)
        found = self._found(key, statement)
        if found is Spending.FRESH:
            self._store.write({key: seal(key, statement)}, sync=False)
        return found

    def _found(self, key: bytes, statement: bytes) -> Spending:
        held = self._store.get(key)
        if held is None:
            return Spending.FRESH
        return Spending.REPEATED if unseal(key, held) == statement else Spending.CONFLICT

    def count(self, epoch: int, scope: int) -> int:
        """Slots that all members together spent here in an epoch."""
        prefix = NULLIFIERS + number8(epoch) + scope.to_bytes(1, "big")
        return sum(1 for _ in self._store.iterate(prefix))

    def prune(self, epoch: int, most: int = 10_000) -> int:
        """Drop what belongs to epochs long over, at most `most` at a time; how many."""
        first_kept = NULLIFIERS + number8(max(0, epoch - KEPT_EPOCHS + 1))
        old: dict[bytes, bytes | None] = {}
        for key, _ in self._store.iterate(NULLIFIERS):
            if key >= first_kept or len(old) >= most:
                break
            old[key] = None
        if old:
            self._store.write(old, sync=False)
        return len(old)


def _key(epoch: int, scope: int, nullifier: bytes) -> bytes:
    return NULLIFIERS + number8(epoch) + scope.to_bytes(1, "big") + nullifier

"""Claims of spent slots: what this member can show an auditor of the questions that it asked.

Rules: a claim is written before its question leaves, with the access entries that asked it, found
in the context of the request (`asked_for`); encrypted under a key of its own from the vault key. It
is shown to this member's own auditor and admin keys and to no other node. Claims are kept as long
as evaluators keep the statements.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

from bulwark.privacy.slotclaim import SlotClaim
from node.guarded.accessport import MAX_PAGE, ClaimPage
from node.guarded.atrest import AtRest
from node.storage.port import KeyValueStore
from node.storage.schema import EVALUATIONS, number8

CLAIMS: Final = EVALUATIONS + b"\x24"
"""epoch8 | scope1 | slot4 -> claim, encrypted."""
PLACE_BYTES: Final = 13

asked_for: ContextVar[tuple[int, int]] = ContextVar("asked_for", default=(0, 0))
"""First and last access entry of the request under way in this context, (0, 0) for none."""


class ClaimBook:
    """Claims of one member."""

    def __init__(self, store: KeyValueStore, at_rest: AtRest) -> None:
        self._store = store
        self._at_rest = at_rest

    def note(self, claim: SlotClaim) -> None:
        """Keep a claim; durable with the next barrier. Raises StoreWriteFailed."""
        key = CLAIMS + place_of(claim)
        self._store.write({key: self._at_rest.encrypt(key, claim.encode())}, sync=False)

    def page(self, after: bytes | None = None, most: int = MAX_PAGE) -> ClaimPage:
        """Claims behind a place in the order of epoch, scope and slot. Raises StoreDamaged."""
        found: list[SlotClaim] = []
        start = None if after is None else CLAIMS + after
        for key, value in self._store.iterate(CLAIMS, start=start):
            if start is not None and key <= start:
                continue
            if len(found) >= min(most, MAX_PAGE):
                return ClaimPage(tuple(found), place_of(found[-1]))
            found.append(SlotClaim.decode(self._at_rest.decrypt(key, value)))
        return ClaimPage(tuple(found), None)

    def prune(self, before_epoch: int, most: int = 10_000) -> int:
        """Drop claims of older epochs, at most `most` at once; how many."""
        old: dict[bytes, bytes | None] = {}
        for key, _ in self._store.iterate(CLAIMS):
            epoch = int.from_bytes(key[len(CLAIMS) : len(CLAIMS) + 8], "big")
            if epoch >= before_epoch or len(old) >= most:
                break
            old[key] = None
        if old:
            self._store.write(old, sync=False)
        return len(old)


def place_of(claim: SlotClaim) -> bytes:
    """Where a claim stands, 13 bytes."""
    return number8(claim.epoch) + claim.scope.to_bytes(1, "big") + claim.slot.to_bytes(4, "big")

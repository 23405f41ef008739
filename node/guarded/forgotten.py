"""What a restored database forgot of the quota epochs before it: slots spent here and slots asked.

Rules: written once, by a restore, and never changed. As an evaluator the node answers nothing in a
quota epoch of which it may have forgotten spent slots; as an asker it begins above a number of
slots that it can not have used, or takes all as used where nobody knows. From the next quota epoch
on nothing is forgotten.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from bulwark.privacy.query import Scope
from node.storage.errors import StoreDamaged
from node.storage.port import KeyValueStore
from node.storage.schema import EVALUATIONS, number8
from node.storage.seal import seal, unseal

FORGOTTEN: Final = EVALUATIONS + b"\x0a"
"""-> epoch8 | floor8 of small requests | floor8 of bulk requests, sealed."""
ALL_USED: Final = 2**40
"""A floor above every quota."""


class Forgotten(Struct, frozen=True):
    """Up to which quota epoch, and how many slots may be in use in it."""

    epoch: int
    small: int
    bulk: int

    def puts(self) -> dict[bytes, bytes | None]:
        """The put that keeps it."""
        value = number8(self.epoch) + number8(self.small) + number8(self.bulk)
        return {FORGOTTEN: seal(FORGOTTEN, value)}

    def floor(self, epoch: int, scope: Scope) -> int:
        """Slots of an epoch that may be in use whatever the database says."""
        if epoch > self.epoch:
            return 0
        return self.small if scope is Scope.SMALL else self.bulk


NOTHING: Final = Forgotten(-1, 0, 0)
"""Of a database that was never restored."""


def read_forgotten(store: KeyValueStore) -> Forgotten:
    """What a store forgot. Raises StoreDamaged."""
    held = store.get(FORGOTTEN)
    if held is None:
        return NOTHING
    value = unseal(FORGOTTEN, held)
    if len(value) != 24:
        raise StoreDamaged(f"key {FORGOTTEN.hex()}", f"{len(value)} bytes stored, 24 needed")
    epoch, small, bulk = (int.from_bytes(value[at : at + 8], "big") for at in (0, 8, 16))
    return Forgotten(epoch, small, bulk)

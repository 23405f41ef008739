"""The mark of a restored database: what it must not forget until it is in step with the alliance.

Rules: a restore writes it before the database is put in its place; while it is there the node's API
answers nothing but how the node is (`node.backup.homecoming`). The mark goes in one synced write
when all that it asks for is done.
"""

from __future__ import annotations

import msgspec

from node.storage.errors import StoreDamaged
from node.storage.port import KeyValueStore
from node.storage.schema import META_RESTORED
from node.storage.seal import seal, unseal


class Restored(msgspec.Struct, frozen=True):
    """What a restore knew."""

    height: int
    """Last executed block of the backup."""
    made_at_ms: int
    """When the backup was made, wall clock."""
    restored_at_ms: int

    def puts(self) -> dict[bytes, bytes | None]:
        """The put that keeps it."""
        return {META_RESTORED: seal(META_RESTORED, msgspec.json.encode(self))}


def read_restored(store: KeyValueStore) -> Restored | None:
    """The mark, None where a node was not restored or is in step again. Raises StoreDamaged."""
    held = store.get(META_RESTORED)
    if held is None:
        return None
    try:
        return msgspec.json.decode(unseal(META_RESTORED, held), type=Restored)
    except msgspec.MsgspecError as error:
        raise StoreDamaged(f"key {META_RESTORED.hex()}", str(error)) from error

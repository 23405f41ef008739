"""Where pruning is, in the database: the floors that readers see and the cursors behind them.

Rules: a floor is on disk before the first byte below it goes, so a reader that finds nothing below
a floor says "pruned" and one above it "damaged"; a cursor follows the deletes, in the write of
each, so a stop anywhere is gone on with. Floors only rise.
"""

from __future__ import annotations

from typing import Final

from bulwark.ledger.ids import Height
from node.storage import blocks, schema
from node.storage.blocks import Getter
from node.storage.port import KeyValueStore
from node.storage.seal import seal
from node.storage.values import decode_number

Puts = dict[bytes, bytes | None]
BODIES_AT: Final = schema.META + b"pruned-bodies"
"""Sealed: 8-byte height below which every body that may go is gone."""
SIDECARS_AT: Final = schema.META + b"pruned-sidecars"
"""Sealed: 8-byte position in the record log up to which sidecars were looked at last."""


def read_number(store: Getter, key: bytes) -> int:
    """A sealed number, 0 where there is none. Raises StoreDamaged."""
    return blocks.read_sealed(store, key, lambda data: decode_number(key, data)) or 0


def put_number(key: bytes, value: int) -> Puts:
    """The put of a sealed number."""
    return {key: seal(key, schema.number8(value))}


def begin_bodies(store: KeyValueStore, floor: Height) -> None:
    """Bodies below `floor` may be missing from here on. Raises StoreWriteFailed."""
    if floor > blocks.read_pruned_from(store):
        store.write(put_number(schema.META_PRUNED_FROM, floor), sync=True)


def begin_states(store: KeyValueStore, floor: Height) -> None:
    """States below `floor` are missing from here on, and nodes may lack what is below them."""
    puts: Puts = {schema.META_STATE_SWEEP: b""}
    puts |= put_number(schema.META_SWEPT_FROM, max(floor, blocks.read_swept_from(store)))
    puts |= put_number(schema.META_STATE_FROM, max(floor, blocks.read_state_from(store)))
    store.write(puts, sync=True)


def end_states(store: KeyValueStore) -> None:
    """Every trie node that is there has its whole subtree there again."""
    store.write({schema.META_STATE_SWEEP: None}, sync=True)

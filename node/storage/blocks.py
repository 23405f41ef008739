"""Typed reads of stored blocks: every value is unsealed and decoded, damage names its key.

Rules: nothing here writes or caches; a value that is missing where the chain needs one is damage.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from bulwark.ledger.anchor import Anchor
from bulwark.ledger.batch import Batch
from bulwark.ledger.errors import LedgerError
from bulwark.ledger.header import Header
from bulwark.ledger.ids import Digest, Height
from bulwark.ledger.merkle import Frontier
from bulwark.ledger.receipt import Receipt
from bulwark.ledger.sidecar import Sidecar
from bulwark.ledger.votes import Certificate
from node.service import HistoryPruned
from node.storage import schema
from node.storage.errors import StoreDamaged
from node.storage.seal import unseal
from node.storage.values import decode_number, decode_receipts

T = TypeVar("T")


class Getter(Protocol):
    """The one thing needed of a store or of a snapshot."""

    def get(self, key: bytes) -> bytes | None:
        """Value of a key, None when there is none."""
        ...


def read_sealed(store: Getter, key: bytes, decode: Callable[[bytes], T]) -> T | None:
    """A sealed value decoded, None when there is none. Raises StoreDamaged."""
    stored = store.get(key)
    if stored is None:
        return None
    data = unseal(key, stored)
    try:
        return decode(data)
    except LedgerError as error:
        raise StoreDamaged(f"key {key.hex()}", str(error)) from error


def _needed(store: Getter, key: bytes, what: str, decode: Callable[[bytes], T]) -> T:
    value = read_sealed(store, key, decode)
    if value is None:
        raise StoreDamaged(f"key {key.hex()}", f"{what} is missing")
    return value


def read_applied(store: Getter) -> Height:
    """Height of the last executed block."""
    key = schema.META_APPLIED
    return Height(_needed(store, key, "applied height", lambda data: decode_number(key, data)))


def read_finalized(store: Getter) -> Height:
    """Height of the highest checkpoint certificate; 0, the genesis block, needs none."""
    key = schema.META_FINALIZED
    return Height(read_sealed(store, key, lambda data: decode_number(key, data)) or 0)


def read_state_from(store: Getter) -> Height:
    """Height from which on every state is stored; 0 where every block was executed."""
    key = schema.META_STATE_FROM
    return Height(read_sealed(store, key, lambda data: decode_number(key, data)) or 0)


def read_frontier(store: Getter) -> Frontier:
    """Right edge of the record log after the last executed block."""
    return _needed(store, schema.META_FRONTIER, "record log frontier", Frontier.decode)


def read_header(store: Getter, height: Height) -> Header:
    """Header of an executed block."""
    return _needed(store, schema.header(height), f"header {height}", Header.decode)


def read_tip(store: Getter) -> Header:
    """Header of the last executed block."""
    return read_header(store, read_applied(store))


def read_pruned_from(store: Getter) -> Height:
    """Height below which bodies of blocks may be missing; 0 where none is."""
    key = schema.META_PRUNED_FROM
    return Height(read_sealed(store, key, lambda data: decode_number(key, data)) or 0)


def read_swept_from(store: Getter) -> Height:
    """Height below which states were deleted; 0 where none was."""
    key = schema.META_SWEPT_FROM
    return Height(read_sealed(store, key, lambda data: decode_number(key, data)) or 0)


def _body(store: Getter, height: Height, key: bytes, decode: Callable[[bytes], T]) -> T:
    """A part of a block that pruning may have taken. Raises HistoryPruned, StoreDamaged."""
    value = read_sealed(store, key, decode)
    if value is None:
        lowest = read_pruned_from(store)
        if height < lowest:
            raise HistoryPruned(f"block {height}", lowest)
        raise StoreDamaged(f"key {key.hex()}", f"the body of block {height} is missing")
    return value


def read_batch(store: Getter, height: Height) -> Batch:
    """Batch of an executed block above the genesis block. Raises HistoryPruned, StoreDamaged."""
    return _body(store, height, schema.batch(height), Batch.decode)


def read_receipts(store: Getter, height: Height) -> tuple[tuple[int, Receipt], ...]:
    """Batch position and receipt of each transaction of a block above the genesis block.

    Raises HistoryPruned, StoreDamaged.
    """
    key = schema.receipts(height)
    return _body(store, height, key, lambda data: decode_receipts(key, data))


def read_checkpoint(store: Getter, height: Height) -> Certificate | None:
    """Checkpoint certificate of a block."""
    return read_sealed(store, schema.checkpoint(height), Certificate.decode)


def read_commit(store: Getter, height: Height) -> Certificate | None:
    """Commit certificate of a block's batch."""
    return read_sealed(store, schema.commit_certificate(height), Certificate.decode)


def read_sidecar(store: Getter, root: Digest) -> Sidecar | None:
    """A sidecar, whose entries may be erased."""
    return read_sealed(store, schema.sidecar(root), Sidecar.decode)


def read_anchor(store: Getter, position: int) -> Anchor | None:
    """The anchor at a position of the record log."""
    return read_sealed(store, schema.log_leaf(position), Anchor.decode)


def read_log_node(store: Getter, level: int, place: int) -> Digest:
    """A complete subtree of the record log."""
    key = schema.log_node(level, place)
    value = store.get(key)
    if value is None or len(value) != 32:
        raise StoreDamaged(f"key {key.hex()}", "a node of the record log is missing")
    return Digest(value)

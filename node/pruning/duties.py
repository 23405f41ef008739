"""What pruning must leave: the height below which nobody needs a block's body any more.

Rules: the lowest of all that hold: blocks to keep by number and by age, finality, what erasure and
accusations still have to read, and the oldest record that is disputed and not ruled on. Blocks in
which the alliance governed itself, made keys, opened cases or anchored logs are kept whatever their
age: what holds now was said there, and auditors read it there.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from bulwark.ledger.ids import Address, Height, RecordId
from bulwark.ledger.lifecycle import Operation
from bulwark.ledger.receipt import Receipt
from contracts.bindings import GOVERNANCE, MEMBER_REGISTRY
from contracts.evidence import EVIDENCE_REGISTRY
from contracts.policies import POLICY_REGISTRY
from contracts.privacy.bindings import KEY_CEREMONY, OPENINGS, PRIVACY_KEYS, QUERY_LOG
from node.erasure.book import ErasureBook
from node.guarded.accusationbook import FOLLOWED as ACCUSATIONS_FOLLOWED
from node.pruning.marks import read_number
from node.pruning.settings import PruningConfig
from node.storage import blocks, schema
from node.storage.port import KeyValueStore
from node.storage.seal import unseal
from node.storage.values import RecordPlace

DAY_MS: Final = 86_400_000
KEPT: Final = frozenset(
    Address(contract)
    for contract in (
        GOVERNANCE, MEMBER_REGISTRY, POLICY_REGISTRY, EVIDENCE_REGISTRY, PRIVACY_KEYS,
        KEY_CEREMONY, OPENINGS, QUERY_LOG,
    )
)  # fmt: skip
"""Contracts whose events keep their block."""
RULINGS: Final = frozenset((Operation.RULE, Operation.RETRACT, Operation.ERASE))
"""Operations that end a dispute."""


class Floor(Struct, frozen=True):
    """Up to where bodies may go, and what holds it there."""

    height: Height
    because: str


def is_kept(receipts: list[Receipt]) -> bool:
    """Whether a block stays whole for what its events say."""
    return any(log.address in KEPT for receipt in receipts for log in receipt.logs)


def body_floor(store: KeyValueStore, config: PruningConfig, now_ms: int) -> Floor:
    """Bodies below this height may go; 0 for an archive. Raises StoreDamaged."""
    if not config.keep_blocks:
        return Floor(Height(0), "keep_blocks is 0: this node is an archive")
    applied = blocks.read_applied(store)
    by_age = _first_younger(store, applied, now_ms - config.keep_days * DAY_MS)
    bounds = [
        (applied - config.keep_blocks + 1, f"the newest {config.keep_blocks} blocks stay"),
        (by_age, f"blocks of the last {config.keep_days} days stay"),
        (blocks.read_finalized(store), "what is not final stays"),
        (ErasureBook(store).followed + 1, "erasure has still to read it"),
        (read_number(store, ACCUSATIONS_FOLLOWED) + 1, "accusations have still to read it"),
    ]
    disputed = _oldest_disputed(store)
    if disputed is not None:
        bounds.append((disputed, "a record in it is disputed and not ruled on"))
    height, because = min(bounds)
    return Floor(Height(max(0, height)), because)


def state_floor(store: KeyValueStore, config: PruningConfig) -> Floor:
    """States below this height may go; 0 for an archive. Raises StoreDamaged."""
    if not config.keep_states:
        return Floor(Height(0), "keep_states is 0: this node keeps every state")
    applied, finalized = blocks.read_applied(store), blocks.read_finalized(store)
    height = min(applied - config.keep_states + 1, finalized)
    return Floor(Height(max(0, height)), f"the newest {config.keep_states} states stay")


def _first_younger(store: KeyValueStore, applied: Height, since_ms: int) -> int:
    """The first block with a time from `since_ms` on; times of blocks only rise."""
    low, high = 0, applied + 1
    while low < high:
        middle = (low + high) // 2
        if blocks.read_header(store, Height(middle)).timestamp_ms < since_ms:
            low = middle + 1
        else:
            high = middle
    return low


def _oldest_disputed(store: KeyValueStore) -> int | None:
    """Height of the oldest record with a dispute that nothing ended."""
    open_: dict[RecordId, None] = {}
    for key, stored in store.iterate(schema.FOLLOW_UPS):
        value = unseal(key, stored)
        subject, operation = RecordId(value[32:64]), value[64]
        if operation == Operation.DISPUTE:
            open_[subject] = None
        elif operation in RULINGS:
            open_.pop(subject, None)
    heights: list[int] = []
    for subject in open_:
        found = next(store.iterate(schema.record(subject)), None)
        if found is not None:
            heights.append(RecordPlace.decode(*found).height)
    return min(heights, default=None)

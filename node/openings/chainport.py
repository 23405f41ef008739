"""Between openings and the chain: which calls a block had, what a start has to catch up on.

Rules: a call is a successful transaction straight to the contract, which takes no others; a start
walks the event index from the last height that the case book noted, so it reads the blocks with
openings and no others. The state that a court's file is made of is that of the highest block with a
certificate.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from bulwark.ledger.header import Header
from bulwark.ledger.ids import Address, Height
from bulwark.ledger.proofs import SealedHeader
from bulwark.ledger.transaction import Transaction
from bulwark.ledger.votes import Certificate
from contracts.privacy.opening_events import EVENTS as SHAPES
from contracts.privacy.openings import OPENINGS
from node.chain.epochs import EpochBook
from node.chain.store import StoredBlock
from node.execution.patricia import NodeSource
from node.openings.casebook import Call, CaseBook
from node.openings.ledger import FinalState
from node.storage.port import KeyValueStore
from node.storage.schema import event


class Blocks(Protocol):
    """What this reads of the chain store."""

    @property
    def finalized(self) -> Height:
        """Height of the highest checkpoint certificate."""
        ...

    def block(self, height: Height) -> StoredBlock | None:
        """An executed block."""
        ...

    def certified_from(self, height: Height) -> tuple[Header, Certificate] | None:
        """The lowest certified block at or above a height."""
        ...


def calls_of(block: StoredBlock) -> list[Call]:
    """Calldata and logs of a block's successful transactions to the openings contract."""
    found: list[Call] = []
    for receipt, raw in zip(block.receipts, block.raw_transactions, strict=True):
        if not any(entry.address == OPENINGS for entry in receipt.logs):
            continue
        transaction = Transaction.decode(raw)
        if transaction.to == OPENINGS:
            found.append((transaction.data, receipt.logs))
    return found


def catch_up(book: CaseBook, chain: Blocks, store: KeyValueStore) -> int:
    """Show the book what blocks had since it was last written; how many events."""
    return sum(
        book.follow(height, calls_of(block)) for height, block in _blocks(book, chain, store)
    )


def _blocks(
    book: CaseBook, chain: Blocks, store: KeyValueStore
) -> Iterator[tuple[Height, StoredBlock]]:
    """Blocks from the book's height on that hold events of openings, ascending."""
    contract = Address(OPENINGS)
    heights: set[int] = set()
    for topic in SHAPES:
        start = event(contract, topic, book.followed)
        for key, _ in store.iterate(start[:-8], start=start):
            heights.add(int.from_bytes(key[-8:], "big"))
    for number in sorted(heights):
        block = chain.block(Height(number))
        if block is not None:
            yield Height(number), block


def final_state(chain: Blocks, epochs: EpochBook, source: NodeSource) -> FinalState | None:
    """The highest certified header with its state, None before the first."""
    found = chain.certified_from(chain.finalized)
    if found is None:
        return None
    header, certificate = found
    return FinalState(SealedHeader(header, certificate, epochs.changes(header.epoch)), source)

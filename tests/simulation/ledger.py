"""The toy ledger: executes batches, counts epochs, and follows governance transactions in them.

Rules as in production: a header commits to its parent, batch, epoch and the epoch's end; an epoch
ends at the smallest multiple of K that is at least h + L, h being the first block that changes the
validators; the set of the next epoch is what the registry says after that block. Validators are
always the nodes 0..m-1, so a validator's index is its node's number in every epoch.
"""

from __future__ import annotations

from dataclasses import dataclass

from bulwark.ledger.batch import Batch
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Digest, Height
from bulwark.ledger.votes import Certificate

GENESIS_HEADER = sha256(b"genesis header")
JOIN = b"tx gov join "
LEAVE = b"tx gov leave "
KEY = b"tx gov key "
MIN_VALIDATORS = 4


@dataclass(frozen=True, slots=True)
class Block:
    """One executed block as the toy executor makes it."""

    height: int
    batch: Batch
    header_hash: Digest
    commit: Certificate


@dataclass(frozen=True, slots=True)
class EpochSpan:
    """One epoch: who votes (the key generation of node i at position i) and above which height."""

    number: int
    start: int
    generations: tuple[int, ...]


def header_hash(
    parent: Digest, height: int, batch: Batch, epoch: int = 0, epoch_end: int = 0
) -> Digest:
    """What the toy executor makes of a block."""
    return sha256(b"%b%b%d %d %d" % (parent, batch.digest, height, epoch, epoch_end))


class Ledger:
    """Blocks of one node and what follows from them; a pure function of the blocks."""

    def __init__(
        self,
        generations: tuple[int, ...],
        interval: int,
        window: int,
        least: int = MIN_VALIDATORS,
    ) -> None:
        """`least` is the fewest validators that governance leaves."""
        self.blocks: list[Block] = []
        self.done: set[bytes] = set()
        """Executed transactions."""
        self.epochs = [EpochSpan(0, 0, generations)]
        self.epoch_end: int = 0
        """Last height of the newest epoch once it is known, else 0."""
        self._registry = list(generations)
        self._interval = interval
        self._window = window
        self._least = least

    @property
    def height(self) -> int:
        """Height of the last block."""
        return len(self.blocks)

    @property
    def tip(self) -> Digest:
        """Hash of the last header."""
        return self.blocks[-1].header_hash if self.blocks else GENESIS_HEADER

    def span_of(self, height: int) -> EpochSpan:
        """The epoch that orders `height`; it must be known."""
        for span in reversed(self.epochs):
            if height > span.start:
                return span
        return self.epochs[0]

    def end_of(self, span: EpochSpan) -> Height | None:
        """Last height of an epoch, None while no block decided it."""
        if span.number + 1 < len(self.epochs):
            return Height(self.epochs[span.number + 1].start)
        return Height(self.epoch_end) if self.epoch_end else None

    def execute(self, batch: Batch, commit: Certificate) -> Block:
        """The next block; nothing changes before `append`."""
        height = self.height + 1
        end = self.epoch_end or self._end_after(height, batch)
        hashed = header_hash(self.tip, height, batch, self.epochs[-1].number, end)
        return Block(height, batch, hashed, commit)

    def append(self, block: Block) -> None:
        """Make a block part of the chain."""
        if block.height != self.height + 1:
            raise AssertionError(f"block {block.height} written after {self.height}")
        if not self.epoch_end:
            self.epoch_end = self._end_after(block.height, block.batch)
        for transaction in block.batch.transactions:
            if transaction.startswith(b"tx gov ") and transaction not in self.done:
                self._govern(transaction)
            self.done.add(transaction)
        self.blocks.append(block)
        if block.height == self.epoch_end:
            number = self.epochs[-1].number + 1
            self.epochs.append(EpochSpan(number, block.height, tuple(self._registry)))
            self.epoch_end = 0

    def _end_after(self, height: int, batch: Batch) -> int:
        if not any(self._changes(tx) for tx in batch.transactions):
            return 0
        least = height + self._window
        return -(-least // self._interval) * self._interval

    def _changes(self, transaction: bytes) -> bool:
        """Whether it changes the registry as it stands (order inside a batch does not matter)."""
        return transaction.startswith(b"tx gov ") and transaction not in self.done

    def _govern(self, transaction: bytes) -> None:
        if transaction.startswith(JOIN):
            self._registry.append(0)
        elif transaction.startswith(LEAVE) and len(self._registry) > self._least:
            self._registry.pop()
        elif transaction.startswith(KEY):
            self._registry[int(transaction.split()[-1]) % len(self._registry)] += 1

    def copy(self) -> Ledger:
        """An independent copy."""
        other = Ledger(self.epochs[0].generations, self._interval, self._window, self._least)
        other.blocks, other.done = list(self.blocks), set(self.done)
        other.epochs, other.epoch_end = list(self.epochs), self.epoch_end
        other._registry = list(self._registry)
        return other

"""The follower: carries out what final blocks order, block by block, each once and over restarts.

Rules: recall before destruction, destruction before the duty to confirm, the duty in the write that
says that the block is done; so a node that is killed anywhere repeats a block and nothing doubles.
A leaf of an erased record that a later batch brings in full again is erased again. Only final
blocks count: what could still be undone destroys nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from bulwark.ledger.ids import Digest, Height, RecordId
from bulwark.ledger.record import Record
from node.chain.store import ChainStore, StoredBlock
from node.erasure.book import Duty, Erased, ErasureBook, Stage
from node.erasure.destroyer import Destroyer, Remains
from node.erasure.triggers import DESTROYED, RECALLED, Cause, Histories, Trigger, triggers_of
from node.logs import Log
from node.storage.durability import Durability
from node.storage.port import KeyValueStore

NOTE_BLOCKS: Final = 256
"""Blocks without orders after which it is noted that they are read."""

log = Log("erasure")


class Recalls(Protocol):
    """What finds this member's own past hits."""

    async def recall(self, triggers: Sequence[Trigger]) -> int:
        """Queue what this member's systems are to be told; how many messages. Not flushed."""
        ...

    async def withdrawn(self, block: StoredBlock) -> int:
        """The same for consents that a block ended."""
        ...


class ErasureFollower:
    """Orders of final blocks at one node."""

    def __init__(
        self,
        store: KeyValueStore,
        chain: ChainStore,
        book: ErasureBook,
        destroyer: Destroyer,
        durability: Durability,
        histories: Histories,
        recalls: Recalls,
        confirmed: Callable[[Digest], bool],
    ) -> None:
        """`confirmed`: whether the ledger has this member's confirmation of a batch."""
        self._store = store
        self._chain = chain
        self._book = book
        self._destroyer = destroyer
        self._durability = durability
        self._histories = histories
        self._recalls = recalls
        self._confirmed = confirmed
        self.followed = book.followed
        """Height up to which orders are carried out."""
        self._noted = self.followed
        due = book.scrub_due
        self.remains = Remains(gone=None if due else [])
        """What the scrubber looks for."""
        chain.erased.update(book.all_erased())

    async def follow(self) -> None:
        """Carry out what final blocks order. Raises StoreDamaged, StoreWriteFailed."""
        while self.followed < self._chain.finalized:
            height = Height(self.followed + 1)
            block = self._chain.block(height)
            if block is None:
                return
            if block.receipts:
                await self._block(block)
            self.followed = height
            if height - self._noted >= NOTE_BLOCKS:
                self._store.write(self._book.followed_puts(height), sync=False)
                self._noted = height
            await asyncio.sleep(0)

    async def _block(self, block: StoredBlock) -> None:
        triggers = await triggers_of(block, self._chain.sidecar, self._histories)
        again = self._brought_again(block)
        queued = await self._recalls.withdrawn(block)
        if triggers:
            queued += await self._recalls.recall(triggers)
        if not triggers and not again:
            return
        orders = {
            t.subject: Erased(t.order, t.root, t.height)
            for t in triggers
            if t.cause is Cause.ERASED
        }
        for record_id in again:
            known = self._book.erased(record_id)
            if known is not None:
                orders.setdefault(record_id, known)
        count = await self._destroyer.destroy(orders, self.remains)
        puts = self._book.followed_puts(block.header.height)
        for record_id, erased in orders.items():
            puts |= self._book.erased_puts(record_id, erased)
        for duty in self._duties(triggers):
            puts |= self._book.duty_puts(duty)
        self._store.write(puts, sync=False)
        self._noted = block.header.height
        self._chain.erased.update(orders)
        await self._durability.barrier()
        log.info(
            "orders carried out",
            height=block.header.height,
            orders=len(triggers),
            erased=count,
            recalls=queued,
        )

    def _brought_again(self, block: StoredBlock) -> list[RecordId]:
        """Erased records that a batch of this block holds in full."""
        found: list[RecordId] = []
        for anchor in block.anchors if self._chain.erased else ():
            sidecar = self._chain.sidecar(anchor.digest) if anchor.count else None
            if sidecar is not None and not self._chain.erased.isdisjoint(sidecar.leaves):
                found += [
                    entry.record_id
                    for entry in sidecar.entries
                    if isinstance(entry, Record) and entry.record_id in self._chain.erased
                ]
        return found

    def _duties(self, triggers: Sequence[Trigger]) -> list[Duty]:
        bits: dict[Digest, int] = {}
        for trigger in triggers:
            more = RECALLED | (DESTROYED if trigger.cause is Cause.ERASED else 0)
            bits[trigger.root] = bits.get(trigger.root, 0) | more
        height = triggers[0].height if triggers else Height(0)
        return [
            Duty(root, height, asked, Stage.SCRUBBING if asked & DESTROYED else Stage.READY)
            for root, asked in bits.items()
            if self._book.duty(root) is None and not self._confirmed(root)
        ]

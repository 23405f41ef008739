"""The destroyer: takes ordered records out of every place of this node that holds them.

Rules: the chain first (sidecar, tag index, caches), in one write a sidecar with the mark that files
are to be scrubbed; then what only this member keeps of them: the name under which it would find its
own report again, and the tag in its tag cache unless another record still has it. docs/erasure.md
lists every place. Carrying out an order twice changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from bulwark.ledger.ids import RecordId, Tag
from bulwark.ledger.record import Record
from node.chain.erasing import Eraser
from node.erasure.book import Erased, ErasureBook
from node.logs import Log
from node.reporting.outbox import Outbox
from node.storage.port import KeyValueStore
from node.storage.schema import records_by_tag

NEEDLE: Final = slice(6, 30)
"""Part of a random 32-byte value that is looked for in files: LevelDB leaves out the first bytes of
a key that it shares with the one before."""

log = Log("erasure")


class Tags(Protocol):
    """What this member keeps of tags it asked for."""

    async def forget(self, tags: Sequence[Tag]) -> int:
        """Drop these tags; how many entries went."""
        ...


@dataclass(slots=True)
class Remains:
    """What must not be found on the disk any more; in memory alone, it is what was erased."""

    records: int = 0
    gone: list[tuple[bytes, Tag]] | None = None
    """Salts and tags; None: a restart forgot what they were."""

    def add(self, gone: Sequence[Record]) -> None:
        """Records that went now."""
        self.records += len(gone)
        if self.gone is not None:
            self.gone += [(record.salt, record.tag) for record in gone]

    def needles(self, store: KeyValueStore) -> list[bytes]:
        """What no file may hold: every salt, and each tag that no record here has any more.

        A tag is the identifier's: whoever reports the same one again brings the same bytes, and
        those belong to a record that lives. Raises StoreDamaged.
        """
        gone = self.gone or ()
        found = [salt[NEEDLE] for salt, _ in gone]
        unused = {tag for _, tag in gone if is_unused(store, tag)}
        return found + [tag[NEEDLE] for tag in sorted(unused)]


def is_unused(store: KeyValueStore, tag: Tag) -> bool:
    """Whether no record in this store has the tag."""
    return next(iter(store.iterate(records_by_tag(tag))), None) is None


class Destroyer:
    """Destruction at one node."""

    def __init__(
        self,
        store: KeyValueStore,
        eraser: Eraser,
        book: ErasureBook,
        outbox: Outbox,
        tags: Tags,
    ) -> None:
        self._store = store
        self._eraser = eraser
        self._book = book
        self._outbox = outbox
        self._tags = tags
        self.erased = 0
        """Records erased since start."""

    async def destroy(self, orders: Mapping[RecordId, Erased], remains: Remains) -> int:
        """Erase records by their orders; how many were here in full. Not flushed.

        Raises StoreDamaged, StoreWriteFailed.
        """
        tags: set[Tag] = set()
        count = 0

        def also(gone: list[Record]) -> dict[bytes, bytes | None]:
            puts = self._book.scrub_puts()
            for record in gone:
                puts |= self._outbox.forget_puts(record)
                puts |= self._book.erased_puts(record.record_id, orders[record.record_id])
            return puts

        for group in self._eraser.groups(orders.keys()):
            gone = self._eraser.erase(group, also)
            remains.add(gone)
            tags |= {record.tag for record in gone}
            count += len(gone)
            await asyncio.sleep(0)
        await self._tags.forget([tag for tag in tags if is_unused(self._store, tag)])
        self.erased += count
        return count

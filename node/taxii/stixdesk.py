"""The STIX desk: documents in by way of the exchange, bundles of records out.

Rules: a bundle holds what it refers to: identities, markings, definitions; the same records give
the same bytes. Only what is final goes out, and red never. What was exported is remembered, so that
an opinion about it, when it comes back, is a dispute of the record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from bulwark.interop.stix import writing
from bulwark.ledger.ids import RecordId
from node.exchange.archive import Archive
from node.exchange.book import ExchangeBook
from node.exchange.port import ExchangeService, ExportWish, ImportReport, ImportWish, SourceView
from node.guarded.accessdesk import AccessDesk
from node.service import Busy, Caller
from node.storage.port import KeyValueStore
from node.taxii.rendering import Rendering

TURN: Final = 5
"""Records between two turns of the event loop."""
MAX_WAITING: Final = 4


class StixParts(Struct, frozen=True, kw_only=True):
    """What the desk works with."""

    exchange: ExchangeService
    archive: Archive
    rendering: Rendering
    book: ExchangeBook
    store: KeyValueStore
    access: AccessDesk


class StixDesk:
    """StixService of one node."""

    def __init__(self, parts: StixParts) -> None:
        self._parts = parts
        self._lock = asyncio.Lock()
        self._waiting = 0

    async def import_stix(self, wish: ImportWish, *, by: Caller) -> ImportReport:
        """See StixService."""
        return await self._parts.exchange.import_misp(wish, by=by)

    async def export_stix(self, wish: ExportWish, *, by: Caller) -> Mapping[str, Any]:
        """See StixService."""
        if self._waiting >= MAX_WAITING:
            raise Busy(f"{MAX_WAITING} exports wait already; try again later")
        await self._parts.access.disclosing(by, "stix export")
        self._waiting += 1
        try:
            async with self._lock:
                return await self._bundle(wish)
        finally:
            self._waiting -= 1

    async def _bundle(self, wish: ExportWish) -> Mapping[str, Any]:
        parts, rendering = self._parts, self._parts.rendering
        objects: list[Mapping[str, Any]] = []
        shown_as: dict[str, RecordId] = {}
        for number, outgoing in enumerate(await parts.archive.outgoing(wish), 1):
            record = RecordId(outgoing.record_id)
            shown = rendering.shown(record, own=wish.clear)
            if shown is not None:
                made = rendering.objects(shown)
                objects += made
                shown_as |= {one["id"]: record for one in made if one["type"] == "indicator"}
            if number % TURN == 0:
                await asyncio.sleep(0)
        puts = parts.book.shown_puts(shown_as)
        if puts:
            parts.store.write(puts, sync=False)
        return writing.bundle([*rendering.referred(objects), *map(dict, objects)])

    def source(self, name: str) -> SourceView:
        """See StixService."""
        return self._parts.exchange.source(name)

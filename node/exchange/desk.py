"""The exchange desk: MISP documents in, idempotent and item by item; events and feeds out.

Rules: one import at a time, a few may wait; conversions run on a thread. Records go the way of all
reports and follow-ups the way of all follow-ups, so access log, policies and lifecycle hold. An
entry of the book is written after its record is durable: whatever is cut off in between is found
again as a duplicate. Clear text is kept only where the operator and the import both say so, and
goes when its record is erased.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from msgspec import Struct

from bulwark.indicators.lifetime import DAY_MS
from bulwark.indicators.vocabulary import Kind
from bulwark.interop.carried import Carried, Fate, Item, Reason, Statement, counts
from bulwark.interop.misp.exporter import export
from bulwark.interop.misp.feed import feed_files
from bulwark.interop.misp.importer import convert
from bulwark.interop.misp.outgoing import Alliance
from bulwark.interop.misp.pss import PssInvalid, PssWish, pss_files
from bulwark.interop.misp.warninglists import Warninglist
from bulwark.interop.stix.reading import convert as convert_stix
from bulwark.interop.words import MISP_OUT
from bulwark.ledger.ids import RecordId
from bulwark.ledger.lifecycle import State
from bulwark.ledger.record import Record
from node.chain.records import RecordReader
from node.chain.standings import Standings
from node.chain.store import ChainStore
from node.disputes.port import DisputesService
from node.exchange.archive import Archive
from node.exchange.book import ExchangeBook, Puts
from node.exchange.carryout import CarryOut, Tally
from node.exchange.feedcache import FeedCache
from node.exchange.plan import Planner
from node.exchange.port import ExportWish, Form, ImportReport, ImportWish, SourceView
from node.exchange.settings import ExchangeConfig
from node.guarded.accessdesk import AccessDesk
from node.logs import Log
from node.reporting.outbox import Outbox
from node.service import Busy, Caller, Conflict, Forbidden, NodeService, NotFound
from node.storage.durability import Durability
from node.storage.port import KeyValueStore

MAX_WAITING: Final = 4
SWEEP_S: Final = 3_600.0
"""Pause between two looks for kept text whose record is gone."""
log = Log("exchange")


class ExchangeParts(Struct, frozen=True, kw_only=True):
    """What the desk works with."""

    service: NodeService
    disputes: DisputesService
    book: ExchangeBook
    archive: Archive
    records: RecordReader
    standings: Standings
    chain: ChainStore
    outbox: Outbox
    store: KeyValueStore
    durability: Durability
    access: AccessDesk
    alliance: Alliance
    config: ExchangeConfig
    lists: Sequence[Warninglist]
    now_ms: Callable[[], int]


class ExchangeDesk:
    """ExchangeService of one node."""

    def __init__(self, parts: ExchangeParts) -> None:
        self._parts = parts
        self._lock = asyncio.Lock()
        self._waiting = 0
        self._feed = FeedCache(self._files, lambda: parts.chain.finalized, parts.now_ms)

    async def import_misp(self, wish: ImportWish, *, by: Caller) -> ImportReport:
        """See ExchangeService."""
        parts = self._parts
        if wish.keep_clear and not parts.config.keep_clear_text:
            raise Forbidden("this node keeps no clear text: exchange.keep_clear_text is false")
        async with self._turn():
            now_ms = parts.now_ms()
            converter = convert_stix if wish.form is Form.STIX else convert
            carried = await asyncio.to_thread(
                converter, wish.document, wish.options, now_ms=now_ms, lists=parts.lists
            )
            planner = Planner(parts.book, self._on_ledger, wish.options.on_false_positive, now_ms)
            plan = planner.of(carried.statements)
            work = CarryOut(
                service=parts.service,
                disputes=parts.disputes,
                book=parts.book,
                store=parts.store,
                forget_puts=self._forget_puts,
                by=by,
                keep_clear=wish.keep_clear,
            )
            if wish.dry_run:
                work.foresee(plan)
            else:
                await work.do(plan)
                if wish.source:
                    parts.store.write(parts.book.cursor_puts(wish.source, wish.cursor), sync=False)
                await parts.durability.barrier()
        return _report(carried, work.verdicts, work.tally, dry_run=wish.dry_run)

    @property
    def is_idle(self) -> bool:
        """Whether no import is between its records and its entries in the book."""
        return not self._lock.locked()

    def _turn(self) -> _Turn:
        if self._waiting >= MAX_WAITING:
            raise Busy(f"{MAX_WAITING} imports and exports wait already; try again later")
        return _Turn(self)

    def _on_ledger(self, record: RecordId) -> bool:
        return self._parts.records.height_of(record) is not None

    def _forget_puts(self, record_id: RecordId) -> Puts:
        """The put that lets a record that ended be reported again."""
        parts = self._parts
        place = parts.chain.record_place(record_id)
        sidecar = None if place is None else parts.chain.sidecar(place.root)
        if place is None or sidecar is None:
            return {}
        entry = sidecar.entries[place.position]
        return parts.outbox.forget_puts(entry) if isinstance(entry, Record) else {}

    # Out

    async def export_misp(self, wish: ExportWish, *, by: Caller) -> Sequence[Mapping[str, Any]]:
        """See ExchangeService."""
        parts = self._parts
        await parts.access.disclosing(by, "misp export")
        async with self._turn():
            return await self._events(wish)

    async def _events(self, wish: ExportWish) -> list[dict[str, Any]]:
        parts = self._parts
        outgoing = await parts.archive.outgoing(wish)
        events = await asyncio.to_thread(export, outgoing, parts.alliance)
        shown: dict[str, RecordId] = {}
        for document in events:
            for attribute in document["Event"]["Attribute"]:
                name = str(attribute["Tag"][0]["name"])
                shown[attribute["uuid"]] = RecordId(bytes.fromhex(name.split('"')[1]))
        puts = parts.book.shown_puts(shown)
        if puts:
            parts.store.write(puts, sync=False)
        return events

    async def feed_file(self, name: str, *, by: Caller) -> bytes:
        """See ExchangeService."""
        parts = self._parts
        async with self._turn():
            found = await self._feed.file(name)
        if found is None:
            raise NotFound("the feed has no such file; manifest.json lists its events")
        await parts.access.disclosing(by, "misp feed")
        return found

    async def _files(self) -> Mapping[str, bytes]:
        """All files of the feed."""
        config = self._parts.config
        since_ms = self._parts.now_ms() - config.feed_days * DAY_MS
        wish = ExportWish(since_ms=max(0, since_ms), most=config.feed_records)
        events = await self._events(wish)
        return await asyncio.to_thread(feed_files, events)

    async def search_set(
        self, wish: PssWish, kinds: Sequence[str], *, by: Caller
    ) -> Mapping[str, bytes]:
        """See ExchangeService."""
        parts = self._parts
        await parts.access.disclosing(by, "misp private search set")
        async with self._turn():
            wanted = {Kind.parse(kind, "kinds") for kind in kinds} or set(Kind)
            values: list[tuple[str, str]] = []
            for number, kept in enumerate(parts.book.kept()):
                kind = Kind.parse(kept.row["kind"], "kind")
                if kind in wanted and self._stands(kept.record):
                    values.append((MISP_OUT[kind][0], str(kept.row["canonical"])))
                if number % 100 == 0:
                    await asyncio.sleep(0)
            if not values:
                raise Conflict("this node keeps no clear value of these kinds")
            try:
                now_s = parts.now_ms() // 1000
                return await asyncio.to_thread(pss_files, values, wish, now_s)
            except PssInvalid as error:
                raise Conflict(str(error)) from error

    def _stands(self, record: RecordId) -> bool:
        found = self._parts.records.by_id(record)
        standing = None if found is None else self._parts.standings.shown(found)
        return standing is not None and standing.counts

    # Housekeeping

    def source(self, name: str) -> SourceView:
        """See ExchangeService."""
        return SourceView(name, self._parts.book.cursor(name))

    async def forget(self, *, by: Caller) -> int:
        """See ExchangeService."""
        await self._parts.access.following(by, "forget kept text")
        return await self._forget(lambda record: True)

    async def sweep(self) -> int:
        """Forget kept text whose record is erased; how many records it was."""
        return await self._forget(self._is_erased)

    def _is_erased(self, record: RecordId) -> bool:
        found = self._parts.records.by_id(record)
        if found is None:
            return False
        standing = self._parts.standings.shown(found)
        return found.payload is None or (standing is not None and standing.state is State.ERASED)

    async def _forget(self, wanted: Callable[[RecordId], bool]) -> int:
        parts, gone = self._parts, 0
        for number, record in enumerate(sorted(parts.book.kept_records())):
            if wanted(record):
                parts.store.write(parts.book.forgetting(record), sync=False)
                gone += 1
            if number % 50 == 0:
                await asyncio.sleep(0)
        if gone:
            await parts.durability.barrier()
            log.info("kept clear text is forgotten", records=gone)
        return gone

    async def run(self) -> None:
        """Forget what was erased, for ever."""
        while True:
            await self.sweep()
            await asyncio.sleep(SWEEP_S)


class _Turn:
    """One import or export at a time, a few waiting."""

    def __init__(self, desk: ExchangeDesk) -> None:
        self._desk = desk

    async def __aenter__(self) -> None:
        self._desk._waiting += 1
        try:
            await self._desk._lock.acquire()
        finally:
            self._desk._waiting -= 1

    async def __aexit__(self, *_: object) -> None:
        self._desk._lock.release()


def _report(
    carried: Carried,
    verdicts: Sequence[tuple[Statement, Any]],
    tally: Tally,
    *,
    dry_run: bool,
) -> ImportReport:
    """Items of the conversion with what became of their statements."""
    by_place: dict[str, list[tuple[Statement, Any]]] = {}
    for statement, verdict in verdicts:
        by_place.setdefault(statement.where, []).append((statement, verdict))
    items: list[Item] = []
    for item in carried.items:
        judged = by_place.pop(item.where, None) if item.fate is Fate.TAKEN else None
        if judged is None or item.what == "event" or item.what.startswith("object"):
            items.append(item)
            if judged is not None:
                by_place[item.where] = judged
            continue
        outcomes = Counter((v.fate, v.reason, v.detail) for _, v in judged)
        for (fate, reason, detail), _count in outcomes.items():
            is_plain = fate is Fate.TAKEN and reason in (Reason.STATED, Reason.DUPLICATE)
            keeps = is_plain and reason.value == item.reason
            told = item.detail if is_plain else detail
            items.append(
                item if keeps else replace(item, fate=fate, reason=reason.value, detail=told)
            )
    return ImportReport(
        items=tuple(items),
        statements=len(carried.statements),
        new=tally.new,
        known=tally.known,
        replaced=tally.replaced,
        ended=tally.ended,
        disputed=tally.disputed,
        kept=tally.kept,
        dry_run=dry_run,
        counts=counts(items),
    )

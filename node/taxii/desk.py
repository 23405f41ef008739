"""The TAXII desk: collections of records made of the ledger, and an inbox that is an import.

Rules: pages go by date added and never past a bound on entries looked at; what a page shows is made
at that moment. Only the newest version of a record's object exists. What is written to the inbox
goes the way of every import; its report is the status, and what was refused is not kept. Clear text
is for those who may screen and report; auditors read tokens.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from msgspec import Struct

from bulwark.interop.carried import Fate, Item
from bulwark.interop.misp.options import ImportOptions
from bulwark.interop.stix.document import DocumentRefused, kind_of, read_json
from bulwark.ledger.ids import RecordId
from bulwark.privacy.group import RandomBytes
from node.exchange.book import ExchangeBook
from node.exchange.port import ExchangeService, Form, ImportWish
from node.guarded.accessdesk import AccessDesk
from node.service import Caller, Forbidden, NotFound, Role
from node.storage.durability import Durability
from node.storage.port import KeyValueStore
from node.taxii.inbox import Inbox
from node.taxii.journal import Added, Journal
from node.taxii.journal import Role as Shows
from node.taxii.port import (
    Collection,
    CollectionView,
    Dated,
    Filter,
    Page,
    Status,
    StatusEntry,
    timestamp,
    version_of,
)
from node.taxii.rendering import Rendering
from node.taxii.settings import TaxiiConfig

SCANNED: Final = 20_000
"""Entries that one page looks at, at most; then it ends early and says that there is more."""
SWEEP_S: Final = 3_600.0
"""Pause between two looks for objects whose record is erased."""
TURN: Final = 5
"""Objects between two turns of the event loop."""
_READERS: Final = {
    Collection.RECORDS: frozenset({Role.REPORTER, Role.ANALYST, Role.AUDITOR}),
    Collection.OWN: frozenset({Role.REPORTER, Role.ANALYST}),
    Collection.INBOX: frozenset({Role.REPORTER, Role.ANALYST}),
}
_WRITERS: Final = {Collection.INBOX: frozenset({Role.REPORTER})}
_TITLES: Final = {
    Collection.RECORDS: (
        "Records of the alliance",
        "Every record that is not red, as a token made under a key of this member",
    ),
    Collection.OWN: (
        "Own records",
        "What this member reported, in clear where it keeps the value",
    ),
    Collection.INBOX: (
        "Inbox",
        "What is added here is reported to the alliance as far as it can be carried",
    ),
}


class TaxiiParts(Struct, frozen=True, kw_only=True):
    """What the desk works with."""

    journal: Journal
    rendering: Rendering
    inbox: Inbox
    exchange: ExchangeService
    book: ExchangeBook
    store: KeyValueStore
    access: AccessDesk
    durability: Durability
    config: TaxiiConfig
    options: ImportOptions
    keep_clear: bool
    keeps: bool
    """Whether objects of the inbox are kept; else it takes them in and forgets them."""
    namespace: uuid.UUID
    """Of the collections' ids."""
    random_bytes: RandomBytes
    now_ms: Callable[[], int]


class TaxiiDesk:
    """TaxiiService of one node."""

    def __init__(self, parts: TaxiiParts) -> None:
        self._parts = parts

    @property
    def title(self) -> str:
        """See TaxiiService."""
        return self._parts.config.title

    @property
    def contact(self) -> str:
        """See TaxiiService."""
        return self._parts.config.contact

    def collections(self, by: Caller) -> Sequence[CollectionView]:
        """See TaxiiService."""
        return [
            CollectionView(
                id=str(uuid.uuid5(self._parts.namespace, each.value)),
                alias=each,
                title=_TITLES[each][0],
                description=_TITLES[each][1],
                can_read=by.role in _READERS[each] and self._is_kept(each),
                can_write=by.role in _WRITERS.get(each, ()),
            )
            for each in Collection
        ]

    async def page(self, collection: Collection, wanted: Filter, *, by: Caller) -> Page:
        """See TaxiiService."""
        self._check(by, _READERS[collection], f"read {collection.value}")
        if not self._is_kept(collection):
            raise Forbidden("this node keeps no clear text, so its inbox is only written to")
        if collection is Collection.INBOX:
            page = await self._inbox_page(wanted)
        else:
            await self._parts.journal.catch_up()
            page = await self._ledger_page(collection, wanted)
        if page.objects:
            await self._parts.access.disclosing(by, f"taxii {collection.value}")
        return page

    def _is_kept(self, collection: Collection) -> bool:
        return self._parts.keeps or collection is not Collection.INBOX

    async def versions(self, collection: Collection, wanted: Filter, *, by: Caller) -> Page:
        """See TaxiiService."""
        every = Filter(
            added_after=wanted.added_after,
            limit=wanted.limit,
            next=wanted.next,
            ids=wanted.ids,
            versions=frozenset({"all"}),
            spec_versions=wanted.spec_versions,
        )
        return await self.page(collection, every, by=by)

    async def delete(self, collection: Collection, wanted: Filter, *, by: Caller) -> None:
        """See TaxiiService."""
        self._check(by, _WRITERS.get(collection, frozenset()), f"delete in {collection.value}")
        found = [dated for name in wanted.ids or () for dated in self._versions_of(name, wanted)]
        if not found:
            raise NotFound("the inbox has no such object or version")
        await self._parts.access.following(by, "taxii delete")
        for dated in found:
            self._parts.inbox.remove(dated)
        await self._parts.durability.barrier()

    # Reading

    async def _ledger_page(self, collection: Collection, wanted: Filter) -> Page:
        limit = self._limit(wanted)
        found: list[Dated] = []
        shown: dict[str, RecordId] = {}
        last = 0
        entries = self._entries(collection, wanted)
        for number, added in enumerate(entries, 1):
            if number > SCANNED:
                return self._done(found, last, shown)
            if number % TURN == 0:
                await asyncio.sleep(0)
            dated = None if _is_other(added, wanted) else self._dated(added, collection)
            if dated is not None and _fits(dated, wanted):
                if len(found) == limit:
                    return self._done(found, found[-1].added, shown)
                found.append(dated)
                if added.role is Shows.INDICATOR:
                    shown[str(dated.object["id"])] = RecordId(added.record)
            last = added.date
        return self._done(found, None, shown)

    def _entries(self, collection: Collection, wanted: Filter) -> Iterator[Added]:
        """The entries to look at; objects that are asked for by id are not searched for."""
        journal, after = self._parts.journal, _after(wanted)
        if wanted.ids is None:
            return journal.entries(collection, after)
        known = [journal.find(collection, name) for name in wanted.ids]
        found = [entry for entry in known if entry is not None and entry.date > after]
        if any(name.partition("--")[0] not in _NAMED for name in wanted.ids):
            of_values = (Shows.OBSERVABLE, Shows.RELATION)
            found += [e for e in journal.entries(collection, after) if e.role in of_values]
        return iter(sorted(found, key=lambda entry: entry.date))

    def _done(self, found: list[Dated], more: int | None, shown: dict[str, RecordId]) -> Page:
        """A page; what it shows is remembered, so that an opinion about it is understood."""
        puts = self._parts.book.shown_puts(shown)
        if puts:
            self._parts.store.write(puts, sync=False)
        return Page(tuple(found), more is not None, more)

    def _dated(self, added: Added, collection: Collection) -> Dated | None:
        made = self._parts.rendering.of(added, collection)
        if made is None:
            return None
        return Dated(added.date, made, version_of(made) or timestamp(added.date))

    async def _inbox_page(self, wanted: Filter) -> Page:
        limit = self._limit(wanted)
        found: list[Dated] = []
        last = 0
        after = _after(wanted)
        listed: Iterator[Dated] = self._parts.inbox.objects(after)
        if wanted.ids is not None:
            known = [each for name in wanted.ids for each in self._parts.inbox.of(name)]
            listed = iter(sorted((e for e in known if e.added > after), key=lambda e: e.added))
        for number, dated in enumerate(listed, 1):
            if number > SCANNED:
                return Page(tuple(found), True, last)
            if number % TURN == 0:
                await asyncio.sleep(0)
            if _fits(dated, wanted, with_version=False) and self._is_version(dated, wanted):
                if len(found) == limit:
                    return Page(tuple(found), True, found[-1].added)
                found.append(dated)
            last = dated.added
        return Page(tuple(found), False)

    def _is_version(self, dated: Dated, wanted: Filter) -> bool:
        """Whether `match[version]` asks for this version; the last is meant where it is not."""
        words = wanted.versions or frozenset({"last"})
        if "all" in words or dated.version in words:
            return True
        every = [one.version for one in self._parts.inbox.of(str(dated.object["id"]))]
        is_last = "last" in words and dated.version == max(every, default="")
        return is_last or ("first" in words and dated.version == min(every, default=""))

    def _versions_of(self, name: str, wanted: Filter) -> list[Dated]:
        if wanted.versions is None:
            return self._parts.inbox.of(name)
        return [each for each in self._parts.inbox.of(name) if self._is_version(each, wanted)]

    def _limit(self, wanted: Filter) -> int:
        most = self._parts.config.page_objects
        return most if wanted.limit is None else min(wanted.limit, most)

    # Writing

    async def add(self, collection: Collection, raw: bytes, *, by: Caller) -> Status:
        """See TaxiiService."""
        self._check(by, _WRITERS.get(collection, frozenset()), f"write to {collection.value}")
        parts = self._parts
        envelope = await asyncio.to_thread(read_json, raw)
        if not isinstance(envelope, dict) or envelope.keys() - {"objects", "more", "next"}:
            raise DocumentRefused("", kind_of(envelope), "an envelope with objects")
        objects = envelope.get("objects", [])
        if not isinstance(objects, list):
            raise DocumentRefused("/objects", kind_of(objects), "a list of objects")
        parts.inbox.sweep(parts.now_ms() * 1000)
        wish = ImportWish(
            document=raw, form=Form.STIX, options=parts.options, keep_clear=parts.keep_clear
        )
        report = await parts.exchange.import_misp(wish, by=by)
        status = self._status(objects, report.items)
        parts.inbox.keep_status(status)
        await parts.durability.barrier()
        return status

    def _status(self, objects: list[Any], items: Sequence[Item]) -> Status:
        by_object: dict[str, list[Item]] = {}
        for item in items:
            by_object.setdefault("/".join(item.where.split("/")[:3]), []).append(item)
        successes: list[StatusEntry] = []
        failures: list[StatusEntry] = []
        for at, document in enumerate(objects):
            told = by_object.get(f"/objects/{at}", [])
            is_refused = not any(item.fate is not Fate.REFUSED for item in told)
            message = "; ".join(_told(item) for item in told)[:1_000]
            if self._parts.keeps and not is_refused and not self._parts.inbox.has(document):
                if self._parts.inbox.is_full:
                    is_refused, message = True, f"the inbox is full, nothing is kept; {message}"
                else:
                    self._parts.inbox.keep(document)
            known = document if isinstance(document, dict) else {}
            name = known.get("id") if isinstance(known.get("id"), str) else f"object {at}"
            entry = StatusEntry(str(name)[:128], _version(known), message)
            (failures if is_refused else successes).append(entry)
        status_id = str(uuid.UUID(bytes=self._parts.random_bytes(16), version=4))
        requested = self._parts.now_ms() * 1000
        return Status(status_id, requested, tuple(successes), tuple(failures), tuple(items))

    async def status(self, status_id: str, *, by: Caller) -> Status:
        """See TaxiiService."""
        found = self._parts.inbox.status(status_id)
        if found is None:
            raise NotFound("this server knows no such status, or no longer")
        return found

    async def sweep(self) -> int:
        """Forget objects of the inbox that stated a record which is erased; how many it was."""
        parts, gone, after = self._parts, 0, -1
        while some := list(islice(parts.inbox.objects(after), TURN)):
            after = some[-1].added
            for dated in some:
                entries = parts.book.parts(str(dated.object["id"]))
                records = [RecordId(bytes.fromhex(entry.record)) for entry in entries]
                if any(parts.rendering.is_erased(record) for record in records):
                    parts.inbox.remove(dated)
                    gone += 1
            await asyncio.sleep(0)
        parts.inbox.sweep(parts.now_ms() * 1000)
        if gone:
            await parts.durability.barrier()
        return gone

    async def run(self) -> None:
        """Forget what was erased or is too old, for ever."""
        while True:
            await self.sweep()
            await asyncio.sleep(SWEEP_S)

    def _check(self, by: Caller, roles: frozenset[Role], what: str) -> None:
        if by.role not in roles:
            able = ", ".join(sorted(role.value for role in roles)) or "none"
            raise Forbidden(f"the role {by.role.value} may not {what}; roles that may: {able}")


def _version(document: Mapping[str, Any]) -> str:
    given = version_of(document)
    return given[:64] or "1970-01-01T00:00:00.000000Z"


def _told(item: Item) -> str:
    detail = f": {item.detail}" if item.detail else ""
    return f"{item.fate.value}: {item.reason}{detail}"


def _after(wanted: Filter) -> int:
    return max(wanted.added_after, -1 if wanted.next is None else wanted.next)


_OF_TYPE: Final = {
    Shows.INDICATOR: frozenset({"indicator"}),
    Shows.RELATION: frozenset({"relationship"}),
    Shows.SIGHTING: frozenset({"sighting"}),
    Shows.OPINION: frozenset({"opinion"}),
    Shows.IDENTITY: frozenset({"identity"}),
}


_NAMED: Final = frozenset({"indicator", "sighting", "opinion", "identity", "marking-definition",
                           "extension-definition"})  # fmt: skip
"""Types whose ids the journal knows."""


def _is_other(added: Added, wanted: Filter) -> bool:
    """Whether an entry is surely not asked for, before anything is read for it."""
    types = _OF_TYPE.get(added.role)
    return wanted.types is not None and types is not None and not types & wanted.types


def _fits(dated: Dated, wanted: Filter, *, with_version: bool = True) -> bool:
    document = dated.object
    if wanted.ids is not None and document["id"] not in wanted.ids:
        return False
    if wanted.types is not None and document["type"] not in wanted.types:
        return False
    spec = str(document.get("spec_version", "2.1"))
    if wanted.spec_versions is not None and spec not in wanted.spec_versions:
        return False
    words = wanted.versions
    if words is None or not with_version or words & {"first", "last", "all"}:
        return True
    return dated.version in words

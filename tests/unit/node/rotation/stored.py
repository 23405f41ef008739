"""Something of all that a node stores under its vault and index key, written and read back."""

from __future__ import annotations

import itertools
import os

from bulwark.ledger.accesslog import AccessKind
from bulwark.ledger.ids import Digest, Height, MemberId, RecordId, Tag
from node.consents.vault import StoredConsent, Vault, Version
from node.disputes.casebook import Case, Casebook
from node.exchange.book import Entry, ExchangeBook
from node.guarded.accesslog import AccessLog
from node.guarded.atrest import AtRest
from node.interaction.shelf import NO_VALUE, SORTS, Shelf
from node.push.eventlog import Draft, EventLog
from node.push.port import EventType
from node.push.questions import Noted, QuestionBook
from node.push.subscriptions import Secret, State, Subscription, SubscriptionBook
from node.recall.hits import HitLog
from node.recall.queue import RecallQueue
from node.reporting.idempotency import IdempotencyStore
from node.service import Caller, Idempotency, RecordView, Role, Stage
from node.storage.durability import Durability
from node.storage.port import KeyValueStore
from node.tagging.cache import TagCache
from node.tagging.shelf import TagShelf
from node.taxii.inbox import Inbox, InboxParts
from node.taxii.port import Status

ASKER = Caller("desk-key", Role.ANALYST)
NOW_MS = 1_795_000_000_000
UUIDS = ("5f0d8b1e-3c1b-4b52-9a0f-6d3b0d4f9a", "status")


def draft(mark: bytes) -> Draft:
    return Draft(EventType.RECALL, mark, NOW_MS, 7, {"case_ref": "CASE"})


class Stored:
    """The classes that keep things, over one store and under one pair of keys."""

    def __init__(self, store: KeyValueStore, vault: bytes, index: bytes) -> None:
        self.store, self.durability = store, Durability(store)

        def at_rest(use: bytes) -> AtRest:
            return AtRest(vault, use, os.urandom)

        def wall() -> int:
            return NOW_MS

        self.vault = Vault(store, vault, os.urandom)
        self.casebook = Casebook(store, vault, os.urandom)
        self.shelves = [Shelf(store, sort, vault, os.urandom) for sort in SORTS]
        self.exchange = ExchangeBook(store, vault, os.urandom)
        dates = itertools.count(NOW_MS * 1000 + sum(1 for _ in store.iterate(b"T")))
        self.inbox = Inbox(
            InboxParts(
                store=store, vault_key=vault, random_bytes=os.urandom,
                new_date=lambda: next(dates), days=30, most=100,
            )
        )  # fmt: skip
        self.access = AccessLog(store, at_rest(b"access-log"), bytes(32), bytes(32))
        durability = self.durability
        self.hits = HitLog(store, at_rest(b"own-hits"), index, durability, wall, 100)
        self.recalls = RecallQueue(store, at_rest(b"recalls"), index)
        self.idempotency = IdempotencyStore(store, index)
        self.tags = TagCache(index, 900, TagShelf(store, at_rest(b"tag-cache"), 900))
        self.events = EventLog(store, at_rest(b"push-events"), index, durability, wall, os.urandom)
        self.questions = QuestionBook(store, at_rest(b"own-questions"), index, wall, 100)
        self.webhooks = SubscriptionBook(store, at_rest(b"push-webhooks"))

    def close(self) -> None:
        self.durability.close()

    def write(self, number: int) -> None:
        """Something of each sort; `number` (1 to 255) tells what was written by it."""
        mark, store = bytes([number]) * 32, self.store
        person = self.vault.person("subject", f"person {number}")
        consent = StoredConsent(mark.hex(), (Digest(mark),), (person,))
        receipt = Version(1, {"who": number}, mark)
        store.write(self.vault.put_version(consent, receipt), sync=True)
        case = Case(_code(number), RecordId(mark), RecordId(mark))
        store.write(self.casebook.puts(case), sync=True)
        for shelf in self.shelves:
            names = {
                shelf.name("code", str(number)): NO_VALUE,
                shelf.name("email", str(number)): shelf.name("customer", str(number)),
            }
            store.write(shelf.puts(mark[:16], {"number": number}, number, names), sync=True)
        record = mark.hex()
        entry = Entry(ref=f"ref {number}", part=0, record=record, version="1", says="", about="")
        store.write(self.exchange.puts(entry), sync=True)
        store.write(self.exchange.cursor_puts(f"source {number}", str(number)), sync=True)
        store.write(self.exchange.shown_puts({f"uuid {number}": RecordId(mark)}), sync=True)
        self.inbox.keep(_object(number))
        self.inbox.keep_status(Status(_status(number), number, (), ()))
        self.access.record(
            who="desk", role="analyst", purpose="fraud_prevention", lawful_basis="contract",
            case_ref=str(number), kind=AccessKind.SCREENING, count=1, now_ms=NOW_MS,
        )  # fmt: skip
        view = RecordView(
            RecordId(mark),
            MemberId("alpha"),
            Height(1),
            1,
            {"consent_anchor": None},
            Stage.EXECUTED,
        )
        store.write(self.hits.entry("desk", str(number), [view], NOW_MS), sync=True)
        self.recalls.add(mark, "consent", NOW_MS, 1, [], has_webhook=False)
        wish = Idempotency(f"key {number}", Digest(mark))
        store.write(self.idempotency.entry(wish, [mark], NOW_MS), sync=True)
        self.tags.put(self.tags.name(mark), Tag(mark))
        self.events.add([draft(mark)])
        self.questions.note([Noted(Tag(mark), "desk", str(number), "high", Height(number))])
        self.webhooks.put(
            Subscription(
                mark[:8].hex(), "https://hooks.example/x", (), "", State.ACTIVE, "", NOW_MS,
                "admin", (Secret(str(number)),),
            )
        )  # fmt: skip

    def check(self, number: int) -> None:
        """What `write(number)` wrote is found by every way there is."""
        mark = bytes([number]) * 32
        person = self.vault.person("subject", f"person {number}")
        assert self.vault.of_person(person) == [mark.hex()]
        consent = self.vault.find(mark.hex())
        assert consent is not None and self.vault.version(consent).receipt["who"] == number
        assert set(self.vault.erasure(consent, NOW_MS)) >= {
            key for key, _ in self.store.iterate(b"wp") if key.endswith(mark)
        }, "an erasure takes the names as well"
        case = self.casebook.find(_code(number))
        assert case is not None and self.casebook.of_dispute(RecordId(mark)) == case
        for shelf in self.shelves:
            code, value = shelf.name("code", str(number)), shelf.name("email", str(number))
            assert shelf.named(code) == [(mark[:16], NO_VALUE)]
            assert [each for each, _ in shelf.named(value)] == [mark[:16]]
            assert shelf.get(mark[:16]) == {"number": number}
        found = self.exchange.find(f"ref {number}", 0)
        assert found is not None and self.exchange.cursor(f"source {number}") == str(number)
        assert self.exchange.shown(f"uuid {number}") == RecordId(mark)
        assert self.inbox.has(_object(number)) and self.inbox.status(_status(number)) is not None
        assert [one.object for one in self.inbox.of(_object(number)["id"])] == [_object(number)]
        assert str(number) in [entry.case_ref for entry in self.access.page()]
        assert [q.case_ref for q in self.hits.questions(mark, 9)] == [str(number)]
        recall = self.recalls.find(mark, "consent")
        assert recall is not None and recall.record_id == mark
        assert self.idempotency.find(Idempotency(f"key {number}", Digest(mark))) == (mark,)
        assert self.tags.get(self.tags.name(mark)) == mark
        event = self.events.number_of(draft(mark))
        assert event is not None and self.events.get(event) is not None
        assert [asked.case_ref for _, asked in self.questions.find(Tag(mark))] == [str(number)]
        assert any(s.secrets[0].text == str(number) for s, _ in self.webhooks.all())

    def tell_twice(self, number: int) -> None:
        """What was told before is known for such."""
        mark = bytes([number]) * 32
        assert self.events.add([draft(mark)]) == 0
        assert self.recalls.add(mark, "consent", NOW_MS, 1, [], has_webhook=False) is None
        last = self.questions.last
        self.questions.note([Noted(Tag(mark), "desk", str(number), "high", Height(number))])
        assert len(self.questions.find(Tag(mark))) == 1 and self.questions.last == last + 1


def _code(number: int) -> str:
    return f"ABCD-EFGH-JKMN-{number:04d}"


def _object(number: int) -> dict[str, str]:
    name = f"indicator--5f0d8b1e-3c1b-4b52-9a0f-{number:012d}"
    return {"type": "indicator", "id": name, "modified": "2026-11-01T10:00:00.000Z"}


def _status(number: int) -> str:
    return f"5f0d8b1e-3c1b-4b52-9a0f-{number:012d}"

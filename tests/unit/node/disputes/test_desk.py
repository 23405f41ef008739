"""The dispute desk: refused before it is sent, durable once, and silent about persons."""

from __future__ import annotations

import asyncio
import os
import random
from types import SimpleNamespace
from typing import cast

import pytest
from msgspec.structs import replace

from bulwark.indicators.vocabulary import ObjectRole, Tlp
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Digest, Height, MemberId, RecordId
from bulwark.ledger.lifecycle import DISPUTE_DUE_MS, Operation, Ruling
from bulwark.ledger.record import Record
from bulwark.ledger.sidecar import Sidecar
from node.disputes.casebook import Case, Casebook
from node.disputes.desk import DeskParts, DisputeDesk
from node.disputes.inbox import Inbox
from node.disputes.port import FollowUpOutcome, Whose, Wish
from node.gossip import Parcel
from node.guarded.accessdesk import AccessDesk
from node.reporting.anchorer import Anchorer
from node.reporting.idempotency import IdempotencyStore
from node.reporting.outbox import Outbox
from node.reporting.recordviews import RecordViews
from node.reporting.tracker import StageTracker
from node.service import Caller, Forbidden, Idempotency, NotFound, Role, RuleRefused, Stage
from node.storage.durability import Durability
from node.storage.errors import StoreDamaged
from node.storage.memory import MemoryStore
from tests.unit.node.chain.lifecycle_world import TAG, World, follow_up, statement
from tests.unit.node.driver.cluster import until
from tests.unit.node.execution.alliance import ACCOUNTS, CHAIN_ID, NAMES, Node

ALPHA, BRAVO, CHARLIE, REGULATOR = range(4)
BY = Caller("desk-7", Role.REPORTER)
VAULT_KEY, INDEX_KEY = b"v" * 32, b"i" * 32


class Office:
    """One member's desk over a chain of its own; others' work goes straight into blocks."""

    def __init__(self, member: int, store: MemoryStore | None = None) -> None:
        self.store = MemoryStore() if store is None else store
        self.world = World(Node(self.store))
        self.node = self.world.node
        self.member = member
        self.sent: list[Parcel] = []
        self.noted: list[tuple[str, str]] = []
        self.may = True
        self.tracker = StageTracker()
        self.anchorer = Anchorer(
            ACCOUNTS[member],
            CHAIN_ID,
            Outbox(self.store),
            self.tracker,
            next_nonce=self.node.executor.nonce,
            submit=self.sent.append,
        )
        self.casebook = Casebook(self.store, VAULT_KEY, os.urandom)
        name = MemberId(NAMES[member])
        self.inbox = Inbox(self.node.records, self.node.standings, self.casebook, name)
        self.desk = DisputeDesk(
            DeskParts(
                chain=self.node.chain,
                records=self.node.records,
                standings=self.node.standings,
                views=RecordViews(self.node.chain, self.node.records, self.node.standings, name),
                casebook=self.casebook,
                inbox=self.inbox,
                access=cast(AccessDesk, SimpleNamespace(following=self._note)),
                anchorer=self.anchorer,
                tracker=self.tracker,
                idempotency=IdempotencyStore(self.store, INDEX_KEY),
                durability=Durability(self.store),
                member=name,
                may_anchor=lambda: self.may,
                place_of=lambda transaction: (Stage.ACCEPTED, None),
                now_ms=lambda: 0,
                random_bytes=random.Random(member).randbytes,
                wait_timeout_ms=10_000,
            )
        )

    async def _note(self, by: Caller, case_ref: str) -> None:
        self.noted.append((by.key_id, case_ref))

    def reported(self, member: int = ALPHA) -> Record:
        record = statement(self.world.number(), ObjectRole.MULE)
        self.world.say(member, record)
        return record

    async def do(
        self, operation: Operation, record: Record, reason: int = 0, *, key: str = "", **more: bool
    ) -> FollowUpOutcome:
        wish = Wish(record.record_id, operation, reason, case_ref="case 7", **more)
        promise = Idempotency(key, Digest(sha256(key.encode()))) if key else None
        async with asyncio.timeout(10):
            return await self.desk.follow(wish, by=BY, wait=Stage.ACCEPTED, idempotency=promise)

    async def refused(self, operation: Operation, record: Record, reason: int = 0) -> str:
        with pytest.raises(RuleRefused) as caught:
            await self.do(operation, record, reason)
        return caught.value.rule

    def mine(self) -> None:
        """What this member sent, in one block."""
        parcels, self.sent[:] = list(self.sent), []
        sidecars = [parcel.sidecar for parcel in parcels if parcel.sidecar is not None]
        self.world.now_ms += 1
        block = self.node.block(
            *(p.transaction for p in parcels), sidecars=sidecars, at_ms=self.world.now_ms
        )
        height = block.header.height
        self.tracker.executed(block.results, height)
        self.anchorer.executed(block.transactions, block.results, height)
        self.anchorer.finalized(height)

    def restarted(self) -> Office:
        return Office(self.member, self.store.crash())


async def test_what_the_table_refuses_is_never_sent() -> None:
    office = Office(BRAVO)
    record = office.reported()
    for operation, reason, rule in (
        (Operation.RULE, Ruling.UPHELD, "lifecycle.rule.no_dispute"),
        (Operation.RETRACT, 0, "lifecycle.retract.not_the_reporter"),
        (Operation.EXPIRE, 0, "lifecycle.expire.not_the_reporter"),
        (Operation.ERASE, 1, "lifecycle.erase.record_counts"),
        (Operation.RULE, 0, "lifecycle.rule.unknown_ruling"),
    ):
        assert await office.refused(operation, record, reason) == rule
    assert office.sent == []
    assert office.noted == [("desk-7", "case 7")] * 5, "asked for, so it is in the access log"


async def test_own_follow_ups_that_wait_count_as_taken() -> None:
    office = Office(BRAVO)
    record = office.reported()
    await office.do(Operation.DISPUTE, record, 1)
    assert await office.refused(Operation.DISPUTE, record, 2) == "lifecycle.dispute.open_already"
    office.mine()
    assert await office.refused(Operation.DISPUTE, record, 2) == "lifecycle.dispute.open_already"
    assert len(office.node.records.follow_ups(record.record_id)) == 1


async def test_of_two_wishes_at_once_one_is_refused() -> None:
    office = Office(ALPHA)
    record = office.reported()
    outcomes = await asyncio.gather(
        *(office.do(Operation.RETRACT, record) for _ in range(2)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [FollowUpOutcome, RuleRefused]
    assert len(office.sent) == 1


async def test_one_key_is_one_follow_up_also_after_a_power_cut() -> None:
    office = Office(BRAVO)
    record = office.reported()
    first = await office.do(Operation.DISPUTE, record, 1, key="k", is_for_person=True)
    again = await office.do(Operation.DISPUTE, record, 1, key="k", is_for_person=True)
    assert (again.record_id, again.reference) == (first.record_id, first.reference)
    assert len(office.sent) == 1
    back = office.restarted()
    (parcel,) = Outbox(back.store).parcels()
    assert parcel.sidecar is not None
    assert parcel.sidecar.entries[0].record_id == first.record_id
    known = await back.do(Operation.DISPUTE, record, 1, key="k", is_for_person=True)
    assert (known.record_id, known.reference) == (first.record_id, first.reference)
    assert back.sent == []
    back.anchorer.resume(0, lambda transaction: None)
    back.mine()
    shown = await back.desk.dispute(first.reference)
    assert shown.dispute_id == first.record_id and shown.is_for_person


async def test_a_person_s_code_is_on_no_disk_in_clear_and_on_no_ledger() -> None:
    office = Office(BRAVO)
    record = office.reported()
    outcome = await office.do(Operation.DISPUTE, record, 1, is_for_person=True)
    code = outcome.reference
    for secret in (code, code.replace("-", "")):
        assert not any(
            secret.encode() in key or secret.encode() in value
            for key, value in office.store.iterate(b"")
        )
    (parcel,) = office.sent
    assert parcel.sidecar is not None
    (entry,) = parcel.sidecar.entries
    assert isinstance(entry, Record)
    assert entry.payload.case_commitment is None and entry.payload.link_group is None
    assert entry.payload.previous_record == record.record_id


async def test_codes_are_read_as_people_write_them_and_others_lead_nowhere() -> None:
    office = Office(BRAVO)
    record = office.reported()
    code = (await office.do(Operation.DISPUTE, record, 1, is_for_person=True)).reference
    with pytest.raises(NotFound, match="on its way"):
        await office.desk.dispute(code)
    office.mine()
    spelled = code.lower().replace("-", "").replace("0", "o").replace("1", "l")
    for given in (code, spelled, f" {code} "):
        assert (await office.desk.dispute(given)).reference == code
    for wrong in ("0000-0000-0000-0000", "x", record.record_id.hex(), "zz" * 32):
        with pytest.raises(NotFound):
            await office.desk.dispute(wrong)


async def test_a_code_does_not_open_under_another_vault_key() -> None:
    store = MemoryStore()
    book = Casebook(store, VAULT_KEY, os.urandom)
    case = Case(book.new_code(), RecordId(b"\x01" * 32), RecordId(b"\x02" * 32))
    store.write(book.puts(case), sync=True)
    assert book.find(case.code) == case == book.of_dispute(case.dispute_id)
    assert Casebook(store, b"w" * 32, os.urandom).find(case.code) is None
    (key, value), *_ = store.iterate(b"j")
    store.write({key: value[:-1] + bytes((value[-1] ^ 1,))}, sync=True)
    with pytest.raises(StoreDamaged):
        book.find(case.code)


async def test_the_inbox_shows_disputes_of_own_records_and_when_they_are_due() -> None:
    office = Office(ALPHA)
    own, other = office.reported(ALPHA), office.reported(BRAVO)
    office.world.follow(BRAVO, own.record_id, Operation.DISPUTE, 3)
    office.world.follow(CHARLIE, other.record_id, Operation.DISPUTE, 1)
    await office.do(Operation.DISPUTE, other, 2)
    office.mine()

    async def ids(whose: Whose, *, open_only: bool = True) -> list[tuple[str, str]]:
        page = await office.desk.disputes(whose, open_only=open_only, cursor=None, most=50)
        assert page.next is None
        return [(view.member, view.status) for view in page.disputes]

    assert await ids(Whose.INBOX) == [("bravo", "open")]
    assert await ids(Whose.OPENED) == [("alpha", "open")]
    assert await ids(Whose.ALL) == [("alpha", "open"), ("charlie", "open"), ("bravo", "open")]
    office.world.block(at_ms=office.world.now_ms + DISPUTE_DUE_MS + 1)
    page = await office.desk.disputes(Whose.INBOX, open_only=True, cursor=None, most=50)
    assert page.disputes[0].is_overdue and not page.disputes[0].is_for_person
    await office.do(Operation.RULE, own, Ruling.UPHELD)
    office.mine()
    assert await ids(Whose.INBOX) == []
    assert await ids(Whose.INBOX, open_only=False) == [("bravo", "upheld")]


async def test_pages_of_disputes_follow_each_other_without_gap_or_double() -> None:
    office = Office(ALPHA)
    records = [office.reported() for _ in range(5)]
    for record in records:
        office.world.follow(BRAVO, record.record_id, Operation.DISPUTE, 1)
    seen: list[RecordId] = []
    cursor: bytes | None = None
    while True:
        page = await office.desk.disputes(Whose.ALL, open_only=False, cursor=cursor, most=2)
        seen += [view.record_id for view in page.disputes]
        cursor = page.next
        if cursor is None:
            break
    assert seen == [record.record_id for record in reversed(records)]


async def test_a_dispute_that_the_ledger_refused_is_shown_as_such() -> None:
    office = Office(BRAVO)
    record = office.reported()
    office.world.follow(ALPHA, record.record_id, Operation.RETRACT)
    refused = follow_up(77, record.record_id, Operation.DISPUTE, 1)
    office.world.say(BRAVO, refused)
    view = await office.desk.dispute(refused.record_id.hex())
    assert (view.status, view.refused) == ("refused", "lifecycle.dispute.record_retracted")


async def test_who_comes_second_is_told_what_the_ledger_said() -> None:
    office = Office(ALPHA)
    record = office.reported()
    asked = asyncio.ensure_future(
        office.desk.follow(
            Wish(record.record_id, Operation.EXPIRE), by=BY, wait=Stage.EXECUTED, idempotency=None
        )
    )
    await until(lambda: bool(office.sent))
    # The regulator's order gets into the block before it.
    office.world.follow(REGULATOR, record.record_id, Operation.ERASE, 1)
    office.mine()
    outcome = await asked
    assert (outcome.stage, outcome.state) == (Stage.EXECUTED, "erased")
    assert outcome.refused == "lifecycle.expire.record_erased"


async def test_follow_ups_have_no_follow_ups_and_no_history_of_their_own() -> None:
    office = Office(BRAVO)
    record = office.reported()
    follow = follow_up(5, record.record_id, Operation.DISPUTE, 1)
    office.world.say(CHARLIE, follow)
    assert await office.refused(Operation.DISPUTE, follow, 1) == "lifecycle.dispute.not_a_statement"
    with pytest.raises(NotFound):
        await office.desk.history(follow.record_id)
    with pytest.raises(NotFound):
        await office.do(Operation.DISPUTE, statement(999), 1)


async def test_a_member_without_the_roles_sends_nothing() -> None:
    office = Office(BRAVO)
    record = office.reported()
    office.may = False
    with pytest.raises(Forbidden):
        await office.do(Operation.DISPUTE, record, 1)
    assert office.sent == [] and office.noted == []


async def test_a_red_record_is_read_by_its_reporter_alone() -> None:
    for member, fields in ((ALPHA, 20), (BRAVO, 1)):
        office = Office(member)
        payload = replace(statement(1).payload, tlp=Tlp.RED)
        red = Record.of(b"\x01" * 32, TAG, payload)
        office.world.say(ALPHA, red)
        view = await office.desk.history(red.record_id)
        assert view.fields["tlp"] == "red" and len(view.fields) >= fields
        views = office.desk._parts.views
        if member == ALPHA:
            views.check_shown(red.record_id)
            continue
        assert view.fields == {"tlp": "red"}
        with pytest.raises(Forbidden, match="red"):
            views.check_shown(red.record_id)


async def test_a_regulator_s_desk_rules_with_its_own_account() -> None:
    office = Office(REGULATOR)
    record = office.reported()
    office.world.follow(BRAVO, record.record_id, Operation.DISPUTE, 1)
    await office.do(Operation.RULE, record, Ruling.CORRECTED)
    office.mine()
    view = await office.desk.history(record.record_id)
    assert view.standing is not None
    assert [step.refused for step in view.standing.history] == [None, None]
    assert view.standing.state.label == "overruled"
    assert view.height == Height(1) and Sidecar((record,)).count == 1

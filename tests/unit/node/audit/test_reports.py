"""Reports over a real chain: what they count, what they rest on, and that any node agrees."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any

import pytest

from bulwark.audit.report import NAMES, Report, join_pages
from bulwark.indicators.vocabulary import DisputeGround, Kind, LawfulBasis, Purpose
from bulwark.ledger.ids import Address, Height, MemberId, RecordId, Tag
from bulwark.ledger.lifecycle import DAY_MS, REFERENCE_KIND, Operation, Ruling, reference_tag
from bulwark.ledger.record import Record, RecordPayload
from bulwark.ledger.sidecar import Sidecar
from contracts.bindings import CONSENT_REGISTRY, encode_give, encode_renew, encode_withdraw
from node.audit.desk import MAKERS, AuditDesk, AuditGround
from node.audit.port import ReportWish
from node.audit.reports.scope import TITLES
from node.audit.seeds import SeedKeeper
from node.chain.records import StoredRecord
from node.directory import Directory
from node.service import Conflict, NotFound
from tests.unit.node.execution.alliance import (
    ACCOUNTS,
    CREATED_MS,
    Node,
    anchor,
    call,
    make_sidecar,
)

ALPHA, BRAVO, CHARLIE, DELTA = ACCOUNTS
INDEX_KEY = b"\x1d" * 32
CONSENT = b"\x07" * 32
TODAY = CREATED_MS // DAY_MS


def statement(seed: str, kind: Kind = Kind.IBAN, until: int = 0, operation: int = 1) -> Record:
    payload = RecordPayload(
        operation=operation,
        kind=kind,
        fraud_type=2,
        purpose=Purpose.FRAUD_PREVENTION,
        lawful_basis=LawfulBasis.LEGITIMATE_INTERESTS,
        valid_until_day=until,
    )
    salt, tag = (sha256(f"{what} {seed}".encode()).digest() for what in ("salt", "tag"))
    return Record.of(salt, Tag(tag), payload)


def follow_up(operation: Operation, subject: RecordId, reason: int = 0, seed: str = "") -> Record:
    payload = RecordPayload(
        operation=operation, kind=REFERENCE_KIND, reason=reason, previous_record=subject
    )
    salt = sha256(f"follow-up {operation} {subject.hex()} {seed}".encode()).digest()
    return Record.of(salt, reference_tag(subject), payload)


class Ledger:
    """One replica, and the transactions that members send to it."""

    def __init__(self) -> None:
        self.node = Node()
        self.nonces = dict.fromkeys(ACCOUNTS, 0)
        self.time_ms = CREATED_MS

    def anchor(self, key: Any, *records: Record, later_ms: int = 1_000) -> Sidecar:
        sidecar = Sidecar(records)
        self.time_ms += later_ms
        self.node.block(
            anchor(key, self._nonce(key), sidecar), sidecars=[sidecar], at_ms=self.time_ms
        )
        return sidecar

    def consent(self, key: Any, data: bytes) -> None:
        self.time_ms += 1_000
        sent = call(key, self._nonce(key), Address(CONSENT_REGISTRY), data)
        self.node.block(sent, at_ms=self.time_ms)

    def rest(self, later_ms: int) -> None:
        self.time_ms += later_ms
        self.node.block(at_ms=self.time_ms)

    def _nonce(self, key: Any) -> int:
        self.nonces[key] += 1
        return self.nonces[key] - 1


def desk_of(node: Node, breach: Any = None) -> AuditDesk:
    ground = AuditGround(
        store=node.store,
        chain=node.chain,
        directory=Directory(node.genesis, node.executor.slot),
        own=MemberId("alpha"),
        first_members=frozenset({MemberId("founder"), MemberId("alpha")}),
        index_key=INDEX_KEY,
        read_slot=node.executor.slot,
        validators_at=lambda height: len(node.executor.epochs.at(height).validators.validators),
        quotas=lambda: {"small": 500, "bulk": 50},
        is_regulator=node.roles.is_regulator,
        consent_standing=node.consents.standing,
        breach=breach,
    )
    return AuditDesk(ground, SeedKeeper(node.store, 640, 64))


@pytest.fixture
async def ledger() -> AsyncIterator[Ledger]:
    yield Ledger()


async def report(node: Node, name: str, **wish: Any) -> Report:
    desk = desk_of(node)
    try:
        return await desk.report(name, ReportWish(**wish))
    finally:
        desk.close()


def cells(made: Report, *keys: str) -> list[tuple[object, ...]]:
    return [tuple(made.record(row)[key] for key in keys) for row in made.rows]


def lived(ledger: Ledger) -> dict[str, Record]:
    """Four statements with a life, one without."""
    a, b, c = statement("a"), statement("b", Kind.PHONE), statement("c", until=TODAY + 400)
    d = statement("d", operation=Operation.SIGHT)
    ledger.anchor(ALPHA, a, b, c)
    ledger.anchor(BRAVO, d)
    ground = DisputeGround.MISTAKEN_IDENTITY
    ledger.anchor(CHARLIE, follow_up(Operation.DISPUTE, a.record_id, ground))
    ledger.anchor(CHARLIE, follow_up(Operation.DISPUTE, c.record_id, ground, "c"))
    ledger.rest(2 * DAY_MS)
    ledger.anchor(DELTA, follow_up(Operation.RULE, a.record_id, Ruling.UPHELD))
    ledger.anchor(BRAVO, follow_up(Operation.RETRACT, d.record_id))
    return {"a": a, "b": b, "c": c, "d": d}


async def test_every_report_there_is_has_a_name_a_title_and_a_maker(ledger: Ledger) -> None:
    assert tuple(TITLES) == tuple(MAKERS) == NAMES
    desk = desk_of(ledger.node)
    assert [each.name for each in desk.reports()] == list(NAMES)
    for name in NAMES:
        made = await desk.report(name, ReportWish())
        assert (made.name, made.title) == (name, TITLES[name])
        assert Report.from_json(made.to_json()) == made
        assert next(csv.reader(io.StringIO(made.to_csv()))) == [c.key for c in made.columns]
    desk.close()


async def test_the_sharing_register_has_every_batch_with_counts_and_reasons(
    ledger: Ledger,
) -> None:
    lived(ledger)
    made = await report(ledger.node, "sharing")
    keys = ("reporter", "records", "statements", "follow_ups", "kinds", "bases")
    assert cells(made, *keys)[:3] == [
        ("alpha", 3, 3, 0, "iban 2, phone 1", "legitimate_interests 3"),
        ("bravo", 1, 1, 0, "iban 1", "legitimate_interests 1"),
        ("charlie", 1, 0, 1, "", ""),
    ]
    assert cells(made, "operations")[4:] == [("rule 1",), ("retract 1",)]
    tip = ledger.node.chain.tip
    assert made.generated_from.height == tip.height
    assert made.generated_from.block_hash == tip.hash()
    assert len(made.rows) == 6 and made.next is None


async def test_pages_of_the_register_join_to_the_whole_and_members_and_heights_narrow_it(
    ledger: Ledger,
) -> None:
    lived(ledger)
    whole = await report(ledger.node, "sharing")
    pages: list[Report] = []
    after: int | None = 0
    while after is not None:
        pages.append(await report(ledger.node, "sharing", after=after, most=2))
        assert len(pages[-1].rows) <= 2
        after = pages[-1].next
    assert len(pages) == 3 and join_pages(pages).rows == whole.rows
    bravo = await report(ledger.node, "sharing", member=MemberId("bravo"))
    assert cells(bravo, "reporter") == [("bravo",), ("bravo",)]
    part = await report(ledger.node, "sharing", from_height=2, to_height=Height(3))
    assert part.rows == whole.rows[1:3] and part.generated_from.height == 3


async def test_a_report_on_an_old_block_says_what_it_said_then(ledger: Ledger) -> None:
    lived(ledger)
    before = [await report(ledger.node, name) for name in NAMES]
    height = ledger.node.chain.tip.height
    ledger.anchor(ALPHA, statement("later"))
    ledger.rest(90 * DAY_MS)
    for made in before:
        assert await report(ledger.node, made.name, to_height=Height(height)) == made


async def test_disputes_have_ground_age_and_outcome(ledger: Ledger) -> None:
    records = lived(ledger)
    ledger.anchor(CHARLIE, follow_up(Operation.DISPUTE, records["d"].record_id))
    made = await report(ledger.node, "disputes")
    keys = ("record", "reporter", "disputer", "ground", "age", "status", "record_state", "refused")
    assert cells(made, *keys) == [
        (records["a"].record_id.hex(), "alpha", "charlie", "mistaken_identity", 2, "upheld",
         "overruled", None),
        (records["c"].record_id.hex(), "alpha", "charlie", "mistaken_identity", 2, "open",
         "disputed", None),
        (records["d"].record_id.hex(), "bravo", "charlie", "unknown", 0, "refused",
         "retracted", "lifecycle.dispute.record_retracted"),
    ]  # fmt: skip
    ledger.rest(31 * DAY_MS)
    assert cells(await report(ledger.node, "disputes"), "status")[1] == ("overdue",)
    assert cells(await report(ledger.node, "disputes", after=1, most=1), "status") == [("overdue",)]


async def test_retention_counts_due_overdue_closed_to_erase_and_erased(ledger: Ledger) -> None:
    records = lived(ledger)
    keys = ("member", "kind", "records", "counting", "disputed", "due", "overdue", "closed")
    assert cells(await report(ledger.node, "retention"), *keys) == [
        ("alpha", "iban", 2, 0, 1, 0, 0, 1),
        ("alpha", "phone", 1, 1, 0, 1, 0, 0),
        ("bravo", "iban", 1, 0, 0, 0, 0, 1),
    ]
    ledger.rest(31 * DAY_MS)
    made = await report(ledger.node, "retention")
    assert cells(made, "kind", "overdue", "to_erase", "most_overdue") == [
        ("iban", 0, 1, 0),
        ("phone", 1, 0, 23),
        ("iban", 0, 1, 0),
    ]
    assert ledger.node.erase(records["a"].record_id) == 1
    made = await report(ledger.node, "retention")
    assert cells(made, "member", "kind", "records", "erased")[0] == ("alpha", "(erased)", 0, 1)


async def test_reporters_are_counted_with_what_was_disputed_and_upheld(ledger: Ledger) -> None:
    records = lived(ledger)
    ledger.node.erase(records["a"].record_id)
    made = await report(ledger.node, "reporters")
    keys = ("member", "records", "sightings", "disputed", "open", "upheld", "retracted", "erased",
            "upheld_per_mille")  # fmt: skip
    assert cells(made, *keys) == [
        ("alpha", 2, 0, 2, 1, 1, 0, 1, 333),
        ("bravo", 1, 1, 0, 0, 0, 1, 0, 0),
    ]


async def test_confirmations_are_counted_by_member_and_what_is_missing_is_named(
    ledger: Ledger,
) -> None:
    records = lived(ledger)
    erase = ledger.anchor(ALPHA, follow_up(Operation.ERASE, records["c"].record_id))
    for key, reason in ((ALPHA, 3), (BRAVO, 1)):
        root = RecordId(erase.root)
        ledger.anchor(key, follow_up(Operation.CONFIRM, root, reason, str(reason)))
    made = await report(ledger.node, "erasures")
    keys = ("member", "orders", "erasures", "recalled", "destroyed", "missing", "slowest")
    assert cells(made, *keys) == [
        ("alpha", 3, 1, 1, 1, 2, 1_000),
        ("bravo", 3, 1, 1, 0, 3, None),
        ("charlie", 3, 1, 0, 0, 3, None),
        ("delta", 3, 1, 0, 0, 3, None),
    ]


async def test_consents_are_followed_through_renewal_withdrawal_and_expiry(ledger: Ledger) -> None:
    other = b"\x08" * 32
    ledger.consent(ALPHA, encode_give(CONSENT, b"\x01" * 32, 1, 1, TODAY + 3))
    ledger.consent(BRAVO, encode_give(other, b"\x02" * 32, 1, 1, TODAY + 1))
    ledger.consent(ALPHA, encode_renew(CONSENT, b"\x03" * 32, 0))
    keys = ("consent", "issuer", "renewals", "status", "restricted_from", "blocks_to_restriction")
    assert cells(await report(ledger.node, "consents"), *keys) == [
        (CONSENT.hex(), "alpha", 1, "given", None, None),
        (other.hex(), "bravo", 0, "given", None, None),
    ]
    ledger.consent(ALPHA, encode_withdraw(CONSENT, 1))
    ledger.rest(3 * DAY_MS)
    assert cells(await report(ledger.node, "consents"), *keys) == [
        (CONSENT.hex(), "alpha", 1, "withdrawn", 4, 0),
        (other.hex(), "bravo", 0, "expired", None, None),
    ]
    second = await report(ledger.node, "consents", after=1)
    assert cells(second, "consent") == [(other.hex(),)]


async def test_a_record_on_a_withdrawn_consent_counts_no_more_and_a_copy_never_did(
    ledger: Ledger,
) -> None:
    ledger.consent(ALPHA, encode_give(CONSENT, b"\x01" * 32, 1, 1, 0))
    given = RecordPayload(operation=1, kind=Kind.IBAN, consent_anchor=CONSENT)
    record = Record.of(b"\x01" * 32, Tag(b"\x02" * 32), given)
    ledger.anchor(ALPHA, record)
    ledger.anchor(BRAVO, record, statement("its own"))
    keys = ("member", "records", "counting")
    assert cells(await report(ledger.node, "retention"), *keys) == [
        ("alpha", 1, 1),
        ("bravo", 1, 1),
    ]
    ledger.consent(ALPHA, encode_withdraw(CONSENT, 1))
    assert cells(await report(ledger.node, "retention"), *keys) == [
        ("alpha", 1, 0),
        ("bravo", 1, 1),
    ]


async def test_breaches_name_the_rule_and_a_node_without_policies_says_so(ledger: Ledger) -> None:
    records = lived(ledger)

    def breach(stored: StoredRecord) -> str | None:
        return "policy.kinds" if stored.payload.kind == Kind.PHONE else None

    desk = desk_of(ledger.node, breach)
    made = await desk.report("breaches", ReportWish())
    desk.close()
    assert cells(made, "record", "reporter", "kind", "rule") == [
        (records["b"].record_id.hex(), "alpha", "phone", "policy.kinds")
    ]
    assert "knows no policies" in (await report(ledger.node, "breaches")).notes[0]


async def test_two_nodes_with_one_ledger_make_the_same_bytes(ledger: Ledger) -> None:
    lived(ledger)
    second = Ledger()
    lived(second)
    for name in NAMES:
        one, two = await report(ledger.node, name), await report(second.node, name)
        assert one.to_json_text() == two.to_json_text() and one.to_csv() == two.to_csv()


async def test_what_is_not_final_or_not_there_is_refused(ledger: Ledger) -> None:
    lived(ledger)
    with pytest.raises(Conflict, match="not final"):
        await report(ledger.node, "sharing", to_height=Height(8))
    with pytest.raises(NotFound, match="no report"):
        await report(ledger.node, "none")
    with pytest.raises(NotFound, match="no member"):
        await report(ledger.node, "sharing", member=MemberId("nobody"))
    gone = await report(ledger.node, "sharing", member=MemberId("founder"))
    assert gone.rows == (), "who left is still asked about"
    sidecar = make_sidecar(1, "not final")
    nonce = ledger.nonces[ALPHA]
    ledger.node.block(anchor(ALPHA, nonce, sidecar), sidecars=[sidecar], final=False)
    assert (await report(ledger.node, "sharing")).generated_from.height == 7


async def test_the_event_loop_goes_on_while_a_report_is_made(ledger: Ledger) -> None:
    for number in range(20):
        ledger.anchor(ALPHA, *make_sidecar(200, f"many {number}").entries)  # type: ignore[arg-type]
    turns = 0
    made = asyncio.get_running_loop().create_task(report(ledger.node, "retention"))
    while not made.done():
        turns += 1
        await asyncio.sleep(0)
    assert cells(made.result(), "records") == [(4_000,)]
    assert turns > 2, "made on the loop itself it is over after one turn"

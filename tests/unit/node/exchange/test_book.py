"""The exchange book: nothing of a value on the disk, one record however many things state it."""

from __future__ import annotations

import os
from typing import Any

import pytest

from bulwark.interop.carried import Action, Fate, Reason, Statement
from bulwark.interop.misp.options import OnFalsePositive
from bulwark.ledger.ids import RecordId
from bulwark.ledger.lifecycle import Operation
from node.exchange.book import Entry, ExchangeBook
from node.exchange.plan import Plan, Planner
from node.storage.errors import StoreDamaged
from node.storage.memory import MemoryStore
from node.storage.schema import EXCHANGE

KEY = b"v" * 32
NOW_MS = 1_767_225_600_000
RECORD = "11" * 32
ROW: dict[str, object] = {"kind": "domain", "value": "quokka.com", "fraud_type": "phishing"}


def book(store: MemoryStore | None = None, key: bytes = KEY) -> ExchangeBook:
    return ExchangeBook(MemoryStore() if store is None else store, key, os.urandom)


def entry(ref: str = "a", part: int = 0, record: str = RECORD, **more: Any) -> Entry:
    return Entry(ref=ref, part=part, record=record, version="1", says="s", about="b", **more)


def keep(store: MemoryStore, *entries: Entry) -> ExchangeBook:
    made = book(store)
    for one in entries:
        store.write(made.puts(one), sync=True)
    return made


def stated(ref: str = "a", **row: object) -> Statement:
    return Statement(Action.REPORT, {**ROW, **row}, ref, "/x", version="1")


def act(action: Action, ref: str = "a", version: str = "s1", record: str = "") -> Statement:
    return Statement(action, {}, ref, "/x", version=version, record=record)


def plan(made: ExchangeBook, *statements: Statement, **more: Any) -> Plan:
    on_false = more.get("on_false", OnFalsePositive.DISPUTE)
    on_ledger = more.get("on_ledger", lambda record: True)
    return Planner(made, on_ledger, on_false, NOW_MS).of(statements)


def settled(made: ExchangeBook, store: MemoryStore, statement: Statement, record: str) -> Entry:
    """As carrying the plan out would leave it."""
    (making,) = plan(made, statement).makings
    done = Entry(
        ref=statement.ref, part=0, record=record, version="1",
        says=making.says, about=making.about,
    )  # fmt: skip
    store.write(made.puts(done, making.before), sync=True)
    return done


def reasons(found: Plan) -> list[tuple[Fate, Reason]]:
    return [(verdict.fate, verdict.reason) for _, verdict in found.verdicts]


def test_the_disk_shows_neither_values_nor_foreign_ids() -> None:
    store = MemoryStore()
    row = {**ROW, "canonical": "quokka.com"}
    made = keep(store, entry("5d1f0b1e-0001", row=row, origin={"type": "hostname"}))
    store.write(made.cursor_puts("misp-a", "1767225600"), sync=True)
    store.write(made.shown_puts({"5d1f0b1e-0002": RecordId(b"\x22" * 32)}), sync=True)
    raw = b"".join(key + value for key, value in store.iterate(EXCHANGE))
    for secret in (b"quokka", b"5d1f0b1e", b"misp-a", b"1767225600", b"hostname", b"\x22" * 32):
        assert secret not in raw
    assert made.cursor("misp-a") == "1767225600" and made.cursor("other") == ""
    assert made.shown("5d1f0b1e-0002") == b"\x22" * 32
    assert [kept.row["value"] for kept in made.kept()] == ["quokka.com"]
    assert book(store, b"w" * 32).cursor("misp-a") == "", "names are keyed as well"


def test_an_entry_that_was_tampered_with_is_not_believed() -> None:
    store = MemoryStore()
    made = keep(store, entry("a"), entry("b"))
    pairs = list(store.iterate(EXCHANGE + b"\x01"))
    store.write({pairs[0][0]: pairs[1][1]}, sync=True)
    with pytest.raises(StoreDamaged):
        made.parts("a")
        made.parts("b")


def test_forgetting_takes_the_value_and_leaves_the_entry() -> None:
    store = MemoryStore()
    made = keep(store, entry(row={**ROW, "canonical": "quokka.com"}))
    record = RecordId(bytes.fromhex(RECORD))
    assert made.clear_of(record) is not None
    store.write(made.forgetting(record), sync=True)
    assert made.clear_of(record) is None and list(made.kept()) == []
    assert made.find("a", 0) is not None


def test_the_same_statement_is_made_once_and_an_edit_of_it_again() -> None:
    store = MemoryStore()
    made = book(store)
    settled(made, store, stated(), RECORD)
    same = plan(made, stated())
    assert (same.makings, same.endings) == ([], [])
    assert reasons(same) == [(Fate.TAKEN, Reason.UNCHANGED)]
    surer = plan(made, stated(confidence=90))
    (ending,) = surer.endings
    assert ending.operation is Operation.EXPIRE and ending.is_replaced, "its time is over"
    other = plan(made, stated(value="wombat.com"))
    assert other.endings[0].operation is Operation.RETRACT, "it was wrong"
    # Another spelling of the same value is the same statement.
    assert plan(made, stated(value="QUOKKA.com.")).makings == []


def test_statements_without_an_id_are_known_by_what_they_say() -> None:
    store = MemoryStore()
    made = book(store)
    (making,) = plan(made, stated("")).makings
    ref = f"value:{making.about}"
    store.write(
        made.puts(
            Entry(ref=ref, part=0, record=RECORD, version="", says=making.says, about=making.about)
        ),
        sync=True,
    )
    assert plan(made, stated("")).makings == []


def test_a_record_that_two_things_state_is_said_by_the_other_one() -> None:
    store = MemoryStore()
    made = keep(store, entry("a"), entry("b"))
    assert made.is_said_by_others(entry("a"))
    store.write(made.puts(entry("b", is_over=True), entry("b")), sync=True)
    assert not made.is_said_by_others(entry("a"))


def test_what_is_false_before_it_came_is_not_reported() -> None:
    found = plan(book(), act(Action.FALSE_POSITIVE), stated())
    assert (Fate.REFUSED, Reason.DISPUTED_THERE) in reasons(found) and found.makings == []
    found = plan(book(), act(Action.EXPIRE), stated())
    assert (Fate.LEFT, Reason.EXPIRY) in reasons(found) and found.makings == []


@pytest.mark.parametrize(
    ("action", "on_false", "operation"),
    [
        (Action.FALSE_POSITIVE, OnFalsePositive.DISPUTE, Operation.DISPUTE),
        (Action.FALSE_POSITIVE, OnFalsePositive.RETRACT, Operation.RETRACT),
        (Action.EXPIRE, OnFalsePositive.DISPUTE, Operation.EXPIRE),
        (Action.RETRACT, OnFalsePositive.DISPUTE, Operation.RETRACT),
    ],
)
def test_actions_become_follow_ups_once(
    action: Action, on_false: OnFalsePositive, operation: Operation
) -> None:
    store = MemoryStore()
    made = keep(store, entry())
    (ending,) = plan(made, act(action), on_false=on_false).endings
    assert (ending.operation, ending.record.hex()) == (operation, RECORD)
    store.write(made.puts(entry(acted=("s1",)), entry()), sync=True)
    assert plan(made, act(action), on_false=on_false).endings == []
    unknown = plan(made, act(action, "nobody"))
    assert reasons(unknown) == [(Fate.LEFT, Reason.UNKNOWN_SUBJECT)]


def test_an_own_export_that_comes_back_is_recognised() -> None:
    back = Statement(Action.REPORT, ROW, "u", "/x", record=RECORD)
    found = plan(book(), back)
    assert reasons(found) == [(Fate.LEFT, Reason.KEPT_ELSEWHERE)]
    elsewhere = plan(book(), back, on_ledger=lambda record: False)
    assert len(elsewhere.makings) == 1, "in another alliance it is news"
    false = plan(book(), act(Action.FALSE_POSITIVE, "u", record=RECORD))
    assert [one.operation for one in false.endings] == [Operation.DISPUTE]


def test_a_later_sighting_makes_a_newer_version_where_the_row_is_kept() -> None:
    store = MemoryStore()
    row = {**ROW, "first_seen": "2025-12-01", "last_seen": "2025-12-02", "canonical": "quokka.com"}
    made = book(store)
    made_entry = settled(
        made, store, stated(first_seen="2025-12-01", last_seen="2025-12-02"), RECORD
    )
    sighting = Statement(Action.SIGHTING, {"last_seen": "2025-12-24"}, "a", "/x", version="s9")
    assert reasons(plan(made, sighting)) == [(Fate.LEFT, Reason.UNKNOWN_SUBJECT)]
    kept = Entry(
        ref="a", part=0, record=RECORD, version="1",
        says=made_entry.says, about=made_entry.about, row=row,
    )  # fmt: skip
    store.write(made.puts(kept, made_entry), sync=True)
    found = plan(made, sighting)
    (making,) = found.makings
    assert making.report.last_seen_day == making.report.first_seen_day + 23
    assert [one.operation for one in found.endings] == [Operation.EXPIRE]

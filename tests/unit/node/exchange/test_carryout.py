"""Carrying out a plan: ends before it makes, refuses one statement alone, survives repetition."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, cast

from bulwark.indicators.model import IndicatorReport
from bulwark.interop.carried import Action, Fate, Reason, Statement
from bulwark.interop.misp.options import OnFalsePositive
from bulwark.ledger.ids import RecordId
from bulwark.ledger.lifecycle import Operation
from node.disputes.port import DisputesService, Wish
from node.exchange.book import ExchangeBook
from node.exchange.carryout import CarryOut
from node.exchange.plan import Planner
from node.service import (
    Caller,
    NodeService,
    NotFound,
    Refusal,
    ReportOutcome,
    Role,
    RuleRefused,
    Stage,
)
from node.storage.memory import MemoryStore

NOW_MS = 1_767_225_600_000
ROW: dict[str, object] = {"kind": "domain", "value": "quokka.com", "fraud_type": "phishing"}


class Ledger:
    """Reports and follow-ups as a node answers them, in memory."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.book = ExchangeBook(self.store, b"v" * 32, os.urandom)
        self.live: dict[tuple[str, int, int], RecordId] = {}
        self.told: list[str] = []
        self.refusals: dict[str, Refusal] = {}
        self.rule: Exception | None = None

    async def report(self, reports: Sequence[IndicatorReport], **how: Any) -> list[ReportOutcome]:
        outcomes = []
        for report in reports:
            self.told.append(f"report {report.value}")
            if report.value in self.refusals:
                outcomes.append(ReportOutcome(None, refusal=self.refusals[report.value]))
                continue
            name = (report.value, int(report.fraud_type), int(report.object_role))
            known = self.live.get(name)
            made = known or RecordId(os.urandom(32))
            self.live[name] = made
            outcomes.append(ReportOutcome(made, Stage.EXECUTED, duplicate=known is not None))
        return outcomes

    async def follow(self, wish: Wish, **how: Any) -> None:
        if self.rule is not None:
            raise self.rule
        self.told.append(Operation(wish.operation).name.lower())

    def forget(self, record: RecordId) -> dict[bytes, bytes | None]:
        self.live = {name: one for name, one in self.live.items() if one != record}
        return {}

    async def take(self, *statements: Statement, keep_clear: bool = False) -> CarryOut:
        on_false = OnFalsePositive.DISPUTE
        plan = Planner(self.book, lambda record: False, on_false, NOW_MS).of(statements)
        work = CarryOut(
            service=cast(NodeService, self),
            disputes=cast(DisputesService, self),
            book=self.book,
            store=self.store,
            forget_puts=self.forget,
            by=Caller("desk", Role.REPORTER),
            keep_clear=keep_clear,
        )
        await work.do(plan)
        return work


def stated(ref: str = "a", **row: object) -> Statement:
    return Statement(Action.REPORT, {**ROW, **row}, ref, f"/{ref}", version="1")


def act(action: Action, ref: str = "a", version: str = "s1") -> Statement:
    return Statement(action, {}, ref, f"/{ref}", version=version)


def reasons(work: CarryOut) -> list[tuple[Fate, Reason]]:
    return [(verdict.fate, verdict.reason) for _, verdict in work.verdicts]


async def test_an_edit_ends_the_old_record_before_it_makes_the_new_one() -> None:
    ledger = Ledger()
    await ledger.take(stated())
    work = await ledger.take(stated(confidence=90))
    assert ledger.told == ["report quokka.com", "expire", "report quokka.com"]
    assert reasons(work) == [(Fate.TAKEN, Reason.REPLACED)]
    assert (work.tally.new, work.tally.replaced, work.tally.known) == (1, 1, 0)
    assert reasons(await ledger.take(stated(confidence=90))) == [(Fate.TAKEN, Reason.UNCHANGED)]


async def test_what_was_cut_off_between_end_and_new_record_is_finished_next_time() -> None:
    ledger = Ledger()
    await ledger.take(stated())
    # The old record expired, then the node stopped: the book still has the old entry.
    ledger.rule = RuleRefused("lifecycle.expire.record_expired", "it is over")
    work = await ledger.take(stated(confidence=90))
    assert reasons(work) == [(Fate.TAKEN, Reason.REPLACED)]
    ledger.rule = None
    assert reasons(await ledger.take(stated(confidence=90))) == [(Fate.TAKEN, Reason.UNCHANGED)]


async def test_a_record_without_its_entry_is_found_again_as_a_duplicate() -> None:
    ledger = Ledger()
    await ledger.take(stated())
    ledger.book = ExchangeBook(MemoryStore(), b"v" * 32, os.urandom)  # the entry was lost
    work = await ledger.take(stated())
    assert reasons(work) == [(Fate.TAKEN, Reason.DUPLICATE)]
    assert (work.tally.new, work.tally.known) == (0, 1)


async def test_a_rule_that_forbids_the_end_stops_the_new_version_and_nothing_else() -> None:
    ledger = Ledger()
    await ledger.take(stated("a"), stated("b", value="wombat.com"))
    ledger.rule = RuleRefused("lifecycle.expire.not_the_reporter", "no")
    work = await ledger.take(stated("a", confidence=90), stated("c", value="emu.com"))
    assert sorted(reasons(work)) == [
        (Fate.REFUSED, Reason.NOT_ALLOWED), (Fate.TAKEN, Reason.STATED),
    ]  # fmt: skip
    assert "lifecycle.expire.not_the_reporter" in work.verdicts[0][1].detail
    ledger.rule = NotFound("this node has no such record")
    gone = await ledger.take(act(Action.RETRACT, "b"))
    assert reasons(gone) == [(Fate.REFUSED, Reason.NOT_ALLOWED)]


async def test_a_row_that_the_node_refuses_leaves_no_entry() -> None:
    ledger = Ledger()
    ledger.refusals["quokka.com"] = Refusal("policy.kind", "the policy shares no domains")
    work = await ledger.take(stated(), stated("b", value="emu.com"))
    assert reasons(work) == [(Fate.REFUSED, Reason.NOT_ALLOWED), (Fate.TAKEN, Reason.STATED)]
    assert work.verdicts[0][1].detail == "policy.kind: the policy shares no domains"
    assert ledger.book.find("a", 0) is None and ledger.book.find("b", 0) is not None


async def test_a_record_ends_with_the_last_thing_that_states_it() -> None:
    ledger = Ledger()
    await ledger.take(stated("a"), stated("b"))
    await ledger.take(act(Action.RETRACT, "a"))
    assert "retract" not in ledger.told
    await ledger.take(act(Action.RETRACT, "b"))
    assert ledger.told.count("retract") == 1
    again = await ledger.take(stated("a"))
    assert again.tally.new == 1, "stated again after it was deleted"


async def test_kept_text_goes_with_the_end_of_its_record_and_stays_over_an_edit() -> None:
    ledger = Ledger()
    await ledger.take(stated(), keep_clear=True)
    await ledger.take(stated(confidence=90))
    (kept,) = ledger.book.kept()
    assert (kept.row["canonical"], kept.row["confidence"]) == ("quokka.com", 90)
    await ledger.take(act(Action.RETRACT))
    assert list(ledger.book.kept()) == []
    entry = ledger.book.find("a", 0)
    assert entry is not None and entry.is_over and entry.row is None


async def test_a_dispute_is_sent_once_a_sighting() -> None:
    ledger = Ledger()
    await ledger.take(stated())
    for version in ("s1", "s1", "s2"):
        await ledger.take(act(Action.FALSE_POSITIVE, version=version))
    assert ledger.told.count("dispute") == 2

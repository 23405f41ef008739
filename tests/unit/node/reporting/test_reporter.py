"""Rows in, durable records out: duplicates, keys, limits and failures, one outcome a row."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from bulwark.indicators.model import IndicatorReport
from bulwark.indicators.vocabulary import Tlp
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Digest, Height, RecordId, Tag
from bulwark.policies.library import shipped
from node.chain.consents import ConsentReader
from node.consents.gate import ConsentGate
from node.consents.vault import Vault
from node.gossip import Parcel
from node.reporting.anchorer import Anchorer
from node.reporting.compliance import PolicyGate
from node.reporting.gatherer import Gatherer
from node.reporting.idempotency import KEEP_MS, IdempotencyStore
from node.reporting.outbox import Outbox
from node.reporting.reporter import Reporter
from node.reporting.tracker import StageTracker
from node.service import (
    Busy,
    Idempotency,
    IdempotencyMismatch,
    ReportOutcome,
    Stage,
    Unavailable,
)
from node.storage.durability import Durability
from node.storage.errors import StorageError
from node.storage.memory import MemoryStore
from node.tagging.tagger import TaggingUnavailable
from tests.unit.node.execution.alliance import ACCOUNTS, CHAIN_ID, make_sidecar

KEY = bytes(32)
NOW_MS = 1_790_000_000_000


class Tags:
    """A tagger that knows every tag, or none, or waits."""

    def __init__(self) -> None:
        self.known: set[str] = set()
        self.down = False
        self.gate = asyncio.Event()
        self.gate.set()

    def cached(self, kind: str, value: str) -> Tag | None:
        return self._tag(value) if value in self.known else None

    async def tags_of_many(
        self, wanted: Sequence[tuple[str, str]], tries: int
    ) -> list[Tag | TaggingUnavailable]:
        await self.gate.wait()
        if self.down:
            return [TaggingUnavailable(1, 3) for _ in wanted]
        return [self._tag(value) for _, value in wanted]

    @staticmethod
    def _tag(value: str) -> Tag:
        return Tag(sha256(value.encode()))


class Shelf:
    """Policies in force: the shipped default, and one more."""

    lenient = False
    """Whether the default lets any marking pass."""

    def find(self, name):
        if not name:
            default = shipped("alliance-default")
            return replace(default, greatest_tlp=Tlp.RED) if self.lenient else default
        return shipped("eu-psr-83") if name == "eu-psr-83" else None

    def titles(self):
        return ["alliance-default", "eu-psr-83"]

    def word_of(self, policy):
        return bytes(32) if policy.title == "alliance-default" else policy.id


class Bench:
    def __init__(self, store: MemoryStore | None = None, most: int = 5_000) -> None:
        self.store = store or MemoryStore()
        self.outbox = Outbox(self.store)
        self.tracker = StageTracker()
        self.submitted: list[Parcel] = []
        self.anchorer = Anchorer(
            ACCOUNTS[0],
            CHAIN_ID,
            self.outbox,
            self.tracker,
            next_nonce=lambda _: 0,
            submit=self.submitted.append,
        )
        self.durability = Durability(self.store)
        self.gatherer = Gatherer(self.anchorer, self.tracker, self.durability, 1)
        self.tagger = Tags()
        self.count = 0
        self.idempotency = IdempotencyStore(self.store, KEY)
        # No row of these tests names a consent, so nothing is read of the chain.
        nothing: Any = None
        gate = ConsentGate(
            Vault(self.store, KEY, os.urandom), ConsentReader(self.store, nothing), nothing
        )
        arguments: dict[str, Any] = {"tagger": self.tagger, "gate": gate}
        self.shelf = Shelf()
        self.over: set[RecordId] = set()
        self.reporter = Reporter(
            **arguments,
            gatherer=self.gatherer,
            outbox=self.outbox,
            tracker=self.tracker,
            idempotency=self.idempotency,
            store=self.store,
            durability=self.durability,
            stage_of=lambda record_id: (Stage.ACCEPTED, None),
            is_over=self.over.__contains__,
            oprf_key_id=1,
            index_key=KEY,
            random_bytes=self.draw,
            policies=PolicyGate(self.shelf, lambda: NOW_MS),
            now_ms=lambda: NOW_MS,
            max_pending=most,
            wait_timeout_ms=50,
        )

    def draw(self, size: int) -> bytes:
        self.count += 1
        return self.count.to_bytes(size, "big")

    async def report(
        self, *rows: IndicatorReport, key: str | None = None, wait: Stage = Stage.ACCEPTED
    ) -> list[ReportOutcome]:
        wish = (
            None
            if key is None
            else Idempotency(key, Digest(sha256("".join(r.value for r in rows).encode())))
        )
        async with asyncio.timeout(10):
            return await self.reporter.report(rows, wait=wait, idempotency=wish)

    def execute(self, success: bool = True) -> None:
        for number, parcel in enumerate(self.submitted):
            height = Height(number + 1)
            results = [(parcel.transaction.hash, success)]
            self.tracker.executed(results, height)
            self.anchorer.executed([parcel.transaction], results, height)
            self.tracker.finalized(height)
            self.anchorer.finalized(height)
        self.submitted.clear()


def row(value: str = "evil.example", **more: object) -> IndicatorReport:
    document = {"kind": "domain", "value": value, "fraud_type": "phishing", **more}
    return IndicatorReport.from_mapping(document, now_ms=NOW_MS)


@pytest.fixture
async def bench() -> Bench:
    return Bench()


async def test_an_accepted_row_survives_a_power_cut(bench: Bench) -> None:
    (outcome,) = await bench.report(row())
    assert outcome.record_id is not None and outcome.stage is Stage.ACCEPTED
    parcels = list(Bench(bench.store.crash()).outbox.parcels())
    assert parcels[0].sidecar is not None
    assert parcels[0].sidecar.entries[0].record_id == outcome.record_id


async def test_no_clear_text_reaches_the_disk(bench: Bench) -> None:
    await bench.report(row(case_ref="case of Mr Smith"), key="mr-smith")
    disk = b"".join(key + value for key, value in bench.store.iterate(b""))
    for clear in (b"evil.example", b"Smith", b"smith"):
        assert clear not in disk


async def test_an_equal_row_later_is_a_duplicate_of_the_first(bench: Bench) -> None:
    first = await bench.report(row())
    second = await bench.report(row())
    assert second == [ReportOutcome(first[0].record_id, Stage.ACCEPTED, None, duplicate=True)]
    other_type = await bench.report(row(fraud_type="vishing"))
    assert not other_type[0].duplicate
    assert (bench.reporter.taken, bench.reporter.duplicates) == (2, 1)


async def test_what_this_member_ended_is_said_anew_and_known_from_then_on(bench: Bench) -> None:
    first = await bench.report(row())
    bench.over.add(first[0].record_id or RecordId(b""))
    again = await bench.report(row())
    assert not again[0].duplicate and again[0].record_id != first[0].record_id
    known = await bench.report(row())
    assert known[0].duplicate and known[0].record_id == again[0].record_id


async def test_an_equal_row_at_the_same_time_is_answered_only_when_the_first_is_durable(
    bench: Bench,
) -> None:
    bench.tagger.known.add("evil.example")
    bench.store.refuse_writes = True
    both = await asyncio.gather(bench.report(row()), bench.report(row()), return_exceptions=True)
    assert all(isinstance(outcome, StorageError) for outcome in both)
    bench.store.refuse_writes = False
    first, second = await asyncio.gather(bench.report(row()), bench.report(row()))
    assert first[0].record_id == second[0].record_id
    assert (first[0].duplicate, second[0].duplicate) == (False, True)
    assert len(bench.submitted) == 1


async def test_an_equal_row_during_the_flush_waits_for_it_too(bench: Bench) -> None:
    bench.tagger.known.add("evil.example")
    first = asyncio.ensure_future(bench.report(row()))
    while not bench.submitted:  # noqa: ASYNC110 - a condition in another call
        await asyncio.sleep(0)
    assert bench.gatherer.waiting == 0
    second = asyncio.ensure_future(bench.report(row()))
    await asyncio.sleep(0)
    assert not second.done()
    assert (await second)[0].duplicate
    assert (await first)[0].record_id == (await second)[0].record_id


async def test_a_caller_that_gives_up_does_not_take_the_others_with_it(bench: Bench) -> None:
    bench.tagger.known |= {"one.example", "two.example"}
    leaving = asyncio.ensure_future(bench.report(row("one.example")))
    staying = asyncio.ensure_future(bench.report(row("two.example")))
    for _ in range(3):
        await asyncio.sleep(0)
    leaving.cancel()
    (outcome,) = await staying
    assert outcome.record_id is not None
    assert bench.outbox.parcel(0, ACCOUNTS[0].address) is not None


async def test_refused_rows_do_not_stop_the_others(bench: Bench) -> None:
    good, bad = await bench.report(row(), row("not a domain"))
    assert good.record_id is not None
    assert bad.refusal is not None and "not a domain" not in bad.refusal.detail
    assert bench.reporter.refused == 1


async def test_a_row_marked_red_is_refused_even_where_its_policy_lets_it_pass(
    bench: Bench,
) -> None:
    bench.shelf.lenient = True
    refused, taken = await bench.report(row(tlp="red"), row("good.example", tlp="amber"))
    assert refused.record_id is None and refused.refusal is not None
    assert (refused.refusal.rule, refused.refusal.field) == ("usage.tlp-red", "tlp")
    assert taken.refusal is None
    (parcel,) = bench.outbox.parcels()
    assert parcel.sidecar is not None and parcel.sidecar.count == 1


async def test_without_evaluators_one_row_is_unavailable_and_many_are_refused_each(
    bench: Bench,
) -> None:
    bench.tagger.down = True
    with pytest.raises(Unavailable):
        await bench.report(row())
    bench.tagger.known.add("known.example")
    known, unknown = await bench.report(row("known.example"), row())
    assert known.record_id is not None
    assert unknown.refusal is not None and unknown.refusal.rule == "tagging.unavailable"
    rows = [row("known.example", fraud_type="vishing")] * 2_000 + [row()]
    assert len(await bench.report(*rows)) == 2_001


async def test_a_reverted_anchor_is_said_and_can_be_reported_again(bench: Bench) -> None:
    (first,) = await bench.report(row(), key="k")
    bench.execute(success=False)
    (again,) = await bench.report(row(), key="k")
    assert again.refusal is not None and again.refusal.rule == "anchor.reverted"
    (anew,) = await bench.report(row())
    assert anew.record_id not in (None, first.record_id)
    waiting = asyncio.ensure_future(bench.report(row("b.example"), wait=Stage.FINALIZED))
    while not bench.tracker._tracked or bench.tracker._by_height:  # noqa: ASYNC110 - as above
        await asyncio.sleep(0)
    while not any(t.waiters for t in bench.tracker._tracked.values()):  # noqa: ASYNC110
        await asyncio.sleep(0)
    bench.execute(success=False)
    (told,) = await waiting
    assert told.refusal is not None and told.refusal.rule == "anchor.reverted"


async def test_the_same_key_and_body_give_the_same_outcome_also_after_a_restart(
    bench: Bench,
) -> None:
    first = await bench.report(row(), row("bad value"), key="k")
    again = await Bench(bench.store.crash()).report(row(), row("bad value"), key="k")
    assert again[0].record_id == first[0].record_id
    assert again[1].refusal is not None
    assert again[1].refusal.rule == "idempotency.refused-before"


async def test_a_duplicate_under_a_key_keeps_the_first_records_id(bench: Bench) -> None:
    (first,) = await bench.report(row())
    await bench.report(row(), key="k")
    assert (await bench.report(row(), key="k"))[0].record_id == first.record_id


async def test_one_key_at_the_same_time_is_one_wish_or_a_mismatch(bench: Bench) -> None:
    bench.tagger.gate.clear()
    first = asyncio.ensure_future(bench.report(row(), key="k"))
    second = asyncio.ensure_future(bench.report(row(), key="k"))
    for _ in range(5):
        await asyncio.sleep(0)
    with pytest.raises(IdempotencyMismatch):
        await bench.report(row("other.example"), key="k")
    bench.tagger.gate.set()
    (a,), (b,) = await asyncio.gather(first, second)
    assert a.record_id == b.record_id
    assert len(bench.submitted) == 1


async def test_a_key_whose_first_request_failed_is_free_again(bench: Bench) -> None:
    bench.tagger.down = True
    with pytest.raises(Unavailable):
        await bench.report(row(), key="k")
    bench.tagger.down = False
    assert (await bench.report(row(), key="k"))[0].record_id is not None
    with pytest.raises(IdempotencyMismatch):
        await bench.report(row("other.example"), key="k")


async def test_what_waits_for_execution_counts_until_it_is_executed() -> None:
    bench = Bench(most=3)
    await bench.report(row("a.example"), row("b.example"))
    assert bench.reporter.pending_records == 2
    with pytest.raises(Busy):
        await bench.report(row("c.example"), row("d.example"))
    bench.execute()
    assert bench.reporter.pending_records == 0
    assert len(await bench.report(row("c.example"), row("d.example"))) == 2


async def test_a_long_upload_is_many_anchors_none_too_long(bench: Bench) -> None:
    rows = [row(f"n{number}.example") for number in range(2_001)]
    bench.tagger.known |= {r.value for r in rows}
    outcomes = await bench.report(*rows)
    assert len({o.record_id for o in outcomes}) == 2_001
    counts = [p.sidecar.count for p in bench.submitted if p.sidecar is not None]
    assert sum(counts) == 2_001 and max(counts) <= 2_000


async def test_a_full_batch_goes_out_at_once(bench: Bench) -> None:
    entries = make_sidecar(2_000, "full").entries
    for number, entry in enumerate(entries):
        future = bench.gatherer.add(entry, number.to_bytes(16, "big"))  # type: ignore[arg-type]
    assert len(bench.submitted) == 1
    assert (await future).nonce == 0


async def test_the_clock_does_not_cut_an_upload_into_pieces(bench: Bench) -> None:
    entries = make_sidecar(20, "upload").entries
    with bench.gatherer.upload():
        for number, entry in enumerate(entries):
            future = bench.gatherer.add(entry, number.to_bytes(16, "big"))  # type: ignore[arg-type]
            await asyncio.sleep(0.002)
        assert bench.submitted == []
    await future
    assert [parcel.sidecar.count for parcel in bench.submitted if parcel.sidecar] == [20]


def test_old_keys_are_forgotten_after_a_day() -> None:
    store = MemoryStore()
    keys = IdempotencyStore(store, KEY)
    wish = Idempotency("k", Digest(bytes(32)))
    store.write(keys.entry(wish, [RecordId(b"r" * 32)], 1_000), sync=True)
    assert keys.prune(1_000 + KEEP_MS) == 0
    assert keys.find(wish) == (b"r" * 32,)
    assert keys.prune(1_001 + KEEP_MS) == 1
    assert keys.find(wish) is None


async def test_gatherer_knows_what_is_open_and_flushes_nothing_twice(bench: Bench) -> None:
    assert bench.gatherer.pending_own(b"x") is None
    bench.gatherer.flush()
    assert bench.gatherer.backlog == 0
    assert bench.submitted == []

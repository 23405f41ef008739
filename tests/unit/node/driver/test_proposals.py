"""Proposals: what is proposed, what is voted for, and what is not lost between two views."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from bulwark.ledger.batch import Batch
from bulwark.ledger.ids import Digest, Height, TimestampMs, View
from bulwark.ledger.sidecar import Sidecar
from bulwark.ledger.transaction import Transaction
from consensus.effects import CheckBatch, NeedProposal
from consensus.events import BatchChecked, Event, ProposalReady
from node.driver import proposals as proposals_module
from node.driver.proposals import Proposals
from node.mempool import Mempool
from node.storage.memory import MemoryStore
from tests.unit.node.driver.cluster import until
from tests.unit.node.execution.alliance import (
    ACCOUNTS,
    NOWHERE,
    STRANGER,
    Node,
    anchor,
    call,
    make_sidecar,
)


class SetClock:
    def __init__(self) -> None:
        self.ms = 1_700_000_000_000

    def now_ms(self) -> int:
        return self.ms

    def wall_ms(self) -> int:
        return self.ms


class Bench:
    def __init__(self) -> None:
        self.node = Node()
        self.clock = SetClock()
        self.pool = Mempool(
            self.node.executor.nonce, max_transactions=900, max_bytes=1 << 26, gas_limit=30_000_000
        )
        self.events: list[Event] = []
        self.failed: list[str] = []
        self.served: dict[Digest, Sidecar] = {}
        self.asked = 0
        self.proposals = Proposals(
            mempool=self.pool,
            chain=self.node.chain,
            clock=self.clock,  # type: ignore[arg-type]
            chain_id=self.node.genesis.chain_id,
            gas_limit=self.node.genesis.gas_limit,
            check_sender=self.node.executor.check,
            fetch_sidecar=self.fetch,
            pace_ms=10,
        )
        self.proposals.post = self.events.append
        self.proposals.fail = self.failed.append

    async def fetch(self, root: Digest) -> Sidecar:
        self.asked += 1
        self.clock.ms += 1_000
        if root not in self.served:
            raise LookupError("nobody has it")
        return self.served[root]

    def put(self, transaction: Transaction, carried: Sidecar | None = None) -> None:
        size = 0 if carried is None else len(carried.encode())
        root = None if carried is None else Digest(carried.root)
        self.pool.add(transaction, root, carried, size, self.clock.ms)

    def want(self, height: int, *, view: int = 0, empty: bool = False, held: tuple = ()) -> None:
        self.proposals.wanted(NeedProposal(View(view), Height(height), empty, held))

    def proposed(self) -> list[tuple[bytes, ...]]:
        return [e.batch.transactions for e in self.events if isinstance(e, ProposalReady)]

    async def verdict(self, *transactions: Transaction) -> BatchChecked:
        batch = Batch(TimestampMs(self.clock.ms), tuple(t.raw for t in transactions))
        self.events.clear()
        self.proposals.check(CheckBatch(batch.digest, batch))
        await until(lambda: bool(self.events or self.failed))
        checked = self.events[0] if self.events else None
        assert isinstance(checked, BatchChecked)
        assert checked.digest == batch.digest
        return checked


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.setattr(proposals_module, "FETCH_PAUSE_S", 0.001)
    bench = Bench()
    yield bench
    await bench.proposals.close()


def transfer(nonce: int) -> Transaction:
    return call(ACCOUNTS[1], nonce, NOWHERE, gas=50_000)


async def test_a_wish_is_met_when_something_arrives_and_only_once(bench: Bench) -> None:
    bench.want(1)
    assert bench.events == []
    bench.put(transfer(0))
    bench.proposals.nudge()
    bench.proposals.nudge()
    assert bench.proposed() == [(transfer(0).raw,)]


async def test_heartbeat_is_an_empty_batch_at_once(bench: Bench) -> None:
    bench.want(1, empty=True)
    assert bench.proposed() == [()]


async def test_a_later_proposal_is_paced_and_gathers_meanwhile(bench: Bench) -> None:
    bench.put(transfer(0))
    bench.want(1)
    bench.want(2, held=(Batch(TimestampMs(1), (transfer(0).raw,)),))
    bench.put(transfer(1))
    bench.proposals.nudge()
    assert len(bench.proposed()) == 1
    bench.put(transfer(2))
    bench.clock.ms += 10
    await until(lambda: len(bench.proposed()) == 2)
    assert bench.proposed()[1] == (transfer(1).raw, transfer(2).raw)


async def test_what_an_old_view_proposed_is_proposed_again_in_the_new_one(bench: Bench) -> None:
    bench.put(transfer(0))
    bench.want(1)
    bench.want(1, view=4)
    assert bench.proposed() == [(transfer(0).raw,), (transfer(0).raw,)]


async def test_what_another_proposer_has_in_flight_is_not_proposed_again(bench: Bench) -> None:
    bench.put(transfer(0))
    bench.put(transfer(1))
    bench.want(2, held=(Batch(TimestampMs(1), (transfer(0).raw,)),))
    assert bench.proposed() == [(transfer(1).raw,)]


async def test_own_proposal_has_its_sidecar_on_disk_before_the_core_hears_of_it(
    bench: Bench,
) -> None:
    carried = make_sidecar(2, "own")
    bench.put(anchor(ACCOUNTS[0], 0, carried), carried)
    bench.want(1)
    assert bench.node.chain.sidecar(carried.root) == carried


async def test_a_disk_that_fails_while_proposing_halts(bench: Bench) -> None:
    carried = make_sidecar(2, "own")
    bench.put(anchor(ACCOUNTS[0], 0, carried), carried)
    assert isinstance(bench.node.store, MemoryStore)
    bench.node.store.refuse_writes = True
    bench.want(1)
    assert bench.failed and bench.events == []


async def test_a_disk_that_fails_while_a_sidecar_is_fetched_halts(bench: Bench) -> None:
    carried = make_sidecar(2, "fetched")
    bench.served[carried.root] = carried
    batch = Batch(TimestampMs(1), (anchor(ACCOUNTS[0], 0, carried).raw,))
    assert isinstance(bench.node.store, MemoryStore)
    bench.node.store.refuse_writes = True
    bench.proposals.check(CheckBatch(batch.digest, batch))
    await until(lambda: bool(bench.failed))
    assert bench.events == []


async def test_a_batch_is_good_when_all_of_it_passes_the_ingress_check(bench: Bench) -> None:
    carried = make_sidecar(2, "here")
    transaction = anchor(ACCOUNTS[0], 0, carried)
    bench.put(transaction, carried)
    assert (await bench.verdict(transaction, transfer(0))).ok
    assert bench.node.chain.sidecar(carried.root) == carried


async def test_a_sidecar_that_left_the_mempool_is_found_on_disk(bench: Bench) -> None:
    carried = make_sidecar(2, "kept")
    bench.node.chain.put_sidecar(carried)
    assert (await bench.verdict(anchor(ACCOUNTS[0], 0, carried))).ok
    assert bench.asked == 0


async def test_a_sidecar_is_waited_for_and_then_voted_on(bench: Bench) -> None:
    carried = make_sidecar(2, "late")
    batch = Batch(TimestampMs(1), (anchor(ACCOUNTS[0], 0, carried).raw,))
    bench.proposals.check(CheckBatch(batch.digest, batch))
    await until(lambda: bench.asked >= 2)
    bench.served[carried.root] = carried
    await until(lambda: bench.events == [BatchChecked(batch.digest, True)])


async def test_a_verdict_is_for_the_core_that_asked_and_for_none_after_it(bench: Bench) -> None:
    carried = make_sidecar(2, "of the epoch before")
    batch = Batch(TimestampMs(1), (anchor(ACCOUNTS[0], 0, carried).raw,))
    bench.proposals.check(CheckBatch(batch.digest, batch))
    following: list[Event] = []
    bench.proposals.end()
    bench.proposals.begin(following.append)
    bench.served[carried.root] = carried
    await until(lambda: bench.events == [BatchChecked(batch.digest, True)])
    assert following == []


async def test_a_sidecar_that_never_comes_ends_in_a_refusal(bench: Bench) -> None:
    checked = await bench.verdict(anchor(ACCOUNTS[0], 0, make_sidecar(2, "never")))
    assert not checked.ok
    assert bench.asked > 3


async def test_a_batch_whose_sidecars_are_too_long_leaves_none_of_them_on_disk(
    bench: Bench,
) -> None:
    carried = [make_sidecar(2_000, f"long {number}") for number in range(6)]
    bench.served = {Digest(each.root): each for each in carried}
    anchors = [anchor(ACCOUNTS[0], number, each) for number, each in enumerate(carried)]
    checked = await bench.verdict(*anchors)
    assert "batch.bytes" in checked.reason
    assert not any(bench.node.chain.has_sidecar(each.root) for each in carried)


async def test_erased_sidecar_of_a_new_anchor_is_refused(bench: Bench) -> None:
    carried = make_sidecar(2, "hidden")
    bench.served[carried.root] = carried.erase(0)
    assert "sidecar.erased" in (await bench.verdict(anchor(ACCOUNTS[0], 0, carried))).reason


@pytest.mark.parametrize(
    ("rule", "transactions"),
    [
        ("batch.duplicate", [transfer(0), transfer(0)]),
        ("batch.gas", [call(ACCOUNTS[1], n, NOWHERE, gas=20_000_000) for n in range(2)]),
        ("chain id", [call(ACCOUNTS[1], 0, NOWHERE, chain_id=5)]),
        ("sender.not-a-member", [call(STRANGER, 0, NOWHERE)]),
    ],
)
async def test_a_batch_that_breaks_a_rule_is_refused(
    bench: Bench, rule: str, transactions: list[Transaction]
) -> None:
    checked = await bench.verdict(*transactions)
    assert not checked.ok
    assert rule in checked.reason


async def test_wrong_count_of_a_kept_sidecar_is_refused(bench: Bench) -> None:
    from bulwark.ledger.ids import Address
    from contracts.bindings import RECORD_REGISTRY, encode_anchor

    carried = make_sidecar(2, "kept")
    bench.node.chain.put_sidecar(carried)
    data = encode_anchor(carried.root, 3, 1, bytes(32))
    checked = await bench.verdict(call(ACCOUNTS[0], 0, Address(RECORD_REGISTRY), data))
    assert "sidecar.count" in checked.reason


async def test_closing_ends_what_waits(bench: Bench) -> None:
    batch = Batch(TimestampMs(1), (anchor(ACCOUNTS[0], 0, make_sidecar(1, "x")).raw,))
    bench.proposals.check(CheckBatch(batch.digest, batch))
    bench.put(transfer(0))
    bench.want(1)
    bench.put(transfer(1))
    bench.want(2)
    async with asyncio.timeout(5):
        await bench.proposals.close()
    assert not any(isinstance(event, BatchChecked) for event in bench.events)

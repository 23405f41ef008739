"""The worker applies each height once, whoever brings it, and always answers the core."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from bulwark.ledger.batch import Batch
from bulwark.ledger.ids import Address, Digest, Height, MemberId, TimestampMs
from bulwark.ledger.sidecar import Sidecar
from bulwark.ledger.transaction import Transaction
from consensus.effects import Execute
from consensus.events import Event, Executed, StateInstalled, SyncFailed
from contracts.bindings import RECORD_REGISTRY, encode_anchor
from node.driver import worker as worker_module
from node.driver.worker import Worker
from tests.unit.node.driver.cluster import until
from tests.unit.node.driver.test_sync import GOOD, Peers, Watcher, honest, source, sync_of
from tests.unit.node.execution.alliance import (
    ACCOUNTS,
    POLICY,
    Node,
    anchor,
    call,
    certify,
    commit_of,
    make_sidecar,
)


class Bench:
    """A worker over a real chain, with what it said."""

    def __init__(self, node: Node, peers: Peers) -> None:
        self.node, self.peers = node, peers
        self.events: list[Event] = []
        self.halted: list[str] = []
        self.announced: list[int] = []
        self.watcher = Watcher()
        self.served: dict[Digest, Sidecar] = {}
        self.asked: list[Digest] = []
        self.sync = sync_of(node, peers)
        self.worker = Worker(
            chain=node.chain,
            execution=node.executor,
            observer=self.watcher,  # type: ignore[arg-type]
            sync=self.sync,
            fetch_sidecar=self.fetch,
            announce=self.announced.append,
            halt=self.halted.append,
        )
        self.worker.post = self.events.append
        self.task = asyncio.get_running_loop().create_task(self.worker.run())

    async def fetch(self, root: Digest) -> Sidecar:
        self.asked.append(root)
        if root not in self.served:
            raise LookupError("nobody has it")
        return self.served[root]

    def order(self, height: int, *transactions: Transaction) -> Batch:
        batch = Batch(TimestampMs(height), tuple(t.raw for t in transactions))
        commit = commit_of(self.node.genesis, Height(height), batch)
        self.worker.execute(Execute(Height(height), batch, commit))
        return batch


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.setattr(worker_module, "RETRY_S", 0.001)
    bench = Bench(Node(), Peers({}))
    yield bench
    bench.task.cancel()
    await asyncio.gather(bench.task, return_exceptions=True)


async def test_an_ordered_block_is_applied_answered_and_made_final(bench: Bench) -> None:
    bench.order(1)
    await until(lambda: len(bench.events) == 1)
    assert bench.events == [Executed(Height(1), bench.node.chain.tip.hash())]
    bench.worker.stable(certify(bench.node.genesis, bench.node.chain.tip))
    assert bench.node.chain.finalized == 1
    assert bench.announced == [1]


async def test_a_certificate_that_is_early_is_kept_until_its_block_is_there(bench: Bench) -> None:
    ahead = Node()
    header = ahead.block(final=False, at_ms=1).header
    bench.worker.stable(certify(ahead.genesis, header))
    assert bench.node.chain.finalized == 0
    bench.order(1)
    await until(lambda: bench.node.chain.finalized == 1)


async def test_sidecar_that_is_missing_is_asked_for_until_it_comes(bench: Bench) -> None:
    carried = make_sidecar(2, "late")
    bench.order(1, anchor(ACCOUNTS[0], 0, carried))
    await until(lambda: len(bench.asked) > 3)
    bench.served[carried.root] = carried
    await until(lambda: bench.node.chain.applied == 1)
    assert bench.node.chain.sidecar(carried.root) == carried


async def test_sidecar_of_an_anchor_that_reverts_is_not_waited_for(bench: Bench) -> None:
    # Too little gas: its anchor is in the block and failed, and nobody keeps its sidecar.
    refused = make_sidecar(2, "refused")
    data = encode_anchor(refused.root, refused.count, 1, POLICY)
    bench.order(1, call(ACCOUNTS[0], 0, Address(RECORD_REGISTRY), data, gas=35_000))
    await until(lambda: bench.node.chain.applied == 1)
    assert bench.asked == []


async def test_block_sync_overtakes_a_block_whose_sidecar_nobody_serves(bench: Bench) -> None:
    ahead = source(3)
    bench.peers.answers[GOOD] = honest(ahead)
    bench.order(1, anchor(ACCOUNTS[0], 0, make_sidecar(2, "s0")))
    await until(lambda: bool(bench.asked))
    certificate = ahead.chain.checkpoint(Height(3))
    assert certificate is not None
    bench.worker.catch_up(certificate.subject.height, None)
    await until(lambda: bench.node.chain.applied == 3)
    await until(lambda: len(bench.events) == 1)
    assert bench.events == [StateInstalled(Height(3), ahead.chain.tip.hash(), certificate)]


async def test_failed_sync_is_said_and_its_blocks_are_answered_as_executed(bench: Bench) -> None:
    ahead = source(2)
    bench.peers.answers[GOOD] = honest(ahead)
    bench.worker.catch_up(Height(9), GOOD)
    await until(lambda: bench.events == [SyncFailed()])
    assert bench.node.chain.applied == 2
    first = ahead.chain.block(Height(1))
    assert first is not None
    commit = commit_of(ahead.genesis, Height(1), first.batch)
    bench.worker.execute(Execute(Height(1), first.batch, commit))
    await until(lambda: len(bench.events) == 2)
    assert bench.events[1] == Executed(Height(1), first.header.hash())


async def test_another_batch_at_an_applied_height_halts(bench: Bench) -> None:
    bench.order(1)
    await until(lambda: bench.node.chain.applied == 1)
    bench.order(1, anchor(ACCOUNTS[0], 0, make_sidecar(1, "x")))
    await until(lambda: bool(bench.halted))
    assert "another batch" in bench.halted[0]


async def test_a_gap_in_the_order_halts(bench: Bench) -> None:
    bench.order(2)
    await until(lambda: bool(bench.halted))
    assert "block 2 is ordered, 0 is the last applied" in bench.halted[0]


async def test_a_target_that_is_reached_already_asks_nobody(bench: Bench) -> None:
    bench.worker.catch_up(Height(0), MemberId("nobody"))
    bench.order(1)
    await until(lambda: bench.node.chain.applied == 1)
    assert bench.peers.asked == []

"""Pruning: what is told to be gone is gone, all else works, and a kill anywhere does no harm."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from bulwark.client.verify import verify_record_proof
from bulwark.ledger.ids import Address, Height
from bulwark.ledger.receipt import Log, Receipt
from contracts.bindings import GOVERNANCE, RECORD_REGISTRY
from node.fsck import fsck
from node.pruning.bodies import BodyPruning
from node.pruning.duties import body_floor, is_kept, state_floor
from node.pruning.run import PruningRun, mark_ends, ranges_of, size_on_disk
from node.pruning.settings import LEAST, PruningConfig
from node.pruning.states import StateSweep
from node.service import HistoryPruned
from node.storage import blocks, schema
from node.storage.errors import StoreWriteFailed
from node.storage.level import LevelStore
from node.storage.memory import MemoryStore
from node.sync.walk import StateWalk
from tests.unit.node.execution.alliance import (
    ACCOUNTS,
    CREATED_MS,
    NOWHERE,
    Node,
    anchor,
    call,
    make_sidecar,
)

ALPHA, BRAVO, _, _ = ACCOUNTS
BLOCKS = 24
FLOOR = Height(20)


def fill(node: Node, upto: int = BLOCKS) -> Node:
    for number in range(node.chain.applied, upto):
        sidecar = make_sidecar(3, f"s{number}")
        node.block(anchor(ALPHA, number, sidecar), call(BRAVO, number, NOWHERE), sidecars=[sidecar])
    return node


@cache
def filled() -> dict[bytes, bytes]:
    return dict(fill(Node()).store.iterate(b""))


class Killed(MemoryStore):
    """Fails at the n-th write from now, as a process that is killed there."""

    left = -1

    def write(self, puts: Mapping[bytes, bytes | None], *, sync: bool) -> None:
        if self.left == 0:
            raise StoreWriteFailed("memory", "killed here")
        self.left -= 1
        super().write(puts, sync=sync)


def prune_bodies(store: MemoryStore | LevelStore, floor: Height = FLOOR) -> BodyPruning:
    pruning = BodyPruning(store, floor)
    while not pruning.step():
        pass
    return pruning


def sweep(store: MemoryStore | LevelStore, floor: Height = FLOOR) -> StateSweep:
    states = StateSweep(store, floor)
    while not states.step():
        pass
    return states


def is_whole(node: Node, height: int) -> bool:
    """Whether the whole state of a block is there."""
    header = node.chain.header(Height(height))
    assert header is not None
    copy = MemoryStore()
    walk = StateWalk(copy, header.state_root)
    while not walk.done:
        wanted = walk.next(100)
        found = [(each, node.store.get(schema.state(each))) for each in wanted]
        if any(data is None for _, data in found):
            return False
        walk.take([(each, data) for each, data in found if data is not None])
    return True


def test_a_pruned_body_is_told_with_the_lowest_block_that_is_whole() -> None:
    node = Node(MemoryStore(filled()))
    pruning = prune_bodies(node.store)  # type: ignore[arg-type]
    assert pruning.blocks == FLOOR - 1
    for height in range(1, FLOOR):
        with pytest.raises(HistoryPruned, match=f"whole from block {FLOOR}") as raised:
            node.chain.block(Height(height))
        assert (raised.value.lowest, raised.value.status) == (FLOOR, 410)
        assert node.chain.header(Height(height)) is not None
    for height in range(FLOOR, BLOCKS + 1):
        assert node.chain.block(Height(height)) is not None


def test_records_and_their_proofs_outlive_the_bodies_of_their_blocks() -> None:
    node = Node(MemoryStore(filled()))
    before = [node.prover.record(make_sidecar(3, f"s{n}").entries[0].record_id) for n in range(5)]
    prune_bodies(node.store)  # type: ignore[arg-type]
    for number, proof in enumerate(before):
        record_id = make_sidecar(3, f"s{number}").entries[0].record_id
        again = node.prover.record(record_id)
        assert again == proof
        assert verify_record_proof(again.to_json(), node.genesis.to_json())
        found = node.records.by_id(record_id)
        assert found is not None and found.height == number + 1


def test_a_pruned_store_is_clean_and_serves_only_what_it_has_whole() -> None:
    node = Node(MemoryStore(filled()))
    prune_bodies(node.store)  # type: ignore[arg-type]
    sweep(node.store)  # type: ignore[arg-type]
    report = fsck(node.store, node.genesis)
    assert report.problems == ()
    assert not report.executed_again, "nobody can execute what is not there"
    assert node.chain.sync_blocks(Height(5), 10**6) == []
    served = node.chain.sync_blocks(FLOOR, 10**6)
    assert [block.header.height for block in served] == list(range(FLOOR, BLOCKS + 1))
    fill(node, BLOCKS + 2)
    assert fsck(node.store, node.genesis).problems == ()


def test_a_batch_goes_when_all_its_records_were_erased_and_is_told_to_be_pruned() -> None:
    node = Node(MemoryStore(filled()))
    erased, half = make_sidecar(3, "s1"), make_sidecar(3, "s2")
    node.erase(*(entry.record_id for entry in erased.entries), half.entries[0].record_id)
    waits = prune_bodies(node.store)  # type: ignore[arg-type]
    assert waits.sidecars == 0, "whether an order covers it is still being found out"
    node.store.write({schema.bare_sidecar(erased.root): None}, sync=True)
    assert prune_bodies(node.store).sidecars == 1  # type: ignore[arg-type]
    again = Node(node.store)
    for entry in erased.entries:
        with pytest.raises(HistoryPruned):
            again.records.by_id(entry.record_id)
        with pytest.raises(HistoryPruned):
            again.prover.record(entry.record_id)
    found = again.records.by_id(half.entries[1].record_id)
    assert found is not None and found.payload is not None
    assert fsck(node.store, node.genesis).problems == ()


def test_a_missing_body_above_the_floor_is_still_damage() -> None:
    node = Node(MemoryStore(filled()))
    prune_bodies(node.store)  # type: ignore[arg-type]
    node.store.write({schema.receipts(Height(FLOOR + 1)): None}, sync=True)
    report = fsck(node.store, node.genesis)
    assert any(f"block {FLOOR + 1}" in problem.where for problem in report.problems)


@pytest.mark.parametrize("work", [prune_bodies, sweep], ids=["bodies", "states"])
def test_killed_at_any_write_it_leaves_a_clean_store_and_ends_the_same(
    work: Callable[[MemoryStore, Height], object],
) -> None:
    wanted = MemoryStore(filled())
    work(wanted, FLOOR)
    end = dict(wanted.iterate(b""))
    for at in range(100):
        store = Killed(filled())
        store.left = at
        try:
            work(store, FLOOR)
        except StoreWriteFailed:
            store.left = -1
            node = Node(store)
            assert fsck(store, node.genesis, full=False).problems == (), f"killed at write {at}"
            assert is_whole(node, BLOCKS), f"killed at write {at}"
            work(store, FLOOR)
        else:
            assert at > 2
            break
        assert dict(store.iterate(b"")) == end, f"killed at write {at}"
    else:
        pytest.fail("it never ended")


def test_a_sweep_keeps_every_state_from_its_floor_on_and_none_below() -> None:
    node = Node(MemoryStore(filled()))
    states = sweep(node.store)  # type: ignore[arg-type]
    assert states.deleted > 0
    assert [is_whole(node, height) for height in range(1, BLOCKS + 1)] == [
        height >= FLOOR for height in range(1, BLOCKS + 1)
    ]
    assert node.chain.state_from == FLOOR
    assert node.store.get(schema.META_STATE_SWEEP) is None


def test_a_node_that_fetched_its_state_keeps_that_one_and_all_after_it() -> None:
    node = Node(MemoryStore(filled()))
    sweep(node.store, Height(22))  # type: ignore[arg-type]
    node.store.write({schema.META_SWEPT_FROM: None}, sync=True)  # as state sync leaves it
    sweep(node.store, Height(10))  # type: ignore[arg-type]
    assert [height for height in range(1, BLOCKS + 1) if is_whole(node, height)] == [22, 23, 24]
    assert fsck(node.store, node.genesis).problems == ()


def test_blocks_that_are_executed_while_a_sweep_runs_stay_whole() -> None:
    node = Node(MemoryStore(filled()))
    states = StateSweep(node.store, FLOOR)
    while not states.step():
        fill(node, node.chain.applied + 1)
        assert node.chain.applied < BLOCKS + 500
    assert all(is_whole(node, height) for height in range(FLOOR, node.chain.applied + 1))
    again = Node(node.store)
    fill(again, node.chain.applied + 3)
    assert is_whole(again, again.chain.applied)


def test_state_sync_believes_no_stored_node_while_a_sweep_is_stopped_in_the_middle() -> None:
    node = Node(MemoryStore(filled()))
    header = node.chain.header(Height(1))
    assert header is not None
    root = header.state_root
    everything = MemoryStore(filled())
    states = StateSweep(node.store, FLOOR)
    while node.store.get(schema.META_STATE_SWEEP) is None:
        states.step()
    # A sweep that was killed: the root of an old state is there, something below it is not.
    gone = [
        key
        for key, _ in list(node.store.iterate(schema.STATE))
        if key != schema.state(root) and Height(1) and _only_of(node, key)
    ]
    node.store.write(dict.fromkeys(gone), sync=True)
    walk = StateWalk(node.store, root)
    while not walk.done:
        wanted = walk.next(100)
        walk.take([(each, everything.get(schema.state(each)) or b"") for each in wanted])
    assert is_whole(node, 1)


def _only_of(node: Node, key: bytes) -> bool:
    """Whether no kept state has this node."""
    states = StateSweep(node.store, FLOOR)
    while states._mark_some(1_000):
        pass
    return int.from_bytes(key[1:9], "big") not in states._marks


def test_a_block_in_which_the_alliance_governed_itself_is_kept() -> None:
    def receipt(address: bytes) -> Receipt:
        return Receipt(2, True, 21_000, (Log(Address(address), (), b""),))

    assert is_kept([receipt(GOVERNANCE)])
    assert not is_kept([receipt(RECORD_REGISTRY)])
    assert not is_kept([])


def _config(**values: int) -> PruningConfig:
    """Settings below the least: what the least is for has no place in a short chain."""
    every: dict[str, Any] = {"keep_blocks": 0, "keep_days": 0, "keep_states": 0, **values}
    return PruningConfig.model_construct(None, every_seconds=1, **every)


def test_floors_are_the_lowest_of_all_duties_and_say_which() -> None:
    store = MemoryStore(filled())
    tomorrow = CREATED_MS + 10 * 86_400_000
    assert body_floor(store, _config(), tomorrow).height == 0
    floor = body_floor(store, _config(keep_blocks=5), tomorrow)
    assert floor.height == 1, "erasure has read no block of this store"
    assert "erasure" in floor.because or "accusations" in floor.because
    young = body_floor(store, _config(keep_blocks=5, keep_days=100), tomorrow)
    assert young.height <= 1
    assert state_floor(store, _config(keep_states=5)).height == BLOCKS - 4
    assert state_floor(store, _config()).height == 0


@pytest.mark.parametrize("name", ["keep_blocks", "keep_states"])
def test_fewer_than_the_least_are_refused(name: str) -> None:
    assert PruningConfig(**{name: LEAST}).is_on
    assert not PruningConfig().is_on
    with pytest.raises(ValueError, match=f"at least {LEAST}"):
        PruningConfig(**{name: LEAST - 1})


def _steps(store: LevelStore, *, is_dry: bool) -> PruningRun:
    run = PruningRun(store, _config(keep_states=2), 0, is_dry=is_dry)
    steps: Iterator[None] = run.steps()
    for _ in steps:
        pass
    return run


def test_a_dry_run_writes_nothing_and_its_promise_is_kept(tmp_path: Path) -> None:
    store = LevelStore(tmp_path)
    fill(Node(store), 150)
    mark_ends(store)
    store.compact()
    before = dict(store.iterate(b""))
    dry = _steps(store, is_dry=True)
    assert dict(store.iterate(b"")) == before
    disk = size_on_disk(tmp_path)
    run = _steps(store, is_dry=False)
    assert run.figures.states == dry.figures.states > 0
    assert run.figures.bytes == dry.figures.bytes
    for _ in range(2):
        mark_ends(store)
        for first, last in ranges_of(frozenset(run.figures.bytes)):
            store.compact(first, last)
    given = disk - size_on_disk(tmp_path)
    promised = dry.figures.promised
    assert 0.8 * promised < given < 1.2 * promised, f"{promised} promised, {given} given back"
    assert blocks.read_swept_from(store) == 149
    store.close()

"""Installed blocks are what execution stores, byte for byte; what contradicts a header is not."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bulwark.ledger.batch import Batch
from bulwark.ledger.ids import Height, TimestampMs
from bulwark.ledger.receipt import Receipt
from node.chain.errors import BlockContradicts, CertificateContradicts, ChainError, NotNext
from node.chain.install import Installation, read_edge
from node.chain.reader import EthereumReader
from node.chain.store import ChainStore
from node.chain.syncblock import SyncBlock
from node.storage import schema
from node.storage.memory import MemoryStore
from node.sync.walk import StateWalk
from tests.unit.node.execution.alliance import ACCOUNTS, Node, make_sidecar
from tests.unit.node.sync.support import NOT_INSTALLED, clean, contents, grow, source, sync_blocks
from tests.unit.node.sync.test_walk import drive


def install(fresh: Node, blocks: list[SyncBlock]) -> Installation:
    installation = Installation(fresh.store, fresh.chain, fresh.genesis)
    for block in blocks:
        installation.add(block)
    return installation


def bring_state(fresh: Node, node: Node) -> None:
    fresh.store.write(
        {k: v for k, v in node.store.iterate(b"") if k.startswith((schema.STATE, schema.CODES))},
        sync=True,
    )


@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(executed=st.integers(0, 5), installed=st.integers(1, 8), interval=st.integers(1, 4))
def test_installing_a_chain_stores_what_executing_it_stores(
    executed: int, installed: int, interval: int
) -> None:
    node = grow(Node(), executed + installed, interval=interval)
    last = node.chain.finalized
    if last <= executed:
        return
    fresh = grow(Node(), executed, interval=interval)
    blocks = [b for b in sync_blocks(node, executed + 1) if b.header.height <= last]
    bring_state(fresh, node)
    install(fresh, blocks).finish()
    same = grow(Node(), last, interval=interval)
    assert contents(fresh, *NOT_INSTALLED) == contents(same, *NOT_INSTALLED)
    assert fresh.chain.tip == same.chain.tip
    assert fresh.chain.finalized == last
    assert clean(fresh)
    # And execution goes on from there as everywhere else.
    assert grow(fresh, 1).chain.tip == grow(same, 1).chain.tip


def other_receipt(receipt: Receipt) -> Receipt:
    return dataclasses.replace(receipt, succeeded=not receipt.succeeded)


Change = Callable[[SyncBlock], SyncBlock]
CONTRADICTIONS: dict[str, tuple[Change, str]] = {
    "another batch": (
        lambda b: replace(b, batch=Batch(TimestampMs(5), b.batch.transactions)),
        "another batch",
    ),
    "a swapped receipt": (
        lambda b: replace(
            b, receipts=((b.receipts[0][0], other_receipt(b.receipts[0][1])), *b.receipts[1:])
        ),
        "receipts do not have the header's root",
    ),
    "receipts in another order": (
        lambda b: replace(b, receipts=b.receipts[::-1]),
        "not in the order of the batch",
    ),
    "a receipt too few": (
        lambda b: replace(b, receipts=b.receipts[:-1]),
        "transactions do not have the header's root",
    ),
    "a receipt of no transaction": (
        lambda b: replace(b, receipts=(*b.receipts, (99, b.receipts[0][1]))),
        "not in the order of the batch",
    ),
    "a receipt of the left out transaction": (
        lambda b: replace(b, receipts=((0, b.receipts[0][1]), (1, b.receipts[1][1]))),
        "transactions do not have the header's root",
    ),
    "no sidecar": (lambda b: replace(b, sidecars=()), "without sidecar"),
    "another sidecar": (
        lambda b: replace(b, sidecars=(make_sidecar(2, "another"),)),
        "without sidecar",
    ),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_a_block_that_contradicts_its_header_is_refused_and_stores_nothing(name: str) -> None:
    change, reason = CONTRADICTIONS[name]
    fresh = Node()
    first, *_ = sync_blocks(source())
    before = contents(fresh)
    with pytest.raises(BlockContradicts, match=reason):
        install(fresh, [change(first)])
    assert contents(fresh) == before
    # The refusal left no trace in memory either: the right block follows.
    installation = Installation(fresh.store, fresh.chain, fresh.genesis)
    with pytest.raises(BlockContradicts):
        installation.add(change(first))
    installation.add(first)
    assert installation.height == 1


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("record_log_size", 99, "record log"),
        ("record_log_root", bytes(32), "record log"),
        ("gas_used", 1, "gas"),
        ("timestamp_ms", 1, "time"),
        ("batch_digest", bytes(32), "another batch"),
        ("epoch", 3, "epoch 3"),
    ],
)
def test_a_header_that_its_parts_do_not_give_is_refused(
    field: str, value: object, reason: str
) -> None:
    first, *_ = sync_blocks(source())
    header = replace(first.header, **{field: value})  # type: ignore[arg-type]
    with pytest.raises(BlockContradicts, match=reason):
        install(Node(), [replace(first, header=header)])


def test_a_block_that_does_not_follow_is_refused() -> None:
    blocks = sync_blocks(source())
    with pytest.raises(NotNext):
        install(Node(), [blocks[1]])
    with pytest.raises(NotNext):
        install(Node(), [blocks[0], blocks[0]])


def test_what_is_installed_is_invisible_until_it_is_finished() -> None:
    node, fresh = source(), Node()
    installation = install(fresh, sync_blocks(node))
    block = node.chain.block(Height(2))
    assert block is not None
    sidecar = node.chain.sidecar(block.anchors[0].digest)
    assert sidecar is not None
    record = sidecar.entries[0]
    tag, record_id = record.tag, record.record_id  # type: ignore[union-attr]
    looks = (
        lambda: fresh.records.records_of(tag, 9),
        lambda: fresh.records.has(tag),
        lambda: fresh.chain.record_place(record_id),
        lambda: fresh.chain.place_of_transaction(block.transaction_hashes[0]),
        lambda: fresh.chain.height_of_hash(block.header.hash()),
        lambda: fresh.chain.certified_from(Height(1)),
        lambda: fresh.chain.header(Height(2)),
        lambda: fresh.prover.positions(sidecar.root),
        lambda: fresh.chain.sync_blocks(Height(1), 1 << 20),
    )
    assert not any(look() for look in looks)
    assert (fresh.chain.applied, fresh.chain.finalized) == (0, 0)
    assert clean(fresh)
    bring_state(fresh, node)
    installation.finish()
    assert all(look() for look in looks)
    assert fresh.chain.applied == node.chain.applied


def test_a_stopped_installation_goes_on_where_it_was() -> None:
    node, fresh = source(), Node()
    blocks = sync_blocks(node)
    install(fresh, blocks[:5])
    fresh.store = MemoryStore(dict(fresh.store.iterate(b"")))
    fresh.chain = ChainStore.open(fresh.store, fresh.genesis)
    installation = Installation(fresh.store, fresh.chain, fresh.genesis)
    assert installation.height == 5
    bring_state(fresh, node)
    for block in blocks[5:]:
        installation.add(block)
    installation.finish()
    assert read_edge(fresh.store) is None
    assert clean(fresh)


def test_execution_may_overtake_a_stopped_installation() -> None:
    node = source()
    fresh = grow(Node(), 1)
    install(fresh, sync_blocks(node, 2)[:3])
    grow(fresh, 5, interval=3)
    assert fresh.chain.applied == 6
    assert clean(fresh)
    installation = Installation(fresh.store, fresh.chain, fresh.genesis)
    assert installation.height == 6
    bring_state(fresh, node)
    for block in sync_blocks(node, 7):
        installation.add(block)
    installation.finish()
    assert clean(fresh)


def test_blocks_without_a_certificate_of_the_last_are_not_finished() -> None:
    node = grow(Node(), 2, interval=9)
    with pytest.raises(CertificateContradicts):
        install(Node(), sync_blocks(node)).finish()
    with pytest.raises(ChainError):
        install(Node(), []).finish()


def test_an_own_full_sidecar_stays_and_an_erased_one_comes_erased() -> None:
    node, fresh = source(), Node()
    first, second, *_ = sync_blocks(node)
    fresh.chain.put_sidecar(first.sidecars[0])
    erased = replace(first, sidecars=(first.sidecars[0].erase(0),))
    also = replace(second, sidecars=(second.sidecars[0].erase(0),))
    installation = install(fresh, [erased, also, *sync_blocks(node, 3)])
    bring_state(fresh, node)
    installation.finish()
    kept = fresh.chain.sidecar(first.sidecars[0].root)
    assert kept == first.sidecars[0]
    assert fresh.chain.sidecar(second.sidecars[0].root) == also.sidecars[0]
    assert fresh.store.get(schema.pending_sidecar(first.sidecars[0].root)) is None
    gone = second.sidecars[0].entries[0]
    assert fresh.records.records_of(gone.tag, 9) == []  # type: ignore[union-attr]
    assert clean(fresh)


def test_a_state_from_before_the_sync_is_said_to_be_missing() -> None:
    node, fresh = source(), grow(Node(), 2, interval=3)
    installation = install(fresh, sync_blocks(node, 3))
    tip = node.chain.tip.state_root
    drive(StateWalk(fresh.store, tip), {k[1:]: v for k, v in node.store.iterate(schema.STATE)})
    installation.finish()
    reader = EthereumReader(
        store=fresh.store,
        chain=fresh.chain,
        executor=fresh.executor,
        genesis=fresh.genesis,
        waiting=None,  # type: ignore[arg-type]
    )
    try:
        who = ACCOUNTS[0].address
        assert reader.balance(who, Height(12)) < reader.balance(who, Height(2)) < 10**18
        with pytest.raises(LookupError, match="the state of block 7 is not kept here, that of 12"):
            reader.balance(who, Height(7))
    finally:
        reader.close()

"""The chain store: one write a block, nothing acknowledged is lost, damage is named."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bulwark.ledger.errors import DecodeError
from bulwark.ledger.ids import Height
from bulwark.ledger.permissions import Permissions
from node.chain.errors import CertificateContradicts, ChainError, NotNext, OtherAlliance
from node.chain.store import ChainStore
from node.chain.syncblock import SyncBlock
from node.storage import schema
from node.storage.errors import StoreDamaged, StoreWriteFailed
from node.storage.level import LevelStore
from node.storage.memory import MemoryStore
from node.storage.migrations import LayoutUnknown
from tests.unit.node.execution.alliance import (
    ACCOUNTS,
    NOWHERE,
    Node,
    anchor,
    call,
    certify,
    commit_of,
    make_genesis,
    make_sidecar,
)

ALPHA, BRAVO, _, _ = ACCOUNTS
REPOSITORY = Path(__file__).resolve().parents[4]


def busy_node() -> Node:
    node = Node()
    for number in range(3):
        sidecar = make_sidecar(4, f"s{number}")
        node.block(anchor(ALPHA, number, sidecar), call(BRAVO, number, NOWHERE), sidecars=[sidecar])
    return node


def contents(node: Node) -> dict[bytes, bytes]:
    return dict(node.store.iterate(b""))


def test_a_block_with_everything_is_one_write_that_a_power_cut_keeps_whole_or_not_at_all() -> None:
    node = Node()
    assert isinstance(node.store, MemoryStore)
    before = contents(node)
    executed = node.execute(call(ALPHA, 0, NOWHERE))
    node.chain.commit_block(executed, commit_of(node.genesis, Height(1), executed.batch))
    assert node.chain.commit_certificate(Height(1)) is not None
    after = contents(node)
    assert dict(node.store.crash(keep_unsynced=1).iterate(b"")) == after
    assert dict(node.store.crash().iterate(b"")) == before


def test_a_reopened_chain_is_the_same_chain() -> None:
    node = busy_node()
    again = ChainStore.open(node.store, node.genesis)
    assert (again.applied, again.finalized, again.tip) == (3, 3, node.chain.tip)
    assert again.block(Height(2)) == node.chain.block(Height(2))
    assert again.height_of_hash(again.tip.hash()) == 3
    transaction_hash = again.block(Height(2)).transaction_hashes[1]  # type: ignore[union-attr]
    assert again.place_of_transaction(transaction_hash) == (2, 1)


def test_a_power_cut_keeps_flushed_blocks_and_the_sidecars_before_them() -> None:
    node = Node()
    kept, lost = make_sidecar(2, "kept"), make_sidecar(2, "lost")
    node.block(anchor(ALPHA, 0, kept), sidecars=[kept])
    assert isinstance(node.store, MemoryStore)
    node.store.flush()
    node.chain.put_sidecar(lost)
    after = Node(node.store.crash(), node.genesis)
    assert after.chain.applied == 1
    assert after.chain.sidecar(kept.root) == kept
    assert not after.chain.has_sidecar(lost.root)


def test_a_failed_write_leaves_the_tip_where_it_was() -> None:
    node = busy_node()
    executed = node.execute(call(ALPHA, 3, NOWHERE))
    assert isinstance(node.store, MemoryStore)
    node.store.refuse_writes = True
    with pytest.raises(StoreWriteFailed):
        node.chain.commit_block(executed, None)
    assert node.chain.applied == 3


def test_a_block_or_certificate_that_does_not_fit_is_refused() -> None:
    node = busy_node()
    executed = node.execute(call(ALPHA, 3, NOWHERE))
    other = node.execute(call(ALPHA, 3, NOWHERE, value=1))
    with pytest.raises(CertificateContradicts):
        node.chain.commit_block(executed, commit_of(node.genesis, Height(4), other.batch))
    with pytest.raises(ChainError):
        node.chain.store_checkpoint(certify(node.genesis, executed.header))
    node.chain.commit_block(executed, None)
    with pytest.raises(NotNext):
        node.chain.commit_block(executed, None)
    with pytest.raises(CertificateContradicts):
        node.chain.store_checkpoint(certify(node.genesis, other.header))


def test_a_store_of_another_alliance_is_refused() -> None:
    node = busy_node()
    with pytest.raises(OtherAlliance, match="genesis hash"):
        ChainStore.open(node.store, make_genesis(Permissions(send="anyone")))
    node.store.write({schema.META_FORMAT: b"bulwark-store/0"}, sync=True)
    with pytest.raises(LayoutUnknown, match="layout 0, this version reads 3"):
        ChainStore.open(node.store, node.genesis)
    node.store.write({schema.META_FORMAT: b"bulwark-store/4"}, sync=True)
    with pytest.raises(LayoutUnknown, match="layout 4"):
        ChainStore.open(node.store, node.genesis)


@pytest.mark.parametrize(
    "key",
    [
        schema.META_APPLIED,
        schema.META_FRONTIER,
        schema.header(Height(3)),
        schema.header(Height(1)),
        schema.batch(Height(3)),
        schema.receipts(Height(3)),
        schema.checkpoint(Height(3)),
    ],
)
def test_a_flipped_byte_of_the_head_refuses_to_open_and_names_the_key(key: bytes) -> None:
    node = busy_node()
    stored = bytearray(node.store.get(key) or b"")
    stored[len(stored) // 2] ^= 1
    node.store.write({key: bytes(stored)}, sync=True)
    with pytest.raises(StoreDamaged, match=key.hex()):
        ChainStore.open(node.store, node.genesis)


@pytest.mark.parametrize("missing", ["header", "batch", "receipts", "hash", "state"])
def test_a_missing_part_of_the_head_refuses_to_open(missing: str) -> None:
    node = busy_node()
    tip = node.chain.tip
    key = {
        "header": schema.header(Height(2)),
        "batch": schema.batch(Height(3)),
        "receipts": schema.receipts(Height(3)),
        "hash": schema.height_by_hash(tip.hash()),
        "state": schema.state(tip.state_root),
    }[missing]
    node.store.write({key: None}, sync=True)
    with pytest.raises(StoreDamaged):
        ChainStore.open(node.store, node.genesis)


def test_sync_blocks_bring_an_empty_node_to_the_same_content() -> None:
    node, fresh = busy_node(), Node()
    blocks = node.chain.sync_blocks(Height(1), 1 << 20)
    assert [block.header.height for block in blocks] == [1, 2, 3]
    for sent in blocks:
        block = SyncBlock.decode(sent.encode())
        assert block == sent
        by_root = {sidecar.root: sidecar for sidecar in block.sidecars}
        executed = fresh.executor.execute(block.header.height, block.batch, by_root)
        assert executed.header == block.header
        fresh.chain.commit_block(executed, None)
        assert block.checkpoint is not None
        fresh.chain.store_checkpoint(block.checkpoint)
    mine = {k: v for k, v in contents(node).items() if k[:1] != schema.COMMIT_CERTIFICATES}
    assert contents(fresh) == mine


def test_sync_blocks_keep_to_the_byte_limit_but_give_at_least_one() -> None:
    node = busy_node()
    size = len(node.chain.sync_blocks(Height(1), 0)[0].encode())
    assert len(node.chain.sync_blocks(Height(1), 0)) == 1
    assert len(node.chain.sync_blocks(Height(1), 2 * size + 100)) == 2
    assert node.chain.sync_blocks(Height(4), 1 << 20) == []


def test_a_sync_block_that_is_cut_or_oversized_is_refused() -> None:
    data = busy_node().chain.sync_blocks(Height(1), 0)[0].encode()
    for cut in (0, 3, len(data) // 2, len(data) - 1):
        with pytest.raises(DecodeError):
            SyncBlock.decode(data[:cut])
    with pytest.raises(DecodeError):
        SyncBlock.decode(data + b"\x00")
    with pytest.raises(DecodeError):
        SyncBlock.decode(b"\xff\xff\xff\xff" + data[4:])


def test_sidecars_that_were_never_anchored_are_pruned_by_age() -> None:
    node = Node()
    orphan, used = make_sidecar(1, "orphan"), make_sidecar(1, "used")
    node.chain.put_sidecar(orphan)
    node.block(anchor(ALPHA, 0, used), sidecars=[used])
    assert node.chain.prune_sidecars(Height(0)) == 0
    assert node.chain.prune_sidecars(Height(1)) == 1
    assert node.chain.sidecar(orphan.root) is None
    assert node.chain.sidecar(used.root) == used


WRITER = """
import sys
from pathlib import Path
from node.storage.level import LevelStore
from tests.unit.node.execution.alliance import ACCOUNTS, Node, anchor, make_sidecar
node = Node(LevelStore(Path(sys.argv[1])))
for number in range(10_000):
    sidecar = make_sidecar(3, f"s{number}")
    node.block(anchor(ACCOUNTS[0], number, sidecar), sidecars=[sidecar])
    print(node.chain.applied, flush=True)
"""


def test_kill_9_of_a_node_loses_no_block_that_it_reported(tmp_path: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert writer.stdout is not None
    reported = 0
    for _ in range(15):
        reported = int(writer.stdout.readline())
    writer.send_signal(signal.SIGKILL)
    reported = max([reported, *(int(line) for line in writer.stdout if line.endswith("\n"))])
    writer.wait()
    store = LevelStore(tmp_path)
    node = Node(store)
    assert node.chain.applied >= reported
    assert node.chain.finalized >= reported
    sidecar = make_sidecar(3, f"s{reported - 1}")
    proof = node.prover.record(sidecar.entries[2].record_id)
    assert proof.verify(node.genesis).height == reported
    store.close()

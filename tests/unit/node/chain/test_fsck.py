"""fsck finds what is wrong, names it, and finds nothing where nothing is wrong."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from bulwark.ledger.ids import Height
from node.fsck import FsckReport, fsck
from node.storage import schema
from node.storage.level import LevelStore
from node.storage.memory import MemoryStore
from node.storage.seal import seal, unseal
from tests.unit.node.execution.alliance import (
    ACCOUNTS,
    NOWHERE,
    Node,
    anchor,
    call,
    make_sidecar,
)

ALPHA, BRAVO, _, _ = ACCOUNTS


def fill(node: Node) -> Node:
    for number in range(4):
        sidecar = make_sidecar(3, f"s{number}")
        node.block(
            anchor(ALPHA, number, sidecar),
            call(BRAVO, number, NOWHERE),
            call(BRAVO, 99, NOWHERE),
            sidecars=[sidecar],
        )
    return node


@cache
def filled() -> dict[bytes, bytes]:
    return dict(fill(Node()).store.iterate(b""))


def busy_node() -> Node:
    return Node(MemoryStore(filled()))


def check(node: Node, *, full: bool = True) -> FsckReport:
    return fsck(node.store, node.genesis, full=full)


@pytest.mark.parametrize("full", [True, False])
def test_a_sound_store_is_clean(full: bool, tmp_path: Path) -> None:
    node = fill(Node(LevelStore(tmp_path)))
    node.erase(make_sidecar(3, "s1").entries[0].record_id)
    node.chain.put_sidecar(make_sidecar(1, "waits"))
    seen: list[int] = []
    report = fsck(node.store, node.genesis, full=full, progress=lambda h, last: seen.append(h))
    assert report.problems == ()
    assert report.is_clean and report.executed_again is full
    assert (report.height, report.finalized, report.records, report.erased) == (4, 4, 12, 1)
    assert seen[-1] == 4
    node.store.close()


def flip(node: Node, key: bytes) -> None:
    stored = bytearray(node.store.get(key) or b"")
    stored[0] ^= 1
    node.store.write({key: bytes(stored)}, sync=True)


def delete(node: Node, key: bytes) -> None:
    assert node.store.get(key) is not None
    node.store.write({key: None}, sync=True)


def first_under(node: Node, prefix: bytes) -> bytes:
    return next(key for key, _ in node.store.iterate(prefix))


@pytest.mark.parametrize("damage", [flip, delete])
@pytest.mark.parametrize(
    "prefix",
    [
        schema.HEADERS,
        schema.BATCHES,
        schema.RECEIPTS,
        schema.TRANSACTIONS,
        schema.SIDECARS,
        schema.RECORDS,
        schema.RECORDS_BY_TAG,
        schema.LOG_NODES,
        schema.LOG_LEAVES,
        schema.HEIGHTS_BY_HASH,
    ],
)
@pytest.mark.parametrize("full", [True, False])
def test_damage_under_any_prefix_is_found(
    damage: Callable[[Node, bytes], None], prefix: bytes, full: bool
) -> None:
    node = busy_node()
    damage(node, first_under(node, prefix))
    assert not check(node, full=full).is_clean


def test_a_changed_state_node_is_found_in_full_mode() -> None:
    node = busy_node()
    key = schema.state(node.chain.tip.state_root)
    flip(node, key)
    [problem] = check(node).problems
    assert key.hex() in problem.where


def test_a_forged_receipt_is_found_although_its_checksum_is_right() -> None:
    node = busy_node()
    key = schema.receipts(Height(2))
    data = bytearray(unseal(key, node.store.get(key) or b""))
    data[-1] ^= 1
    node.store.write({key: seal(key, bytes(data))}, sync=True)
    assert any("block 2" in problem.where for problem in check(node, full=False).problems)


def test_a_certificate_of_another_block_is_found() -> None:
    node = busy_node()
    wrong, key = schema.checkpoint(Height(3)), schema.checkpoint(Height(2))
    other = unseal(wrong, node.store.get(wrong) or b"")
    node.store.write({key: seal(key, other)}, sync=True)
    assert "checkpoint certificate 2" in [p.where for p in check(node, full=False).problems]


@pytest.mark.parametrize(
    "key",
    [
        schema.header(Height(9)),
        b"?",
        schema.sidecar(make_sidecar(1, "x").root),
        schema.record(make_sidecar(1, "x").entries[0].record_id),
    ],
)
def test_a_key_that_belongs_to_nothing_is_found(key: bytes) -> None:
    node = busy_node()
    node.store.write({key: b"x"}, sync=True)
    assert [p.where for p in check(node, full=False).problems] == [f"key {key.hex()}"]

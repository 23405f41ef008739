"""Records found by tag and by id, proved offline, and erased without breaking a root."""

from __future__ import annotations

import pytest
from msgspec import structs

from bulwark.ledger.errors import ProofInvalid
from bulwark.ledger.ids import Height, RecordId, Tag
from bulwark.ledger.proofs import AnchorProof, ConsistencyProof, RecordProof
from bulwark.ledger.record import Record
from bulwark.ledger.sidecar import ErasedRecord, Sidecar
from node.chain.erasing import Eraser
from node.chain.errors import NotProvable
from node.chain.store import ChainStore
from node.chain.syncblock import SyncBlock
from node.fsck import fsck
from node.storage import schema
from tests.unit.node.execution.alliance import ACCOUNTS, POLICY, Node, anchor, make_sidecar

ALPHA, BRAVO, _, _ = ACCOUNTS
TAG = Tag(b"\x42" * 32)


def test_a_tag_is_found_with_reporter_height_and_time_oldest_first() -> None:
    node = Node()
    first = make_sidecar(3, "a", [TAG])
    second = make_sidecar(2, "b", [Tag(b"\x41" * 32), TAG])
    one = node.block(anchor(ALPHA, 0, first), sidecars=[first])
    two = node.block(anchor(BRAVO, 0, second), sidecars=[second])
    found = node.records.records_of(TAG, 10)
    assert [(r.record_id, r.reporter, r.height, r.timestamp_ms) for r in found] == [
        (first.entries[0].record_id, ALPHA.address, 1, one.header.timestamp_ms),
        (second.entries[1].record_id, BRAVO.address, 2, two.header.timestamp_ms),
    ]
    assert found[0].payload.confidence == 80
    assert node.records.has(TAG)
    assert node.records.records_of(Tag(b"\x43" * 32), 10) == []
    by_id = node.records.by_id(found[1].record_id)
    assert by_id is not None
    assert structs.astuple(by_id) == structs.astuple(found[1])


def test_two_anchors_in_one_block_are_both_found() -> None:
    node = Node()
    sidecars = [make_sidecar(1, "a", [TAG]), make_sidecar(1, "b", [TAG])]
    node.block(anchor(ALPHA, 0, sidecars[0]), anchor(BRAVO, 0, sidecars[1]), sidecars=sidecars)
    assert [r.reporter for r in node.records.records_of(TAG, 10)] == [ALPHA.address, BRAVO.address]


def test_a_look_up_reads_no_more_than_the_newest_that_were_asked_for() -> None:
    node = Node()
    for nonce in range(3):
        sidecar = make_sidecar(1, f"s{nonce}", [TAG])
        node.block(anchor(ALPHA, nonce, sidecar), sidecars=[sidecar])
    assert [r.height for r in node.records.records_of(TAG, 2)] == [2, 3]
    assert [r.height for r in node.records.records_of(TAG, 1)] == [3]


def test_a_record_proof_verifies_offline_with_the_genesis_document_alone() -> None:
    node = Node()
    for number in range(5):
        sidecar = make_sidecar(7, f"s{number}")
        node.block(anchor(ALPHA, number, sidecar), sidecars=[sidecar])
    wanted = make_sidecar(7, "s2").entries[3].record_id
    proof = RecordProof.from_json(node.prover.record(wanted).to_json())
    verified = proof.verify(node.genesis)
    assert (verified.record_id, verified.height, verified.member) == (wanted, 3, "alpha")
    assert verified.policy == POLICY
    assert verified.payload is not None
    with pytest.raises(ProofInvalid):
        structs.replace(proof, index=4).verify(node.genesis)


def test_anchors_and_growth_of_the_log_are_proved() -> None:
    node = Node()
    roots = []
    for number in range(6):
        sidecar = make_sidecar(1, f"s{number}")
        roots.append(sidecar.root)
        node.block(anchor(ALPHA, number, sidecar), sidecars=[sidecar])
    proof = AnchorProof.from_json(node.prover.anchor(roots[2]).to_json())
    assert proof.verify(node.genesis).anchor.digest == roots[2]
    for first in range(7):
        growth = node.prover.consistency(Height(max(first, 1)), Height(6))
        ConsistencyProof.from_json(growth.to_json()).verify(node.genesis)


def test_a_proof_uses_the_next_certified_header_and_waits_for_one() -> None:
    node = Node()
    first, second = make_sidecar(1, "a"), make_sidecar(1, "b")
    node.block(anchor(ALPHA, 0, first), sidecars=[first], final=False)
    with pytest.raises(NotProvable, match="blocks up to 0 are final"):
        node.prover.record(first.entries[0].record_id)
    node.block(anchor(ALPHA, 1, second), sidecars=[second])
    proof = node.prover.record(first.entries[0].record_id)
    assert proof.anchored.sealed.header.height == 2
    proof.verify(node.genesis)
    with pytest.raises(LookupError):
        node.prover.record(RecordId(bytes(32)))


def test_an_erased_record_leaves_its_leaf_and_every_proof_holds() -> None:
    node = Node()
    sidecar = make_sidecar(3, "a", [TAG])
    node.block(anchor(ALPHA, 0, sidecar), sidecars=[sidecar])
    record = sidecar.entries[0]
    assert node.erase(record.record_id) == 1
    assert node.erase(record.record_id) == 0
    assert node.records.records_of(TAG, 10) == []
    found = node.records.by_id(record.record_id)
    assert found is not None
    assert (found.payload, found.reporter, found.height) == (None, ALPHA.address, 1)
    assert node.prover.record(record.record_id).verify(node.genesis).payload is None
    stored = b"".join(value for _, value in node.store.iterate(b""))
    keys = b"".join(key for key, _ in node.store.iterate(b""))
    assert TAG not in stored and TAG not in keys
    assert record.salt not in stored  # type: ignore[union-attr]
    assert ChainStore.open(node.store, node.genesis).sidecar(sidecar.root).root == sidecar.root  # type: ignore[union-attr]


def test_a_node_that_syncs_after_an_erasure_gets_leaves_and_the_same_headers() -> None:
    node, fresh = Node(), Node()
    sidecar = make_sidecar(3, "a", [TAG])
    node.block(anchor(ALPHA, 0, sidecar), sidecars=[sidecar])
    node.erase(sidecar.entries[0].record_id)
    block = SyncBlock.decode(node.chain.sync_blocks(Height(1), 1 << 20)[0].encode())
    by_root = {s.root: s for s in block.sidecars}
    executed = fresh.executor.execute(Height(1), block.batch, by_root)
    assert executed.header == block.header
    fresh.chain.commit_block(executed, None)
    assert fresh.records.records_of(TAG, 10) == []
    found = fresh.records.by_id(sidecar.entries[0].record_id)
    assert found is not None and found.payload is None


def test_many_records_of_a_sidecar_go_in_one_write_of_it() -> None:
    node = Node()
    sidecar = make_sidecar(40, "a", [TAG])
    other = make_sidecar(3, "b")
    node.block(anchor(ALPHA, 0, sidecar), anchor(ALPHA, 1, other), sidecars=[sidecar, other])
    eraser = Eraser(node.store, node.chain)
    wanted = [entry.record_id for entry in (*sidecar.entries[::2], other.entries[1])]
    groups = eraser.groups([*wanted, RecordId(bytes(32))])
    assert sorted(len(group.places) for group in groups) == [1, 20]
    assert node.erase(*wanted) == 21
    left = node.chain.sidecar(sidecar.root)
    assert left is not None and left.root == sidecar.root
    assert [isinstance(entry, Record) for entry in left.entries[:4]] == [False, True, False, True]
    for entry in sidecar.entries[1::2]:
        assert node.prover.record(entry.record_id).verify(node.genesis).payload is not None
    assert fsck(node.store, node.genesis).problems == ()


def test_a_copy_of_a_record_in_another_batch_goes_with_it() -> None:
    node = Node()
    first = make_sidecar(3, "a", [TAG])
    copy = Sidecar((*make_sidecar(2, "b").entries, first.entries[0]))
    node.block(anchor(ALPHA, 0, first), sidecars=[first])
    node.block(anchor(BRAVO, 0, copy), sidecars=[copy])
    record = first.entries[0]
    assert isinstance(record, Record)
    assert node.erase(record.record_id) == 2
    stored = b"".join(key + value for key, value in node.store.iterate(b""))
    assert record.salt not in stored and TAG not in stored
    assert fsck(node.store, node.genesis).problems == ()


def test_an_erased_record_that_is_brought_again_is_kept_as_its_leaf() -> None:
    node = Node()
    sidecar = make_sidecar(3, "a", [TAG])
    node.block(anchor(ALPHA, 0, sidecar), sidecars=[sidecar])
    record = sidecar.entries[0]
    node.erase(record.record_id)
    node.chain.erased.add(record.record_id)
    again = Sidecar((*make_sidecar(1, "c").entries, record))
    node.chain.put_sidecar(again)
    kept = ChainStore.open(node.store, node.genesis).sidecar(again.root)
    assert kept is not None and kept.entries[1] == ErasedRecord(record.record_id)
    assert isinstance(kept.entries[0], Record)


def test_what_a_peer_left_out_is_given_back_with_its_place_under_its_tag() -> None:
    node, fresh = Node(), Node()
    sidecar = make_sidecar(3, "a", [TAG])
    node.block(anchor(ALPHA, 0, sidecar), sidecars=[sidecar])
    bare = sidecar.erase(0).erase(1)
    fresh.block(anchor(ALPHA, 0, sidecar), sidecars=[bare])
    assert list(fresh.store.iterate(schema.BARE_SIDECARS)), "nobody would look at it"
    wanted = sidecar.entries[0].record_id
    back = Eraser(fresh.store, fresh.chain)
    assert back.give_back(sidecar.root, make_sidecar(3, "other"), [wanted]) == 0
    assert back.give_back(sidecar.root, sidecar, [wanted]) == 1
    assert fresh.records.records_of(TAG, 10) == node.records.records_of(TAG, 10)
    second = fresh.records.by_id(sidecar.entries[1].record_id)
    assert second is not None and second.payload is None
    assert fsck(fresh.store, fresh.genesis).problems == ()

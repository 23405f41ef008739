"""Blocks from batches: what counts, what is left out, what the header commits to."""

from __future__ import annotations

import pytest

from bulwark.ledger.batch import NULL_BATCH, Batch
from bulwark.ledger.errors import TransactionInvalid
from bulwark.ledger.ids import Address, Height, TimestampMs
from bulwark.ledger.merkle import Frontier
from bulwark.ledger.permissions import Permissions
from bulwark.ledger.receipt import receipts_root
from bulwark.ledger.trie import trie_root
from contracts.bindings import CONSENT_REGISTRY, encode_give, encode_withdraw
from node.execution.errors import SidecarMissing, WrongHeight
from node.storage.memory import MemoryStore
from tests.unit.node.execution.alliance import (
    ACCOUNTS,
    CREATED_MS,
    NOWHERE,
    STRANGER,
    Node,
    anchor,
    call,
    make_genesis,
    make_sidecar,
)

ALPHA, BRAVO = ACCOUNTS[:2]
RETURN_ONE = bytes.fromhex("60016000526001601ff3")
"""Init code that deploys the one-byte contract 0x01."""


def test_an_anchor_succeeds_and_grows_the_record_log() -> None:
    node = Node()
    sidecar = make_sidecar(5, "a")
    block = node.block(anchor(ALPHA, 0, sidecar), sidecars=[sidecar])
    assert block.receipts[0].succeeded
    assert block.skipped == ()
    [found] = block.anchors
    assert (found.digest, found.count, found.account) == (sidecar.root, 5, ALPHA.address)
    frontier = Frontier()
    frontier.append(found.leaf_hash)
    assert (block.header.record_log_size, block.header.record_log_root) == (1, frontier.root)
    assert block.record_count == 5


def test_the_header_commits_to_transactions_receipts_state_and_parent() -> None:
    node = Node()
    first = node.block(call(ALPHA, 0, NOWHERE, value=7), at_ms=CREATED_MS + 5)
    header = first.header
    assert header.parent_hash == node.chain.block(Height(0)).header.hash()  # type: ignore[union-attr]
    assert header.transactions_root == trie_root([t.raw for t in first.transactions])
    assert header.receipts_root == receipts_root(first.receipts)
    assert header.gas_used == first.receipts[-1].cumulative_gas == 21_000
    assert node.executor.account(header.state_root, NOWHERE).balance == 7  # type: ignore[union-attr]
    assert header.batch_digest == first.batch.digest


def test_two_nodes_that_execute_the_same_batches_have_the_same_headers() -> None:
    one, other = Node(), Node()
    for number in range(3):
        sidecar = make_sidecar(3, f"s{number}")
        sent = [anchor(ALPHA, number, sidecar), call(BRAVO, number, NOWHERE)]
        blocks = [n.block(*sent, sidecars=[sidecar], at_ms=CREATED_MS) for n in (one, other)]
        assert blocks[0] == blocks[1]
        assert blocks[0].puts == blocks[1].puts


def test_execution_writes_nothing_and_gives_the_same_block_again() -> None:
    node = Node()
    assert isinstance(node.store, MemoryStore)
    writes = node.store.synced_writes
    transaction = call(ALPHA, 0, NOWHERE, value=1)
    assert node.execute(transaction) == node.execute(transaction)
    assert node.store.synced_writes == writes
    assert node.chain.applied == 0


def test_time_is_the_proposers_but_always_after_the_parent() -> None:
    node = Node()
    assert node.block(at_ms=CREATED_MS + 70).header.timestamp_ms == CREATED_MS + 70
    assert node.block(at_ms=CREATED_MS + 70).header.timestamp_ms == CREATED_MS + 71
    executed = node.executor.execute(Height(3), NULL_BATCH, {})
    assert executed.header.timestamp_ms == CREATED_MS + 72
    assert executed.header.state_root == node.chain.tip.state_root


def test_a_reverted_transaction_is_in_the_block_with_a_failed_receipt() -> None:
    node = Node()
    sidecar = make_sidecar(1, "a")
    again = anchor(ALPHA, 1, sidecar)
    block = node.block(anchor(ALPHA, 0, sidecar), again, sidecars=[sidecar])
    assert [r.succeeded for r in block.receipts] == [True, False]
    assert block.results == ((block.transactions[0].hash, True), (again.hash, False))
    assert len(block.anchors) == 1
    assert node.executor.nonce(ALPHA.address) == 2


def test_an_anchor_of_an_account_that_is_no_reporter_nor_regulator_indexes_nothing() -> None:
    node = Node(genesis=make_genesis(Permissions(send="anyone")))
    sidecar = make_sidecar(2, "a")
    block = node.block(anchor(STRANGER, 0, sidecar), sidecars=[sidecar])
    assert not block.receipts[0].succeeded
    assert node.records.by_id(sidecar.entries[0].record_id) is None


@pytest.mark.parametrize(
    ("transaction", "rule"),
    [
        (call(ALPHA, 1, NOWHERE), "nonce"),
        (call(ALPHA, 0, NOWHERE, chain_id=1), "chain id"),
        (call(ALPHA, 0, NOWHERE, gas=30_000_001), "block gas"),
        (call(ALPHA, 0, NOWHERE, value=10**18 + 1), "balance"),
        (call(STRANGER, 0, NOWHERE), "sender.not-a-member"),
        (call(BRAVO, 0, None, RETURN_ONE), "sender.not-a-deployer"),
    ],
)
def test_a_transaction_that_breaks_a_rule_is_left_out_and_the_rest_goes_on(
    transaction: object, rule: str
) -> None:
    node = Node()
    good = call(BRAVO, 0, NOWHERE)
    block = node.block(transaction, good)  # type: ignore[arg-type]
    assert [(s.position, s.rule) for s in block.skipped] == [(0, rule)]
    assert block.transactions == (good,)
    stored = node.chain.block(Height(1))
    assert stored is not None
    assert stored.transaction_hashes == (good.hash,)


def test_bytes_that_are_no_transaction_are_left_out() -> None:
    node = Node()
    batch = Batch(TimestampMs(0), (b"\x02\xc0", b""))
    block = node.executor.execute(Height(1), batch, {})
    assert [s.position for s in block.skipped] == [0, 1]
    assert block.transactions == ()


def test_gas_of_earlier_transactions_counts_against_the_block() -> None:
    node = Node(genesis=make_genesis(gas_limit=50_000))
    block = node.block(call(ALPHA, 0, NOWHERE, gas=21_000), call(BRAVO, 0, NOWHERE, gas=29_001))
    assert [s.rule for s in block.skipped] == ["block gas"]


def test_a_deployer_deploys_and_permissions_can_be_opened_by_genesis() -> None:
    node = Node()
    block = node.block(call(ALPHA, 0, None, RETURN_ONE))
    assert block.receipts[0].succeeded
    opened = Node(genesis=make_genesis(Permissions(send="anyone", deploy="anyone")))
    assert opened.block(call(STRANGER, 0, None, RETURN_ONE)).receipts[0].succeeded


def test_the_ingress_check_is_the_executors_check() -> None:
    node = Node()
    node.executor.check(call(BRAVO, 0, NOWHERE))
    for refused in (
        call(STRANGER, 0, NOWHERE),
        call(BRAVO, 0, None, RETURN_ONE),
        call(BRAVO, 0, NOWHERE, chain_id=5),
    ):
        with pytest.raises(TransactionInvalid):
            node.executor.check(refused)


def test_an_anchor_without_its_sidecar_stops_execution() -> None:
    node = Node()
    with pytest.raises(SidecarMissing):
        node.execute(anchor(ALPHA, 0, make_sidecar(1, "a")))


def test_a_height_that_is_not_next_is_refused() -> None:
    with pytest.raises(WrongHeight):
        Node().executor.execute(Height(2), NULL_BATCH, {})


def test_consents_are_anchored_with_basis_and_reason() -> None:
    node = Node()
    registry = Address(CONSENT_REGISTRY)
    anchor_id, commitment = b"\x07" * 32, b"\x08" * 32
    give = call(ALPHA, 0, registry, encode_give(anchor_id, commitment, 3, 4, 20_000))
    withdraw = call(ALPHA, 1, registry, encode_withdraw(anchor_id, 9))
    block = node.block(give, withdraw)
    assert [(a.kind.name, a.basis, a.purpose, a.log_index) for a in block.anchors] == [
        ("CONSENT_GIVEN", 4, 3, 0),
        ("CONSENT_WITHDRAWN", 9, 3, 1),
    ]
    assert node.prover.anchor(anchor_id).verify(node.genesis).anchor.kind.name == (
        "CONSENT_WITHDRAWN"
    )

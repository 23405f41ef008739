"""The Ethereum-shaped reads: blocks, state of any height, logs, proofs, bounded calls."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import rlp
from trie import HexaryTrie

import node.chain.logs as logs_module
import node.chain.reader as reader_module
from bulwark.ledger.hashing import keccak256
from bulwark.ledger.ids import Address, Digest, Height
from bulwark.ledger.transaction import Transaction
from contracts.bindings import (
    MEMBER_REGISTRY,
    RECORD_REGISTRY,
    RECORDS_ANCHORED_TOPIC,
    encode_anchor,
    encode_has_role,
    record_slot,
    roles_slot,
    unpack_record_slot,
)
from node.chain.reader import EthereumReader
from node.ethereum import CallRequest, CallResult, EthereumView, TooMany
from node.service import Busy
from tests.unit.node.execution.alliance import (
    ACCOUNTS,
    CHAIN_ID,
    NOWHERE,
    POLICY,
    STRANGER,
    Node,
    anchor,
    call,
    make_sidecar,
)

ALPHA, BRAVO, _, _ = ACCOUNTS
REGISTRY = Address(RECORD_REGISTRY)
MEMBERS = Address(MEMBER_REGISTRY)
ENDLESS = bytes.fromhex("5b600056")
"""JUMPDEST PUSH1 0 JUMP."""


class NothingWaits:
    def transaction(self, transaction_hash: Digest) -> Transaction | None:
        return None

    def next_nonce(self, sender: Address) -> int:
        return 77

    async def submit(self, raw: bytes) -> Digest:
        return keccak256(raw)


def read(node: Node) -> EthereumReader:
    return EthereumReader(
        store=node.store,
        chain=node.chain,
        executor=node.executor,
        genesis=node.genesis,
        waiting=NothingWaits(),
    )


@pytest.fixture
def node() -> Node:
    node = Node()
    for number in range(4):
        sidecar = make_sidecar(2, f"s{number}")
        node.block(
            anchor(ALPHA, 2 * number, sidecar),
            call(ALPHA, 2 * number + 1, NOWHERE, value=5),
            sidecars=[sidecar],
            final=number < 3,
        )
    return node


@pytest.fixture
def view(node: Node) -> Iterator[EthereumReader]:
    opened = read(node)
    yield opened
    opened.close()


def request(to: Address | None, data: bytes, gas: int | None = None, value: int = 0) -> CallRequest:
    return CallRequest(sender=ALPHA.address, to=to, data=data, value=value, gas=gas)


def test_the_reader_is_an_ethereum_view(view: EthereumReader) -> None:
    as_view: EthereumView = view
    assert as_view.chain_id == CHAIN_ID


def test_tags_resolve_to_executed_and_final_heights(view: EthereumReader) -> None:
    assert [view.height(t) for t in ("latest", "pending", "safe", "finalized", "earliest")] == [
        4, 4, 3, 3, 0,
    ]  # fmt: skip
    assert (view.height(4), view.height(5), view.height(-1), view.height("x")) == (
        4, None, None, None,
    )  # fmt: skip


def test_blocks_and_transactions_are_found_by_height_and_hash(view: EthereumReader) -> None:
    body = view.block(Height(2))
    assert body is not None
    assert len(body.transactions) == len(body.receipts) == 2
    assert view.height_of_hash(body.hash) == 2
    place = view.transaction(body.transactions[1].hash)
    assert place is not None
    assert (place.height, place.index, place.block_hash) == (2, 1, body.hash)
    assert place.transaction == body.transactions[1]
    assert view.transaction(keccak256(b"none")) is None
    genesis = view.block(Height(0))
    assert genesis is not None and genesis.transactions == ()
    assert view.block(Height(5)) is None


def test_state_of_every_height_can_be_read(view: EthereumReader) -> None:
    assert [view.balance(NOWHERE, Height(h)) for h in range(5)] == [0, 5, 10, 15, 20]
    assert [view.nonce(ALPHA.address, h) for h in range(5)] == [0, 2, 4, 6, 8]
    assert view.nonce(ALPHA.address, "pending") == 77
    assert view.code(NOWHERE, Height(4)) == b""
    assert view.code(REGISTRY, Height(0)) == view.code(REGISTRY, Height(4)) != b""
    roles = view.storage_at(MEMBERS, roles_slot(ALPHA.address), Height(0))
    assert int.from_bytes(roles, "big") == 1 | 2 | 8
    slot = record_slot(make_sidecar(2, "s1").root)
    assert view.storage_at(REGISTRY, slot, Height(1)) == bytes(32)
    value = int.from_bytes(view.storage_at(REGISTRY, slot, Height(2)), "big")
    assert unpack_record_slot(value).block_number == 2  # type: ignore[union-attr]


def test_logs_are_found_with_and_without_address_and_topics(view: EthereumReader) -> None:
    everything = view.logs(Height(0), Height(9), [], [], 100)
    assert [(p.height, p.log_index, p.transaction_index) for p in everything] == [
        (h, 0, 0) for h in (1, 2, 3, 4)
    ]
    topic = RECORDS_ANCHORED_TOPIC
    assert view.logs(Height(0), Height(4), [REGISTRY], [[topic]], 100) == everything
    assert view.logs(Height(0), Height(4), [REGISTRY], [], 100) == everything
    assert view.logs(Height(2), Height(3), [REGISTRY], [[topic]], 100) == everything[1:3]
    root = make_sidecar(2, "s2").root
    assert view.logs(Height(0), Height(4), [], [None, None, [root]], 100) == [everything[2]]
    assert view.logs(Height(0), Height(4), [MEMBERS], [], 100) == []
    assert view.logs(Height(0), Height(4), [REGISTRY], [[bytes(32)]], 100) == []
    assert view.logs(Height(0), Height(4), [], [None] * 4, 100) == []


def test_a_log_query_over_its_bound_is_refused(
    view: EthereumReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TooMany):
        view.logs(Height(0), Height(4), [], [], 3)
    monkeypatch.setattr(logs_module, "MAX_BLOCKS_LOOKED_THROUGH", 3)
    with pytest.raises(TooMany, match="at most 3 blocks"):
        view.logs(Height(0), Height(1000), [], [], 9)
    monkeypatch.setattr(logs_module, "MAX_INDEX_ENTRIES", 2)
    assert len(view.logs(Height(4), Height(4), [REGISTRY], [], 9)) == 1
    with pytest.raises(TooMany, match="walks"):
        view.logs(Height(1), Height(4), [REGISTRY], [], 9)


def test_account_and_storage_proofs_verify_against_the_state_root(
    node: Node, view: EthereumReader
) -> None:
    slots = [roles_slot(ALPHA.address), 12345]
    proof = view.proof(MEMBERS, slots, Height(3))
    header = node.chain.header(Height(3))
    assert header is not None
    nodes = [rlp.decode(each) for each in proof.proof]
    stored = HexaryTrie.get_from_proof(header.state_root, keccak256(MEMBERS), nodes)
    assert rlp.decode(stored)[2:] == [proof.storage_hash, proof.code_hash]
    assert [s.value for s in proof.storage] == [11, 0]
    for each in proof.storage:
        found = HexaryTrie.get_from_proof(
            proof.storage_hash, keccak256(each.key), [rlp.decode(n) for n in each.proof]
        )
        assert found == (rlp.encode(each.value) if each.value else b"")
    absent = view.proof(STRANGER.address, [1], Height(3))
    assert (absent.balance, absent.nonce, absent.storage[0].proof) == (0, 0, ())


async def test_a_call_reads_the_state_of_its_height_and_changes_nothing(
    node: Node, view: EthereumReader
) -> None:
    answer = await view.call(request(MEMBERS, encode_has_role(BRAVO.address, 2)), Height(2))
    assert (answer.success, answer.output[-1], answer.failure) == (True, 1, None)
    sent = await view.call(request(NOWHERE, b"", value=3), Height(2))
    assert sent.success and sent.gas_used == 21_000
    assert view.balance(NOWHERE, Height(4)) == 20
    assert node.chain.applied == 4


async def test_a_revert_gives_its_data_and_other_failures_their_name(view: EthereumReader) -> None:
    root = make_sidecar(2, "s0").root
    again = encode_anchor(root, 2, 1, POLICY)
    before = await view.call(request(REGISTRY, again), Height(0))
    after = await view.call(request(REGISTRY, again), Height(1))
    assert before.success
    assert (after.success, after.failure) == (False, "revert")
    assert b"bulwark: root anchored" in after.output
    assert (await view.call(request(REGISTRY, again, gas=30_000), Height(0))).failure == "OutOfGas"
    assert (await view.call(request(NOWHERE, b"", gas=20_999), Height(0))).success is False
    poor = await view.call(request(NOWHERE, b"", value=10**19), Height(0))
    assert poor.failure == "insufficient funds for value"


async def test_an_estimate_is_the_least_gas_that_succeeds(view: EthereumReader) -> None:
    assert (await view.estimate_gas(request(NOWHERE, b""), Height(0))).gas_used == 21_000
    fresh = request(REGISTRY, encode_anchor(b"\x01" * 32, 9, 1, POLICY))
    needed = (await view.estimate_gas(fresh, Height(4))).gas_used

    async def with_gas(gas: int) -> CallResult:
        return await view.call(request(REGISTRY, fresh.data, gas=gas), Height(4))

    assert (await with_gas(needed)).success
    assert not (await with_gas(needed - 1)).success
    assert (await view.estimate_gas(request(REGISTRY, b"\x00"), Height(4))).failure == "revert"


async def test_an_endless_call_ends_at_its_deadline_or_its_gas(
    view: EthereumReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran_out = await view.call(request(None, ENDLESS, gas=100_000), Height(0))
    assert ran_out.failure == "OutOfGas"
    monkeypatch.setattr(reader_module, "CALL_SECONDS", 0.05)
    started = time.monotonic()
    late = await view.call(request(None, ENDLESS), Height(0))
    assert late.failure == "OutOfTime"
    assert time.monotonic() - started < reader_module.CALL_GAS / 1_000_000


async def test_too_many_calls_at_once_are_refused(
    view: EthereumReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_module, "MAX_WAITING_CALLS", 0)
    with pytest.raises(Busy):
        await view.call(request(NOWHERE, b""), Height(0))
    with pytest.raises(LookupError):
        await view.call(request(NOWHERE, b""), Height(9))

"""The alliance's own EVM rules: no fees, priced and refused precompiles, what opcodes see."""

from __future__ import annotations

from typing import Any

import pytest
from eth.vm.forks.prague.computation import PRAGUE_PRECOMPILES

from bulwark.ledger.ids import Address, Digest
from node.execution.evm import (
    PRECOMPILE_FACTORS,
    REFUSED_PRECOMPILES,
    AllianceComputation,
    EvmMessage,
    block_context,
)
from node.execution.genesis import alloc_state
from tests.unit.node.execution.alliance import (
    ACCOUNTS,
    CREATED_MS,
    NOWHERE,
    Node,
    call,
    make_genesis,
)

ALPHA, BRAVO, _, _ = ACCOUNTS
BN_ADD_ONE_ONE = bytes(31) + b"\x01" + bytes(31) + b"\x02" + bytes(64)


def address(number: int) -> Address:
    return Address(number.to_bytes(20, "big"))


def run(node: Node, to: Address | None, data: bytes, gas: int = 25_000_000) -> Any:
    state = node.executor.state_at(
        node.chain.tip.state_root,
        height=node.chain.tip.height,
        timestamp_ms=node.chain.tip.timestamp_ms,
        randomness=node.chain.tip.batch_digest,
    )
    state.lock_changes()
    message = EvmMessage(ALPHA.address, to or b"", data, 0, gas, 21_000)
    return state.apply_transaction(message)  # type: ignore[arg-type]


def own_gas(computation: Any) -> int:
    used: int = computation.get_gas_used()
    return used


def test_a_priced_precompile_gives_ethereums_answer_at_a_multiple_of_the_price() -> None:
    computation = run(Node(), address(6), BN_ADD_ONE_ONE)
    assert computation.output == BN_ADD_ONE_ONE[:64]
    assert own_gas(computation) == 150 * PRECOMPILE_FACTORS[6]
    hashed = run(Node(), address(9), (12).to_bytes(4, "big") + bytes(208) + b"\x01")
    assert own_gas(hashed) == 12 * PRECOMPILE_FACTORS[9]
    assert run(Node(), address(8), b"").output[-1] == 1
    assert own_gas(run(Node(), address(2), b"")) == 60


@pytest.mark.parametrize("number", REFUSED_PRECOMPILES)
def test_a_refused_precompile_fails_and_burns_its_gas(number: int) -> None:
    computation = run(Node(), address(number), bytes(192), gas=100_000)
    assert computation.is_error
    assert computation.gas_charged == 100_000


def test_every_precompile_of_prague_is_there() -> None:
    assert AllianceComputation.get_precompiles().keys() >= PRAGUE_PRECOMPILES.keys()


def test_pairings_cost_at_least_three_million_gas_a_second_of_their_measured_time() -> None:
    two_pairs_ethereum = 113_000
    assert two_pairs_ethereum * PRECOMPILE_FACTORS[8] >= 440_000 // 1000 * 3_000


def test_gas_is_limited_and_never_paid() -> None:
    node = Node()
    before = node.executor.account(node.chain.tip.state_root, ALPHA.address)
    block = node.block(call(ALPHA, 0, NOWHERE, gas=50_000))
    after = node.executor.account(block.header.state_root, ALPHA.address)
    assert before is not None and after is not None
    assert after.balance == before.balance
    assert block.header.gas_used == 21_000


def opcode_word(node: Node, *code: int) -> int:
    """Deploys code that returns what an opcode pushes, as init code run once."""
    returned = bytes(code) + bytes.fromhex("60005260206000f3")
    return int.from_bytes(run(node, None, returned).output, "big")


def test_opcodes_see_the_block_of_the_alliance() -> None:
    node = Node()
    node.block(at_ms=CREATED_MS + 5_999)
    node.block(at_ms=CREATED_MS + 7_000)
    assert opcode_word(node, 0x42) == CREATED_MS // 1000 + 7  # TIMESTAMP in seconds
    assert opcode_word(node, 0x43) == 2  # NUMBER
    assert opcode_word(node, 0x46) == node.genesis.chain_id  # CHAINID
    assert opcode_word(node, 0x48) == 0  # BASEFEE
    assert opcode_word(node, 0x3A) == 0  # GASPRICE
    assert opcode_word(node, 0x41) == 0  # COINBASE
    assert opcode_word(node, 0x45) == node.genesis.gas_limit  # GASLIMIT
    digest = node.chain.tip.batch_digest
    assert opcode_word(node, 0x44) == int.from_bytes(digest, "big")  # PREVRANDAO
    parent = node.chain.tip.parent_hash
    assert opcode_word(node, 0x60, 1, 0x40) == int.from_bytes(parent, "big")  # BLOCKHASH(1)
    assert opcode_word(node, 0x60, 2, 0x40) == 0  # BLOCKHASH of the block itself


def test_the_context_reads_earlier_hashes_only_when_asked() -> None:
    def hashes() -> Any:
        raise AssertionError("nobody asked")
        yield b""

    block_context(
        chain_id=1,
        genesis_hash=Digest(bytes(32)),
        epoch_seconds=1,
        height=5,
        timestamp_ms=0,
        randomness=bytes(32),
        gas_limit=1,
        earlier_hashes=hashes(),
    )


def test_the_genesis_state_root_depends_on_content_and_not_on_order() -> None:
    alloc = make_genesis().alloc
    root, nodes = alloc_state(alloc)
    again, _ = alloc_state(dict(reversed(list(alloc.items()))))
    assert root == again
    assert root in nodes
    assert root != alloc_state({**alloc, NOWHERE: alloc[ALPHA.address]})[0]


def test_calls_that_ended_keep_neither_input_nor_output_nor_memory() -> None:
    """100 kB passed along 50 times in one transaction; all of it stayed until the end once."""
    node = Node()
    one = bytes.fromhex("5f5f620186a05f5f60045af150")  # CALL(gas, identity, 0, 0, 100000, 0, 0)
    init = b"".join(one for _ in range(50))
    computation = run(node, None, init)
    assert computation.is_success and len(computation.children) == 50
    assert all(len(child.msg.data) == 0 for child in computation.children)
    assert [len(child.output) for child in computation.children] == [0] * 49 + [100_000]
    assert all(child._memory is None for child in computation.children)

"""Nothing that a contract can do makes the EVM raise what would halt the node.

Any exception but a VMError passes through the executor and stops every node of the alliance at the
same block, so arbitrary code and arbitrary precompile input must never cause one.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bulwark.ledger.batch import Batch
from bulwark.ledger.ids import Height, TimestampMs
from node.execution.evm import PRECOMPILE_FACTORS, AllianceComputation, EvmMessage
from tests.unit.node.execution.alliance import ACCOUNTS, NOWHERE, Node, call

GAS = 200_000
_BN_FIELD = 21888242871839275222246405745257275088696311157297823662689037894645226208583
_BLS_FIELD = int(
    "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f624"
    "1eabfffeb153ffffb9feffffffffaaab",
    16,
)


@cache
def node() -> Node:
    return Node()


def run(to: bytes, data: bytes, gas: int = GAS) -> Any:
    tip = node().chain.tip
    state = node().executor.state_at(
        tip.state_root,
        height=tip.height,
        timestamp_ms=tip.timestamp_ms,
        randomness=tip.batch_digest,
    )
    state.lock_changes()
    message = EvmMessage(ACCOUNTS[0].address, to, data, 0, gas, 21_000)
    computation = state.apply_transaction(message)  # type: ignore[arg-type]
    state.accounts.make_state_root()
    return computation


_WORDS = st.sampled_from(
    [
        number.to_bytes(32, "big")
        for number in (0, 1, 2, 32, 255, _BN_FIELD - 1, _BN_FIELD, 2**255, 2**256 - 1)
    ]
)
_FIELD_ELEMENTS = st.sampled_from(
    [n.to_bytes(64, "big") for n in (0, 1, _BLS_FIELD - 1, _BLS_FIELD, 2**384)]
)
_INPUTS = st.one_of(
    st.binary(max_size=300),
    st.lists(_WORDS, max_size=13).map(b"".join),
    st.lists(_FIELD_ELEMENTS, max_size=6).map(b"".join),
)


@settings(deadline=None, max_examples=120)
@given(number=st.integers(1, 0x11), data=_INPUTS)
def test_no_input_of_a_precompile_raises(number: int, data: bytes) -> None:
    computation = run(number.to_bytes(20, "big"), data)
    assert 21_000 <= computation.gas_charged <= GAS


def test_a_failed_priced_precompile_burns_its_gas_once() -> None:
    for number in PRECOMPILE_FACTORS:
        computation = run(number.to_bytes(20, "big"), b"\xff" * 700)
        if computation.is_error:
            assert computation.gas_charged == GAS


_PUSHED = st.sampled_from([0, 1, 2, 4, 8, 9, 10, 11, 15, 17, 32, 64, 255])
_PIECES = st.one_of(
    _PUSHED.map(lambda number: bytes([0x60, number])),
    _PUSHED.map(lambda number: bytes([0x60, number])),
    _WORDS.map(lambda word: b"\x7f" + word),
    st.sampled_from(sorted(AllianceComputation.opcodes)).map(lambda opcode: bytes([opcode])),
)


@settings(deadline=None, max_examples=400)
@given(pieces=st.lists(_PIECES, max_size=50))
def test_no_code_raises(pieces: list[bytes]) -> None:
    computation = run(b"", b"".join(pieces))
    assert 21_000 <= computation.gas_charged <= GAS


def test_every_opcode_runs_or_fails_on_any_stack_depth() -> None:
    for opcode in range(256):
        for depth in range(8):
            for value in (0, 1, 255):
                run(b"", bytes([0x60, value]) * depth + bytes([opcode]), gas=60_000)


def test_calls_as_deep_as_gas_allows_end_well() -> None:
    calls_itself = bytes.fromhex("60006000600060006000305af1")
    init = b"\x6c" + calls_itself + bytes.fromhex("600052600d6013f3")
    computation = run(b"", init, gas=29_000_000)
    assert computation.is_success
    assert computation.output == calls_itself


_SIGNED = call(ACCOUNTS[0], 0, NOWHERE, b"data").raw


@settings(deadline=None, max_examples=200)
@given(
    raw=st.one_of(
        st.binary(max_size=150),
        st.builds(
            lambda at, bit: _SIGNED[:at] + bytes([_SIGNED[at] ^ 1 << bit]) + _SIGNED[at + 1 :],
            st.integers(0, len(_SIGNED) - 1),
            st.integers(0, 7),
        ),
    )
)
def test_no_bytes_in_the_place_of_a_transaction_raise(raw: bytes) -> None:
    block = node().executor.execute(Height(1), Batch(TimestampMs(0), (raw,)), {})
    assert len(block.skipped) == 1 or block.transactions[0].raw == raw

"""Traces of a real chain: what each transaction called, emitted, created and destroyed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

import node.chain.tracer as tracer_module
import node.execution.recording as recording
import node.execution.tracing as tracing
from api.eth_shapes import created_address
from bulwark.ledger.ids import ZERO_ADDRESS, Address, Height
from contracts.bindings import RECORD_REGISTRY
from contracts.privacy.precompiles import POSSESSION_PRECOMPILE
from node.chain.reader import EthereumReader
from node.ethereum import CallRequest
from node.execution.errors import ExecutionError
from node.execution.replaying import trace_block
from node.service import Busy
from node.traces import CallFrame, TraceKind, TraceRefused, TraceWish
from tests.unit.api.fake_chain import ERROR_NO
from tests.unit.node.chain.test_reader import read
from tests.unit.node.execution.alliance import (
    ACCOUNTS,
    NOWHERE,
    Node,
    anchor,
    call,
    make_sidecar,
)

pytestmark = pytest.mark.filterwarnings("ignore:SELFDESTRUCT opcode present")

ALPHA, BRAVO, _, _ = ACCOUNTS
STEPS = TraceWish(kind=TraceKind.STEPS)
TOUCHED = TraceWish(kind=TraceKind.ACCOUNTS)


def push(number: int, width: int) -> str:
    return f"{0x5F + width:02x}{number.to_bytes(width, 'big').hex()}"


def calling(op: str, to: Address, value: int = 0, size: int = 4) -> str:
    """Call with `size` bytes of memory, keep nothing, drop the result."""
    words = "5f5f" + push(size, 3) + "5f" + (push(value, 1) if op in ("f1", "f2") else "")
    return words + push(int.from_bytes(to, "big"), 20) + "5a" + op + "50"


def init(runtime: str) -> bytes:
    """Init code that leaves `runtime`."""
    size = len(runtime) // 2
    return bytes.fromhex(f"61{size:04x}80600b5f395ff3" + "00" + runtime)


def placed(nonce: int) -> Address:
    return created_address(call(ALPHA, nonce, None, b"\x00"))


STORES = "6007600155" + "60aa5f5260bb60205fa1" + "5f5ff3"
"""Stores 7 in slot 1, emits 32 bytes with topic 0xbb, returns nothing."""
REVERTS = (
    "".join(
        f"7f{ERROR_NO[at : at + 32].ljust(32, bytes(1)).hex()}60{at:02x}52"
        for at in range(0, len(ERROR_NO), 32)
    )
    + f"60{len(ERROR_NO):02x}5ffd"
)


@pytest.fixture(scope="module")
def node() -> Node:
    """Block 1 deploys; block 2 calls through a contract that uses every kind of call."""
    node = Node()
    stores, reverts, caller = (placed(n) for n in range(3))
    child_code = init("33ff")  # SELFDESTRUCT to the caller
    runtime = (
        calling("f1", stores)
        + calling("fa", Address(POSSESSION_PRECOMPILE))
        + calling("f4", stores)
        + calling("f2", stores)
        + calling("f1", reverts)
        + "60cc5f5fa1"
        # CREATE a child from memory and let it destroy itself in the same transaction
        + f"7f{child_code.ljust(32, bytes(1)).hex()}5f52"
        + f"60{len(child_code):02x}5f6003f0"
        + "5f5f5f5f5f855af1"
        + "00"
    )
    sidecar = make_sidecar(2, "traced")
    node.block(
        call(ALPHA, 0, None, init(STORES)),
        call(ALPHA, 1, None, init(REVERTS)),
        call(ALPHA, 2, None, init(runtime), gas=2_000_000),
    )
    node.block(
        anchor(BRAVO, 0, sidecar),
        call(ALPHA, 3, caller, b"\x01\x02", value=9, gas=2_000_000),
        call(ALPHA, 4, reverts),
        call(ALPHA, 5, NOWHERE, value=4),
        call(ALPHA, 6, None, bytes.fromhex("fe")),
        sidecars=[sidecar],
    )
    return node


@pytest.fixture
def view(node: Node) -> Iterator[EthereumReader]:
    opened = read(node)
    yield opened
    opened.close()


def frames(frame: CallFrame) -> Iterator[CallFrame]:
    yield frame
    for inner in frame.calls:
        yield from frames(inner)


async def test_traces_agree_with_the_receipts(view: EthereumReader) -> None:
    for height in (1, 2):
        block = view.block(Height(height))
        assert block is not None
        traces = await view.traces.block(Height(height), TraceWish())
        used = [receipt.cumulative_gas for receipt in block.receipts]
        assert [sum(t.gas_used for t in traces[: at + 1]) for at in range(len(used))] == used
        assert [t.success for t in traces] == [r.succeeded for r in block.receipts]
        assert [t.transaction_hash for t in traces] == [t.hash for t in block.transactions]
        for trace, receipt in zip(traces, block.receipts, strict=True):
            assert trace.root is not None
            kept = [] if trace.failure else alive_logs(trace.root)
            logs = sorted(kept, key=lambda log: log.index)
            assert [(g.address, g.topics, g.data) for g in logs] == [
                (log.address, log.topics, log.data) for log in receipt.logs
            ]


def alive_logs(frame: CallFrame) -> list[Any]:
    if frame.failure is not None:
        return []
    return [*frame.logs, *(log for inner in frame.calls for log in alive_logs(inner))]


async def test_every_kind_of_call_has_its_frame(view: EthereumReader) -> None:
    stores, reverts, caller, _ = (placed(n) for n in range(4))
    (trace,) = await view.traces.block(Height(2), TraceWish(), only=1)
    root = trace.root
    assert root is not None and root.failure is None
    assert (root.kind, root.sender, root.to, root.value) == ("CALL", ALPHA.address, caller, 9)
    assert root.data == b"\x01\x02" and root.gas == 2_000_000 and root.gas_used == trace.gas_used
    kinds = [inner.kind for inner in root.calls]
    assert kinds == ["CALL", "STATICCALL", "DELEGATECALL", "CALLCODE", "CALL", "CREATE", "CALL"]
    plain, native, borrowed, old, failed, made, destroyed = root.calls
    assert (plain.sender, plain.to, plain.value) == (caller, stores, 0)
    assert (plain.logs[0].address, plain.logs[0].position, plain.logs[0].index) == (stores, 0, 0)
    assert (native.to, native.value, native.failure) == (POSSESSION_PRECOMPILE, None, None)
    assert native.output == bytes(32) and native.gas_used >= 3_000
    for delegated in (borrowed, old):
        assert (delegated.sender, delegated.to) == (caller, stores)
        assert delegated.logs[0].address == caller
    assert (failed.to, failed.failure, failed.output) == (reverts, "revert", ERROR_NO)
    assert root.logs[0].position == 5 and root.logs[0].index == 3
    assert made.value == 3 and made.to is not None and made.output == bytes.fromhex("33ff")
    assert destroyed.to == made.to
    (end,) = destroyed.calls
    assert (end.kind, end.sender, end.to, end.value) == ("SELFDESTRUCT", made.to, caller, 3)


async def test_anchors_transfers_and_failures_trace_sensibly(view: EthereumReader) -> None:
    anchored, _, reverted, paid, broken = (
        t.root for t in await view.traces.block(Height(2), TraceWish())
    )
    assert anchored and reverted and paid and broken
    assert anchored.to == RECORD_REGISTRY and anchored.failure is None
    assert [log.address for log in alive_logs(anchored)] == [RECORD_REGISTRY]
    assert any(inner.kind == "STATICCALL" for inner in anchored.calls)
    assert (reverted.failure, reverted.output) == ("revert", ERROR_NO)
    assert (paid.to, paid.value, paid.calls, paid.gas_used) == (NOWHERE, 4, [], 21_000)
    assert (broken.kind, broken.to, broken.failure) == ("CREATE", None, "InvalidInstruction")


async def test_steps_show_stack_gas_and_slots(view: EthereumReader) -> None:
    (trace,) = await view.traces.block(
        Height(2), TraceWish(kind=TraceKind.STEPS, memory=True), only=1
    )
    first = trace.steps[0]
    assert (first.pc, first.op, first.depth, first.stack, first.memory) == (0, "PUSH0", 1, (), b"")
    stored = [step for step in trace.steps if step.op == "SSTORE"]
    assert [step.storage for step in stored] == [(1, 7)] * 3 and stored[0].depth == 2
    assert stored[0].stack == (7, 1) and stored[0].gas_cost >= 2_900
    assert [step.op for step in trace.steps if step.failure] == ["REVERT"]
    assert all(step.gas_cost >= 0 for step in trace.steps)
    few = TraceWish(kind=TraceKind.STEPS, most_steps=3, stack=False)
    (short,) = await view.traces.block(Height(2), few, only=1)
    assert [step.stack for step in short.steps] == [None] * 3
    assert short.gas_used == trace.gas_used


async def test_touched_accounts_are_told_before_and_after(view: EthereumReader) -> None:
    caller = placed(2)
    (trace,) = await view.traces.block(Height(2), TOUCHED, only=1)
    known = {touched.address: touched for touched in trace.touched}
    sender = known[ALPHA.address]
    assert sender.before and sender.after
    assert (sender.before.nonce, sender.after.nonce) == (3, 4)
    assert sender.before.balance - sender.after.balance == 9
    own = known[caller]
    assert own.before and own.after
    assert (own.before.balance, own.after.balance) == (0, 9)
    assert (own.before.storage, own.after.storage) == ({1: 0}, {1: 7})
    made = next(t for t in trace.touched if t.before is None and t.address != ZERO_ADDRESS)
    assert made.after is None or made.after.code == b""


async def test_a_call_is_traced_without_a_transaction(view: EthereumReader) -> None:
    stores = placed(0)
    request = CallRequest(ALPHA.address, stores, b"", 0, None)
    trace = await view.traces.call(request, Height(2), TraceWish())
    assert trace.root is not None and trace.transaction_hash is None
    assert trace.root.to == stores and len(trace.root.logs) == 1
    poor = CallRequest(NOWHERE, stores, b"", 10**30, None)
    refused = await view.traces.call(poor, Height(2), TraceWish())
    assert refused.failure == "insufficient funds for value" and refused.root is None
    short = CallRequest(ALPHA.address, stores, b"", 0, 100)
    assert "intrinsic gas" in str((await view.traces.call(short, Height(2), TraceWish())).failure)


async def test_an_access_list_names_what_is_touched_and_pays_for_it(view: EthereumReader) -> None:
    stores, caller = placed(0), placed(2)
    request = CallRequest(ALPHA.address, caller, b"", 0, None)
    entries, result = await view.traces.access_list(request, Height(1))
    named = {entry.address: entry.slots for entry in entries}
    assert named[caller] == named[stores] == (1,) and result.success
    assert ALPHA.address not in named and POSSESSION_PRECOMPILE not in named
    plain, gas = await view.traces.access_list(
        CallRequest(ALPHA.address, NOWHERE, b"", 5, None), Height(1)
    )
    assert (plain, gas.gas_used) == ([], 21_000)


async def test_a_trace_over_a_bound_is_refused(
    view: EthereumReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "MAX_FRAMES", 5)
    with pytest.raises(TraceRefused, match="5 calls"):
        await view.traces.block(Height(2), TraceWish())
    monkeypatch.setattr(recording, "MAX_STEPS", 20)
    with pytest.raises(TraceRefused, match="20 instructions"):
        await view.traces.block(Height(2), STEPS, only=1)
    monkeypatch.setattr(tracing, "MAX_BYTES", 100)
    monkeypatch.setattr(recording, "MAX_BYTES", 100)
    for wish in (TraceWish(), STEPS, TOUCHED):
        with pytest.raises(TraceRefused, match="100 bytes"):
            await view.traces.block(Height(2), wish, only=1)
    monkeypatch.setattr(recording, "MAX_BYTES", 10**6)
    monkeypatch.setattr(tracer_module, "TRACE_SECONDS", -1.0)
    with pytest.raises(TraceRefused, match="too long"):
        await view.traces.block(Height(2), TraceWish())


async def test_traces_wait_for_one_worker_and_more_are_refused(
    view: EthereumReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracer_module, "MAX_TRACES", 0)
    with pytest.raises(Busy):
        await view.traces.block(Height(2), TraceWish())
    with pytest.raises(LookupError):
        await view.traces.block(Height(9), TraceWish())
    assert await view.traces.block(Height(0), TraceWish()) == []


async def test_a_receipt_that_tells_another_story_is_a_fault(view: EthereumReader) -> None:
    block = view.block(Height(2))
    parent = view._with_state(Height(1))
    assert block is not None
    lying = dataclasses.replace(
        block.receipts[0], cumulative_gas=block.receipts[0].cumulative_gas + 1
    )
    wrong = replace(block, receipts=(lying, *block.receipts[1:]))
    with pytest.raises(ExecutionError, match="otherwise than its receipt"):
        trace_block(view._executor, parent, wrong, TraceWish(), None, 1e18)

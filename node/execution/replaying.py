"""Runs executed transactions again, on the state before their block, and watches them.

Rules: the block's own transactions run in their order from the parent's state, in the block's own
context, so each finds what it found then; a result other than the receipt's is a fault of the node
and raises. Nothing is written. One run has one deadline, whatever it has to repeat before it comes
to what was asked.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from bulwark.ledger.header import Header
from bulwark.ledger.ids import ZERO_ADDRESS, Address
from bulwark.ledger.receipt import Receipt
from bulwark.ledger.transaction import intrinsic_gas
from node.ethereum import BlockBody, CallRequest, CallResult
from node.execution.errors import ExecutionError
from node.execution.evm import EvmMessage
from node.execution.executor import Executor
from node.execution.recording import Recorder, StepRecorder, failure_of
from node.execution.tracing import InstructedState, WatchedState
from node.traces import AccessEntry, TraceKind, TraceWish, TransactionTrace

ACCESS_ROUNDS: Final = 3
"""Most runs until an access list does not change any more."""


def trace_block(
    executor: Executor,
    parent: Header,
    block: BlockBody,
    wish: TraceWish,
    only: int | None,
    deadline_s: float,
) -> list[TransactionTrace]:
    """Traces of a block's transactions, or of the one at position `only`. Raises TraceRefused."""
    header = block.header
    state = _state(executor, parent, header, wish, deadline_s)
    recorders = Recorder(), StepRecorder(wish)
    found: list[TransactionTrace] = []
    before = 0
    for index, (transaction, receipt) in enumerate(
        zip(block.transactions, block.receipts, strict=True)
    ):
        state.look()
        asked = only is None or index == only
        message = EvmMessage.of_transaction(transaction)
        if asked:
            trace, computation = _watch(state, message, recorders, wish)
            found.append(replace(trace, transaction_hash=transaction.hash))
        else:
            state.recorder = state.step_recorder = None
            state.lock_changes()
            computation = state.apply_transaction(message)  # type: ignore[arg-type]
        _check(computation, receipt, receipt.cumulative_gas - before, header, index)
        before = receipt.cumulative_gas
        if only == index:
            break
    return found


def trace_call(
    executor: Executor, block: Header, request: CallRequest, gas: int, wish: TraceWish,
    deadline_s: float,
) -> TransactionTrace:  # fmt: skip
    """Trace of a message on the state after `block`. Raises TraceRefused."""
    message = _message(request, gas)
    if isinstance(message, str):
        return TransactionTrace(None, 0, False, b"", message)
    state = _state(executor, block, block, wish, deadline_s)
    if state.watched.get_balance(request.sender) < request.value:
        return TransactionTrace(None, 0, False, b"", "insufficient funds for value")
    trace, _ = _watch(state, message, (Recorder(), StepRecorder(wish)), wish)
    return trace


def access_list(
    executor: Executor, block: Header, request: CallRequest, gas: int, deadline_s: float
) -> tuple[list[AccessEntry], CallResult]:
    """What a message reads and writes, and how it runs with that as its access list."""
    message = _message(request, gas)
    if isinstance(message, str):
        return [], CallResult(False, b"", 0, message)
    entries: list[AccessEntry] = []
    result = CallResult(False, b"", 0, "insufficient funds for value")
    for _ in range(ACCESS_ROUNDS):
        state = _state(executor, block, block, TraceWish(), deadline_s)
        if state.watched.get_balance(request.sender) < request.value:
            return [], result
        state.lock_changes()
        # What is listed is paid for before the message runs.
        more = intrinsic_gas(request.data, request.to is None, _listed(entries))
        if more > gas:
            return entries, CallResult(False, b"", 0, "intrinsic gas too low")
        listed = replace(
            message,
            intrinsic_gas=more,
            access_list=tuple((entry.address, entry.slots) for entry in entries),
        )
        computation: Any = state.apply_transaction(listed)  # type: ignore[arg-type]
        failure = failure_of(computation)
        result = CallResult(
            failure is None, bytes(computation.output), computation.gas_charged, failure
        )
        seen = _accessed(state, computation, request)
        if seen == entries:
            break
        entries = seen
    return entries, result


def _listed(entries: list[AccessEntry]) -> Any:
    return tuple(
        (entry.address, tuple(slot.to_bytes(32, "big") for slot in entry.slots))
        for entry in entries
    )


def _accessed(state: WatchedState, computation: Any, request: CallRequest) -> list[AccessEntry]:
    """Addresses and slots that were touched, less those that every message has warm anyway."""
    own = {request.sender, request.to, ZERO_ADDRESS, *state.computation_class.get_precompiles()}
    own.update(computation.contracts_created)
    return [
        AccessEntry(Address(address), tuple(sorted(slots)))
        for address, slots in sorted(state.watched.warmed.items())
        if slots or address not in own
    ]


def _message(request: CallRequest, gas: int) -> EvmMessage | str:
    """The message of a call, or why it can not run."""
    needed = intrinsic_gas(request.data, request.to is None)
    if gas < needed:
        return f"intrinsic gas too low: {gas}, at least {needed}"
    return EvmMessage(request.sender, request.to or b"", request.data, request.value, gas, needed)


def _state(
    executor: Executor, base: Header, seen: Header, wish: TraceWish, deadline_s: float
) -> WatchedState:
    """The state after `base`, in which opcodes see the block `seen`."""
    kind = InstructedState if wish.kind is TraceKind.STEPS else WatchedState
    state = executor.state_at(
        base.state_root,
        height=seen.height,
        timestamp_ms=seen.timestamp_ms,
        randomness=seen.batch_digest,
        kind=kind,
    )
    if not isinstance(state, WatchedState):
        raise TypeError("state_at made another kind of state")
    state.deadline_s = deadline_s
    return state


def _watch(
    state: WatchedState,
    message: EvmMessage,
    recorders: tuple[Recorder, StepRecorder],
    wish: TraceWish,
) -> tuple[TransactionTrace, Any]:
    """Run one message as asked; its trace and its computation."""
    calls, steps = recorders
    state.recorder = calls if wish.kind is TraceKind.CALLS else None
    state.step_recorder = steps if wish.kind is TraceKind.STEPS else None
    state.lock_changes()
    calls.begin(message)
    steps.begin()
    computation: Any = state.apply_transaction(message)  # type: ignore[arg-type]
    failure = failure_of(computation)
    trace = TransactionTrace(
        transaction_hash=None,
        gas_used=computation.gas_charged,
        success=failure is None,
        output=bytes(computation.output),
        failure=failure,
        root=None if state.recorder is None else state.recorder.end(computation),
        steps=steps.steps,
        touched=state.watched.touched() if wish.kind is TraceKind.ACCOUNTS else (),
    )
    return trace, computation


def _check(computation: Any, receipt: Receipt, gas: int, header: Header, index: int) -> None:
    if (computation.is_success, computation.gas_charged) != (receipt.succeeded, gas):
        raise ExecutionError(
            f"transaction {index} of block {header.height} ran otherwise than its receipt says"
        )

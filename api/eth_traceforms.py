"""Forms of traces: frames, instructions and touched accounts as geth and Otterscan show them.

Rules: failures have the words that tools look for (`execution reverted`, `out of gas`); a frame
that failed shows no events, its own or of what it called, since they did not happen; a trace that
nests deeper than a JSON reader can be expected to follow is refused. It reads no parameters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from api.eth_reverts import revert_reason
from api.hexadecimal import data, quantity
from api.jsonrpc import LIMIT_EXCEEDED, REVERTED, Json, RpcError
from node.traces import AccountState, CallFrame, Step, TouchedAccount, TransactionTrace

MAX_NESTED: Final = 100
"""Calls within calls that a nested trace shows."""
_FAILURES: Final[Mapping[str, str]] = {
    "revert": "execution reverted",
    "OutOfGas": "out of gas",
    "InvalidInstruction": "invalid opcode",
    "InvalidJumpDestination": "invalid jump destination",
    "InsufficientStack": "stack underflow",
    "FullStack": "stack limit reached",
    "StackDepthLimit": "max call depth exceeded",
    "WriteProtection": "write protection",
    "OutOfBoundsRead": "return data out of bounds",
    "ContractCreationCollision": "contract address collision",
    "ReservedBytesInCode": "invalid code: must not begin with 0xef",
}
_TRANSFER, _DESTRUCT, _CREATE, _CREATE2 = range(4)
"""Otterscan's kinds of internal operations."""


def failure_text(failure: str) -> str:
    """What a failure of the EVM is called outside."""
    return _FAILURES.get(failure, failure)


def call_form(frame: CallFrame, top_only: bool, logs: bool) -> dict[str, Json]:
    """geth's callTracer. Raises RpcError for a trace that nests too deep."""
    shown = _frame(frame)
    if logs:
        shown["logs"] = _logs(frame)
    if top_only:
        return shown
    # By hand instead of by recursion: contracts nest as deep as their gas allows.
    open_frames = [(frame, shown, frame.failure is not None)]
    while open_frames:
        above, form, undone = open_frames.pop()
        inner: list[Json] = []
        for child in above.calls:
            if child.depth > MAX_NESTED:
                over = f"the calls nest deeper than {MAX_NESTED}; ask with onlyTopCall"
                raise RpcError(LIMIT_EXCEEDED, over)
            child_form = _frame(child)
            if logs:
                child_form["logs"] = [] if undone else _logs(child)
            inner.append(child_form)
            open_frames.append((child, child_form, undone or child.failure is not None))
        if inner:
            form["calls"] = inner
    return shown


def _frame(frame: CallFrame) -> dict[str, Json]:
    shown: dict[str, Json] = {
        "type": frame.kind,
        "from": data(frame.sender),
        "gas": quantity(frame.gas),
        "gasUsed": quantity(frame.gas_used),
        "input": data(frame.data),
    }
    if frame.to is not None:
        shown["to"] = data(frame.to)
    if frame.value is not None:
        shown["value"] = quantity(frame.value)
    if frame.output:
        shown["output"] = data(frame.output)
    if frame.failure is not None:
        shown["error"] = failure_text(frame.failure)
        reason = revert_reason(frame.output) if frame.failure == "revert" else None
        if reason is not None:
            shown["revertReason"] = reason
    return shown


def _logs(frame: CallFrame) -> list[Json]:
    if frame.failure is not None:
        return []
    return [
        {
            "address": data(log.address),
            "topics": [data(topic) for topic in log.topics],
            "data": data(log.data),
            "position": quantity(log.position),
            "index": quantity(log.index),
        }
        for log in frame.logs
    ]


def steps_form(trace: TransactionTrace, storage: bool) -> dict[str, Json]:
    """geth's default tracer; the storage of a step is the slot that it read or wrote."""
    return {
        "gas": trace.gas_used,
        "failed": not trace.success,
        "returnValue": data(trace.output),
        "structLogs": [_step(step, storage) for step in trace.steps],
    }


def _step(step: Step, storage: bool) -> dict[str, Json]:
    shown: dict[str, Json] = {
        "pc": step.pc,
        "op": step.op,
        "gas": step.gas,
        "gasCost": step.gas_cost,
        "depth": step.depth,
    }
    if step.stack is not None:
        shown["stack"] = [quantity(value) for value in step.stack]
    if step.memory is not None:
        words = (step.memory[at : at + 32] for at in range(0, len(step.memory), 32))
        shown["memory"] = [data(word) for word in words]
    if storage and step.storage is not None:
        slot, value = step.storage
        shown["storage"] = {_word(slot): _word(value)}
    if step.failure is not None:
        shown["error"] = failure_text(step.failure)
    return shown


def _word(value: int) -> str:
    return data(value.to_bytes(32, "big"))


def accounts_form(touched: Sequence[TouchedAccount]) -> dict[str, Json]:
    """geth's prestateTracer: every touched account as it was before."""
    nothing = AccountState(0, 0, b"", {})
    return {data(each.address): _account(each.before or nothing) for each in touched}


def difference_form(touched: Sequence[TouchedAccount]) -> dict[str, Json]:
    """geth's prestateTracer with diffMode: what changed, before and after."""
    before: dict[str, Json] = {}
    after: dict[str, Json] = {}
    for each in touched:
        if each.before == each.after:
            continue
        name = data(each.address)
        if each.before is not None:
            changed = _changed_slots(each.before, each.after)
            before[name] = _account(
                AccountState(each.before.balance, each.before.nonce, each.before.code, changed)
            )
        if each.after is not None:
            after[name] = _changes(each.before, each.after)
    return {"pre": before, "post": after}


def _account(state: AccountState) -> dict[str, Json]:
    shown: dict[str, Json] = {"balance": quantity(state.balance)}
    if state.nonce:
        shown["nonce"] = state.nonce
    if state.code:
        shown["code"] = data(state.code)
    if state.storage:
        shown["storage"] = {_word(s): _word(v) for s, v in sorted(state.storage.items())}
    return shown


def _changed_slots(before: AccountState, after: AccountState | None) -> dict[int, int]:
    now = {} if after is None else after.storage
    return {slot: value for slot, value in before.storage.items() if now.get(slot, 0) != value}


def _changes(before: AccountState | None, after: AccountState) -> dict[str, Json]:
    old = before or AccountState(0, 0, b"", {})
    shown: dict[str, Json] = {}
    if after.balance != old.balance:
        shown["balance"] = quantity(after.balance)
    if after.nonce != old.nonce:
        shown["nonce"] = after.nonce
    if after.code != old.code:
        shown["code"] = data(after.code)
    changed = {
        slot: value
        for slot, value in sorted(after.storage.items())
        if old.storage.get(slot, 0) != value
    }
    if changed:
        shown["storage"] = {_word(slot): _word(value) for slot, value in changed.items()}
    return shown


def walk(frame: CallFrame) -> Iterator[CallFrame]:
    """A frame and all below it, in the order in which they began."""
    waiting = [frame]
    while waiting:
        found = waiting.pop()
        yield found
        waiting.extend(reversed(found.calls))


def operations_form(root: CallFrame) -> list[Json]:
    """Otterscan's internal operations: value that moved, creations, self-destructions."""
    found: list[Json] = []
    for frame in _happened(root):
        if frame.depth == 0:
            continue
        match frame.kind:
            case "SELFDESTRUCT":
                kind = _DESTRUCT
            case "CREATE":
                kind = _CREATE
            case "CREATE2":
                kind = _CREATE2
            case "CALL" if frame.value:
                kind = _TRANSFER
            case _:
                continue
        found.append(
            {
                "type": kind,
                "from": data(frame.sender),
                "to": data(frame.to) if frame.to is not None else None,
                "value": quantity(frame.value or 0),
            }
        )
    return found


def _happened(root: CallFrame) -> Iterator[CallFrame]:
    """Frames that were not undone."""
    waiting = [root]
    while waiting:
        found = waiting.pop()
        if found.failure is None:
            yield found
            waiting.extend(reversed(found.calls))


def flat_form(root: CallFrame) -> list[Json]:
    """Otterscan's flat trace."""
    return [
        {
            "type": frame.kind,
            "depth": frame.depth,
            "from": data(frame.sender),
            "to": data(frame.to) if frame.to is not None else None,
            "value": None
            if frame.value is None or frame.kind in ("DELEGATECALL", "CALLCODE")
            else quantity(frame.value),
            "input": data(frame.data),
            "output": data(frame.output),
        }
        for frame in walk(root)
    ]


def refusal(trace: TransactionTrace) -> RpcError:
    """The error of a call that could not even begin."""
    return RpcError(REVERTED if trace.failure == "revert" else -32000, trace.failure or "failed")

"""Recorders of one message run: its calls as frames, its instructions as steps.

Rules: a recorder that is over a bound raises and ends the run at once, whatever the contract would
catch; all messages of one trace share the bounds. What is recorded is copied, since the EVM lets go
of it. `node.execution.tracing` tells them what happens.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from eth.exceptions import Revert, VMError

from bulwark.ledger.ids import Address
from node.execution.evm import EvmMessage
from node.traces import CallFrame, FrameLog, Step, TraceRefused, TraceWish

MAX_FRAMES: Final = 20_000
"""Calls of one trace."""
MAX_STEPS: Final = 20_000
"""Instructions of one trace."""
MAX_BYTES: Final = 4 * 1024 * 1024
"""Inputs, outputs and events of one trace together; likewise its stacks and memories."""
_SLOAD: Final = 0x54
_SSTORE: Final = 0x55


def failure_of(computation: Any) -> str | None:
    """None on success, `revert`, or the name of the EVM's error."""
    if not computation.is_error:
        return None
    return "revert" if isinstance(computation.error, Revert) else type(computation.error).__name__


class Recorder:
    """Calls of one message, in order; with `MAX_*` for several messages of one trace together."""

    def __init__(self) -> None:
        self._frames = self._bytes = 0
        self._open: list[CallFrame] = []
        self._logs = 0

    def begin(self, message: EvmMessage) -> None:
        """The outermost call starts."""
        self._logs = 0
        self._open = []
        kind = "CALL" if message.to else "CREATE"
        to = Address(message.to) if message.to else None
        self._push(CallFrame(kind, message.sender, to, message.value, message.gas, message.data, 0))

    def end(self, computation: Any) -> CallFrame:
        """The outermost call is over; its frame with all below."""
        frame = self._close(computation)
        frame.gas_used = computation.gas_charged
        return frame

    def enter(self, kind: str, message: Any) -> None:
        """A call within a call starts."""
        borrows = kind in ("DELEGATECALL", "CALLCODE")  # another contract's code, on own storage
        callee = message.code_address if borrows else message.to
        self._push(
            CallFrame(
                kind,
                sender=Address(bytes(message.to if borrows else message.sender)),
                to=None if message.is_create else Address(bytes(callee)),
                value=None if kind == "STATICCALL" else message.value,
                gas=message.gas,
                data=bytes(message.code if message.is_create else message.data),
                depth=message.depth,
            )
        )

    def leave(self, computation: Any) -> None:
        """The call that started last is over."""
        frame = self._close(computation)
        frame.gas_used = computation.get_gas_used()
        self._open[-1].calls.append(frame)

    def log(self, address: bytes, topics: tuple[int, ...], data: bytes) -> None:
        """The running call emits an event."""
        frame = self._open[-1]
        named = tuple(topic.to_bytes(32, "big") for topic in topics)
        self._take(len(data) + 32 * len(named) + 64)
        at = (len(frame.calls), self._logs)
        frame.logs.append(FrameLog(Address(bytes(address)), named, bytes(data), *at))
        self._logs += 1

    def destruct(self, owner: bytes, heir: bytes, balance: int) -> None:
        """The running call ends its contract and leaves the balance to an heir."""
        frame = self._open[-1]
        self._count()
        own, to = Address(bytes(owner)), Address(bytes(heir))
        frame.calls.append(CallFrame("SELFDESTRUCT", own, to, balance, 0, b"", frame.depth + 1))

    def _push(self, frame: CallFrame) -> None:
        self._count()
        self._take(len(frame.data))
        self._open.append(frame)

    def _close(self, computation: Any) -> CallFrame:
        frame = self._open.pop()
        frame.output = bytes(computation.output)
        self._take(len(frame.output))
        frame.failure = failure_of(computation)
        if computation.msg.is_create and frame.failure is None:
            frame.to = Address(bytes(computation.msg.storage_address))
        return frame

    def _count(self) -> None:
        self._frames += 1
        if self._frames > MAX_FRAMES:
            raise TraceRefused(f"more than {MAX_FRAMES} calls")

    def _take(self, size: int) -> None:
        self._bytes += size
        if self._bytes > MAX_BYTES:
            raise TraceRefused(f"more than {MAX_BYTES} bytes of calls and events")


class StepRecorder:
    """Instructions of one message, in order."""

    def __init__(self, wish: TraceWish) -> None:
        self._wish = wish
        self._most = MAX_STEPS if wish.most_steps is None else min(wish.most_steps, MAX_STEPS)
        self._bytes = self._count = 0
        self.steps: list[Step] = []
        """Those of the message that began last."""

    def begin(self) -> None:
        """The next message starts; all of a trace share its bounds."""
        self.steps = []

    def run(self, number: int, instruction: Callable[..., Any], computation: Any) -> Any:
        """Run one instruction and note it."""
        if self._count >= MAX_STEPS:
            raise TraceRefused(f"more than {MAX_STEPS} instructions; ask with a lower limit")
        if len(self.steps) >= self._most:
            return instruction(computation=computation)
        step = self._note(number, instruction, computation)
        before = step.stack or tuple(map(as_int, computation._stack.values[-2:]))
        try:
            return instruction(computation=computation)
        except VMError as error:
            step.failure = "revert" if isinstance(error, Revert) else type(error).__name__
            raise
        finally:
            step.gas_cost = step.gas - computation.get_gas_remaining()
            step.storage = _slot_of(number, step, before, computation)

    def _note(self, number: int, instruction: Callable[..., Any], computation: Any) -> Step:
        stack = tuple(map(as_int, computation._stack.values)) if self._wish.stack else None
        held = computation._memory
        memory = held.read_bytes(0, len(held)) if self._wish.memory else None
        self._bytes += 32 * len(stack or ()) + len(memory or b"")
        if self._bytes > MAX_BYTES:
            raise TraceRefused(f"more than {MAX_BYTES} bytes of stacks and memories")
        step = Step(
            pc=max(0, computation.code.program_counter - 1),
            op=_mnemonic(number, instruction),
            gas=computation.get_gas_remaining(),
            depth=computation.msg.depth + 1,
            stack=stack,
            memory=memory,
        )
        self._count += 1
        self.steps.append(step)
        return step


def as_int(value: int | bytes) -> int:
    return value if isinstance(value, int) else int.from_bytes(value, "big")


def _mnemonic(number: int, instruction: Any) -> str:
    found = getattr(instruction, "mnemonic", None)
    if found is None:
        found = getattr(getattr(instruction, "__wrapped__", None), "mnemonic", None)
    return str(found) if found else f"opcode 0x{number:x}"


def _slot_of(
    number: int, step: Step, before: tuple[int, ...], computation: Any
) -> tuple[int, int] | None:
    if step.failure is not None or not before:
        return None
    if number == _SSTORE and len(before) > 1:
        return before[-1], before[-2]
    if number == _SLOAD:
        return before[-1], as_int(computation._stack.values[-1])
    return None

"""Watches one message run: its calls, its instructions, the accounts that it touches.

Rules: watching changes nothing that the message computes, gas included; a recorder that is over a
bound of size raises and ends the run at once, so does the meter when the time is over, whatever the
contract would catch. What is recorded is copied, since the EVM lets go of it.
Which transactions run before is `node.execution.replaying`'s affair.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from eth.exceptions import Revert, VMError
from eth.vm.gas_meter import GasMeter, allow_negative_refund_strategy

from bulwark.ledger.ids import Address
from node.execution.accounts import EMPTY_CODE_HASH, Account, Accounts
from node.execution.evm import AllianceComputation, AllianceState, EvmMessage
from node.traces import (
    AccountState,
    CallFrame,
    FrameLog,
    Step,
    TouchedAccount,
    TraceRefused,
    TraceWish,
)

MAX_FRAMES: Final = 20_000
"""Calls of one trace."""
MAX_STEPS: Final = 20_000
"""Instructions of one trace."""
MAX_BYTES: Final = 8 * 1024 * 1024
"""Inputs, outputs, logs, stacks and memories of one trace together."""
CHARGES_A_LOOK: Final = 256
"""Gas charges between two looks at the clock."""

_KINDS: Final[Mapping[int, str]] = {
    0xF0: "CREATE",
    0xF1: "CALL",
    0xF2: "CALLCODE",
    0xF4: "DELEGATECALL",
    0xF5: "CREATE2",
    0xFA: "STATICCALL",
}
_SELFDESTRUCT: Final = 0xFF
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
        self._bytes = 0
        self.steps: list[Step] = []

    def run(self, number: int, instruction: Callable[..., Any], computation: Any) -> Any:
        """Run one instruction and note it."""
        if len(self.steps) >= self._most:
            if self._wish.most_steps is None or self._most == MAX_STEPS:
                raise TraceRefused(f"more than {MAX_STEPS} instructions; ask with a lower limit")
            return instruction(computation=computation)
        step = self._note(number, instruction, computation)
        before = step.stack or tuple(map(_as_int, computation._stack.values[-2:]))
        try:
            return instruction(computation=computation)
        except VMError as error:
            step.failure = "revert" if isinstance(error, Revert) else type(error).__name__
            raise
        finally:
            step.gas_cost = step.gas - computation.get_gas_remaining()
            step.storage = _slot_of(number, step, before, computation)

    def _note(self, number: int, instruction: Callable[..., Any], computation: Any) -> Step:
        stack = tuple(map(_as_int, computation._stack.values)) if self._wish.stack else None
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
        self.steps.append(step)
        return step


def _as_int(value: int | bytes) -> int:
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
        return before[-1], _as_int(computation._stack.values[-1])
    return None


class WatchedAccounts(Accounts):
    """Accounts that remember what the running transaction touched, and how it was before."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.before: dict[bytes, Account | None] = {}
        self.slots_before: dict[tuple[bytes, int], int] = {}
        self.warmed: dict[bytes, set[int]] = {}

    def _account(self, address: bytes) -> Account | None:
        found = super()._account(address)
        self.before.setdefault(bytes(address), found)
        return found

    def get_storage(self, address: bytes, slot: int, from_journal: bool = True) -> int:
        """Value of a slot; the first one that a transaction sees is the one before it."""
        value = super().get_storage(address, slot, from_journal)
        self.slots_before.setdefault((bytes(address), slot), value)
        return value

    def mark_address_warm(self, address: bytes) -> None:
        """Note that the transaction touched the account, even if that is undone."""
        self.warmed.setdefault(bytes(address), set())
        super().mark_address_warm(address)

    def mark_storage_warm(self, address: bytes, slot: int) -> None:
        """Note that the transaction touched the slot, even if that is undone."""
        self.warmed.setdefault(bytes(address), set()).add(slot)
        super().mark_storage_warm(address, slot)

    def lock_changes(self) -> None:
        """Begin a transaction: nothing is touched yet."""
        super().lock_changes()
        self.before.clear()
        self.slots_before.clear()
        self.warmed.clear()

    def touched(self) -> list[TouchedAccount]:
        """What the running transaction touched, in order of address. Raises TraceRefused."""
        slots: dict[bytes, dict[int, int]] = {}
        for (address, slot), value in self.slots_before.items():
            slots.setdefault(address, {})[slot] = value
        found: list[TouchedAccount] = []
        size = 0
        for address, before in sorted(self.before.items()):
            own = slots.get(address, {})
            after = super()._account(address)
            now = {slot: super(WatchedAccounts, self).get_storage(address, slot) for slot in own}
            known = TouchedAccount(
                Address(address), self._state(before, own), self._state(after, now)
            )
            size += 128 * (1 + len(own)) + sum(
                len(state.code) for state in (known.before, known.after) if state is not None
            )
            if size > MAX_BYTES:
                raise TraceRefused(f"more than {MAX_BYTES} bytes of accounts")
            found.append(known)
        return found

    def _state(self, account: Account | None, slots: dict[int, int]) -> AccountState | None:
        if account is None:
            return None
        code = b""
        if account.code_hash != EMPTY_CODE_HASH:
            code = self._codes.get(account.code_hash) or self._source.code(account.code_hash)
        return AccountState(account.balance, account.nonce, code, slots)


class _Meter(GasMeter):
    """A gas meter that ends the whole run when its time is over."""

    def __init__(self, start_gas: int, state: WatchedState) -> None:
        super().__init__(start_gas, allow_negative_refund_strategy)
        self._state = state
        self._left = CHARGES_A_LOOK

    def consume_gas(self, amount: int, reason: str) -> None:
        """Charge; raises OutOfGas, and TraceRefused when the time is over."""
        self._left -= 1
        if self._left <= 0:
            self._left = CHARGES_A_LOOK
            self._state.look()
        super().consume_gas(amount, reason)


class _WatchedComputation(AllianceComputation):
    """One message call that tells the recorder of its state what it does."""

    def _configure_gas_meter(self) -> GasMeter:
        state: Any = self.state
        return _Meter(self.msg.gas, state)

    def generate_child_computation(self, child_msg: Any) -> Any:
        """Run a call within this one."""
        state: Any = self.state
        state.look()
        recorder: Recorder | None = state.recorder
        if recorder is None:
            return super().generate_child_computation(child_msg)
        number = self.code[self.code.program_counter - 1]
        recorder.enter(_KINDS.get(number, "CALL"), child_msg)
        computation = super().generate_child_computation(child_msg)
        recorder.leave(computation)
        return computation

    def add_log_entry(self, account: Any, topics: Any, data: Any) -> None:
        """Emit an event."""
        super().add_log_entry(account, topics, data)
        state: Any = self.state
        if state.recorder is not None:
            state.recorder.log(account, topics, data)


class _InstructedComputation(_WatchedComputation):
    """The same, told of every instruction."""


def _watched(number: int, instruction: Callable[..., Any]) -> Callable[..., Any]:
    def run(*, computation: Any) -> Any:
        recorder: StepRecorder | None = computation.state.step_recorder
        if recorder is None:
            return instruction(computation=computation)
        return recorder.run(number, instruction, computation)

    return run


def _destructing(instruction: Callable[..., Any]) -> Callable[..., Any]:
    def run(*, computation: Any) -> Any:
        recorder: Recorder | None = computation.state.recorder
        values = computation._stack.values
        if recorder is None or not values:
            return instruction(computation=computation)
        owner = computation.msg.storage_address
        heir = (_as_int(values[-1]) & (2**160 - 1)).to_bytes(20, "big")
        balance = computation.state.get_balance(owner)
        # It always ends by an exception; that of success is the only one that moves the balance.
        try:
            return instruction(computation=computation)
        except VMError:
            raise
        except Exception:
            recorder.destruct(owner, heir, balance)
            raise

    return run


_PLAIN: Final = dict(AllianceComputation.opcodes)
_WatchedComputation.opcodes = {**_PLAIN, _SELFDESTRUCT: _destructing(_PLAIN[_SELFDESTRUCT])}
_InstructedComputation.opcodes = {
    number: _watched(number, instruction)  # type: ignore[misc]
    for number, instruction in _WatchedComputation.opcodes.items()
}


class WatchedState(AllianceState):
    """A throw-away state whose messages are watched, until its deadline."""

    computation_class = _WatchedComputation
    account_db_class = WatchedAccounts  # type: ignore[assignment]
    deadline_s = 0.0
    """On the monotonic clock."""
    recorder: Recorder | None = None
    step_recorder: StepRecorder | None = None

    def look(self) -> None:
        """Raises TraceRefused when the time is over."""
        if time.monotonic() > self.deadline_s:
            raise TraceRefused("it takes too long here")

    @property
    def watched(self) -> WatchedAccounts:
        """The write set, which knows what was touched."""
        accounts: Any = self._account_db
        found: WatchedAccounts = accounts
        return found


class InstructedState(WatchedState):
    """The same, told of every instruction."""

    computation_class = _InstructedComputation

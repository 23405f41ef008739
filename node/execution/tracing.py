"""Watches one message run: its calls, its instructions, the accounts that it touches.

Rules: watching changes nothing that the message computes, gas included; the meter ends the run when
the time is over, whatever the contract would catch; the recorders have bounds of their own. Which
transactions run before is `node.execution.replaying`'s affair.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from eth.exceptions import VMError
from eth.vm.gas_meter import GasMeter, allow_negative_refund_strategy

from bulwark.ledger.ids import Address
from node.execution.accounts import EMPTY_CODE_HASH, Account, Accounts
from node.execution.evm import AllianceComputation, AllianceState
from node.execution.recording import Recorder, StepRecorder, as_int
from node.traces import AccountState, TouchedAccount, TraceRefused

MAX_BYTES: Final = 4 * 1024 * 1024
"""Touched accounts of one trace together."""
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


class WatchedAccounts(Accounts):
    """Accounts that remember what the running transaction touched, and how it was before."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.before: dict[bytes, Account | None] = {}
        self.slots_before: dict[tuple[bytes, int], int] = {}
        self.warmed: dict[bytes, set[int]] = {}
        self._told = 0

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
        """What the last transaction touched, in order of address; those of a state share a bound.

        Raises TraceRefused.
        """
        slots: dict[bytes, dict[int, int]] = {}
        for (address, slot), value in self.slots_before.items():
            slots.setdefault(address, {})[slot] = value
        found: list[TouchedAccount] = []
        for address, before in sorted(self.before.items()):
            own = slots.get(address, {})
            after = super()._account(address)
            now = {slot: super(WatchedAccounts, self).get_storage(address, slot) for slot in own}
            known = TouchedAccount(
                Address(address), self._state(before, own), self._state(after, now)
            )
            self._told += 128 * (1 + len(own)) + sum(
                len(state.code) for state in (known.before, known.after) if state is not None
            )
            if self._told > MAX_BYTES:
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
        heir = (as_int(values[-1]) & (2**160 - 1)).to_bytes(20, "big")
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
_watched_opcodes: dict[int, Any] = {**_PLAIN, _SELFDESTRUCT: _destructing(_PLAIN[_SELFDESTRUCT])}
_instructed_opcodes: dict[int, Any] = {
    number: _watched(number, instruction) for number, instruction in _watched_opcodes.items()
}
_WatchedComputation.opcodes = _watched_opcodes
_InstructedComputation.opcodes = _instructed_opcodes


class WatchedState(AllianceState):
    """A throw-away state whose messages are watched, until its deadline."""

    computation_class = _WatchedComputation
    account_db_class = WatchedAccounts
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

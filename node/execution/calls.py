"""Messages without a transaction: eth_call and gas estimates, bounded in gas and in time.

Rules: a call runs on a throw-away state and writes nothing; it sees the block that it is asked
at as the current one; it never gets more gas than its cap, and it stops when its deadline is over,
which is looked at every few hundred charges, so that no call can hold a worker for long.
Which thread it runs on is the reader's affair.
"""

from __future__ import annotations

import time
from typing import Any, Final

from eth.exceptions import Revert, VMError
from eth.vm.gas_meter import GasMeter, allow_negative_refund_strategy
from msgspec import Struct

from bulwark.ledger.header import Header
from bulwark.ledger.ids import Address
from bulwark.ledger.transaction import floor_gas, intrinsic_gas
from node.execution.evm import AllianceComputation, AllianceState, EvmMessage
from node.execution.executor import Executor

CHARGES_A_LOOK: Final = 256
"""Gas charges between two looks at the clock, some 0.5 ms."""
ESTIMATE_ROUNDS: Final = 24
"""Most runs of one estimate."""


class OutOfTime(VMError):
    """A call took longer than the node allows."""

    burns_gas = True
    erases_return_data = True


class Outcome(Struct, frozen=True):
    """What a call did."""

    success: bool
    output: bytes
    gas_used: int
    failure: str | None
    """None on success, `revert`, or the name of the EVM's error."""


class _TimedMeter(GasMeter):
    """A gas meter that also looks at the clock."""

    def __init__(self, start_gas: int, state: _CallState) -> None:
        super().__init__(start_gas, allow_negative_refund_strategy)
        self._state = state
        self._left = CHARGES_A_LOOK

    def consume_gas(self, amount: int, reason: str) -> None:
        """Charge; raises OutOfTime, OutOfGas."""
        self._left -= 1
        if self._left <= 0:
            self._left = CHARGES_A_LOOK
            if time.monotonic() > self._state.deadline_s:
                self._state.is_late = True
                raise OutOfTime("the call took too long")
        super().consume_gas(amount, reason)


class _TimedComputation(AllianceComputation):
    """One message call under its state's deadline."""

    def _configure_gas_meter(self) -> GasMeter:
        state: Any = self.state
        return _TimedMeter(self.msg.gas, state)


class _CallState(AllianceState):
    """A throw-away state with a deadline."""

    computation_class = _TimedComputation
    deadline_s = 0.0
    is_late = False
    """True once a computation ran over the deadline, even if its caller went on after that."""


def run_call(
    executor: Executor,
    block: Header,
    *,
    sender: Address,
    to: Address | None,
    data: bytes,
    value: int,
    gas: int,
    deadline_s: float,
) -> Outcome:
    """Run a message on the state after `block`; `deadline_s` is on the monotonic clock."""
    needed = intrinsic_gas(data, to is None)
    if gas < needed:
        return Outcome(False, b"", 0, f"intrinsic gas too low: {gas}, at least {needed}")
    state = executor.state_at(
        block.state_root,
        height=block.height,
        timestamp_ms=block.timestamp_ms,
        randomness=block.batch_digest,
        kind=_CallState,
    )
    if not isinstance(state, _CallState):
        raise TypeError("state_at made another kind of state")
    state.deadline_s = deadline_s
    state.lock_changes()
    if state.accounts.get_balance(sender) < value:
        return Outcome(False, b"", 0, "insufficient funds for value")
    message = EvmMessage(sender, to or b"", data, value, gas, needed)
    computation: Any = state.apply_transaction(message)  # type: ignore[arg-type]
    if state.is_late:
        return Outcome(False, b"", gas, OutOfTime.__name__)
    failure = None
    if computation.is_error:
        reverted = isinstance(computation.error, Revert)
        failure = "revert" if reverted else type(computation.error).__name__
    return Outcome(failure is None, computation.output, computation.gas_charged, failure)


def estimate(
    executor: Executor,
    block: Header,
    *,
    sender: Address,
    to: Address | None,
    data: bytes,
    value: int,
    gas: int,
    deadline_s: float,
) -> Outcome:
    """Least gas with which a message succeeds, in `gas_used`; the failure where it never does."""

    def run(limit: int) -> Outcome:
        return run_call(
            executor,
            block,
            sender=sender,
            to=to,
            data=data,
            value=value,
            gas=limit,
            deadline_s=deadline_s,
        )

    first = run(gas)
    if not first.success:
        return first
    low = max(intrinsic_gas(data, to is None), floor_gas(data), first.gas_used) - 1
    high, best = gas, first
    # Most messages need exactly what they used; refunds and the 63/64 rule need a little more.
    guess = low + 1
    for _ in range(ESTIMATE_ROUNDS):
        if high - low <= 1:
            break
        tried = run(guess)
        if tried.failure == OutOfTime.__name__:
            return tried
        if tried.success:
            high, best = guess, tried
        else:
            low = guess
        guess = min((low + high) // 2, low + max(1, low // 8))
    return Outcome(True, best.output, high, None)

"""Traces: what the outside may ask about how a transaction ran, as a Protocol and its words.

Rules: a trace is made by running the block again on its parent's state, so it shows what the
ledger did and nothing that was kept beside it; every trace is bounded in time, gas and size, and a
trace over a bound is refused, never cut short without a word. Values are plain Python (bytes,
int); hexadecimal is the API's affair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Protocol

from msgspec import Struct

from bulwark.ledger.ids import Address, Digest, Height
from node.ethereum import CallRequest, CallResult, EthereumView


class TraceRefused(Exception):
    """The trace is over a bound of this node; the text says which."""


class TraceKind(Enum):
    """What a trace shows."""

    CALLS = auto()
    """The message calls, nested."""
    STEPS = auto()
    """Every instruction."""
    ACCOUNTS = auto()
    """The accounts that were touched, as they were before and after."""


class TraceWish(Struct, frozen=True):
    """What is asked for; the last three are for STEPS."""

    kind: TraceKind = TraceKind.CALLS
    most_steps: int | None = None
    """Steps after which the rest is left out, as asked for; None = all, refused past the bound."""
    memory: bool = False
    stack: bool = True


class FrameLog(Struct, frozen=True):
    """An event of a call."""

    address: Address
    topics: tuple[bytes, ...]
    data: bytes
    position: int
    """How many calls of the same frame came before it."""
    index: int
    """Number of the event in its transaction, those that were undone counted."""


@dataclass(slots=True)
class CallFrame:
    """One message call; filled in while it runs."""

    kind: str
    """CALL, STATICCALL, DELEGATECALL, CALLCODE, CREATE, CREATE2 or SELFDESTRUCT."""
    sender: Address
    to: Address | None
    """Callee, created contract or heir; None for a creation that failed."""
    value: int | None
    """Wei; None where the kind moves none (STATICCALL)."""
    gas: int
    data: bytes
    depth: int
    gas_used: int = 0
    output: bytes = b""
    failure: str | None = None
    """None, `revert`, or the name of the EVM's error."""
    calls: list[CallFrame] = field(default_factory=list)
    logs: list[FrameLog] = field(default_factory=list)


@dataclass(slots=True)
class Step:
    """One instruction, as it was about to run."""

    pc: int
    op: str
    gas: int
    depth: int
    """1 for the outermost call."""
    stack: tuple[int, ...] | None
    memory: bytes | None
    gas_cost: int = 0
    """Gas that was gone after it, what its calls used included."""
    failure: str | None = None
    storage: tuple[int, int] | None = None
    """Slot and value that SLOAD read or SSTORE wrote."""


class AccountState(Struct, frozen=True):
    """An account at one moment; the storage holds the slots that the transaction touched."""

    balance: int
    nonce: int
    code: bytes
    storage: dict[int, int]


class TouchedAccount(Struct, frozen=True):
    """An account that a transaction touched; None where it did not exist."""

    address: Address
    before: AccountState | None
    after: AccountState | None


class TransactionTrace(Struct, frozen=True):
    """How one transaction or call ran."""

    transaction_hash: Digest | None
    """None for a call."""
    gas_used: int
    success: bool
    output: bytes
    failure: str | None
    root: CallFrame | None = None
    steps: Sequence[Step] = ()
    touched: Sequence[TouchedAccount] = ()


class AccessEntry(Struct, frozen=True):
    """Slots of one account that a message reads or writes."""

    address: Address
    slots: tuple[int, ...]


class Traces(Protocol):
    """Traces of executed transactions and of calls.

    Every method raises TraceRefused past a bound, Busy when too many are under way, LookupError
    where the block or its parent's state is not here.
    """

    async def block(
        self, height: Height, wish: TraceWish, only: int | None = None
    ) -> list[TransactionTrace]:
        """Traces of a block's transactions in order, or of the one at position `only`."""
        ...

    async def call(self, request: CallRequest, height: Height, wish: TraceWish) -> TransactionTrace:
        """Trace of a message on the state after `height`."""
        ...

    async def access_list(
        self, request: CallRequest, height: Height
    ) -> tuple[list[AccessEntry], CallResult]:
        """What a message reads and writes, and how it runs with that as its access list."""
        ...


class TracedView(EthereumView, Protocol):
    """The Ethereum-shaped reads with traces beside them."""

    @property
    def traces(self) -> Traces:
        """Traces of executed transactions and of calls."""
        ...

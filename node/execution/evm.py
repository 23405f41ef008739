"""py-evm, narrowed to what the alliance runs: Prague rules, no fees, priced precompiles.

Rules: the effective gas price is always zero, gas limits stay; no system contract is set up; blob
data does not exist, so the point evaluation precompile always fails; precompiles that run in pure
Python cost a multiple of their Ethereum price (`PRECOMPILE_FACTORS`), so that no call computes
slower than about 3 million gas a second. Both are consensus rules, fixed at genesis.
Checks of the transaction itself are the executor's; nothing here looks at a chain id or a nonce.
An exception that is not a VMError passes through: a node that can not execute must stop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import eth_typing
from eth._utils.address import force_bytes_to_address, generate_contract_address
from eth.exceptions import VMError
from eth.vm.execution_context import ExecutionContext
from eth.vm.forks.cancun.transaction_context import CancunTransactionContext
from eth.vm.forks.prague.computation import PRAGUE_PRECOMPILES, PragueComputation
from eth.vm.forks.prague.state import PragueState, PragueTransactionExecutor
from eth.vm.forks.spurious_dragon._utils import collect_touched_accounts
from eth.vm.message import Message
from msgspec import Struct

from bulwark.ledger.ids import ZERO_ADDRESS, Address, Digest
from bulwark.ledger.transaction import Transaction, intrinsic_gas
from node.execution.accounts import Accounts
from node.execution.native import NATIVE

REFUND_QUOTIENT: Final = 5
"""At most this part of the used gas is refunded (EIP-3529)."""

PRECOMPILE_FACTORS: Final[Mapping[int, int]] = {
    0x06: 3,  # bn128 add, 0.11 ms
    0x07: 5,  # bn128 mul, 8.5 ms
    0x08: 12,  # bn128 pairing, 440 ms for two pairs
    0x09: 20,  # blake2f, 6.5 us a round
    0x0B: 2,  # BLS12-381 G1 add, 0.14 ms
    0x0C: 2,  # G1 multi-scalar multiplication, 7.9 ms for one
    0x0D: 4,  # G2 add, 0.8 ms
    0x0E: 5,  # G2 multi-scalar multiplication, 36 ms for one
    0x0F: 22,  # pairing, 760 ms for two pairs
    0x10: 2,  # map to G1, 2.2 ms
    0x11: 13,  # map to G2, 97 ms
}
"""Precompile number -> factor on its Ethereum price, from times measured on 2 vCPU."""
REFUSED_PRECOMPILES: Final = (0x0A,)
"""Point evaluation: there are no blobs, and each call would read the trusted setup from disk."""

_Precompile = Callable[[Any], Any]


def _priced(precompile: _Precompile, factor: int) -> _Precompile:
    """`precompile` with every gas charge of its own multiplied."""

    def run(computation: Any) -> Any:
        charge = computation.consume_gas

        def charge_more(amount: int, reason: str) -> None:
            charge(amount * factor, reason)

        computation.consume_gas = charge_more
        try:
            return precompile(computation)
        finally:
            # A failed call gives up its remaining gas through the same method, at its own price.
            del computation.consume_gas

    return run


def _refused(_computation: Any) -> Any:
    raise VMError("this precompile is not available in the alliance")


def _alliance_precompiles() -> dict[bytes, _Precompile]:
    table: dict[bytes, _Precompile] = dict(PRAGUE_PRECOMPILES)
    for number, factor in PRECOMPILE_FACTORS.items():
        address = force_bytes_to_address(bytes([number]))
        table[address] = _priced(table[address], factor)
    for number in REFUSED_PRECOMPILES:
        table[force_bytes_to_address(bytes([number]))] = _refused
    table.update(NATIVE)
    return table


class AllianceComputation(PragueComputation):
    """One message call with the alliance's precompile prices."""

    _precompiles = _alliance_precompiles()

    def add_child_computation(self, child_computation: Any) -> None:
        """Note a call that ended, without its input, memory and, once the next one ends, output.

        A contract may pass the same memory along as often as its gas allows, and all copies would
        stay until the transaction is over: gigabytes.
        """
        child = child_computation
        if self.children:
            self.children[-1].output = b""
        super().add_child_computation(child)
        child.msg.data = child.return_data = b""
        child._memory = None
        if child.children:
            child.children[-1].output = b""

    @classmethod
    def consume_initcode_gas_cost(cls, computation: Any) -> None:
        """Nothing: our intrinsic gas has the cost of init code in it (EIP-3860)."""


class EvmMessage(Struct, frozen=True):
    """What the EVM needs of a transaction or of a call; the fees are always zero."""

    sender: Address
    to: bytes
    """20 bytes, or empty to create a contract."""
    data: bytes
    value: int
    gas: int
    intrinsic_gas: int
    access_list: tuple[tuple[bytes, tuple[int, ...]], ...] = ()

    @classmethod
    def of_transaction(cls, transaction: Transaction) -> EvmMessage:
        """The message of a checked transaction."""
        return cls(
            sender=transaction.sender,
            to=transaction.to or b"",
            data=transaction.data,
            value=transaction.value,
            gas=transaction.gas,
            intrinsic_gas=intrinsic_gas(
                transaction.data, transaction.to is None, transaction.access_list
            ),
            access_list=tuple(
                (address, tuple(int.from_bytes(key, "big") for key in keys))
                for address, keys in transaction.access_list
            ),
        )


class AllianceTransactionExecutor(PragueTransactionExecutor):
    """py-evm's steps around a message call, without its debug hashing of the whole calldata."""

    def validate_transaction(self, transaction: Any) -> None:
        """Nothing: the executor checked nonce, balance, gas and permission before."""

    def build_evm_message(self, transaction: Any) -> Any:
        """Take gas and nonce from the sender and make the outermost message."""
        state = self.vm_state
        gas_fee = transaction.gas * state.get_gas_price(transaction)
        if gas_fee:
            state.delta_balance(transaction.sender, -gas_fee)
        state.increment_nonce(transaction.sender)
        if transaction.to:
            created: Any = None
            data = transaction.data
            code, delegated_to = self.get_code_at_address(transaction.to)
        else:
            created = generate_contract_address(
                transaction.sender, state.get_nonce(transaction.sender) - 1
            )
            data, code, delegated_to = b"", transaction.data, None
        return Message(
            gas=transaction.gas - transaction.intrinsic_gas,
            to=transaction.to,
            sender=transaction.sender,
            value=transaction.value,
            data=data,
            code=code,
            create_address=created,
            is_delegation=delegated_to is not None,
        )

    def finalize_computation(self, transaction: Any, computation: Any) -> Any:
        """Settle refunds and fees, delete what selfdestructed, clear empty accounts (EIP-161)."""
        state = self.vm_state
        computation.gas_charged = self._gas_charged(transaction, computation)
        price = state.get_gas_price(transaction)
        if price:
            unused = transaction.gas - computation.gas_charged
            state.delta_balance(transaction.sender, unused * price)
            fee = computation.gas_charged * state.get_tip(transaction)
            state.delta_balance(state.coinbase, fee)
        for account in computation.get_accounts_for_deletion():
            state.delete_account(account)
        for account in collect_touched_accounts(computation):
            if state.account_exists(account) and state.account_is_empty(account):
                state.delete_account(account)
        return computation

    def _gas_charged(self, transaction: Any, computation: Any) -> int:
        """Gas of the whole transaction after refunds, at least the calldata floor (EIP-7623)."""
        used = transaction.gas - computation.get_gas_remaining()
        refund = min(computation.get_gas_refund(), used // REFUND_QUOTIENT)
        more = self.calc_data_floor_gas(transaction, used, refund)
        charged: int = used - refund + more
        return charged


class AllianceState(PragueState):
    """State of one block: Prague without fees and without system contracts."""

    computation_class = AllianceComputation
    account_db_class = Accounts  # type: ignore[assignment]
    transaction_executor_class = AllianceTransactionExecutor

    def set_system_contracts(self) -> None:
        """Nothing: there is no beacon chain and no history contract."""

    def snapshot(self) -> Any:
        """A point of the undo notes, which hold transient storage too."""
        return self._account_db.record()

    def revert(self, snapshot: Any) -> None:
        """Undo every change since the snapshot."""
        self._account_db.discard(snapshot)

    def commit(self, snapshot: Any) -> None:
        """Nothing to do: changes are in place."""

    def get_transient_storage(self, address: Any, slot: int) -> bytes:
        """A transient slot, empty when it is not set."""
        return self.accounts.get_transient_storage(address, slot)

    def set_transient_storage(self, address: Any, slot: int, value: bytes) -> None:
        """Set a transient slot."""
        self.accounts.set_transient_storage(address, slot, value)

    def clear_transient_storage(self) -> None:
        """Nothing to do: the next transaction begins with `lock_changes`."""

    @property
    def accounts(self) -> Accounts:
        """The write set of the block."""
        write_set: Any = self._account_db
        accounts: Accounts = write_set
        return accounts

    def get_gas_price(self, transaction: Any) -> int:
        """Zero: gas is limited, not sold."""
        return 0

    def get_tip(self, transaction: Any) -> int:
        """Zero."""
        return 0

    def get_transaction_context(self, transaction: Any) -> Any:
        """Origin and a gas price of zero."""
        return CancunTransactionContext(gas_price=0, origin=transaction.sender)


class AllianceContext(ExecutionContext):
    """What a call may know besides its state: the block, and what genesis fixed for ever."""

    genesis_hash: Digest
    epoch_seconds: int
    """Length of a quota epoch in block time."""


def block_context(
    *,
    chain_id: int,
    genesis_hash: Digest,
    epoch_seconds: int,
    height: int,
    timestamp_ms: int,
    randomness: bytes,
    gas_limit: int,
    earlier_hashes: Iterable[bytes],
) -> AllianceContext:
    """What opcodes may ask about the block; `earlier_hashes` begins with the parent's.

    TIMESTAMP is in whole seconds, PREVRANDAO is `randomness` (the batch digest), COINBASE is zero.
    """
    context = AllianceContext(
        coinbase=eth_typing.Address(ZERO_ADDRESS),
        timestamp=timestamp_ms // 1000,
        block_number=eth_typing.BlockNumber(height),
        difficulty=0,
        mix_hash=eth_typing.Hash32(randomness),
        gas_limit=gas_limit,
        prev_hashes=(eth_typing.Hash32(each) for each in earlier_hashes),
        chain_id=chain_id,
        base_fee_per_gas=0,
        excess_blob_gas=0,
    )
    context.genesis_hash = genesis_hash
    context.epoch_seconds = epoch_seconds
    return context

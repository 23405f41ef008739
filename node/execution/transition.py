"""Runs the transactions of one block: which of them count, and what each of them did.

Rules: a transaction that breaks a rule here is left out, the same on every node, and the block
goes on; one that fails in the EVM is in the block with a failed receipt. Permission is judged by
the sender's roles in the state *before* the block, so that ingress, vote and execution agree.
An exception that is not a VMError is not caught: the node halts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from bulwark.ledger.errors import TransactionInvalid
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.ids import Address, Digest
from bulwark.ledger.receipt import Log, Receipt
from bulwark.ledger.transaction import Transaction
from node.chain.epochs import ChainEpoch
from node.execution.accounts import EMPTY_CODE_HASH, Accounts

if TYPE_CHECKING:
    from node.execution.evm import AllianceState

RolesOf = Callable[[Address], int]
"""Role bits of an account in the state before the block."""


class Skipped(Struct, frozen=True):
    """A transaction of the batch that is not in the block."""

    position: int
    """Position in the batch."""
    rule: str
    detail: str


class Ran(Struct, frozen=True):
    """What the transactions of a batch became."""

    transactions: tuple[Transaction, ...]
    receipts: tuple[Receipt, ...]
    positions: tuple[int, ...]
    """Position of each transaction in the batch."""
    skipped: tuple[Skipped, ...]
    gas_used: int


def check_transaction(
    transaction: Transaction, genesis: Genesis, epoch: ChainEpoch, roles_of: RolesOf
) -> None:
    """The one rule of ingress, vote and execution besides nonce and balance.

    Chain id, gas under the epoch's limits and the sender's permission. Raises TransactionInvalid.
    """
    transaction.check(genesis.chain_id, epoch.gas_limit)
    if transaction.gas > epoch.transaction_gas:
        raise TransactionInvalid(
            "transaction gas",
            f"gas limit {transaction.gas} is over {epoch.transaction_gas}, the most of one "
            f"transaction under protocol level {epoch.level}",
        )
    if genesis.permissions.need_roles:
        genesis.permissions.check(roles_of(transaction.sender), is_creation=transaction.to is None)


def run_transactions(
    state: AllianceState,
    raw_transactions: Sequence[bytes],
    genesis: Genesis,
    epoch: ChainEpoch,
    roles_of: RolesOf,
) -> Ran:
    """Run a batch on a block's state, in order, under the rules of the block's epoch."""
    from node.execution.evm import EvmMessage

    transactions: list[Transaction] = []
    receipts: list[Receipt] = []
    positions: list[int] = []
    skipped: list[Skipped] = []
    gas_used = 0
    for position, raw in enumerate(raw_transactions):
        state.lock_changes()
        try:
            transaction = Transaction.decode(raw)
            check_transaction(transaction, genesis, epoch, roles_of)
            _check_against_state(transaction, state.accounts, epoch.gas_limit - gas_used)
        except TransactionInvalid as error:
            skipped.append(Skipped(position, error.rule, error.detail))
            continue
        message = EvmMessage.of_transaction(transaction)
        computation = state.apply_transaction(message)  # type: ignore[arg-type]
        gas_used += _charged(computation)
        receipts.append(_receipt(transaction.type, computation, gas_used))
        transactions.append(transaction)
        positions.append(position)
    return Ran(tuple(transactions), tuple(receipts), tuple(positions), tuple(skipped), gas_used)


def _check_against_state(transaction: Transaction, accounts: Accounts, gas_left: int) -> None:
    """Nonce, balance, block gas, and that the sender is no contract (EIP-3607)."""
    sender = transaction.sender
    nonce = accounts.get_nonce(sender)
    if transaction.nonce != nonce:
        raise TransactionInvalid("nonce", f"{transaction.nonce} given, {nonce} is next")
    if transaction.gas > gas_left:
        raise TransactionInvalid("block gas", f"{transaction.gas} wanted, {gas_left} are left")
    balance = accounts.get_balance(sender)
    if transaction.value > balance:
        raise TransactionInvalid("balance", f"value {transaction.value}, balance {balance}")
    if accounts.get_code_hash(sender) != EMPTY_CODE_HASH:
        raise TransactionInvalid("sender", "the account is a contract")


def _charged(computation: Any) -> int:
    charged: int = computation.gas_charged
    return charged


def _receipt(kind: int, computation: Any, cumulative_gas: int) -> Receipt:
    logs = tuple(
        Log(Address(address), tuple(Digest(topic.to_bytes(32, "big")) for topic in topics), data)
        for address, topics, data in computation.get_log_entries()
    )
    return Receipt(kind, computation.is_success, cumulative_gas, logs)

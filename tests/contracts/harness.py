"""A chain of one state for contract tests: deploys the committed bytecode and sends signed calls.

Rules it owns: gas price zero, one transaction a block, contracts at their fixed addresses by the
route genesis takes (init code run as a create message at a chosen address). Plain py-evm, stock
account database: nothing of the node.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import rlp
from eth.abc import ComputationAPI
from eth.constants import BLANK_ROOT_HASH, CREATE_CONTRACT_ADDRESS, ZERO_ADDRESS
from eth.db.atomic import AtomicDB
from eth.vm.execution_context import ExecutionContext
from eth.vm.forks.prague.state import PragueState
from eth.vm.forks.prague.transactions import PragueTransactionBuilder
from eth.vm.message import Message
from eth.vm.transaction_context import BaseTransactionContext
from eth_hash.auto import keccak
from eth_keys import keys

from contracts.bindings import (
    CONSENT_REGISTRY,
    GOVERNANCE,
    MEMBER_REGISTRY,
    RECORD_REGISTRY,
    Member,
    Role,
    consent_registry_init_code,
    governance_init_code,
    member_id_bytes,
    member_registry_init_code,
    record_registry_init_code,
)
from contracts.evidence import EVIDENCE_REGISTRY, evidence_registry_init_code
from contracts.policies import POLICY_REGISTRY, policy_registry_init_code

CHAIN_ID = 20260
GAS_LIMIT = 100_000_000
SHA256_PRECOMPILE = bytes(19) + b"\x02"
_ERROR_SELECTOR = bytes.fromhex("08c379a0")


class State(PragueState):
    """Prague without the system contracts of the public chain."""

    def set_system_contracts(self) -> None:
        return None


@dataclass(frozen=True)
class Signer:
    """A deterministic key and its address."""

    key: keys.PrivateKey
    address: bytes


def signer(name: str) -> Signer:
    key = keys.PrivateKey(keccak(b"bulwark test signer " + name.encode()))
    return Signer(key, key.public_key.to_canonical_address())


@dataclass(frozen=True)
class Outcome:
    """What one call did: reason is None on success, '' for a revert without a reason."""

    ok: bool
    reason: str | None
    output: bytes
    gas_used: int
    logs: tuple[tuple[bytes, tuple[bytes, ...], bytes], ...]


class Chain:
    """State, block number and nonces; every send is one block."""

    def __init__(self) -> None:
        self.db = AtomicDB()
        self.root = BLANK_ROOT_HASH
        self.number = 1
        self.clock_s = 1_700_000_000
        self.state = self._state()

    def _state(self) -> State:
        context = ExecutionContext(
            coinbase=ZERO_ADDRESS,
            timestamp=self.now_s,
            block_number=self.number,
            difficulty=0,
            mix_hash=bytes(32),
            gas_limit=GAS_LIMIT,
            prev_hashes=(),
            chain_id=CHAIN_ID,
            base_fee_per_gas=0,
            excess_blob_gas=0,
        )
        return State(self.db, context, self.root)

    @property
    def now_s(self) -> int:
        """Time of the block that is being made."""
        return self.clock_s + self.number

    def wait(self, seconds: int) -> None:
        """Let block time pass."""
        self.clock_s += seconds
        self.next_block()

    def next_block(self, number: int | None = None) -> None:
        self.state.persist()
        self.root = self.state.state_root
        self.number = self.number + 1 if number is None else number
        self.state = self._state()

    def place(self, address: bytes, init_code: bytes) -> Outcome:
        """Run init code so that its contract lands at a fixed address, as genesis does."""
        message = Message(
            gas=GAS_LIMIT,
            to=CREATE_CONTRACT_ADDRESS,
            sender=ZERO_ADDRESS,
            value=0,
            data=b"",
            code=init_code,
            create_address=address,
        )
        context = BaseTransactionContext(gas_price=0, origin=ZERO_ADDRESS)
        done = self.state.computation_class.apply_create_message(self.state, message, context)
        # A transaction's end removes empty accounts that were touched (EIP-161); this has none.
        if self.state.account_is_empty(SHA256_PRECOMPILE):
            self.state.delete_account(SHA256_PRECOMPILE)
        self.state.lock_changes()
        return _outcome(done, GAS_LIMIT - done.get_gas_remaining())

    def send(self, by: Signer, to: bytes, data: bytes, value: int = 0) -> Outcome:
        """One signed type-2 transaction; `to` empty deploys."""
        transaction = PragueTransactionBuilder.new_unsigned_dynamic_fee_transaction(
            chain_id=CHAIN_ID,
            nonce=self.state.get_nonce(by.address),
            max_priority_fee_per_gas=0,
            max_fee_per_gas=0,
            gas=GAS_LIMIT // 2,
            to=to,
            value=value,
            data=data,
            access_list=[],
        ).as_signed_transaction(by.key)
        self.state.lock_changes()
        done = self.state.apply_transaction(transaction)
        used = transaction.gas - done.get_gas_remaining()
        used -= min(done.get_gas_refund(), used // 5) if done.is_success else 0
        outcome = _outcome(done, max(used, _floor(data)))
        self.next_block()
        return outcome

    def deploy(self, by: Signer, init_code: bytes) -> bytes:
        """Deploy through a transaction; the new contract's address."""
        nonce = self.state.get_nonce(by.address)
        outcome = self.send(by, CREATE_CONTRACT_ADDRESS, init_code)
        if not outcome.ok:
            raise RuntimeError(f"deployment failed: {outcome.reason!r}")
        return keccak(rlp.encode([by.address, nonce]))[12:]

    def call(self, to: bytes, data: bytes) -> Outcome:
        """A static call; changes nothing."""
        message = Message(
            gas=GAS_LIMIT,
            to=to,
            sender=ZERO_ADDRESS,
            value=0,
            data=data,
            code=self.state.get_code(to),
            is_static=True,
        )
        context = BaseTransactionContext(gas_price=0, origin=ZERO_ADDRESS)
        self.state.lock_changes()
        done = self.state.computation_class.apply_message(self.state, message, context)
        return _outcome(done, GAS_LIMIT - done.get_gas_remaining())

    def view(self, to: bytes, data: bytes) -> bytes:
        """Output of a view that must succeed."""
        outcome = self.call(to, data)
        if not outcome.ok:
            raise RuntimeError(f"view failed: {outcome.reason!r}")
        return outcome.output


def _floor(data: bytes) -> int:
    """Least gas of a transaction with this calldata (EIP-7623)."""
    zeros = data.count(0)
    return 21_000 + 10 * (zeros + 4 * (len(data) - zeros))


def _outcome(done: ComputationAPI, gas_used: int) -> Outcome:
    logs = tuple(
        (address, tuple(topic.to_bytes(32, "big") for topic in topics), data)
        for address, topics, data in done.get_log_entries()
    )
    reason = None if done.is_success else revert_reason(done.output)
    return Outcome(done.is_success, reason, bytes(done.output), gas_used, logs)


def revert_reason(output: bytes) -> str:
    """Text of an Error(string), '' when there is none."""
    if output[:4] != _ERROR_SELECTOR:
        return ""
    length = int.from_bytes(output[36:68], "big")
    return output[68 : 68 + length].decode("utf-8")


def member(name: str, roles: int = Role.VALIDATOR | Role.REPORTER) -> Member:
    """A member with its own keys, all derived from the name."""
    return Member(
        id=member_id_bytes(name),
        node=signer(f"{name} node").address,
        account=signer(name).address,
        roles=Role(roles),
        oprf_key=keccak(f"{name} oprf".encode()),
        tls_pin=keccak(f"{name} tls".encode()),
    )


def alliance(members: Sequence[Member] | None = None) -> Chain:
    """A chain with the registries; by default alpha, beta report, gamma regulates."""
    if members is None:
        members = [member("alpha"), member("beta"), member("gamma", Role.REGULATOR)]
    chain = Chain()
    for address, code in (
        (MEMBER_REGISTRY, member_registry_init_code(signer("governor").address, members)),
        (RECORD_REGISTRY, record_registry_init_code(MEMBER_REGISTRY)),
        (CONSENT_REGISTRY, consent_registry_init_code(MEMBER_REGISTRY)),
        (EVIDENCE_REGISTRY, evidence_registry_init_code(MEMBER_REGISTRY)),
    ):
        outcome = chain.place(address, code)
        if not outcome.ok:
            raise RuntimeError(f"genesis failed: {outcome.reason!r}")
    chain.next_block()
    return chain


PARAMETERS: Mapping[str, int] = {
    "gas_limit": 10_000_000,
    "checkpoint_interval": 1,
    "rotation": 16,
    "pipeline": 4,
    "base_timeout_ms": 1_000,
    "max_timeout_ms": 30_000,
    "heartbeat_ms": 30_000,
    "request_timeout_ms": 5_000,
    "clock_precision_ms": 500,
    "message_delay_ms": 2_000,
}


def governed(
    members: Sequence[Member],
    parameters: Mapping[str, int] = PARAMETERS,
    registry: bytes = b"",
    policies: Sequence[bytes] = (),
) -> Chain:
    """A chain whose registry the governance contract governs."""
    chain = Chain()
    for address, code in (
        (MEMBER_REGISTRY, registry or member_registry_init_code(GOVERNANCE, members)),
        (RECORD_REGISTRY, record_registry_init_code(MEMBER_REGISTRY)),
        (CONSENT_REGISTRY, consent_registry_init_code(MEMBER_REGISTRY)),
        (EVIDENCE_REGISTRY, evidence_registry_init_code(MEMBER_REGISTRY)),
        (GOVERNANCE, governance_init_code(MEMBER_REGISTRY, parameters)),
        (POLICY_REGISTRY, policy_registry_init_code(MEMBER_REGISTRY, GOVERNANCE, policies)),
    ):
        outcome = chain.place(address, code)
        if not outcome.ok:
            raise RuntimeError(f"genesis failed: {outcome.reason!r}")
    chain.next_block()
    return chain

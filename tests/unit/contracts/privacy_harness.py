"""An alliance with the privacy contracts, and the possession precompile in plain Python.

Rules it owns: the four contracts come to their fixed addresses by their real constructors, on top
of a governed alliance. Proofs are checked by `bulwark.privacy.schnorr`, as the executor will.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, ClassVar

from eth.db.atomic import AtomicDB
from eth.db.backends.memory import MemoryDB
from eth.vm.forks.prague.computation import PRAGUE_PRECOMPILES, PragueComputation
from eth.vm.forks.prague.state import PragueState
from eth.vm.message import Message
from eth.vm.transaction_context import BaseTransactionContext

from bulwark.privacy import schnorr
from bulwark.privacy.group import Scalar, multiply_base, reduce_scalar
from contracts.bindings import GOVERNANCE, MEMBER_REGISTRY, Member, Role
from contracts.privacy.bindings import (
    KEY_CEREMONY,
    NO,
    OPENINGS,
    POSSESSION_PRECOMPILE,
    PRIVACY_KEYS,
    QUERY_LOG,
    YES,
    GenesisKeys,
    KeyPurpose,
    RegulatorKey,
    decode_question,
    key_ceremony_init_code,
    member_context,
    openings_init_code,
    privacy_keys_init_code,
    privacy_parameter_slot,
    query_log_init_code,
)
from contracts.privacy.ceremony_reads import PUBLISHED_SLOT, SHARINGS_SLOT
from contracts.slots import mapped_slot
from contracts.words import uint_word
from tests.contracts import harness
from tests.contracts.harness import CHAIN_ID, PARAMETERS, Chain, Outcome, Signer, governed, member

DAY = 86_400


def possession(computation: Any) -> Any:
    """The precompile at 0x..b102."""
    computation.consume_gas(3_000, reason="possession")
    question = decode_question(computation.msg.data_as_bytes)
    holds = question is not None and schnorr.verify_encoded_possession(
        question.purpose, question.context, question.public, question.proof
    )
    computation.output = YES if holds else NO
    return computation


def state_class(precompile: Callable[[Any], Any] | None) -> type[PragueState]:
    """A state whose calls meet this precompile, or none."""
    table = dict(PRAGUE_PRECOMPILES)
    if precompile is not None:
        table[POSSESSION_PRECOMPILE] = precompile

    class Computation(PragueComputation):
        _precompiles: ClassVar = table

    class State(harness.State):
        computation_class = Computation

    return State


class PrivacyChain(Chain):
    """A chain that knows the precompile; another one can be put in its place."""

    def __init__(self, precompile: Callable[[Any], Any] | None = possession) -> None:
        self.state_class = state_class(precompile)
        super().__init__()

    def _state(self) -> Any:
        found = super()._state()
        return self.state_class(self.db, found.execution_context, self.root)

    def answer_with(self, precompile: Callable[[Any], Any] | None) -> None:
        """From the next block on, the precompile is this one."""
        self.state_class = state_class(precompile)
        self.next_block()

    @property
    def epoch(self) -> int:
        """Quota epoch of the block that is being made."""
        return self.now_s // DAY

    def parameter(self, name: str, value: int) -> None:
        """What a vote would leave in the governance."""
        self.state.set_storage(GOVERNANCE, privacy_parameter_slot(name), value)
        self.state.lock_changes()
        self.next_block()

    def council(self, session: bytes) -> None:
        """What a ceremony would leave: its sharing of the council's key is active."""
        place = mapped_slot(SHARINGS_SLOT, uint_word("purpose", KeyPurpose.COUNCIL, 256))
        self.state.set_storage(KEY_CEREMONY, place, int.from_bytes(session, "big"))
        self.state.lock_changes()
        self.next_block()

    def published(self, session: bytes, purpose: KeyPurpose) -> None:
        """What publishing the active sharing of a session would leave, its keys left out."""
        place = mapped_slot(PUBLISHED_SLOT, uint_word("purpose", purpose, 256))
        self.state.set_storage(KEY_CEREMONY, place, int.from_bytes(session, "big"))
        self.state.lock_changes()

    def govern(self, data: bytes) -> Outcome:
        """A call of the registry as the governance makes it."""
        return harness_call(self, GOVERNANCE, MEMBER_REGISTRY, data)


def harness_call(chain: Chain, sender: bytes, to: bytes, data: bytes) -> Outcome:
    """A message call by any sender, kept."""
    message = Message(
        gas=harness.GAS_LIMIT,
        to=to,
        sender=sender,
        value=0,
        data=data,
        code=chain.state.get_code(to),
    )
    context = BaseTransactionContext(gas_price=0, origin=sender)
    done = chain.state.computation_class.apply_message(chain.state, message, context)
    chain.state.lock_changes()
    outcome = harness._outcome(done, 0)
    chain.next_block()
    return outcome


def secret(name: str) -> Scalar:
    """A deterministic secret key."""
    return reduce_scalar(hashlib.sha512(b"test key " + name.encode()).digest())


def public(name: str) -> bytes:
    return multiply_base(secret(name)).encoding


def sealing(name: str) -> bytes:
    return hashlib.sha256(b"test sealing " + name.encode()).digest()


def randomness(count: int) -> bytes:
    return hashlib.shake_256(b"test randomness").digest(count)


def prove(purpose: bytes, member_id: bytes, key: str, chain_id: int = CHAIN_ID) -> bytes:
    """Proof of possession of the secret of that name."""
    context = member_context(chain_id, member_id)
    return schnorr.prove_possession(purpose, context, secret(key), randomness)


def genesis_keys(members: Sequence[Member]) -> list[GenesisKeys]:
    """A ring key and a sealing key a member, named by the member's id."""
    names = [m.id.rstrip(b"\0").decode() for m in members]
    return [
        GenesisKeys(m.id, public(name), sealing(name))
        for m, name in zip(members, names, strict=True)
    ]


def privacy_alliance(
    members: Sequence[Member],
    keys: Sequence[GenesisKeys] | None = None,
    regulator: RegulatorKey | None = None,
) -> PrivacyChain:
    """A governed alliance with the privacy contracts; by default every member has keys."""
    first = genesis_keys(members) if keys is None else keys
    content, root, number = _genesis(tuple(members), tuple(first), regulator)
    return _chain(AtomicDB(MemoryDB(dict(content))), root, number)


def _chain(db: AtomicDB, root: bytes, number: int) -> PrivacyChain:
    chain = PrivacyChain()
    chain.db, chain.root, chain.number = db, root, number
    chain.state = chain._state()
    return chain


@cache
def _genesis(
    members: tuple[Member, ...], first: tuple[GenesisKeys, ...], regulator: RegulatorKey | None
) -> tuple[dict[bytes, bytes], bytes, int]:
    """Content of the database, state root and block number; made once for each alliance."""
    plain = governed(members, PARAMETERS)
    chain = _chain(plain.db, plain.root, plain.number)
    for address, code in (
        (PRIVACY_KEYS, privacy_keys_init_code(MEMBER_REGISTRY, DAY, first, regulator)),
        (KEY_CEREMONY, key_ceremony_init_code(MEMBER_REGISTRY, GOVERNANCE, PRIVACY_KEYS)),
        (QUERY_LOG, query_log_init_code(MEMBER_REGISTRY, DAY)),
        (OPENINGS, openings_init_code(MEMBER_REGISTRY, GOVERNANCE, QUERY_LOG, KEY_CEREMONY)),
    ):
        outcome = chain.place(address, code)
        if not outcome.ok:
            raise RuntimeError(f"genesis failed: {outcome.reason!r}")
    chain.next_block()
    return dict(chain.db.wrapped_db.kv_store), chain.root, chain.number


def validators(count: int) -> list[Member]:
    """So many members named m0, m1, ... that validate and report."""
    return [member(f"m{i}") for i in range(count)]


REGULATOR = member("regulator", Role.REGULATOR)


def through_a_contract(chain: Chain, by: Signer, to: bytes, data: bytes) -> Outcome:
    """The same call by an account that has code (as with EIP-7702)."""
    chain.state.set_code(by.address, b"\x00")
    chain.state.lock_changes()
    return harness_call(chain, by.address, to, data)

"""The statement of a ring proof that a contract demands: "a member says this, once for this slot"

Rules owned here: the statement names the contract that demands it and a label of that contract's
choice; both are in the challenge and in the scope point, under names of their own. So a proof for
one contract or label holds in no other, nor as a guarded question, and nullifiers of two contracts
can not be linked. The message is 32 bytes of the contract's choice. There is no ring height: the
ring is the one of the state that the contract runs on, and its root is hashed.

It does not read a state and does not know which nullifiers were used.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TypeAlias

from msgspec import Struct

from bulwark.privacy.errors import InputRefused
from bulwark.privacy.group import Element, Scalar
from bulwark.privacy.ring.ristretto import MemberRing
from bulwark.privacy.ring.statement import RingStatement
from bulwark.privacy.ring.suite import E, S
from bulwark.privacy.transcript import MAX_INTEGER, Transcript

LABEL = b"Bulwark-v1-ARP-1-contract"
MESSAGE_LABEL = b"Bulwark-v1-ARP-1-contract-message"
CONTRACT_SCOPE_DST = b"Bulwark-v1-ARP-1-contract-nullifier-"
CONTRACT_SCOPE = 3
"""Guarded questions have the scopes 1 and 2."""
CONTRACT_BYTES = 20
LABEL_BYTES = 32
MESSAGE_BYTES = 32
MAX_CONTRACT_SLOT = MAX_INTEGER


@dataclass(frozen=True, slots=True)
class ContractStatement(RingStatement[E, S]):
    """A statement for one contract, 20 bytes, and one label of it, 32 bytes.

    Made by `contract_statement`. Raises `InputRefused`.
    """

    contract: bytes
    label: bytes

    def _point(self) -> E:
        for what, value, length in (
            ("length of the contract's address", self.contract, CONTRACT_BYTES),
            ("length of the label", self.label, LABEL_BYTES),
        ):
            if len(value) != length:
                raise InputRefused(what, len(value), f"{length} bytes")
        for what, number in (
            ("chain id", self.chain_id),
            ("quota epoch", self.epoch),
            ("slot", self.slot),
        ):
            if not 0 <= number <= MAX_INTEGER:
                raise InputRefused(what, number, f"0 to {MAX_INTEGER}")
        name = b"".join(
            (
                self.chain_id.to_bytes(8, "big"),
                self.epoch.to_bytes(8, "big"),
                self.contract,
                self.label,
                self.slot.to_bytes(8, "big"),
            )
        )
        suite = self.ring.suite
        return suite.hash_to_group(name, CONTRACT_SCOPE_DST + suite.identifier)

    def _begun(self) -> Transcript:
        return Transcript(LABEL).add(self.contract).add(self.label)


MemberStatement: TypeAlias = ContractStatement[Element, Scalar]


class Demand(Struct, frozen=True, kw_only=True):
    """What a contract demands a proof of. Raises `InputRefused` for a field of another length."""

    contract: bytes
    """Address of the contract that asks, 20 bytes."""
    label: bytes
    """32 bytes that the contract chooses: proofs under two labels share no nullifier."""
    slot: int
    """0 to 2^64 - 1; each slot can be used once by each member in each quota epoch."""
    message: bytes
    """32 bytes that the proof is bound to, as a hash of what the member wants."""

    def __post_init__(self) -> None:
        if len(self.message) != MESSAGE_BYTES:
            raise InputRefused("length of the message", len(self.message), f"{MESSAGE_BYTES} bytes")


def contract_statement(
    demand: Demand,
    *,
    chain_id: int,
    genesis_hash: bytes,
    ring: MemberRing,
    opener: Element,
    opener_epoch: int,
    epoch: int,
) -> MemberStatement:
    """The statement that answers a demand in a state with this ring. Raises `InputRefused`."""
    return ContractStatement(
        chain_id=chain_id,
        genesis_hash=genesis_hash,
        ring_height=0,
        ring=ring,
        opener=opener,
        opener_epoch=opener_epoch,
        epoch=epoch,
        scope=CONTRACT_SCOPE,
        slot=demand.slot,
        message=hashlib.sha512(MESSAGE_LABEL + demand.message).digest(),
        contract=demand.contract,
        label=demand.label,
    )

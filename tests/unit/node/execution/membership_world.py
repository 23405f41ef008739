"""An alliance whose members have ring keys and whose council has a key, for tests of 0x..b101.

Rules it owns: the genesis state is that of the real contracts; only the council's key is written
where a ceremony would leave it. `Member` makes proofs as a member of it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from bulwark.ledger.genesis import (
    ConsensusParameters,
    Genesis,
    GenesisAccount,
    OprfParameters,
    PrivacyParameters,
)
from bulwark.ledger.genesismember import GenesisMember
from bulwark.ledger.ids import Address, MemberId, TimestampMs
from bulwark.ledger.signing import SigningKey
from bulwark.privacy.group import Element, Scalar, multiply_base
from bulwark.privacy.ring.contractstatement import Demand, contract_statement
from bulwark.privacy.ring.prover import prove
from bulwark.privacy.ring.ristretto import MemberRing, member_ring
from contracts.bindings import Member as RegistryMember
from contracts.bindings import governed_contracts, member_id_bytes
from contracts.members import Role
from contracts.privacy.bindings import KEY_CEREMONY, PRIVACY_KEYS, privacy_contracts
from contracts.privacy.ceremony import KeyPurpose
from contracts.privacy.ceremony_reads import PUBLISHED_SLOT
from contracts.privacy.keys import GenesisKeys, RegulatorKey
from contracts.privacy.membership import MembershipQuestion
from contracts.slots import mapped_slot
from contracts.words import uint_word
from tests.contracts.harness import PARAMETERS
from tests.unit.contracts.privacy_harness import public, sealing
from tests.unit.contracts.privacy_harness import secret as scalar
from tests.unit.node.execution.alliance import CHAIN_ID, CREATED_MS, secret

EPOCH_SECONDS = 3_600
START_S = CREATED_MS // 1_000
EPOCH = START_S // EPOCH_SECONDS
OPENER = multiply_base(scalar("council")) + multiply_base(scalar("regulator part"))
LABEL = b"a label of this contract".ljust(32, b"\0")
MESSAGE = b"what the member says".ljust(32, b"\0")


def account(name: str) -> SigningKey:
    return SigningKey(secret(f"account {name}"))


def names(count: int) -> list[str]:
    return [f"m{place:03}" for place in range(count)]


def privacy_genesis(
    count: int = 4, *, council: bool = True, ring_keys: bool = True, alliance: str = "Test"
) -> Genesis:
    """`count` members in all roles; m000 holds the regulator's part of the opener."""
    roles = ("validator", "reporter", "deployer", "regulator")
    members = tuple(
        GenesisMember(
            id=MemberId(name),
            name=name,
            roles=roles,
            node=SigningKey(secret(f"vote {name}")).address,
            account=account(name).address,
            tls_pin=secret(f"pin {name}"),
        )
        for name in names(count)
    )
    registered = [
        RegistryMember(member_id_bytes(m.id), m.node, m.account, Role(15)) for m in members
    ]
    keys = [
        GenesisKeys(m.id, public(name), sealing(name))
        for m, name in zip(registered, names(count), strict=True)
    ]
    part = RegulatorKey(public("regulator part"), registered[0].id, 0)
    placed = [
        *governed_contracts(registered, PARAMETERS),
        *privacy_contracts(keys if ring_keys else [], part, EPOCH_SECONDS),
    ]
    alloc = {Address(c.address): GenesisAccount(c.nonce, 0, c.code, c.storage) for c in placed}
    if council:
        slot = mapped_slot(PUBLISHED_SLOT, uint_word("purpose", KeyPurpose.COUNCIL, 256))
        found = alloc[Address(KEY_CEREMONY)]
        storage = {**found.storage, slot: 1, slot + 1: int.from_bytes(public("council"), "big")}
        alloc[Address(KEY_CEREMONY)] = replace(found, storage=storage)
    return Genesis(
        alliance=alliance,
        chain_id=CHAIN_ID,
        created_ms=TimestampMs(CREATED_MS),
        gas_limit=30_000_000,
        consensus=ConsensusParameters(),
        members=members,
        oprf=OprfParameters(key_id=1),
        privacy=PrivacyParameters(epoch_seconds=EPOCH_SECONDS),
        alloc=alloc,
    )


@dataclass(frozen=True)
class Prover:
    """Everything a proof is about, each part of which a test can change."""

    genesis: Genesis
    contract: bytes
    name: str = "m001"
    members: Sequence[str] = tuple(names(4))
    opener: Element = OPENER
    opener_epoch: int = 0
    epoch: int = EPOCH
    label: bytes = LABEL
    slot: int = 0
    message: bytes = MESSAGE
    chain_id: int = CHAIN_ID

    def secret(self) -> Scalar:
        return scalar(self.name)

    def ring(self) -> MemberRing:
        return member_ring([multiply_base(scalar(name)) for name in self.members])

    def prove(self) -> bytes:
        """The proof of this."""
        demand = Demand(
            contract=self.contract, label=self.label, slot=self.slot, message=self.message
        )
        statement = contract_statement(
            demand,
            chain_id=self.chain_id,
            genesis_hash=self.genesis.hash,
            ring=self.ring(),
            opener=self.opener,
            opener_epoch=self.opener_epoch,
            epoch=self.epoch,
        )
        index = list(self.members).index(self.name)
        return prove(statement, self.secret(), index, lambda size: bytes(size)).encode()

    def question(self) -> MembershipQuestion:
        """What the contract asks with this proof."""
        return MembershipQuestion(self.label, self.slot, self.message, self.prove())


__all__ = ["EPOCH", "PRIVACY_KEYS", "Prover", "account", "names", "privacy_genesis"]

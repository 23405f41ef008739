"""A small alliance with known keys for tests of execution and chain: genesis, blocks, certificates.

Four members; the first three report, the first deploys too, the fourth is a regulator without a
validator. `Node` is one replica: it executes batches, commits them and certifies them at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from bulwark.ledger.batch import Batch
from bulwark.ledger.genesis import ConsensusParameters, Genesis, GenesisAccount, OprfParameters
from bulwark.ledger.genesismember import GenesisMember
from bulwark.ledger.header import Header
from bulwark.ledger.ids import (
    ZERO_ADDRESS,
    Address,
    Digest,
    Height,
    MemberId,
    RecordId,
    Tag,
    TimestampMs,
    ValidatorIndex,
    View,
)
from bulwark.ledger.permissions import Permissions
from bulwark.ledger.record import Record, RecordPayload
from bulwark.ledger.sidecar import Sidecar
from bulwark.ledger.signing import SigningKey
from bulwark.ledger.transaction import Transaction, sign_transaction
from bulwark.ledger.votes import Certificate, VoteKind, VoteSubject
from contracts.bindings import (
    RECORD_REGISTRY,
    Member,
    Role,
    encode_anchor,
    genesis_contracts,
    member_id_bytes,
)
from node.chain.consents import ConsentReader
from node.chain.erasing import Eraser
from node.chain.proofs import Prover
from node.chain.records import RecordReader
from node.chain.roles import RoleBook
from node.chain.standings import StandingPorts, Standings, in_no_breach
from node.chain.store import ChainStore
from node.execution.executor import ExecutedBlock, Executor
from node.storage import schema
from node.storage.memory import MemoryStore
from node.storage.port import KeyValueStore

CHAIN_ID = 20260
CREATED_MS = 1_700_000_000_000
POLICY = sha256(b"policy").digest()
NAMES = ("alpha", "bravo", "charlie", "delta")
ROLES = (
    ("validator", "reporter", "deployer"),
    ("validator", "reporter"),
    ("validator", "reporter"),
    ("validator", "regulator"),
)
GOVERNOR = Address(b"\x99" * 20)
_BITS = {"validator": 1, "reporter": 2, "regulator": 4, "deployer": 8}


def secret(name: str) -> bytes:
    return sha256(b"bulwark test " + name.encode()).digest()


VOTE_KEYS = tuple(SigningKey(secret(f"vote {name}")) for name in NAMES)
ACCOUNTS = tuple(SigningKey(secret(f"account {name}")) for name in NAMES)
STRANGER = SigningKey(secret("stranger"))


def make_genesis(
    permissions: Permissions = Permissions(),
    gas_limit: int = 30_000_000,
    governor: Address = GOVERNOR,
) -> Genesis:
    members = tuple(
        GenesisMember(
            id=MemberId(name),
            name=name.title(),
            roles=roles,
            node=VOTE_KEYS[i].address,
            account=ACCOUNTS[i].address,
            tls_pin=secret(f"pin {name}"),
        )
        for i, (name, roles) in enumerate(zip(NAMES, ROLES, strict=True))
    )
    placed = genesis_contracts(
        governor,
        [
            Member(member_id_bytes(m.id), m.node, m.account, Role(sum(_BITS[r] for r in m.roles)))
            for m in members
        ],
    )
    alloc = {Address(c.address): GenesisAccount(c.nonce, 0, c.code, c.storage) for c in placed}
    alloc[ACCOUNTS[0].address] = GenesisAccount(balance=10**18)
    return Genesis(
        alliance="Test Alliance",
        chain_id=CHAIN_ID,
        created_ms=TimestampMs(CREATED_MS),
        gas_limit=gas_limit,
        consensus=ConsensusParameters(),
        members=members,
        oprf=OprfParameters(key_id=1),
        permissions=permissions,
        alloc=alloc,
    )


def make_sidecar(count: int, seed: str, tags: Sequence[Tag] = ()) -> Sidecar:
    records = []
    for i in range(count):
        tag = tags[i] if i < len(tags) else Tag(sha256(f"tag {seed} {i}".encode()).digest())
        payload = RecordPayload(operation=1, kind=1, fraud_type=2, confidence=80, country=b"DE")
        records.append(Record.of(sha256(f"salt {seed} {i}".encode()).digest(), tag, payload))
    return Sidecar(tuple(records))


def call(
    key: SigningKey,
    nonce: int,
    to: Address | None,
    data: bytes = b"",
    *,
    gas: int = 400_000,
    value: int = 0,
    chain_id: int = CHAIN_ID,
) -> Transaction:
    return sign_transaction(
        key, chain_id=chain_id, nonce=nonce, to=to, data=data, gas=gas, value=value
    )


def anchor(key: SigningKey, nonce: int, sidecar: Sidecar) -> Transaction:
    data = encode_anchor(sidecar.root, sidecar.count, 1, POLICY)
    return call(key, nonce, Address(RECORD_REGISTRY), data)


def certify(genesis: Genesis, header: Header) -> Certificate:
    subject = VoteSubject(VoteKind.CHECKPOINT, View(0), header.height, header.hash())
    return _signed(genesis, subject)


def commit_of(genesis: Genesis, height: Height, batch: Batch) -> Certificate:
    return _signed(genesis, VoteSubject(VoteKind.COMMIT, View(0), height, batch.digest))


def _signed(genesis: Genesis, subject: VoteSubject) -> Certificate:
    digest = subject.signing_digest(genesis.domain())
    votes = {ValidatorIndex(i): key.sign(digest) for i, key in enumerate(VOTE_KEYS)}
    return Certificate.assemble(subject, votes, genesis.validator_set.quorum)


class Node:
    """One replica over a store."""

    def __init__(self, store: KeyValueStore | None = None, genesis: Genesis | None = None) -> None:
        self.genesis = genesis or make_genesis()
        self.store = store if store is not None else MemoryStore()
        self.chain = ChainStore.open(self.store, self.genesis)
        self.executor = Executor(self.store, self.genesis)
        self.records = RecordReader(self.store, self.chain)
        names = {member.account: member.id for member in self.genesis.members}
        self.consents = ConsentReader(self.store, self.chain)
        ports = StandingPorts(
            member_of=lambda account: names[Address(account)],
            consent_standing=self.consents.standing,
            breach=in_no_breach,
        )
        self.roles = RoleBook(self.genesis, self.store, self.chain)
        self.standings = Standings(self.records, self.roles, ports)
        self.prover = Prover(self.store, self.chain, self.executor.epochs)

    def erase(self, *record_ids: RecordId) -> int:
        """Erase records whose order is still looked for; how many were here in full."""
        eraser = Eraser(self.store, self.chain)
        count = 0
        for group in eraser.groups(record_ids):
            mark = {schema.bare_sidecar(group.root): b""}
            count += len(eraser.erase(group, lambda _, mark=mark: mark))  # type: ignore[misc]
        return count

    def execute(
        self, *transactions: Transaction, sidecars: Sequence[Sidecar] = (), at_ms: int = 0
    ) -> ExecutedBlock:
        batch = Batch(TimestampMs(at_ms), tuple(each.raw for each in transactions))
        by_root = {Digest(sidecar.root): sidecar for sidecar in sidecars}
        return self.executor.execute(Height(self.chain.applied + 1), batch, by_root)

    def block(
        self,
        *transactions: Transaction,
        sidecars: Sequence[Sidecar] = (),
        at_ms: int = 0,
        final: bool = True,
    ) -> ExecutedBlock:
        for sidecar in sidecars:
            self.chain.put_sidecar(sidecar)
        executed = self.execute(*transactions, sidecars=sidecars, at_ms=at_ms)
        commit = commit_of(self.genesis, executed.header.height, executed.batch)
        self.chain.commit_block(executed, commit)
        if final:
            self.chain.store_checkpoint(certify(self.genesis, executed.header))
        return executed


NOWHERE = Address(ZERO_ADDRESS[:19] + b"\x55")

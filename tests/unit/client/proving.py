"""A small alliance with one final block: its genesis document and proofs that hold."""

from __future__ import annotations

from dataclasses import dataclass

from bulwark.ledger.anchor import Anchor, AnchorKind
from bulwark.ledger.genesis import ConsensusParameters, Genesis, OprfParameters
from bulwark.ledger.genesismember import GenesisMember
from bulwark.ledger.hashing import sha256
from bulwark.ledger.header import Header
from bulwark.ledger.ids import (
    ZERO_DIGEST,
    Epoch,
    Height,
    MemberId,
    TimestampMs,
    ValidatorIndex,
    View,
)
from bulwark.ledger.merkle import inclusion_path, root_of
from bulwark.ledger.proofs import AnchorProof, ConsistencyProof, RecordProof, SealedHeader
from bulwark.ledger.record import Record, RecordPayload
from bulwark.ledger.sidecar import Sidecar
from bulwark.ledger.signing import SigningKey
from bulwark.ledger.votes import Certificate, VoteKind, VoteSubject

PAYLOAD = RecordPayload(
    operation=1, kind=1, fraud_type=12, confidence=80, country=b"GB", first_seen_day=20_000
)


@dataclass(frozen=True)
class Proved:
    """Documents as files would hold them."""

    genesis: bytes
    record: bytes
    erased: bytes
    consent: bytes
    consistency: bytes
    record_id: str


def key(name: str) -> SigningKey:
    return SigningKey(sha256(name.encode()))


def make(name: str = "proving") -> Proved:
    """Everything of one alliance; another name gives another alliance."""
    votes = [key(f"{name} vote {at}") for at in range(4)]
    accounts = [key(f"{name} account {at}").address for at in range(4)]
    members = tuple(
        GenesisMember(
            id=MemberId(f"member-{at}"),
            name=f"Member {at}",
            roles=("validator", "reporter"),
            node=votes[at].address,
            account=accounts[at],
            tls_pin=sha256(f"{name} pin {at}".encode()),
        )
        for at in range(4)
    )
    genesis = Genesis(
        alliance=name,
        chain_id=7,
        created_ms=TimestampMs(1_700_000_000_000),
        gas_limit=30_000_000,
        consensus=ConsensusParameters(),
        members=members,
        oprf=OprfParameters(key_id=1),
        alloc={},
    )
    records = [Record.of(sha256(b"s%d" % i), sha256(b"t%d" % i), PAYLOAD) for i in range(3)]
    sidecar = Sidecar(tuple(records))
    place = {"height": Height(1), "transaction_index": 0, "account": accounts[1]}
    batch = Anchor(
        kind=AnchorKind.RECORDS,
        log_index=0,
        digest=sidecar.root,
        reference=sha256(b"policy"),
        count=3,
        **place,
    )
    consent = Anchor(
        kind=AnchorKind.CONSENT_GIVEN,
        log_index=1,
        digest=sha256(b"commitment"),
        reference=sha256(b"anchor"),
        purpose=1,
        basis=1,
        valid_until_day=21_000,
        **place,
    )
    leaves = [batch.leaf_hash, consent.leaf_hash]

    def seal(size: int) -> SealedHeader:
        header = Header(
            height=Height(size),
            parent_hash=sha256(b"parent"),
            batch_digest=sha256(b"batch"),
            timestamp_ms=TimestampMs(1_700_000_009_000),
            transactions_root=sha256(b"transactions"),
            receipts_root=sha256(b"receipts"),
            state_root=sha256(b"state"),
            record_log_size=size,
            record_log_root=root_of(leaves[:size]),
            next_validators_hash=ZERO_DIGEST,
            next_parameters_hash=ZERO_DIGEST,
            epoch=Epoch(0),
            epoch_end=Height(0),
            gas_used=21_000,
            gas_limit=30_000_000,
        )
        subject = VoteSubject(VoteKind.CHECKPOINT, View(0), header.height, header.hash())
        digest = subject.signing_digest(genesis.domain())
        signed = {ValidatorIndex(at): votes[at].sign(digest) for at in (0, 1, 3)}
        return SealedHeader(header, Certificate.assemble(subject, signed, 3))

    final = seal(2)
    anchored = AnchorProof(batch, 0, tuple(inclusion_path(leaves, 0)), final)
    proof = RecordProof(records[1], 1, tuple(sidecar.path(1)), anchored)
    erased = RecordProof(sidecar.erase(1).entries[1], 1, proof.path, anchored)
    return Proved(
        genesis.to_json(),
        proof.to_json(),
        erased.to_json(),
        AnchorProof(consent, 1, tuple(inclusion_path(leaves, 1)), final).to_json(),
        ConsistencyProof(seal(1), final, (leaves[1],)).to_json(),
        records[1].record_id.hex(),
    )

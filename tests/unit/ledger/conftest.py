"""What the ledger tests share: a four-member genesis with keys, sealed headers, vectors."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from bulwark.ledger.genesis import ConsensusParameters, Genesis, GenesisAccount, OprfParameters
from bulwark.ledger.genesismember import GenesisMember
from bulwark.ledger.hashing import sha256
from bulwark.ledger.header import Header
from bulwark.ledger.ids import (
    ZERO_DIGEST,
    Address,
    Epoch,
    Height,
    MemberId,
    TimestampMs,
    ValidatorIndex,
    View,
)
from bulwark.ledger.merkle import EMPTY_ROOT
from bulwark.ledger.proofs import SealedHeader
from bulwark.ledger.signing import SigningKey
from bulwark.ledger.votes import Certificate, VoteKind, VoteSubject

VECTORS = Path(__file__).parents[2] / "vectors"


@pytest.fixture(scope="session")
def load_vectors() -> Callable[[str], object]:
    """Reads a JSON file below tests/vectors."""

    def load(name: str) -> object:
        return json.loads((VECTORS / name).read_text(encoding="utf-8"))

    return load


@dataclass(frozen=True)
class Alliance:
    """A genesis with the keys of its four validators."""

    genesis: Genesis
    vote_keys: tuple[SigningKey, ...]
    account_keys: tuple[SigningKey, ...]

    def sign(self, subject: VoteSubject, *signers: int) -> dict[ValidatorIndex, bytes]:
        """Votes of these validators."""
        digest = subject.signing_digest(self.genesis.domain())
        return {ValidatorIndex(i): self.vote_keys[i].sign(digest) for i in signers}

    def seal(self, header: Header, kind: VoteKind = VoteKind.CHECKPOINT, view: int = 0):
        """The header with a certificate of validators 0, 1 and 3."""
        subject = VoteSubject(kind, View(view), header.height, header.hash())
        return SealedHeader(header, Certificate.assemble(subject, self.sign(subject, 0, 1, 3), 3))


def key_of(name: str) -> SigningKey:
    """A repeatable key."""
    return SigningKey(sha256(name.encode()))


def make_member(position: int) -> GenesisMember:
    return GenesisMember(
        id=MemberId(f"member-{position}"),
        name=f"Member {position}",
        roles=("validator", "reporter"),
        node=key_of(f"vote {position}").address,
        account=key_of(f"account {position}").address,
        tls_pin=sha256(f"pin {position}".encode()),
    )


@pytest.fixture(scope="session")
def alliance() -> Alliance:
    genesis = Genesis(
        alliance="Test alliance",
        chain_id=7117,
        created_ms=TimestampMs(1_700_000_000_000),
        gas_limit=30_000_000,
        consensus=ConsensusParameters(),
        members=tuple(make_member(i) for i in range(4)),
        oprf=OprfParameters(key_id=1),
        alloc={Address(b"\x10" * 20): GenesisAccount(1, 0, b"\x60\x00", {5: 6})},
    )
    return Alliance(
        genesis,
        tuple(key_of(f"vote {i}") for i in range(4)),
        tuple(key_of(f"account {i}") for i in range(4)),
    )


@pytest.fixture(scope="session")
def genesis(alliance: Alliance) -> Genesis:
    return alliance.genesis


@pytest.fixture
def header() -> Header:
    return Header(
        height=Height(9),
        parent_hash=sha256(b"parent"),
        batch_digest=sha256(b"batch"),
        timestamp_ms=TimestampMs(1_700_000_009_000),
        transactions_root=sha256(b"transactions"),
        receipts_root=sha256(b"receipts"),
        state_root=sha256(b"state"),
        record_log_size=0,
        record_log_root=EMPTY_ROOT,
        next_validators_hash=ZERO_DIGEST,
        next_parameters_hash=ZERO_DIGEST,
        epoch=Epoch(0),
        epoch_end=Height(0),
        gas_used=21_000,
        gas_limit=30_000_000,
    )

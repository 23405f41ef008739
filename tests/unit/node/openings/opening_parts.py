"""Keys, genesis and questions of the alliance in which openings are tested."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from bulwark.ledger.genesis import (
    ConsensusParameters,
    Genesis,
    GenesisAccount,
    GenesisMember,
    OprfParameters,
)
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import (
    Address,
    MemberId,
    TimestampMs,
)
from bulwark.ledger.signing import SigningKey
from bulwark.privacy.group import Element
from bulwark.privacy.memberkeys import RegulatorSecret
from bulwark.privacy.ring.prover import prove
from bulwark.privacy.ring.ristretto import member_ring
from bulwark.privacy.ring.statement import RingStatement
from bulwark.privacy.sealing import SealingKey
from bulwark.privacy.threshold import EvaluatorShare, ThresholdKey
from node.execution.nodes import Node, decode_node
from node.guarded.ports import LiveKey
from node.guarded.served import ServedStatement
from tests.contracts.harness import CHAIN_ID, signer
from tests.unit.contracts.privacy_harness import PrivacyChain
from tests.unit.privacy.opening_world import OpeningWorld

WORLD = OpeningWorld.build(3, 4, seed="scene")
NAMES = ("m0", "m1", "m2", "m3")
REGULATOR = "regulator"
SHARING = hashlib.sha256(b"first ceremony").digest()
BASIS = hashlib.sha256(b"court order 17").digest()


def vote_key(name: str) -> SigningKey:
    return SigningKey(sha256(b"vote " + name.encode()))


def sealing_key(name: str) -> SealingKey:
    return SealingKey(hashlib.sha256(b"sealing " + name.encode()).digest())


@functools.cache
def genesis() -> Genesis:
    def one(name: str) -> GenesisMember:
        return GenesisMember(
            id=MemberId(name),
            name=name.title(),
            roles=("validator", "reporter"),
            node=vote_key(name).address,
            account=Address(signer(name).address),
            tls_pin=sha256(b"pin " + name.encode()),
        )

    return Genesis(
        alliance="Test alliance",
        chain_id=CHAIN_ID,
        created_ms=TimestampMs(1_700_000_000_000),
        gas_limit=30_000_000,
        consensus=ConsensusParameters(),
        members=tuple(one(name) for name in NAMES),
        oprf=OprfParameters(key_id=1),
        alloc={Address(b"\x10" * 20): GenesisAccount(1, 0, b"\x60\x00", {5: 6})},
    )


@functools.cache
def asked(
    author: int, slot: int, opener_epoch: int = 0, genesis_hash: bytes | None = None
) -> ServedStatement:
    """What member `author` (from 0) asked."""
    statement = RingStatement(
        chain_id=CHAIN_ID,
        genesis_hash=genesis_hash or genesis().hash,
        ring_height=1,
        ring=member_ring(WORLD.ring),
        opener=WORLD.opener.public_key,
        opener_epoch=opener_epoch,
        epoch=19675,
        scope=1,
        slot=slot,
        message=hashlib.sha512(b"%d %d" % (author, slot)).digest(),
    )
    proof = prove(statement, WORLD.secrets[author].secret, author, WORLD.random_bytes)
    return ServedStatement(statement, proof)


@dataclass
class HeldKeys:
    """The council's key at one node, and a regulator's secrets."""

    share: EvaluatorShare | None
    regulator: RegulatorSecret | None = None
    sealing: tuple[SealingKey, ...] = ()
    live: bool = True
    session: bytes = SHARING
    key: ThresholdKey = field(default_factory=lambda: WORLD.opener.council)

    def tag_key(self) -> LiveKey | None:
        return None

    def council_key(self) -> LiveKey | None:
        holders = {at: MemberId(name) for at, name in enumerate(NAMES, 1)}
        found = LiveKey(self.key, 1, 0, holders, self.share, self.session)
        return found if self.live else None

    def opener_part(self, public: Element) -> RegulatorSecret | None:
        return self.regulator if self.regulator and self.regulator.public == public else None

    def sealing_keys(self) -> Sequence[SealingKey]:
        return self.sealing


class TrieNodes:
    """The stock state trie as a source of nodes."""

    def __init__(self, chain: PrivacyChain) -> None:
        self._db = chain.db

    def encoded(self, node_hash: bytes) -> bytes:
        found: bytes = self._db[node_hash]
        return found

    def node(self, node_hash: bytes) -> Node:
        return decode_node(self.encoded(node_hash))

"""Served statements with real ring proofs, and a lane that notes what is sent."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bulwark.ledger.ids import Address, Digest
from bulwark.ledger.signing import SigningKey
from bulwark.ledger.transaction import Transaction, sign_transaction
from bulwark.privacy.ring.prover import prove
from bulwark.privacy.ring.ristretto import member_ring
from bulwark.privacy.ring.statement import RingStatement
from node.guarded.served import ServedStatement
from node.service import Busy
from node.storage.memory import MemoryStore
from tests.contracts.harness import CHAIN_ID
from tests.unit.privacy.opening_world import GENESIS, OpeningWorld

WORLD = OpeningWorld.build(3, 4, seed="served")


@functools.cache
def served(member: int, slot: int, epoch: int = 20) -> ServedStatement:
    """What member `member` (from 0) asked with this slot."""
    statement = RingStatement(
        chain_id=CHAIN_ID,
        genesis_hash=GENESIS,
        ring_height=100,
        ring=member_ring(WORLD.ring),
        opener=WORLD.opener.public_key,
        opener_epoch=WORLD.opener.epoch,
        epoch=epoch,
        scope=1,
        slot=slot,
        message=hashlib.sha512(b"request %d %d" % (member, slot)).digest(),
    )
    secret = WORLD.secrets[member].secret
    return ServedStatement(statement, prove(statement, secret, member, WORLD.random_bytes))


@dataclass
class FakeLane:
    """The anchorer's lane: writes with the transaction, delivers when told."""

    store: MemoryStore
    sent: list[Transaction] = field(default_factory=list)
    busy: bool = False
    refused: list[tuple[bytes, bytes]] = field(default_factory=list)
    address: Address = field(default_factory=lambda: SigningKey(b"\x07" * 32).address)

    def send(
        self,
        to: Address,
        data: bytes,
        *,
        extra: Callable[[Transaction], Mapping[bytes, bytes | None]] | None = None,
        gas: int = 0,
    ) -> Transaction:
        if self.busy:
            raise Busy("full")
        key, nonce = SigningKey(b"\x07" * 32), len(self.sent)
        made = sign_transaction(key, chain_id=CHAIN_ID, nonce=nonce, to=to, data=data, gas=gas)
        self.store.write(extra(made) if extra else {}, sync=False)
        self.sent.append(made)
        return made

    def waits(self, transaction: Digest) -> bool:
        return any(made.hash == transaction for made in self.sent)

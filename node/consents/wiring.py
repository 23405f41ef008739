"""Puts the consent path of a node together: vault, gate for reports, desk for clients."""

from __future__ import annotations

import os
from collections.abc import Callable

from msgspec import Struct

from bulwark.consents.receipt import Issuer
from bulwark.ledger.ids import Digest, Height
from node.assembly import Home
from node.chain.consents import ConsentReader
from node.chain.proofs import Prover
from node.chain.records import RecordReader
from node.clock import Clock
from node.consents.desk import ConsentDesk, DeskParts
from node.consents.gate import ConsentGate
from node.consents.shelf import Ledger, Shelf
from node.consents.shredder import Shredder
from node.consents.vault import Vault
from node.reporting.anchorer import Anchorer
from node.reporting.idempotency import IdempotencyStore
from node.reporting.tracker import StageTracker
from node.service import Stage
from node.storage.durability import Durability
from node.storage.port import KeyValueStore


class ConsentGround(Struct, frozen=True, kw_only=True):
    """The parts of a node that the consent path stands on."""

    home: Home
    store: KeyValueStore
    durability: Durability
    clock: Clock
    reader: ConsentReader
    records: RecordReader
    prover: Prover
    anchorer: Anchorer
    tracker: StageTracker
    idempotency: IdempotencyStore
    place_of: Callable[[Digest], tuple[Stage, Height | None]]
    """How far an own transaction got, and its block."""
    may_issue: Callable[[], bool]
    """Whether this member's account may anchor now."""


class ConsentPath:
    """Reader, gate and desk over one vault."""

    def __init__(self, ground: ConsentGround) -> None:
        home, member = ground.home, ground.home.member
        vault = Vault(ground.store, home.secrets.vault_key, os.urandom)
        ledger = Ledger(
            genesis=home.genesis,
            consents=ground.reader,
            records=ground.records,
            prover=ground.prover,
            place_of=ground.place_of,
        )
        self.reader = ground.reader
        self.gate = ConsentGate(vault, ground.reader, lambda: ground.records.tip)
        self.desk = ConsentDesk(
            DeskParts(
                vault=vault,
                shelf=Shelf(vault, ledger, member.id),
                shredder=Shredder(ground.store),
                store=ground.store,
                anchorer=ground.anchorer,
                tracker=ground.tracker,
                idempotency=ground.idempotency,
                durability=ground.durability,
                member=member.id,
                issuer=Issuer(member.id, member.name, home.genesis.alliance),
                may_issue=ground.may_issue,
                random_bytes=os.urandom,
                now_ms=ground.clock.wall_ms,
                wait_timeout_ms=home.config.reporting.wait_timeout_ms,
            )
        )

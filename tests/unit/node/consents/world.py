"""One member's consent path over a real replica: vault, desk, gate, and blocks on demand."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Any

from bulwark.consents.receipt import Issuer
from bulwark.indicators.model import IndicatorReport
from bulwark.ledger.ids import Digest, Height, MemberId
from node.chain.consents import ConsentReader
from node.consents.desk import ConsentDesk, DeskParts
from node.consents.gate import ConsentGate
from node.consents.port import ConsentDetail
from node.consents.shelf import Ledger, Shelf
from node.consents.shredder import Shredder
from node.consents.vault import Vault
from node.facade import stage_of
from node.gossip import Parcel
from node.reporting.anchorer import Anchorer
from node.reporting.idempotency import IdempotencyStore
from node.reporting.outbox import Outbox
from node.reporting.tracker import StageTracker
from node.service import Idempotency, Stage
from node.storage.durability import Durability
from node.storage.port import KeyValueStore
from tests.unit.node.execution.alliance import ACCOUNTS, CHAIN_ID, CREATED_MS, NAMES, Node

KEY = bytes(range(32))


class World:
    """A member of the replica's alliance; transactions wait until `settle` makes a block."""

    def __init__(
        self, store: KeyValueStore | None = None, member: int = 0, publisher: str = ""
    ) -> None:
        """`publisher`: whom its receipts name instead of the member, for forgeries."""
        self.node = Node(store)
        self.now_ms = CREATED_MS
        self.sent: list[Parcel] = []
        self.may_issue = True
        tracker, durability = StageTracker(), Durability(self.node.store)
        idempotency = IdempotencyStore(self.node.store, KEY)
        anchorer = Anchorer(
            ACCOUNTS[member],
            CHAIN_ID,
            Outbox(self.node.store),
            tracker,
            next_nonce=self.node.executor.nonce,
            submit=self.sent.append,
        )
        self.vault = Vault(self.node.store, KEY, os.urandom)
        self.reader = ConsentReader(self.node.store, self.node.chain)
        ledger = Ledger(
            genesis=self.node.genesis,
            consents=self.reader,
            records=self.node.records,
            prover=self.node.prover,
            place_of=self.place_of,
        )
        self.gate = ConsentGate(self.vault, self.reader, lambda: self.node.chain.tip)
        self.shelf = Shelf(self.vault, ledger, MemberId(NAMES[member]))
        self.desk = ConsentDesk(
            DeskParts(
                vault=self.vault,
                shelf=self.shelf,
                shredder=Shredder(self.node.store),
                store=self.node.store,
                anchorer=anchorer,
                tracker=tracker,
                idempotency=idempotency,
                durability=durability,
                member=MemberId(NAMES[member]),
                issuer=Issuer(publisher or NAMES[member], NAMES[member].title(), "Test Alliance"),
                may_issue=lambda: self.may_issue,
                random_bytes=os.urandom,
                now_ms=lambda: self.now_ms,
                wait_timeout_ms=50,
            )
        )

    def place_of(self, transaction: Digest) -> tuple[Stage, Height | None]:
        """As the facade tells it."""
        return stage_of(self.node.chain, self.node.chain.height_of_transaction(transaction))

    def settle(self, *, days_later: int = 0, final: bool = True) -> None:
        """Make a block of what was sent, some days after the last."""
        transactions = [parcel.transaction for parcel in self.sent]
        self.sent.clear()
        at_ms = self.node.chain.tip.timestamp_ms + days_later * 86_400_000
        block = self.node.block(*transactions, at_ms=at_ms, final=final)
        assert all(receipt.succeeded for receipt in block.receipts)
        self.now_ms = block.header.timestamp_ms

    async def give(
        self, stated: Mapping[str, Any], idempotency: Idempotency | None = None
    ) -> ConsentDetail:
        """A consent that is in a final block."""
        async with asyncio.timeout(10):
            given = await self.desk.give(stated, wait=Stage.ACCEPTED, idempotency=idempotency)
        self.settle()
        return self.desk.show(given.consent_id)

    async def end(self, consent_id: str, reason: str = "withdrawn") -> ConsentDetail:
        """A consent whose end is in a final block."""
        await self.desk.withdraw(consent_id, reason, wait=Stage.ACCEPTED, idempotency=None)
        self.settle()
        return self.desk.show(consent_id)


def report(consent_id: str, **more: str) -> IndicatorReport:
    """A report that rests on a consent."""
    row = {
        "kind": "phone",
        "value": "+442079460958",
        "fraud_type": "imp_bank",
        "confidence": 80,
        "lawful_basis": "consent",
        "consent_anchor": consent_id,
        **more,
    }
    return IndicatorReport.from_mapping(row, now_ms=CREATED_MS)

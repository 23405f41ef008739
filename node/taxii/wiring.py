"""Puts the TAXII server of one node together."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass

from bulwark.indicators.vocabulary import FraudType
from bulwark.interop.misp.options import ImportOptions
from bulwark.interop.misp.outgoing import Alliance
from node.assembly import Home
from node.audit.scan import LedgerScan
from node.chain.records import RecordReader
from node.chain.standings import Standings
from node.chain.store import ChainStore
from node.clock import Clock
from node.directory import Directory
from node.exchange.book import ExchangeBook
from node.exchange.port import ExchangeService
from node.guarded.accessdesk import AccessDesk
from node.storage.durability import Durability
from node.storage.port import KeyValueStore
from node.taxii.desk import TaxiiDesk, TaxiiParts
from node.taxii.inbox import Inbox, InboxParts
from node.taxii.journal import Journal, JournalParts
from node.taxii.rendering import Rendering, RenderingParts

UNNAMED = "member"
"""What every member is called where exports do not name them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxiiGround:
    """The parts of a node that the server stands on."""

    home: Home
    store: KeyValueStore
    durability: Durability
    clock: Clock
    chain: ChainStore
    records: RecordReader
    standings: Standings
    directory: Directory
    access: AccessDesk
    exchange: ExchangeService


def make_taxii(ground: TaxiiGround) -> TaxiiDesk | None:
    """The desk of this node's member; None where it is not wanted."""
    home = ground.home
    config, exchange = home.config.taxii, home.config.exchange
    if not config.enabled:
        return None
    key = home.secrets.vault_key
    alliance = Alliance(home.genesis.alliance, home.genesis.hash)
    book = ExchangeBook(ground.store, key, os.urandom)

    def named(member: str) -> str:
        return member if exchange.name_reporters else UNNAMED

    def name_of(member: str) -> str:
        found = next((each for each in ground.directory.members if each.id == member), None)
        return member if found is None else found.name

    rendering = Rendering(
        RenderingParts(
            chain=ground.chain,
            records=ground.records,
            standings=ground.standings,
            book=book,
            alliance=alliance,
            named=named,
            names=name_of,
        )
    )
    journal = Journal(
        JournalParts(
            store=ground.store,
            scan=lambda: LedgerScan(
                ground.store, ground.chain.finalized, ground.directory.member_of
            ),
            member=home.member.id,
            named=named,
            is_taken=rendering.is_taken,
            name=rendering.name,
            key=key,
            now_ms=ground.clock.wall_ms,
            fixed=len(rendering.fixed),
        )
    )
    inbox = Inbox(
        InboxParts(
            store=ground.store,
            vault_key=key,
            random_bytes=os.urandom,
            new_date=journal.new_date,
            days=config.inbox_days,
            most=config.inbox_objects,
        )
    )
    fraud = FraudType.parse(config.inbox_fraud_type or "unknown", "taxii.inbox_fraud_type")
    base = uuid.uuid5(uuid.NAMESPACE_URL, f"urn:bulwark:taxii:{home.genesis.hash.hex()}")
    return TaxiiDesk(
        TaxiiParts(
            journal=journal,
            rendering=rendering,
            inbox=inbox,
            exchange=ground.exchange,
            book=book,
            store=ground.store,
            access=ground.access,
            durability=ground.durability,
            config=config,
            options=ImportOptions(fraud_type=fraud or None, take_context=config.inbox_take_context),
            keep_clear=config.inbox_keep_clear and exchange.keep_clear_text,
            namespace=uuid.uuid5(base, str(home.member.id)),
            random_bytes=os.urandom,
            now_ms=ground.clock.wall_ms,
        )
    )

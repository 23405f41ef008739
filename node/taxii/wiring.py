"""Puts the TAXII server of one node together."""

from __future__ import annotations

import os
import uuid

from msgspec import Struct

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
from node.exchange.archive import Archive
from node.exchange.book import ExchangeBook
from node.exchange.desk import ExchangeDesk
from node.guarded.accessdesk import AccessDesk
from node.storage.durability import Durability
from node.storage.port import KeyValueStore
from node.taxii.desk import TaxiiDesk, TaxiiParts
from node.taxii.inbox import Inbox, InboxParts
from node.taxii.journal import Journal, JournalParts
from node.taxii.rendering import Rendering, RenderingParts
from node.taxii.stixdesk import StixDesk, StixParts

UNNAMED = "member"
"""What every member is called where exports do not name them."""


class TaxiiGround(Struct, frozen=True, kw_only=True):
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
    exchange: ExchangeDesk


def make_taxii(ground: TaxiiGround) -> tuple[StixDesk, TaxiiDesk | None]:
    """The STIX desk of this node's member, and its TAXII server where it is wanted."""
    book = ExchangeBook(ground.store, ground.home.secrets.vault_key, os.urandom)
    rendering = _rendering(ground, book)
    archive = Archive(
        store=ground.store,
        chain=ground.chain,
        records=ground.records,
        standings=ground.standings,
        book=book,
        member=ground.home.member.id,
        member_of=ground.directory.member_of,
        name_reporters=ground.home.config.exchange.name_reporters,
    )
    stix = StixDesk(
        StixParts(
            exchange=ground.exchange,
            archive=archive,
            rendering=rendering,
            book=book,
            store=ground.store,
            access=ground.access,
        )
    )
    enabled = ground.home.config.taxii.enabled
    return stix, _server(ground, book, rendering) if enabled else None


def _named(ground: TaxiiGround, member: str) -> str:
    return member if ground.home.config.exchange.name_reporters else UNNAMED


def _rendering(ground: TaxiiGround, book: ExchangeBook) -> Rendering:
    home = ground.home

    def name_of(member: str) -> str:
        found = next((each for each in ground.directory.members if each.id == member), None)
        return member if found is None else found.name

    return Rendering(
        RenderingParts(
            chain=ground.chain,
            records=ground.records,
            standings=ground.standings,
            book=book,
            alliance=Alliance(home.genesis.alliance, home.genesis.hash),
            named=lambda member: _named(ground, member),
            names=name_of,
            members=lambda: [each.id for each in ground.directory.members],
        )
    )


def _server(ground: TaxiiGround, book: ExchangeBook, rendering: Rendering) -> TaxiiDesk:
    home = ground.home
    config, key = home.config.taxii, home.secrets.vault_key
    journal = Journal(
        JournalParts(
            store=ground.store,
            scan=lambda: LedgerScan(
                ground.store, ground.chain.finalized, ground.directory.member_of
            ),
            member=home.member.id,
            named=lambda member: _named(ground, member),
            is_taken=rendering.is_taken,
            name=rendering.name,
            key=key,
            now_ms=ground.clock.wall_ms,
            is_settled=lambda: ground.exchange.is_idle,
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
            keeps=home.config.exchange.keep_clear_text,
            keep_clear=config.inbox_keep_clear and home.config.exchange.keep_clear_text,
            namespace=uuid.uuid5(base, str(home.member.id)),
            random_bytes=os.urandom,
            now_ms=ground.clock.wall_ms,
        )
    )

"""Puts the exchange desk of one node together."""

from __future__ import annotations

import os

from msgspec import Struct

from bulwark.interop.misp.outgoing import Alliance
from bulwark.interop.misp.warninglists import WarninglistInvalid
from node.assembly import Home
from node.chain.records import RecordReader
from node.chain.standings import Standings
from node.chain.store import ChainStore
from node.clock import Clock
from node.config import ConfigError
from node.directory import Directory
from node.disputes.port import DisputesService
from node.exchange.archive import Archive
from node.exchange.book import ExchangeBook
from node.exchange.desk import ExchangeDesk, ExchangeParts
from node.exchange.lists import load_lists
from node.guarded.accessdesk import AccessDesk
from node.reporting.outbox import Outbox
from node.service import NodeService
from node.storage.durability import Durability
from node.storage.port import KeyValueStore


class ExchangeGround(Struct, frozen=True, kw_only=True):
    """The parts of a node that the desk stands on."""

    home: Home
    store: KeyValueStore
    durability: Durability
    clock: Clock
    chain: ChainStore
    records: RecordReader
    standings: Standings
    directory: Directory
    outbox: Outbox
    access: AccessDesk
    service: NodeService
    disputes: DisputesService


def make_exchange(ground: ExchangeGround) -> ExchangeDesk:
    """The desk of this node's member. Raises ConfigError where a warninglist can not be read."""
    home = ground.home
    config = home.config.exchange
    book = ExchangeBook(ground.store, home.secrets.vault_key, os.urandom)
    folder = None if config.warninglists is None else home.path / config.warninglists
    try:
        lists = load_lists(folder)
    except (WarninglistInvalid, OSError) as error:
        raise ConfigError("exchange.warninglists", [str(error)]) from error
    return ExchangeDesk(
        ExchangeParts(
            service=ground.service,
            disputes=ground.disputes,
            book=book,
            archive=Archive(
                store=ground.store,
                chain=ground.chain,
                records=ground.records,
                standings=ground.standings,
                book=book,
                member=home.member.id,
                member_of=ground.directory.member_of,
                name_reporters=config.name_reporters,
            ),
            records=ground.records,
            standings=ground.standings,
            chain=ground.chain,
            outbox=ground.outbox,
            store=ground.store,
            durability=ground.durability,
            access=ground.access,
            alliance=Alliance(home.genesis.alliance, home.genesis.hash),
            config=config,
            lists=lists,
            now_ms=ground.clock.wall_ms,
        )
    )

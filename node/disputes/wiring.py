"""Puts the dispute desk of one node together."""

from __future__ import annotations

import os
from collections.abc import Callable

from msgspec import Struct

from bulwark.ledger.ids import Digest, Height
from node.assembly import Home
from node.chain.records import RecordReader
from node.chain.standings import Standings
from node.chain.store import ChainStore
from node.clock import Clock
from node.directory import Directory
from node.disputes.casebook import Casebook
from node.disputes.desk import DeskParts, DisputeDesk
from node.disputes.inbox import Inbox
from node.guarded.accessdesk import AccessDesk
from node.reporting.anchorer import Anchorer
from node.reporting.idempotency import IdempotencyStore
from node.reporting.recordviews import RecordViews
from node.reporting.tracker import StageTracker
from node.service import Stage
from node.storage.durability import Durability
from node.storage.port import KeyValueStore


class DisputesGround(Struct, frozen=True, kw_only=True):
    """The parts of a node that the desk stands on."""

    home: Home
    store: KeyValueStore
    durability: Durability
    clock: Clock
    chain: ChainStore
    records: RecordReader
    standings: Standings
    views: RecordViews
    directory: Directory
    anchorer: Anchorer
    tracker: StageTracker
    idempotency: IdempotencyStore
    access: AccessDesk
    place_of: Callable[[Digest], tuple[Stage, Height | None]]


def make_dispute_desk(ground: DisputesGround) -> DisputeDesk:
    """The desk of this node's member."""
    home = ground.home
    casebook = Casebook(ground.store, home.secrets.vault_key, os.urandom)

    def may_anchor() -> bool:
        own = ground.directory.member(home.member.id)
        return own is not None and not {"reporter", "regulator"}.isdisjoint(own.roles)

    return DisputeDesk(
        DeskParts(
            chain=ground.chain,
            records=ground.records,
            standings=ground.standings,
            views=ground.views,
            casebook=casebook,
            inbox=Inbox(ground.records, ground.standings, casebook, home.member.id),
            access=ground.access,
            anchorer=ground.anchorer,
            tracker=ground.tracker,
            idempotency=ground.idempotency,
            durability=ground.durability,
            member=home.member.id,
            may_anchor=may_anchor,
            place_of=ground.place_of,
            now_ms=ground.clock.wall_ms,
            random_bytes=os.urandom,
            wait_timeout_ms=home.config.reporting.wait_timeout_ms,
        )
    )

"""Puts erasure and recall of one node together."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from bulwark.ledger.ids import Digest, Height, MemberId, Tag
from bulwark.ledger.lifecycle import ConsentStanding
from node.assembly import Home
from node.chain.consents import ConsentReader
from node.chain.erasing import Eraser
from node.chain.proofs import Prover
from node.chain.records import RecordReader
from node.chain.standings import Standings
from node.chain.store import ChainStore
from node.clock import Clock
from node.directory import Directory
from node.driver.sync import BlockSync
from node.erasure.bare import BareLeaves
from node.erasure.book import ErasureBook
from node.erasure.confirmer import Confirmer, Lane
from node.erasure.desk import ErasureDesk
from node.erasure.destroyer import Destroyer
from node.erasure.follower import ErasureFollower
from node.erasure.orders import OrderDesk, OrderGround
from node.erasure.path import ErasurePath
from node.erasure.retention import Retention
from node.erasure.scrubber import Scrubber
from node.execution.executor import Executor
from node.guarded.atrest import AtRest
from node.mesh import NetworkMesh
from node.push.lane import Lane as WebhookLane
from node.push.questions import QuestionBook
from node.push.wiring import PushCore
from node.recall.desk import RecallDesk
from node.recall.hits import HitLog
from node.recall.queue import RecallQueue
from node.recall.webhook import CONFIGURED, recall_lane
from node.reporting.anchorer import Anchorer
from node.reporting.idempotency import IdempotencyStore
from node.reporting.outbox import Outbox
from node.reporting.tracker import StageTracker
from node.service import Stage
from node.storage.durability import Durability
from node.storage.port import KeyValueStore
from node.tagging.cache import TagCache
from node.tagging.tagger import Tagger

DAY_MS: Final = 86_400_000
ANCHORING: Final = frozenset({"reporter", "regulator"})
"""Roles whose accounts may anchor follow-ups."""


class ErasureGround(Struct, frozen=True, kw_only=True):
    """The parts of a node that erasure and recall stand on."""

    home: Home
    store: KeyValueStore
    durability: Durability
    clock: Clock
    chain: ChainStore
    executor: Executor
    records: RecordReader
    standings: Standings
    directory: Directory
    mesh: NetworkMesh
    tracker: StageTracker
    outbox: Outbox
    idempotency: IdempotencyStore
    anchorer: Anchorer
    tagger: Tagger
    push: PushCore
    sync: Callable[[], BlockSync]
    place_of: Callable[[Digest], tuple[Stage, Height | None]]
    """How far an own transaction got."""


class ErasureParts(Struct, frozen=True):
    """What a node runs and serves of erasure and recall."""

    path: ErasurePath
    desk: ErasureDesk
    recalls: RecallDesk
    hits: HitLog
    webhook: WebhookLane | None
    """The webhook of recalls that the node's own file sets."""

    def lag(self) -> str | None:
        """Why an answer of this node may lack records, None if it does not."""
        missing = self.path.bare.open
        if not missing:
            return None
        return f"{missing} batches came with records left out that no order covers"

    async def run(self) -> None:
        """Work until cancelled. Raises StoreWriteFailed, StoreDamaged."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.path.run())
            group.create_task(self.recalls.run())

    def close(self) -> None:
        """Stop what runs in threads."""
        self.path.close()


class KnownTags(Struct, frozen=True):
    """What this member keeps of tags it asked for: the tags, and that it asked."""

    cache: TagCache
    questions: QuestionBook

    async def forget(self, tags: Sequence[Tag]) -> int:
        """Drop these tags in both; how many entries went."""
        return await self.cache.forget(tags) + await self.questions.forget(tags)


def make_erasure(ground: ErasureGround) -> ErasureParts:
    """Erasure and recall of the member whose home this is. Raises ConfigError, StoreDamaged."""
    home = ground.home
    hits = HitLog(
        ground.store,
        AtRest(home.secrets.vault_key, b"own-hits", os.urandom),
        home.secrets.index_key,
        ground.durability,
        ground.clock.wall_ms,
        home.config.recall.max_hits,
    )
    recalls, webhook = _make_recalls(ground, hits)
    book = ErasureBook(ground.store)
    eraser = Eraser(ground.store, ground.chain)
    confirmer = Confirmer(
        ground.store,
        ground.chain,
        ground.records,
        book,
        Lane(ground.anchorer, ground.outbox),
        lambda: home.member.id in _anchoring(ground.directory),
        lambda account: ground.standings.member_of(account) == home.member.id,
        os.urandom,
    )
    orders = _make_orders(ground)
    path = _make_path(ground, book, eraser, confirmer, orders, recalls)
    desk = ErasureDesk(
        orders=orders,
        chain=ground.chain,
        records=ground.records,
        standings=ground.standings,
        confirmer=confirmer,
        prover=Prover(ground.store, ground.chain, ground.executor.epochs),
        members=lambda: _anchoring(ground.directory),
        consent_standing=_consents_now(ground),
    )
    return ErasureParts(path, desk, recalls, hits, webhook)


def _anchoring(directory: Directory) -> Sequence[MemberId]:
    """Members that can anchor follow-ups now, so that confirmations are expected of them."""
    return [member.id for member in directory.members if ANCHORING & set(member.roles)]


def _consents_now(ground: ErasureGround) -> Callable[[bytes], ConsentStanding]:
    reader = ConsentReader(ground.store, ground.chain)
    return lambda anchor_id: reader.standing(anchor_id, ground.chain.tip)


def _make_recalls(ground: ErasureGround, hits: HitLog) -> tuple[RecallDesk, WebhookLane | None]:
    home, config, core = ground.home, ground.home.config.recall, ground.push
    at_rest = AtRest(home.secrets.vault_key, b"recalls", os.urandom)
    desk = RecallDesk(
        hits=hits,
        queue=RecallQueue(ground.store, at_rest, home.secrets.index_key),
        events=core.events,
        has_webhook=config.webhook_url is not None,
        durability=ground.durability,
        wall_ms=ground.clock.wall_ms,
        keep_ms=config.hit_days * DAY_MS,
    )
    lane = recall_lane(config, home.path, core, desk.told)
    if lane is not None:
        desk.resume(lane.progress.cursor, lambda event: core.book.is_dead(CONFIGURED, event))
    return desk, lane


def _make_orders(ground: ErasureGround) -> OrderDesk:
    home = ground.home
    return OrderDesk(
        OrderGround(
            store=ground.store,
            chain=ground.chain,
            records=ground.records,
            standings=ground.standings,
            anchorer=ground.anchorer,
            tracker=ground.tracker,
            idempotency=ground.idempotency,
            durability=ground.durability,
            member=home.member.id,
            may_anchor=lambda: home.member.id in _anchoring(ground.directory),
            place_of=ground.place_of,
            now_ms=ground.clock.wall_ms,
            random_bytes=os.urandom,
            wait_timeout_ms=home.config.reporting.wait_timeout_ms,
        )
    )


def _make_path(
    ground: ErasureGround,
    book: ErasureBook,
    eraser: Eraser,
    confirmer: Confirmer,
    orders: OrderDesk,
    recalls: RecallDesk,
) -> ErasurePath:
    home, chain = ground.home, ground.chain
    tags = KnownTags(ground.tagger.cache, ground.push.questions)
    follower = ErasureFollower(
        ground.store,
        chain,
        book,
        Destroyer(ground.store, eraser, book, ground.outbox, tags),
        ground.durability,
        lambda record_id: (
            ()
            if (found := ground.records.by_id(record_id)) is None
            else ground.standings.life(found).history
        ),
        recalls,
        confirmer.confirmed,
    )

    def in_step() -> bool:
        return ground.sync().target is None and follower.followed >= chain.finalized

    return ErasurePath(
        book=book,
        follower=follower,
        scrubber=Scrubber(ground.store, ground.durability, home.path / home.config.storage.path),
        confirmer=confirmer,
        bare=BareLeaves(
            chain,
            book,
            eraser,
            ground.mesh,
            lambda: ground.sync().peers,
            in_step,
            ground.clock.now_ms,
        ),
        durability=ground.durability,
        retention=Retention(orders, home.config.erasure, ground.clock.now_ms).work,
        may_act=lambda: ground.sync().target is None,
        now_ms=ground.clock.now_ms,
    )

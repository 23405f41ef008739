"""Puts push of one node together: first the log and what posts, then what fills and serves them."""

from __future__ import annotations

import asyncio
import os
import random
import ssl
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from msgspec import Struct
from prometheus_client.core import Metric

from bulwark.ledger.ids import Digest, MemberId, Tag
from node.assembly import Home
from node.chain.records import RecordReader
from node.chain.standings import Standings
from node.chain.store import ChainStore
from node.config import ConfigError
from node.disputes.casebook import Casebook
from node.erasure.port import BatchView
from node.evidence import EvidenceEntry
from node.guarded.atrest import AtRest
from node.push.courier import Courier, headers_with
from node.push.desk import DeskParts, PushDesk
from node.push.eventlog import EventLog
from node.push.findings import Findings
from node.push.lane import Lane, Patience, body_of
from node.push.questions import QuestionBook
from node.push.readers import (
    DisputeReader,
    ErasureReader,
    ProposalReader,
    Questions,
    Sources,
    StatementReader,
)
from node.push.receiver import Policy, ports_of
from node.push.report import PushReport
from node.push.retro import RetroHunt
from node.push.sender import Sender
from node.push.settings import PushConfig, RetroConfig
from node.push.subscriptions import Progress, Subscription, SubscriptionBook
from node.push.watch import LedgerWatch, WatchParts
from node.service import ScreeningAnswer
from node.storage.durability import Durability
from node.storage.port import KeyValueStore

DAY_MS: Final = 86_400_000
PRUNE_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class CoreHome:
    """What of a home folder push needs."""

    path: Path
    member: MemberId
    vault_key: bytes = field(repr=False)
    index_key: bytes = field(repr=False)
    push: PushConfig
    retro: RetroConfig

    @classmethod
    def of(cls, home: Home) -> CoreHome:
        """What push needs of a checked home folder."""
        secrets, config = home.secrets, home.config
        vault, index = secrets.vault_key, secrets.index_key
        return cls(home.path, home.member.id, vault, index, config.push, config.retro)


class PushCore:
    """The log, the subscriptions and what posts: needed by all who tell of something."""

    def __init__(
        self,
        home: CoreHome,
        store: KeyValueStore,
        durability: Durability,
        wall_ms: Callable[[], int],
    ) -> None:
        """Raises ConfigError, StoreDamaged, StoreWriteFailed."""
        self.home, self.config = home, home.push
        self.store, self.durability, self.wall_ms = store, durability, wall_ms
        self.jitter = random.SystemRandom().random
        vault, index = home.vault_key, home.index_key
        at_rest = AtRest(vault, b"push-events", os.urandom)
        self.events = EventLog(store, at_rest, index, durability, wall_ms, os.urandom)
        self.book = SubscriptionBook(store, AtRest(vault, b"push-webhooks", os.urandom))
        self.courier = Courier()
        self.questions = QuestionBook(
            store,
            AtRest(vault, b"own-questions", os.urandom),
            index,
            wall_ms,
            home.retro.max_questions,
            is_on=home.retro.days > 0,
        )
        try:
            ports = ports_of(self.config.ports)
        except ValueError as error:
            raise ConfigError("push", [f"ports: {error}"]) from error
        self.policy = Policy(ports, allow_private=self.config.private_receivers)
        self.trusted = Policy(ports, is_trusted=True)
        self._tls: ssl.SSLContext | None = None
        if self.config.authority is not None:
            try:
                self.tls_context()
            except (OSError, ssl.SSLError) as error:
                raise ConfigError("push", [f"authority: {error}"]) from error

    def tls_context(self) -> ssl.SSLContext:
        """What checks the certificates of receivers. Raises OSError, ssl.SSLError."""
        if self._tls is None:
            context = ssl.create_default_context()
            if self.config.authority is not None:
                context.load_verify_locations(self.home.path / self.config.authority)
            self._tls = context
        return self._tls

    def progress(self, identity: str) -> Progress:
        """How far a configured subscription is; a new one begins with what comes."""
        progress = self.book.progress(identity)
        if not self.book.has_progress(identity):
            progress = Progress(self.events.last)
            self.book.settle(identity, progress)
        return progress

    def make_lane(self, subscription: Subscription, progress: Progress) -> Lane:
        """The lane of a subscription that an administrator made."""
        config, member = self.config, self.home.member
        events = self.events
        return Lane(
            subscription,
            progress,
            events=events,
            book=self.book,
            poster=Sender(subscription.url, self.policy, config.timeout_ms, self.tls_context),
            patience=Patience(
                config.tries, config.pause_ms, config.max_pause_ms, config.dead_in_a_row
            ),
            sign=headers_with(self.wall_ms),
            encode=lambda event: body_of(member, events.name_of(event), event),
            wall_ms=self.wall_ms,
            jitter=self.jitter,
        )


class PushGround(Struct, frozen=True, kw_only=True):
    """The parts of a node that events come from."""

    core: PushCore
    chain: ChainStore
    records: RecordReader
    standings: Standings
    questions: Questions
    batch: Callable[[Digest], Awaitable[BatchView]]
    evidence_count: Callable[[], int]
    evidence: Callable[[], Iterable[EvidenceEntry]]
    assess: Callable[[Tag], ScreeningAnswer]
    configured: Lane | None
    """The webhook of recalls that the node's own file sets."""


class PushPath:
    """The running parts of push."""

    def __init__(self, ground: PushGround) -> None:
        core = self._core = ground.core
        home, config = core.home, core.config
        keep_ms = config.keep_days * DAY_MS
        self.desk = PushDesk(
            DeskParts(
                member=home.member,
                events=core.events,
                book=core.book,
                courier=core.courier,
                durability=core.durability,
                policy=core.policy,
                make_lane=core.make_lane,
                wall_ms=core.wall_ms,
                random_bytes=os.urandom,
                keep_ms=keep_ms,
                max_events=config.max_events,
                max_webhooks=config.max_webhooks,
                overlap_s=config.overlap_seconds,
            ),
            ground.configured,
        )
        sources = Sources(
            chain=ground.chain,
            records=ground.records,
            standings=ground.standings,
            casebook=Casebook(core.store, home.vault_key, os.urandom),
            questions=ground.questions,
            member=home.member,
        )
        self.hunt = RetroHunt(core.questions, core.events, ground.assess)
        core.questions.follow(
            lambda: ground.chain.applied,
            lambda tag, height: any(
                record.height > height for record in ground.records.records_of(tag, 1)
            ),
        )
        statements = StatementReader(sources, self.hunt)
        findings = Findings(
            core.store, core.events, ground.evidence_count, ground.evidence, core.wall_ms
        )
        self._watch = LedgerWatch(
            WatchParts(
                store=core.store,
                chain=ground.chain,
                events=core.events,
                readers=(
                    statements,
                    DisputeReader(sources),
                    ErasureReader(sources, ground.batch),
                    ProposalReader(ground.standings.member_of),
                ),
                looks=(findings.look, statements.late),
                wall_ms=core.wall_ms,
                keep_ms=keep_ms,
            )
        )
        self._report = PushReport(
            core.events, core.book, core.courier, self.desk, self.hunt, core.wall_ms
        )

    def executed(self) -> None:
        """There is a new block."""
        self._watch.executed()

    def families(self) -> Iterable[Metric]:
        """Metrics."""
        return self._report.families()

    async def run(self) -> None:
        """Work until cancelled. Raises StoreDamaged, StoreWriteFailed."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch.run())
            group.create_task(self.desk.run())
            group.create_task(self._forget())

    async def _forget(self) -> None:
        """Drop questions that are too old or too many."""
        core, days = self._core, self._core.home.retro.days
        while True:
            dropped = core.questions.prune(core.wall_ms() - days * DAY_MS)
            await asyncio.sleep(0 if dropped else PRUNE_S)

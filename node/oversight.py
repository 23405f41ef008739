"""Oversight: the parts of a node that look at it from the side, built together.

Evidence against validators, clocks of the members, and the examiner that says why there is no
block. None of them is on the way of a block or a question.
"""

from __future__ import annotations

from collections.abc import Callable, Container

from bulwark.ledger.ids import Epoch, MemberId
from consensus.snapshot import Snapshot
from consensus.terms import Terms
from node.assembly import Home
from node.chain.epochs import ChainEpoch
from node.chain.store import ChainStore
from node.clock import Clock
from node.evidence_book import EvidenceBook
from node.examiner import Examiner, Sources, settings_of
from node.execution.executor import Executor
from node.levelwatch import LevelWatch
from node.mempool import Mempool
from node.network.network import Network
from node.network.timing import Timekeeper
from node.reporting.anchorer import Anchorer
from node.reporting.evidence_poster import EvidencePoster
from node.requests import Topic
from node.storage.port import KeyValueStore
from node.surroundings import certificate_facts
from node.sync.watch import SyncWatch
from node.version import product_version


class Oversight:
    """Evidence book and poster, timekeeper, examiner."""

    def __init__(
        self,
        *,
        home: Home,
        store: KeyValueStore,
        chain: ChainStore,
        executor: Executor,
        mempool: Mempool,
        network: Network,
        anchorer: Anchorer,
        clock: Clock,
        epoch: Callable[[], ChainEpoch],
        snapshot: Callable[[], Snapshot | None],
        sync: Callable[[], SyncWatch],
        halted: Callable[[], str | None],
        pins: Callable[[MemberId], Container[bytes] | None] = lambda _: None,
    ) -> None:
        epochs = self._epochs = executor.epochs
        self.evidence = EvidenceBook(store, self._terms_of, epochs.changes)
        self.poster = EvidencePoster(self.evidence, anchorer, home.genesis.hash)
        self.timekeeper = Timekeeper(network, Topic.TIME, clock.wall_ms, product_version())
        self.examiner = Examiner(
            Sources(
                genesis=home.genesis,
                member=home.member.id,
                validators=lambda: epoch().validators,
                chain=chain,
                mempool=mempool,
                max_transactions=home.config.mempool.max_transactions,
                network=network,
                timekeeper=self.timekeeper,
                evidence=self.evidence,
                snapshot=snapshot,
                settings=lambda: settings_of(epoch().config),
                sync=lambda: sync().facts(),
                liars=lambda: sync().liars(),
                halted=halted,
                now_ms=clock.wall_ms,
                started_ms=clock.wall_ms(),
                disk=home.path / home.config.storage.path,
                certificates=lambda: certificate_facts(
                    home.path, home.config.network, pins(home.member.id)
                ),
                version=product_version(),
            )
        )
        self.levels = LevelWatch(
            executor.slot,
            epochs.known,
            epoch,
            lambda: chain.tip.timestamp_ms,
            lambda: {peer.member: peer.level for peer in network.peers()},
        )
        self.examiner.tidings.level = self.levels.facts
        network.on_request(Topic.TIME, self.timekeeper.serve)
        network.on_up(self.examiner.peer_changed)
        network.on_down(self._peer_down)

    def _peer_down(self, member: MemberId) -> None:
        self.timekeeper.forget(member)
        self.examiner.peer_changed(member)

    def _terms_of(self, epoch: Epoch) -> Terms | None:
        try:
            return self._epochs.number(epoch).core_terms
        except LookupError:
            return None

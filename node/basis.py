"""The basis: reporting, screening and reading, on which every desk of a node stands.

Rules: whatever answers a question or takes a report is put together here; desks get these parts and
make none of them anew.
"""

from __future__ import annotations

import os

from node.chain.consents import ConsentReader
from node.chain.policies import PolicyBook
from node.chain.proofs import Prover
from node.chain.roles import RoleBook
from node.chain.standings import StandingPorts, Standings
from node.consents.wiring import ConsentGround, ConsentPath
from node.erasure.wiring import ErasureGround, ErasureParts, make_erasure
from node.facade import Facade, Parts
from node.ground import Ground
from node.guarded.accessdesk import AccessDesk
from node.guarded.accusationshelf import AccusationShelf
from node.push.wiring import CoreHome, PushCore
from node.reporting.compliance import PolicyGate
from node.reporting.gatherer import Gatherer
from node.reporting.recordviews import RecordViews
from node.reporting.reporter import Reporter
from node.rotation.keyline import first_key
from node.screening.screener import Screener
from node.status import Sources, StatusBoard
from node.sync.report import SyncReport


class Basis:
    """The parts, in the order in which they need each other."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.push_core = self._make_push_core()
        self.board = StatusBoard(self._sources())
        self.prover = Prover(ground.store, ground.chain, ground.executor.epochs)
        self.consents = self._make_consents()
        self.policies = PolicyBook(ground.executor.slot, ground.chain)
        self.reporter = self._make_reporter()
        self.standings = self._make_standings()
        self.screener = Screener(
            tagger=ground.tagger,
            replica=ground.records,
            standings=self.standings,
            now_ms=ground.clock.wall_ms,
            lag=lambda: self.board.lag() or self.erasure.lag(),
        )
        self.board.attach(self.reporter, self.screener)
        self.board.examine_with(ground.oversight.examiner)
        self.access = self._make_access()
        self.erasure = self._make_erasure()
        self.views = RecordViews(
            ground.chain, ground.records, self.standings, ground.home.member.id
        )
        self.facade = Facade(self._parts())

    def _sources(self) -> Sources:
        ground = self._ground
        return Sources(
            genesis=ground.home.genesis,
            member=ground.home.member.id,
            chain=ground.chain,
            mempool=ground.mempool,
            network=ground.network,
            tagger=ground.tagger,
            lifecycle=ground.lifecycle,
            snapshot=ground.engine.snapshot,
            sync_target=lambda: ground.sync.target,
            sync=SyncReport(lambda: ground.sync.progress, ground.sync.peers),
            guarded=ground.guarded.report,
            halted=ground.halted,
            now_ms=ground.clock.wall_ms,
            started_ms=ground.clock.wall_ms(),
            validators=lambda: ground.engine.epoch.validators,
            has_keys=ground.has_keys,
        )

    def _make_reporter(self) -> Reporter:
        ground, config = self._ground, self._ground.home.config.reporting
        return Reporter(
            tagger=ground.tagger,
            gatherer=Gatherer(ground.anchorer, ground.tracker, ground.durability, config.gather_ms),
            outbox=ground.outbox,
            tracker=ground.tracker,
            idempotency=ground.idempotency,
            store=ground.store,
            durability=ground.durability,
            stage_of=lambda record_id: self.facade.stage_of_record(record_id),
            is_over=lambda record_id: self.views.is_over(record_id),
            oprf_key_id=ground.home.genesis.oprf.key_id,
            index_key=first_key(ground.home.secrets.index_key),
            random_bytes=os.urandom,
            now_ms=ground.clock.wall_ms,
            gate=self.consents.gate,
            policies=PolicyGate(self.policies, ground.clock.wall_ms),
            max_pending=config.max_pending_records,
            wait_timeout_ms=config.wait_timeout_ms,
        )

    def _make_standings(self) -> Standings:
        ground = self._ground
        roles = RoleBook(ground.home.genesis, ground.store, ground.chain)
        ports = StandingPorts(
            member_of=ground.directory.member_of,
            consent_standing=self.consents.reader.standing,
            breach=self.policies.breach,
        )
        return Standings(ground.records, roles, ports)

    def _make_consents(self) -> ConsentPath:
        ground = self._ground
        return ConsentPath(
            ConsentGround(
                home=ground.home,
                store=ground.store,
                durability=ground.durability,
                clock=ground.clock,
                reader=ConsentReader(ground.store, ground.chain),
                records=ground.records,
                prover=self.prover,
                anchorer=ground.anchorer,
                tracker=ground.tracker,
                idempotency=ground.idempotency,
                place_of=lambda transaction: self.facade.stage_of_transaction(transaction),
                may_issue=self._is_reporter,
            )
        )

    def _make_access(self) -> AccessDesk:
        ground = self._ground
        return AccessDesk(
            ground.guarded.access,
            ground.store,
            ground.chain,
            ground.durability,
            ground.directory,
            ground.clock,
            ground.home.member.id,
            ground.guarded.claims,
        )

    def _parts(self) -> Parts:
        ground, home = self._ground, self._ground.home
        return Parts(
            genesis=home.genesis,
            member=home.member.id,
            chain=ground.chain,
            epochs=ground.executor.epochs,
            records=ground.records,
            views=self.views,
            prover=self.prover,
            reporter=self.reporter,
            screener=self.screener,
            access=self.access,
            hits=self.erasure.hits,
            remember=self.push_core.questions.of,
            tracker=ground.tracker,
            mesh=ground.mesh,
            board=self.board,
            examiner=ground.oversight.examiner,
            evidence=ground.oversight.evidence,
            poster=ground.oversight.poster,
            accusations=AccusationShelf(
                ground.guarded.accusations, ground.guarded.accuser, ground.directory.account_of
            ),
            directory=ground.directory,
            is_reporter=self._is_reporter,
        )

    def _make_erasure(self) -> ErasureParts:
        ground = self._ground
        return make_erasure(
            ErasureGround(
                home=ground.home,
                store=ground.store,
                durability=ground.durability,
                clock=ground.clock,
                chain=ground.chain,
                executor=ground.executor,
                records=ground.records,
                standings=self.standings,
                directory=ground.directory,
                mesh=ground.mesh,
                tracker=ground.tracker,
                outbox=ground.outbox,
                idempotency=ground.idempotency,
                anchorer=ground.anchorer,
                tagger=ground.tagger,
                push=self.push_core,
                sync=lambda: ground.sync,
                place_of=lambda transaction: self.facade.stage_of_transaction(transaction),
            )
        )

    def _is_reporter(self) -> bool:
        own = self._ground.directory.member(self._ground.home.member.id)
        return own is not None and "reporter" in own.roles

    def _make_push_core(self) -> PushCore:
        ground = self._ground
        home = CoreHome.of(ground.home)
        return PushCore(home, ground.store, ground.durability, ground.clock.wall_ms)

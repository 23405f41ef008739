"""The services of a node: what clients ask it for, built over the ledger side.

Rules: reporting, screening, consents, governance, openings and the views for Ethereum tools are put
together here and nowhere else.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

from bulwark.ledger.receipt import Receipt
from node.audit.packwiring import make_packs
from node.audit.wiring import make_audit
from node.backup.wiring import make_backup_desk, make_homecoming
from node.chain.consents import ConsentReader
from node.chain.policies import PolicyBook
from node.chain.proofs import Prover
from node.chain.reader import EthereumReader
from node.chain.roles import RoleBook
from node.chain.standings import StandingPorts, Standings
from node.consents.wiring import ConsentGround, ConsentPath
from node.disputes.desk import DisputeDesk
from node.disputes.wiring import DisputesGround, make_dispute_desk
from node.erasure.wiring import ErasureGround, ErasureParts, make_erasure
from node.exchange.desk import ExchangeDesk
from node.exchange.wiring import ExchangeGround, make_exchange
from node.facade import Facade, Parts
from node.front import front_door
from node.governance.wiring import GovernanceGround, GovernancePath
from node.ground import Ground
from node.guarded.accessdesk import AccessDesk
from node.guarded.accusationshelf import AccusationShelf
from node.identity.reload import Reloader
from node.identity.wiring import make_identity, make_reloader
from node.interaction.wiring import make_interaction
from node.jobs.desk import JobDesk
from node.jobs.news import job_event
from node.jobs.report import JobReport
from node.jobs.wiring import JobsGround, make_job_desk
from node.openings.wiring import OpeningsGround, OpeningsPath
from node.pruning.wiring import make_keeper
from node.push.wiring import CoreHome, PushCore, PushGround, PushPath
from node.reporting.compliance import PolicyGate
from node.reporting.gatherer import Gatherer
from node.reporting.recordviews import RecordViews
from node.reporting.reporter import Reporter
from node.screening.screener import Screener
from node.server import HttpServer
from node.status import Sources, StatusBoard
from node.sync.report import SyncReport
from node.taxii.desk import TaxiiDesk
from node.taxii.stixdesk import StixDesk
from node.taxii.wiring import TaxiiGround, make_taxii
from node.waiting import WaitingTransactions


class Services:
    """Facade, Ethereum views and the HTTP server over them."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._push_core = self._make_push_core()
        self._board = StatusBoard(self._sources())
        self._prover = Prover(ground.store, ground.chain, ground.executor.epochs)
        self._consents = self._make_consents()
        self._policies = PolicyBook(ground.executor.slot, ground.chain)
        self._reporter = self._make_reporter()
        self._standings = self._make_standings()
        self._screener = Screener(
            tagger=ground.tagger,
            replica=ground.records,
            standings=self._standings,
            now_ms=ground.clock.wall_ms,
            lag=lambda: self._board.lag() or self._erasure.lag(),
        )
        self._board.attach(self._reporter, self._screener)
        self._board.examine_with(ground.oversight.examiner)
        self._access = self._make_access()
        self._identity = make_identity(ground.home, self._access, ground.store, ground.clock)
        self._reloader: Reloader | None = None
        self._erasure = self._make_erasure()
        self._views = RecordViews(
            ground.chain, ground.records, self._standings, ground.home.member.id
        )
        self._facade = Facade(self._parts())
        self._backups = make_backup_desk(ground)
        self._keeper = make_keeper(ground, lambda: self._homecoming.closed() is None)
        self._homecoming = make_homecoming(
            ground, self._board.quorum_connected, lambda: self._erasure.path.follower.followed
        )
        self._push = self._make_push()
        self._board.show_also(self._push.families)
        self._governance = self._make_governance()
        self.jobs = self._make_jobs()
        self._disputes = self._make_disputes()
        self._interaction = make_interaction(
            ground, self._standings, self._views, self._disputes, self._facade
        )
        self._board.show_also(self._interaction.families)
        self._exchange = self._make_exchange()
        self._stix, self._taxii = self._make_taxii()
        self.openings = self._make_openings()
        self._audit = make_audit(
            home=ground.home,
            store=ground.store,
            chain=ground.chain,
            directory=ground.directory,
            executor=ground.executor,
            rings=ground.rings,
            breach=self._standings.breach,
        )
        self._packs = make_packs(
            home=ground.home,
            store=ground.store,
            chain=ground.chain,
            epochs=ground.executor.epochs,
            directory=ground.directory,
            evidence=ground.oversight.evidence,
            clock=ground.clock,
            note=self._access.disclosing,
        )
        self._ethereum = EthereumReader(
            store=ground.store,
            chain=ground.chain,
            executor=ground.executor,
            genesis=ground.home.genesis,
            waiting=WaitingTransactions(ground.mempool, ground.intake, ground.durability),
        )

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
            stage_of=lambda record_id: self._facade.stage_of_record(record_id),
            oprf_key_id=ground.home.genesis.oprf.key_id,
            index_key=ground.home.secrets.index_key,
            random_bytes=os.urandom,
            now_ms=ground.clock.wall_ms,
            gate=self._consents.gate,
            policies=PolicyGate(self._policies, ground.clock.wall_ms),
            max_pending=config.max_pending_records,
            wait_timeout_ms=config.wait_timeout_ms,
        )

    def _make_standings(self) -> Standings:
        ground = self._ground
        roles = RoleBook(ground.home.genesis, ground.store, ground.chain)
        ports = StandingPorts(
            member_of=ground.directory.member_of,
            consent_standing=self._consents.reader.standing,
            breach=self._policies.breach,
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
                prover=self._prover,
                anchorer=ground.anchorer,
                tracker=ground.tracker,
                idempotency=ground.idempotency,
                place_of=lambda transaction: self._facade.stage_of_transaction(transaction),
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
            views=self._views,
            prover=self._prover,
            reporter=self._reporter,
            screener=self._screener,
            access=self._access,
            hits=self._erasure.hits,
            remember=self._push_core.questions.of,
            tracker=ground.tracker,
            mesh=ground.mesh,
            board=self._board,
            examiner=ground.oversight.examiner,
            evidence=ground.oversight.evidence,
            poster=ground.oversight.poster,
            accusations=AccusationShelf(
                ground.guarded.accusations, ground.guarded.accuser, ground.directory.account_of
            ),
            directory=ground.directory,
            is_reporter=self._is_reporter,
        )

    def _make_openings(self) -> OpeningsPath:
        ground = self._ground
        return OpeningsPath(
            OpeningsGround(
                home=ground.home,
                store=ground.store,
                durability=ground.durability,
                clock=ground.clock,
                chain=ground.chain,
                executor=ground.executor,
                directory=ground.directory,
                mesh=ground.mesh,
                anchorer=ground.anchorer,
                tracker=ground.tracker,
                idempotency=ground.idempotency,
                keys=ground.keys,
                rings=ground.rings,
                query_log=ground.query_log,
                place_of=self._facade.stage_of_transaction,
                may_act=lambda: ground.sync.target is None,
            )
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
                standings=self._standings,
                directory=ground.directory,
                mesh=ground.mesh,
                tracker=ground.tracker,
                outbox=ground.outbox,
                idempotency=ground.idempotency,
                anchorer=ground.anchorer,
                tagger=ground.tagger,
                push=self._push_core,
                sync=lambda: ground.sync,
                place_of=lambda transaction: self._facade.stage_of_transaction(transaction),
            )
        )

    def _make_push_core(self) -> PushCore:
        ground = self._ground
        home = CoreHome.of(ground.home)
        return PushCore(home, ground.store, ground.durability, ground.clock.wall_ms)

    def _make_push(self) -> PushPath:
        ground, screener = self._ground, self._screener
        return PushPath(
            PushGround(
                core=self._push_core,
                chain=ground.chain,
                records=ground.records,
                standings=self._standings,
                questions=self._erasure.hits.questions,
                batch=self._erasure.desk.batch,
                evidence_count=lambda: (
                    ground.oversight.evidence.count()
                    + sum(1 for _ in ground.guarded.accusations.entries())
                ),
                evidence=self._facade.evidence,
                assess=lambda tag: screener.answer(tag, ground.chain.tip, screener.behind()),
                configured=self._erasure.webhook,
            )
        )

    def _make_disputes(self) -> DisputeDesk:
        ground = self._ground
        return make_dispute_desk(
            DisputesGround(
                home=ground.home,
                store=ground.store,
                durability=ground.durability,
                clock=ground.clock,
                chain=ground.chain,
                records=ground.records,
                standings=self._standings,
                views=self._views,
                directory=ground.directory,
                anchorer=ground.anchorer,
                tracker=ground.tracker,
                idempotency=ground.idempotency,
                access=self._access,
                place_of=self._facade.stage_of_transaction,
            )
        )

    def _make_exchange(self) -> ExchangeDesk:
        ground = self._ground
        return make_exchange(
            ExchangeGround(
                home=ground.home,
                store=ground.store,
                durability=ground.durability,
                clock=ground.clock,
                chain=ground.chain,
                records=ground.records,
                standings=self._standings,
                directory=ground.directory,
                outbox=ground.outbox,
                access=self._access,
                service=self._facade,
                disputes=self._disputes,
            )
        )

    def _make_taxii(self) -> tuple[StixDesk, TaxiiDesk | None]:
        ground = self._ground
        return make_taxii(
            TaxiiGround(
                home=ground.home,
                store=ground.store,
                durability=ground.durability,
                clock=ground.clock,
                chain=ground.chain,
                records=ground.records,
                standings=self._standings,
                directory=ground.directory,
                access=self._access,
                exchange=self._exchange,
            )
        )

    def _make_jobs(self) -> JobDesk:
        ground = self._ground
        desk = make_job_desk(
            JobsGround(
                home=ground.home,
                store=ground.store,
                durability=ground.durability,
                clock=ground.clock,
                records=ground.records,
                tagger=ground.tagger,
                screener=self._screener,
                access=self._access,
                hits=self._erasure.hits,
                remember=self._push_core.questions.of,
            )
        )
        desk.listen(lambda view: self._push_core.events.add([job_event(view)]))
        self._board.show_also(JobReport(desk).families)
        return desk

    def _make_governance(self) -> GovernancePath:
        ground = self._ground
        return GovernancePath(
            GovernanceGround(
                home=ground.home,
                store=ground.store,
                chain=ground.chain,
                executor=ground.executor,
                book=self._policies,
                accusations=ground.guarded.accusations,
                anchorer=ground.anchorer,
                tracker=ground.tracker,
                idempotency=ground.idempotency,
                durability=ground.durability,
                mesh=ground.mesh,
                clock=ground.clock,
                place_of=self._facade.stage_of_transaction,
                is_current=lambda: ground.sync.target is None,
            )
        )

    def resume(self) -> None:
        """Catch up with what the ledger said before this start."""
        self.openings.resume()

    def executed(self, receipts: Sequence[Receipt] | None) -> None:
        """A block was executed; None for a stretch that sync brought without its receipts."""
        self.openings.executed(receipts)
        self._push.executed()

    async def run(self) -> None:
        """What the services do without being asked, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._homecoming.run())
            group.create_task(self._keeper.run())
            group.create_task(self.openings.run())
            group.create_task(self._erasure.run())
            group.create_task(self._governance.run())
            group.create_task(self._interaction.run())
            group.create_task(self._push.run())
            group.create_task(self.jobs.run())
            group.create_task(self._identity.run())
            group.create_task(self._exchange.run())
            if self._taxii is not None:
                group.create_task(self._taxii.run())

    def _is_reporter(self) -> bool:
        own = self._ground.directory.member(self._ground.home.member.id)
        return own is not None and "reporter" in own.roles

    def open(self) -> HttpServer:
        """The HTTP server, not started yet. Raises what a bad key file or certificate raises."""
        ground = self._ground
        server = front_door(
            ground.home,
            self._facade,
            self._ethereum,
            self._homecoming.closed,
            self._identity,
            identity=self._identity,
            backups=self._backups,
            governance=self._governance.desk,
            policies=self._governance.policies,
            access=self._access,
            openings=self.openings.desk,
            consents=self._consents.desk,
            audit=self._audit,
            disputes=self._disputes,
            interaction=self._interaction,
            exchange=self._exchange,
            stix=self._stix,
            taxii=self._taxii,
            erasure=self._erasure.desk,
            recalls=self._erasure.recalls,
            push=self._push.desk,
            packs=self._packs,
            jobs=self.jobs,
        )
        self._reloader = make_reloader(ground.home, self._access, self._identity, server.relisten)
        return server

    def reload(self) -> None:
        """SIGHUP: read settings and files anew, if the node serves already."""
        if self._reloader is not None:
            self._reloader.signalled()

    def close(self) -> None:
        """Stop what runs in threads: nothing may read the store once it is closed."""
        self._keeper.close()
        self._backups.close()
        self._audit.close()
        self._packs.close()
        self._ethereum.close()

"""The services of a node: what clients ask it for, built over the ledger side.

Rules: reporting, screening, consents, governance, openings and the views for Ethereum tools are put
together here and nowhere else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from bulwark.ledger.receipt import Receipt
from node.audit.packwiring import make_packs
from node.audit.wiring import make_audit
from node.backup.wiring import make_backup_desk, make_homecoming
from node.basis import Basis
from node.chain.reader import EthereumReader
from node.disputes.desk import DisputeDesk
from node.disputes.wiring import DisputesGround, make_dispute_desk
from node.exchange.desk import ExchangeDesk
from node.exchange.wiring import ExchangeGround, make_exchange
from node.front import front_door
from node.governance.wiring import GovernanceGround, GovernancePath
from node.ground import Ground
from node.identity.reload import Reloader
from node.identity.rowrates import RowRates
from node.identity.wiring import make_identity, make_reloader
from node.interaction.wiring import make_interaction
from node.jobs.desk import JobDesk
from node.jobs.news import job_event
from node.jobs.report import JobReport
from node.jobs.wiring import JobsGround, make_job_desk
from node.openings.wiring import OpeningsGround, OpeningsPath
from node.pruning.wiring import make_keeper
from node.push.wiring import PushGround, PushPath
from node.server import HttpServer
from node.surroundings import certificate_families
from node.taxii.desk import TaxiiDesk
from node.taxii.stixdesk import StixDesk
from node.taxii.wiring import TaxiiGround, make_taxii
from node.waiting import WaitingTransactions


class Services:
    """Facade, Ethereum views and the HTTP server over them."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        basis = self.basis = Basis(ground)
        self._identity = make_identity(ground.home, basis.access, ground.store, ground.clock)
        self._reloader: Reloader | None = None
        self._backups = make_backup_desk(ground)
        self._keeper = make_keeper(ground, lambda: self._homecoming.closed() is None)
        self._homecoming = make_homecoming(
            ground,
            self.basis.board.quorum_connected,
            lambda: self.basis.erasure.path.follower.followed,
        )
        self._watch_upkeep()
        self._push = self._make_push()
        self.basis.board.show_also(self._push.families)
        self._governance = self._make_governance()
        self.jobs = self._make_jobs()
        self._disputes = self._make_disputes()
        self._interaction = make_interaction(
            ground, self.basis.standings, self.basis.views, self._disputes, self.basis.facade
        )
        self.basis.board.show_also(self._interaction.families)
        self.basis.board.show_also(
            lambda: certificate_families(ground.home.path, ground.home.config)
        )
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
            breach=self.basis.standings.breach,
        )
        self._packs = make_packs(
            home=ground.home,
            store=ground.store,
            chain=ground.chain,
            epochs=ground.executor.epochs,
            directory=ground.directory,
            evidence=ground.oversight.evidence,
            clock=ground.clock,
            note=self.basis.access.disclosing,
        )
        self._ethereum = EthereumReader(
            store=ground.store,
            chain=ground.chain,
            executor=ground.executor,
            genesis=ground.home.genesis,
            waiting=WaitingTransactions(ground.mempool, ground.intake, ground.durability),
        )

    def _watch_upkeep(self) -> None:
        """Levels, pruning, a restore, accusations: for diagnosis, metrics and `GET /v1/node`."""
        board, oversight = self.basis.board, self._ground.oversight
        tidings = oversight.examiner.tidings
        tidings.pruning, tidings.restore = self._keeper.facts, self._homecoming.facts
        accusations = self._ground.guarded.accusations
        tidings.accused = lambda: ((c.culprit, c.label) for c, _ in accusations.entries())
        for name, part in (
            ("protocol", oversight.levels),
            ("pruning", self._keeper),
            ("restore", self._homecoming),
        ):
            board.tell_also(name, part.document)
            board.show_also(part.families)

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
                place_of=self.basis.facade.stage_of_transaction,
                may_act=lambda: ground.sync.target is None,
            )
        )

    def _make_push(self) -> PushPath:
        ground, screener = self._ground, self.basis.screener
        return PushPath(
            PushGround(
                core=self.basis.push_core,
                chain=ground.chain,
                records=ground.records,
                standings=self.basis.standings,
                questions=self.basis.erasure.hits.questions,
                batch=self.basis.erasure.desk.batch,
                evidence_count=lambda: (
                    ground.oversight.evidence.count()
                    + sum(1 for _ in ground.guarded.accusations.entries())
                ),
                evidence=self.basis.facade.evidence,
                assess=lambda tag: screener.answer(tag, ground.chain.tip, screener.behind()),
                configured=self.basis.erasure.webhook,
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
                standings=self.basis.standings,
                views=self.basis.views,
                directory=ground.directory,
                anchorer=ground.anchorer,
                tracker=ground.tracker,
                idempotency=ground.idempotency,
                access=self.basis.access,
                place_of=self.basis.facade.stage_of_transaction,
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
                standings=self.basis.standings,
                directory=ground.directory,
                outbox=ground.outbox,
                access=self.basis.access,
                service=self.basis.facade,
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
                standings=self.basis.standings,
                directory=ground.directory,
                access=self.basis.access,
                exchange=self._exchange,
            )
        )

    def _make_jobs(self) -> JobDesk:
        ground = self._ground
        desk = make_job_desk(
            JobsGround(
                rates=RowRates(self._identity),
                home=ground.home,
                store=ground.store,
                durability=ground.durability,
                clock=ground.clock,
                records=ground.records,
                tagger=ground.tagger,
                screener=self.basis.screener,
                access=self.basis.access,
                hits=self.basis.erasure.hits,
                remember=self.basis.push_core.questions.of,
            )
        )
        desk.listen(lambda view: self.basis.push_core.events.add([job_event(view)]))
        self.basis.board.show_also(JobReport(desk).families)
        return desk

    def _make_governance(self) -> GovernancePath:
        ground = self._ground
        return GovernancePath(
            GovernanceGround(
                home=ground.home,
                store=ground.store,
                chain=ground.chain,
                executor=ground.executor,
                book=self.basis.policies,
                accusations=ground.guarded.accusations,
                anchorer=ground.anchorer,
                tracker=ground.tracker,
                idempotency=ground.idempotency,
                durability=ground.durability,
                mesh=ground.mesh,
                clock=ground.clock,
                place_of=self.basis.facade.stage_of_transaction,
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
            group.create_task(self.basis.erasure.run())
            group.create_task(self._governance.run())
            group.create_task(self._interaction.run())
            group.create_task(self._push.run())
            group.create_task(self.jobs.run())
            group.create_task(self._identity.run())
            group.create_task(self._exchange.run())
            if self._taxii is not None:
                group.create_task(self._taxii.run())

    def open(self) -> HttpServer:
        """The HTTP server, not started yet. Raises what a bad key file or certificate raises."""
        ground = self._ground
        server = front_door(
            ground.home,
            self.basis.facade,
            self._ethereum,
            self._homecoming.closed,
            self._identity,
            identity=self._identity,
            backups=self._backups,
            governance=self._governance.desk,
            policies=self._governance.policies,
            access=self.basis.access,
            openings=self.openings.desk,
            consents=self.basis.consents.desk,
            audit=self._audit,
            disputes=self._disputes,
            interaction=self._interaction,
            exchange=self._exchange,
            stix=self._stix,
            taxii=self._taxii,
            erasure=self.basis.erasure.desk,
            recalls=self.basis.erasure.recalls,
            push=self._push.desk,
            packs=self._packs,
            jobs=self.jobs,
        )
        self._reloader = make_reloader(
            ground.home, self.basis.access, self._identity, server.relisten, ground.rekey
        )
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

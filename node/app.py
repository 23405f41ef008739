"""The composition root: builds a node's concrete parts, runs them, stops them.

Rules: nothing else builds concrete classes; parts know each other by ports. The node runs until it
is told to stop (SIGTERM, SIGINT) or halts: a failed write or a contradicted certificate ends the
process with one line on standard error and exit code 1, since going on could lose or fork history.
All code is loaded before the node says a word: a thread that imports, or a loop that does, would
hold up every vote beside it (ADR-0014).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from bulwark.ledger.ids import MemberId
from bulwark.ledger.receipt import Receipt
from bulwark.privacy.threshold import MAX_BATCH
from node.assembly import Home, check_against_ledger
from node.ceremony.ceremonies import read_council
from node.ceremony.keybook import KeyBook
from node.ceremony.wiring import make_ceremonies
from node.chain.epochs import ChainEpoch
from node.chain.records import RecordReader
from node.chain.store import ChainStore
from node.clock import Clock
from node.directory import Directory
from node.driver.engine import Engine, EngineParts
from node.driver.proposals import Proposals
from node.driver.syncing import block_sync
from node.driver.trace import recorder_of
from node.driver.worker import Worker
from node.execution.executor import Executor, load_evm
from node.follower import Follower
from node.ground import Ground
from node.guarded.rings import RingBook
from node.guarded.wiring import GuardedGround, GuardedMember, GuardedPath
from node.housekeeping import Housekeeping
from node.intake import Intake, StateCheck
from node.lifecycle import Lifecycle
from node.logs import Log
from node.mempool import Mempool
from node.mesh import NetworkMesh
from node.network.kinds import Kind
from node.network.network import Network
from node.oversight import Oversight
from node.reporting.anchorer import Anchorer
from node.reporting.idempotency import IdempotencyStore
from node.reporting.outbox import Outbox
from node.reporting.tracker import StageTracker
from node.requests import Topic
from node.rotation.changeover import ChangeOver, choose_account_key, make_gatekeeper
from node.server import HttpServer
from node.services import Services
from node.sidecars import Sidecars
from node.storage.durability import Durability
from node.storage.port import KeyValueStore
from node.storage.watch import halt_on_failure
from node.supervisor import Supervisor
from node.sync.server import serve_sync
from node.sync.watch import SyncWatch
from node.tagging.tagger import Tagger
from node.tagging.wiring import make_tag_cache
from node.version import known_level

PROPOSAL_PACE_MS = 40
"""Least time between two proposals: a block costs as much for one transaction as for fifty."""

log = Log("node")


class Node:
    """One running node."""

    def __init__(self, home: Home, store: KeyValueStore) -> None:
        load_evm()
        self._home, self._store, self._clock = home, store, Clock()
        self._durability = Durability(store)
        self._supervisor = Supervisor()
        home.keys.lost = self._supervisor.halt
        self._pool = ThreadPoolExecutor(home.config.tagging.threads, "bulwark-group")
        self._build_ledger()
        self._build_network()
        self._build_reporting()
        self._build_privacy()
        self._build_consensus()
        self._services = self._build_services()

    def _build_ledger(self) -> None:
        genesis, config = self._home.genesis, self._home.config
        self._chain = ChainStore.open(self._store, genesis)
        self._executor = Executor(self._store, genesis, known_level())
        self._records = RecordReader(self._store, self._chain)
        self._directory = Directory(genesis, self._executor.slot)
        is_wiped = self._chain.applied == 0 and self._home.voted_marker.exists()
        check_against_ledger(self._home, self._directory, is_wiped=is_wiped)
        self._mempool = Mempool(
            self._executor.nonce,
            max_transactions=config.mempool.max_transactions,
            max_bytes=config.mempool.max_bytes,
            gas_limit=genesis.gas_limit,
        )

    def _build_network(self) -> None:
        home, network = self._home, self._home.config.network
        epochs = self._executor.epochs
        local, self._gatekeeper = make_gatekeeper(home, self._directory, epochs, self._chain)
        self._network = Network(
            local,
            self._gatekeeper.table,
            self._gatekeeper.addresses(),
            (network.listen_host, network.listen_port),
            height=lambda: self._chain.applied,
            level=self._executor.epochs.known,
        )
        self._changeover = ChangeOver(
            home, self._directory, self._gatekeeper, local, lambda: self._engine.epoch
        )
        self._gatekeeper.guard(self._network)
        self._mesh = NetworkMesh(self._network)
        self._sidecars = Sidecars(self._chain, self._mempool, self._mesh)

    def _build_reporting(self) -> None:
        genesis, secrets = self._home.genesis, self._home.secrets
        self._tracker = StageTracker()
        self._outbox = Outbox(self._store)
        self._idempotency = IdempotencyStore(self._store, secrets.index_key)
        self._intake = Intake(
            mempool=self._mempool,
            mesh=self._mesh,
            store=self._store,
            clock=self._clock,
            chain_id=genesis.chain_id,
            gas_limit=genesis.gas_limit,
            check_sender=StateCheck(self._executor, self._chain),
            changed=self._mempool_changed,
        )
        self._anchorer = Anchorer(
            self._home.account_key.now,
            genesis.chain_id,
            self._outbox,
            self._tracker,
            next_nonce=self._mempool.next_nonce,
            submit=self._intake.submit,
            settle=lambda: choose_account_key(self._home, self._directory),
            forget=self._intake.executed,
        )
        self._changeover.rekeyed = self._anchorer.settle
        self._lifecycle = Lifecycle(
            mempool=self._mempool,
            tracker=self._tracker,
            intake=self._intake,
            anchorer=self._anchorer,
            changed=self._mempool_changed,
            also=self._block_executed,
        )

    def _build_privacy(self) -> None:
        home, genesis = self._home, self._home.genesis
        self._keys = KeyBook()
        self._rings = RingBook(genesis.privacy.epoch_seconds, read_council)
        self._guarded = GuardedPath(
            GuardedGround(
                member=GuardedMember.of(home),
                keys=self._keys,
                rings=self._rings,
                store=self._store,
                durability=self._durability,
                chain=self._chain,
                clock=self._clock,
                mesh=self._mesh,
                lane=self._anchorer,
                read_slot=self._executor.slot,
                waits=self._anchorer.waits,
                account_of=self._directory.account_of,
                pool=self._pool,
            )
        )
        self._tagger = Tagger(
            self._keys,
            genesis.oprf.tag_version,
            self._guarded.asker,
            make_tag_cache(home, self._store),
            self._pool,
            os.urandom,
            round_size=MAX_BATCH,
        )
        self._ceremonies = make_ceremonies(
            home=home,
            chain=self._chain,
            read_slot=self._executor.slot,
            slot_at=self._executor.slot_at,
            lane=self._anchorer,
            directory=self._directory,
            keys=self._keys,
            rings=self._rings,
            clock=self._clock,
            ring_changed=self._guarded.fresh.ring_changed,
            may_act=lambda: self._sync.target is None,
        )

    def _build_consensus(self) -> None:
        genesis = self._home.genesis
        self._oversight = Oversight(
            home=self._home,
            store=self._store,
            chain=self._chain,
            executor=self._executor,
            mempool=self._mempool,
            network=self._network,
            anchorer=self._anchorer,
            clock=self._clock,
            epoch=lambda: self._engine.epoch,
            snapshot=lambda: self._engine.snapshot(),
            sync=lambda: SyncWatch(lambda: self._sync.progress, self._sync.peers),
            halted=lambda: self._supervisor.halted,
            pins=self._directory.pins_of,
        )
        self._sync = block_sync(
            self._home, self._store, self._chain, self._executor, self._lifecycle, self._mesh
        )
        self._worker = Worker(
            chain=self._chain,
            execution=self._executor,
            observer=self._lifecycle,
            sync=self._sync,
            fetch_sidecar=self._sidecars.fetch,
            announce=self._mesh.announce,
            halt=self._supervisor.halt,
        )
        self._proposals = Proposals(
            mempool=self._mempool,
            chain=self._chain,
            clock=self._clock,
            chain_id=genesis.chain_id,
            gas_limit=genesis.gas_limit,
            check_sender=self._executor.check,
            fetch_sidecar=self._sidecars.fetch,
            pace_ms=PROPOSAL_PACE_MS,
        )
        self._engine = Engine(
            EngineParts(
                vote_key=self._home.vote_key,
                marker=self._home.voted_marker,
                epochs=self._executor.epochs,
                chain=self._chain,
                store=self._store,
                durability=self._durability,
                mesh=self._mesh,
                connected=self._mesh.connected,
                clock=self._clock,
                proposals=self._proposals,
                worker=self._worker,
                follower=Follower(self._chain, self._worker, self._network),
                halt=self._supervisor.halt,
                recorder=recorder_of(self._home.path, self._home.config.consensus),
                entered=self._epoch_entered,
                nudge=self._mempool_changed,
            )
        )

    def _block_executed(self, receipts: Sequence[Receipt] | None) -> None:
        if self._directory.executed(receipts):
            self._changeover.settle()
            self._intake.recheck()
        self._ceremonies.executed(receipts)
        self._services.executed(receipts)

    def _epoch_entered(self, epoch: ChainEpoch) -> None:
        """Limits that governance may change, taken over with the epoch."""
        for part in (self._mempool, self._intake, self._proposals):
            part.gas_limit = epoch.gas_limit
        self._intake.recheck()
        self._gatekeeper.entered(epoch)
        self._changeover.settle()

    def _build_services(self) -> Services:
        return Services(
            Ground(
                home=self._home,
                store=self._store,
                durability=self._durability,
                clock=self._clock,
                chain=self._chain,
                executor=self._executor,
                records=self._records,
                directory=self._directory,
                mempool=self._mempool,
                intake=self._intake,
                network=self._network,
                mesh=self._mesh,
                tracker=self._tracker,
                outbox=self._outbox,
                idempotency=self._idempotency,
                anchorer=self._anchorer,
                lifecycle=self._lifecycle,
                tagger=self._tagger,
                guarded=self._guarded,
                keys=self._keys,
                rings=self._rings,
                query_log=self._guarded.query_log,
                oversight=self._oversight,
                engine=self._engine,
                sync=self._sync,
                halted=lambda: self._supervisor.halted,
                rekey=self._changeover.reload,
                has_keys=lambda: self._keys.tag_key() is not None and self._rings.is_ready,
            )
        )

    async def run(self) -> int:
        """Serve until told to stop; the process's exit code."""
        config = self._home.config
        server: HttpServer | None = None
        self._register()
        await self._network.start()
        try:
            housekeeping = self._housekeeping()
            housekeeping.resume()
            watching = self._oversight.examiner, self._oversight.timekeeper
            for part in (self._worker, self._engine, housekeeping, *watching):
                self._supervisor.spawn(part.run())
            self._ceremonies.resume()
            self._services.resume()
            self._supervisor.spawn(self._services.run())
            self._supervisor.spawn(self._ceremonies.run())
            self._supervisor.spawn(self._guarded.run())
            self._supervisor.spawn(halt_on_failure(self._store, self._supervisor.halt))
            server = self._services.open()
            await server.start()
            log.info(
                "node runs",
                member=self._home.member.id,
                role="validator" if self._engine.is_validator else "observer",
                height=self._chain.applied,
                p2p=f"{config.network.listen_host}:{self._network.port}",
                http=f"{config.http.host}:{server.port}",
            )
            await self._supervisor.wait()
        finally:
            await self._shut(server)
        return 1 if self._supervisor.halted is not None else 0

    def _register(self) -> None:
        network = self._network
        network.on_frame(Kind.TRANSACTION, self._intake.receive)
        network.on_request(Topic.SIDECAR, self._sidecars.serve)
        serve_sync(network.on_request, self._store, self._chain)
        network.on_request(Topic.RELAY, self._guarded.relay.serve)
        network.on_request(Topic.GUARDED, self._guarded.evaluator.serve)
        network.on_request(Topic.ACCUSE, self._guarded.accuser.serve)
        network.on_request(Topic.QUERY_LOG, self._services.openings.server.serve)
        network.on_up(self._intake.welcome)
        network.on_duplicate(self._duplicate)
        network.on_frame(Kind.CONSENSUS, self._engine.receive)
        network.on_frame(Kind.ANNOUNCE, self._engine.announced)
        network.on_up(self._engine.peer_up)
        network.on_down(self._engine.peer_down)

    def _duplicate(self, member: MemberId) -> None:
        if member == self._home.member.id:
            self._supervisor.halt(f"another node with the identity {member} is running")

    def _housekeeping(self) -> Housekeeping:
        return Housekeeping(
            chain=self._chain,
            executor=self._executor,
            intake=self._intake,
            anchorer=self._anchorer,
            idempotency=self._idempotency,
            clock=self._clock,
        )

    def _mempool_changed(self) -> None:
        self._engine.pending_changed(self._mempool.oldest_ms(), len(self._mempool))

    @property
    def halted(self) -> str | None:
        """Why the node halted, None while it runs or after a wanted stop."""
        return self._supervisor.halted

    def reload(self) -> None:
        """Read settings and files anew, those that need no restart."""
        self._services.reload()

    def stop(self) -> None:
        """End `run` in good order."""
        self._supervisor.stop()

    async def _shut(self, server: HttpServer | None) -> None:
        if server is not None:
            await server.stop()
        await self._supervisor.close()
        await self._proposals.close()
        await self._tagger.close()
        await self._network.stop()
        self._pool.shutdown(cancel_futures=True)
        self._durability.close()
        self._services.close()
        log.info("node stopped", height=self._chain.applied)

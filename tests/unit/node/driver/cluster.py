"""Real nodes without a network: every part of a validator's own work over a store in memory.

Only two things stand in: the mesh, which is a call in the same event loop, and the HTTP side, which
is not there. A station can be cut off, stopped as by a crash, and started from what its disk kept.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from bulwark.ledger.genesis import Genesis
from bulwark.ledger.ids import Digest, Height, MemberId
from bulwark.ledger.transaction import Transaction
from node.chain.epochs import ChainEpoch
from node.clock import Clock
from node.driver.driver import Driver
from node.driver.engine import Engine, EngineParts
from node.driver.proposals import Proposals
from node.driver.sync import BlockServer, BlockSync
from node.driver.worker import Worker
from node.follower import Follower
from node.housekeeping import Housekeeping
from node.intake import Intake
from node.lifecycle import Lifecycle
from node.mempool import Mempool
from node.reporting.anchorer import Anchorer
from node.reporting.gatherer import Gatherer
from node.reporting.idempotency import IdempotencyStore
from node.reporting.outbox import Outbox
from node.reporting.tracker import StageTracker
from node.requests import PeerUnavailable, Topic
from node.sidecars import Sidecars
from node.storage.durability import Durability
from node.storage.memory import MemoryStore
from node.sync.peers import Peers
from tests.unit.node.execution.alliance import ACCOUNTS, NAMES, VOTE_KEYS, Node, make_sidecar

Responder = Callable[[MemberId, bytes], Awaitable[bytes]]


async def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    """Poll until the condition holds; fails at the deadline."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the condition spans several nodes
            await asyncio.sleep(0.002)


class Hub:
    """The mesh between stations: who is up and not cut off hears everybody."""

    def __init__(self) -> None:
        self.stations: dict[MemberId, Station] = {}
        self.cut: set[MemberId] = set()

    def reaches(self, a: MemberId, b: MemberId) -> bool:
        return a in self.stations and b in self.stations and not {a, b} & self.cut

    def join(self, station: Station) -> None:
        self.stations[station.id] = station
        for other in list(self.stations.values()):
            if other is not station and self.reaches(other.id, station.id):
                other.up(station.id)
                station.up(other.id)

    def leave(self, member: MemberId) -> None:
        del self.stations[member]
        for other in self.stations.values():
            other.engine.peer_down(member)

    def reconnect(self, member: MemberId) -> None:
        self.cut.discard(member)
        self.join(self.stations[member])


class Neighbour(NamedTuple):
    """What a hello told."""

    member: MemberId
    height: Height


class Port:
    """One station's end of the mesh."""

    def __init__(self, hub: Hub, own: MemberId) -> None:
        self.hub = hub
        self.own = own
        self.announced: list[Height] = []

    def send(self, member: MemberId, payload: bytes) -> bool:
        if not self.hub.reaches(self.own, member):
            return False
        target = self.hub.stations[member]
        asyncio.get_running_loop().call_soon(target.engine.receive, self.own, payload)
        return True

    def gossip(self, payload: bytes, members: Iterable[MemberId] | None = None) -> int:
        reached = [m for m in members or self.connected() if self.hub.reaches(self.own, m)]
        for member in reached:
            target = self.hub.stations[member]
            asyncio.get_running_loop().call_soon(target.intake.receive, self.own, payload)
        return len(reached)

    def announce(self, height: Height) -> None:
        self.announced.append(height)
        for member in self.connected():
            target = self.hub.stations[member]
            payload = height.to_bytes(8, "big")
            asyncio.get_running_loop().call_soon(target.engine.announced, self.own, payload)

    def peers(self) -> list[Neighbour]:
        return [Neighbour(m, self.hub.stations[m].chain.applied) for m in self.connected()]

    def connected(self) -> list[MemberId]:
        return sorted(
            m for m in self.hub.stations if m != self.own and self.hub.reaches(self.own, m)
        )

    async def ask(self, member: MemberId, topic: Topic, body: bytes, timeout_ms: int) -> bytes:
        if not self.hub.reaches(self.own, member):
            raise PeerUnavailable(member, "not connected")
        return await self.hub.stations[member].responders[topic](self.own, body)


class Station:
    """One validator at work."""

    def __init__(
        self, hub: Hub, index: int, home: Path, genesis: Genesis, store: MemoryStore | None = None
    ) -> None:
        self.hub, self.id, self.home, self.genesis = hub, MemberId(NAMES[index]), home, genesis
        self.index = index
        self.node = Node(store, genesis)
        self.store = self.node.store
        assert isinstance(self.store, MemoryStore)
        self.chain, executor = self.node.chain, self.node.executor
        self.halted: list[str] = []
        self.entered: list[ChainEpoch] = []
        self.clock = Clock()
        self.mesh = Port(hub, self.id)
        self.mempool = Mempool(
            executor.nonce, max_transactions=200, max_bytes=1 << 24, gas_limit=genesis.gas_limit
        )
        self.sidecars = Sidecars(self.chain, self.mempool, self.mesh)
        self.tracker = StageTracker()
        self.outbox = Outbox(self.store)
        self.intake = Intake(
            mempool=self.mempool,
            mesh=self.mesh,  # type: ignore[arg-type]
            store=self.store,
            clock=self.clock,
            chain_id=genesis.chain_id,
            gas_limit=genesis.gas_limit,
            check_sender=executor.check,
            changed=self._changed,
        )
        self.anchorer = Anchorer(
            ACCOUNTS[index],
            genesis.chain_id,
            self.outbox,
            self.tracker,
            next_nonce=self.mempool.next_nonce,
            submit=self.intake.submit,
        )
        self.durability = Durability(self.store)
        self.gatherer = Gatherer(self.anchorer, self.tracker, self.durability, 5)
        self.lifecycle = Lifecycle(
            mempool=self.mempool,
            tracker=self.tracker,
            intake=self.intake,
            anchorer=self.anchorer,
            changed=self._changed,
        )
        self.sync = BlockSync(
            chain=self.chain,
            execution=executor,
            observer=self.lifecycle,
            peers=Peers(self.mesh),
            epochs=executor.epochs,
            now_ms=self.clock.now_ms,
        )
        self.worker = Worker(
            chain=self.chain,
            execution=executor,
            observer=self.lifecycle,
            sync=self.sync,
            fetch_sidecar=self.sidecars.fetch,
            announce=self.mesh.announce,
            halt=self.halted.append,
        )
        self.proposals = Proposals(
            mempool=self.mempool,
            chain=self.chain,
            clock=self.clock,
            chain_id=genesis.chain_id,
            gas_limit=genesis.gas_limit,
            check_sender=executor.check,
            fetch_sidecar=self.sidecars.fetch,
            pace_ms=1,
        )
        self.engine = Engine(
            EngineParts(
                vote_key=VOTE_KEYS[index],
                marker=home / f"{self.id}.voted",
                epochs=executor.epochs,
                chain=self.chain,
                store=self.store,
                durability=self.durability,
                mesh=self.mesh,
                connected=self.mesh.connected,
                clock=self.clock,
                proposals=self.proposals,
                worker=self.worker,
                follower=Follower(self.chain, self.worker, self.mesh),
                halt=self.halted.append,
                entered=self.entered.append,
                nudge=self._changed,
            )
        )
        self.responders: dict[Topic, Responder] = {
            Topic.SIDECAR: self.sidecars.serve,
            Topic.BLOCKS: BlockServer(self.chain),
        }
        self.housekeeping = Housekeeping(
            chain=self.chain,
            executor=executor,
            intake=self.intake,
            anchorer=self.anchorer,
            idempotency=IdempotencyStore(self.store, bytes(32)),
            clock=self.clock,
        )
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def driver(self) -> Driver:
        """The core at work; fails on a station that does not vote now."""
        assert self.engine.driver is not None
        return self.engine.driver

    def _changed(self) -> None:
        self.engine.pending_changed(self.mempool.oldest_ms(), len(self.mempool))

    def up(self, member: MemberId) -> None:
        self.intake.welcome(member)
        self.engine.peer_up(member)

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self.housekeeping.resume()
        self._tasks = [loop.create_task(self.worker.run()), loop.create_task(self.engine.run())]
        self.hub.join(self)

    async def stop(self) -> None:
        if self.id in self.hub.stations:
            self.hub.leave(self.id)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.proposals.close()
        self.durability.close()

    async def crash(self) -> Station:
        """Cut the power and start again from what the disk kept."""
        await self.stop()
        assert isinstance(self.store, MemoryStore)
        again = Station(self.hub, self.index, self.home, self.genesis, self.store.crash())
        again.start()
        return again

    def report(self, seed: str) -> asyncio.Future[Transaction]:
        """Two records on their way; done when they are durable here."""
        first, second = make_sidecar(2, seed).entries
        self.gatherer.add(first, seed.encode() + b"1")  # type: ignore[arg-type]
        return self.gatherer.add(second, seed.encode() + b"2")  # type: ignore[arg-type]

    def final(self, transaction: Transaction) -> bool:
        height = self.chain.height_of_transaction(Digest(transaction.hash))
        return height is not None and height <= self.chain.finalized


class Cluster:
    """All stations of the test alliance."""

    def __init__(self, home: Path, genesis: Genesis) -> None:
        self.hub = Hub()
        self.stations = [Station(self.hub, i, home, genesis) for i in range(len(NAMES))]

    async def __aenter__(self) -> Cluster:
        for station in self.stations:
            station.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        with contextlib.suppress(KeyError):
            for station in self.stations:
                await station.stop()
        for station in self.stations:
            assert station.halted == []

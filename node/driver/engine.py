"""The engine: the consensus side of a node from epoch to epoch.

Rules: in an epoch whose validators include this node a driver runs, in another the follower; one
core serves one epoch and is built anew for the next (L7). Every frame begins with the number of its
epoch, which only chooses what it is checked against (S8). A frame of an epoch that ended is
answered with the certificate that ended it, so that nobody is left behind in it; one of an epoch
not begun here is dropped: its sender answers this node's own frames in the same way. A node that
does not vote sends none, so it takes such a frame for what an announcement is: a hint to ask.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from bulwark.ledger.ids import MemberId
from bulwark.ledger.signing import Signer
from consensus.events import Event, StateInstalled, SyncFailed
from consensus.messages import StableProof, encode_message
from consensus.snapshot import Snapshot
from node.chain.epochs import ChainEpoch, EpochBook
from node.chain.errors import BuildTooOld
from node.chain.store import ChainStore
from node.clock import Clock
from node.driver.driver import Driver, Mesh
from node.driver.proposals import Proposals
from node.driver.start import start_core
from node.driver.trace import TraceRecorder
from node.driver.worker import Worker
from node.follower import Follower
from node.logs import Log
from node.rotation.signers import chosen
from node.storage.durability import Durability
from node.storage.port import KeyValueStore

EPOCH_BYTES: Final = 8
HELP_INTERVAL_MS: Final = 500
"""Least time between two answers to one member's frames of another epoch."""

log = Log("engine")


class EngineParts(Struct, frozen=True, kw_only=True):
    """What the engine works with."""

    vote_key: Signer
    """One key, or those of a rotation, of which each epoch's validators name one."""
    marker: Path
    """The file that says this node has run (P6)."""
    epochs: EpochBook
    chain: ChainStore
    store: KeyValueStore
    durability: Durability
    mesh: Mesh
    connected: Callable[[], Iterable[MemberId]]
    clock: Clock
    proposals: Proposals
    worker: Worker
    follower: Follower
    halt: Callable[[str], None]
    recorder: TraceRecorder | None = None
    """Writes down what the core is given, if the operator wants it."""
    entered: Callable[[ChainEpoch], None]
    """Told of every epoch as it begins to run here."""
    nudge: Callable[[], None]
    """Makes the mempool say what waits in it."""


class EpochMesh:
    """The mesh of one epoch: frames carry its number."""

    def __init__(self, mesh: Mesh, number: int) -> None:
        self._mesh = mesh
        self._prefix = number.to_bytes(EPOCH_BYTES, "big")

    def send(self, member: MemberId, payload: bytes) -> bool:
        """Queue a consensus message for a member."""
        return self._mesh.send(member, self._prefix + payload)


class Engine:
    """Runs one epoch after the other."""

    def __init__(self, parts: EngineParts) -> None:
        self._parts = parts
        self._helped: dict[MemberId, int] = {}
        self._failed_ms: int | None = None
        """When block sync last failed."""
        self._moved = asyncio.Event()
        self.epoch = parts.epochs.running(parts.chain.tip, parts.chain.finalized)
        """The epoch that runs here; U3: one that this build does not know raises BuildTooOld."""
        self.epoch.check_build(parts.epochs.known)
        self.driver: Driver | None = self._make(self.epoch)
        """The core at work; None while this node does not vote."""
        parts.worker.post = self.posted

    def _make(self, epoch: ChainEpoch) -> Driver | None:
        parts = self._parts
        key = chosen(parts.vote_key, lambda at: epoch.validators.index_of(at) is not None)
        own = epoch.validators.index_of(key.address)
        if own is None:
            return None
        driver = Driver(
            replica=start_core(epoch, key, parts.store, parts.chain, parts.marker, parts.recorder),
            terms=epoch.core_terms,
            own=own,
            store=parts.store,
            durability=parts.durability,
            mesh=EpochMesh(parts.mesh, epoch.number),
            clock=parts.clock,
            proposals=parts.proposals,
            worker=parts.worker,
            halt=parts.halt,
            recorder=parts.recorder,
        )
        parts.proposals.begin(driver.post)
        return driver

    @property
    def is_validator(self) -> bool:
        """Whether this node votes in the epoch that runs here."""
        return self.driver is not None

    def snapshot(self) -> Snapshot | None:
        """The core as a plain value, its times as the system's clock has them; None for a node
        that does not vote.
        """
        if self.driver is None:
            return None
        shot, offset_ms = self.driver.replica.snapshot(), self._parts.clock.offset_ms()
        peers = tuple(replace(peer, at_ms=peer.at_ms + offset_ms) for peer in shot.peers)
        timers = tuple((name, at_ms + offset_ms) for name, at_ms in shot.timers)
        return replace(shot, peers=peers, timers=timers)

    # -- what comes in -----------------------------------------------------------------------

    def receive(self, member: MemberId, payload: bytes) -> None:
        """A consensus frame of a peer."""
        number = int.from_bytes(payload[:EPOCH_BYTES], "big")
        if len(payload) <= EPOCH_BYTES:
            return
        if number > self.epoch.number:
            if self.driver is None and self._is_time_for(member):
                self._parts.follower.ahead(member)
        elif number < self.epoch.number:
            if self._is_time_for(member):
                self._help(member, number)
        elif self.driver is not None:
            self.driver.receive(member, payload[EPOCH_BYTES:])

    def _is_time_for(self, member: MemberId) -> bool:
        """Whether a member's frame of another epoch is acted on: at most twice a second."""
        now_ms = self._parts.clock.now_ms()
        if now_ms < self._helped.get(member, 0) + HELP_INTERVAL_MS:
            return False
        self._helped[member] = now_ms
        return True

    def _help(self, member: MemberId, number: int) -> None:
        """Show a member in an ended epoch how it ended."""
        parts = self._parts
        proof = StableProof(parts.epochs.last_certificate(number))
        EpochMesh(parts.mesh, number).send(member, encode_message(proof))

    def announced(self, member: MemberId, payload: bytes) -> None:
        """A peer says that a height is final: news for who does not vote.

        None are heard for a moment after a failed sync: who claims what nobody has could keep this
        node asking all members, and its log full, as fast as they answer.
        """
        if self.driver is not None:
            return
        failed_ms = self._failed_ms
        if failed_ms is None or self._parts.clock.now_ms() >= failed_ms + HELP_INTERVAL_MS:
            self._parts.follower.announced(member, payload)

    def peer_up(self, member: MemberId) -> None:
        """A member's connection is there."""
        if self.driver is None:
            self._parts.follower.peer_up(member)
        else:
            self.driver.peer_up(member)

    def peer_down(self, member: MemberId) -> None:
        """A member's connection closed."""
        if self.driver is not None:
            self.driver.peer_down(member)

    def pending_changed(self, oldest_ms: int | None, count: int) -> None:
        """The mempool changed."""
        if self.driver is not None:
            self.driver.pending_changed(oldest_ms, count)

    def posted(self, event: Event) -> None:
        """An answer of the worker; block sync may have led out of the epoch, also a failed one."""
        parts = self._parts
        if isinstance(event, SyncFailed):
            self._failed_ms = parts.clock.now_ms()
        if isinstance(event, StateInstalled | SyncFailed):
            running = parts.epochs.running(parts.chain.tip, parts.chain.finalized)
            if running.number != self.epoch.number:
                self._moved.set()
                if self.driver is not None:
                    self.driver.finish()
                return
        if self.driver is None:
            parts.follower.answered(event)
        else:
            self.driver.post(event)

    # -- from epoch to epoch -------------------------------------------------------------------

    async def run(self) -> None:
        """Work until cancelled or halted."""
        parts = self._parts
        while True:
            parts.entered(self.epoch)
            for member in parts.connected():
                self.peer_up(member)
            if self.driver is None:
                await self._moved.wait()
            else:
                parts.nudge()
                await self.driver.run()
                if self.driver.halted is not None:
                    return
            self._moved.clear()
            # The certificate that ended the epoch, before a word is said in the next one.
            await parts.durability.barrier()
            self.epoch = parts.epochs.running(parts.chain.tip, parts.chain.finalized)
            parts.proposals.end()
            try:
                self.epoch.check_build(parts.epochs.known)
            except BuildTooOld as error:
                self.driver = None
                parts.halt(str(error))
                return
            self.driver = self._make(self.epoch)
            log.info(
                "epoch begins",
                epoch=self.epoch.number,
                above=self.epoch.terms.start,
                validators=len(self.epoch.validators),
                votes_here=self.driver is not None,
            )

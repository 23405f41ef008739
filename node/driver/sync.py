"""Block sync: brings a node that was away to a certified height, trusting no single peer.

Rules: nothing of an answer is applied before a checkpoint certificate covers it
(`node.sync.blocks`); a node that is close executes every block again, which must give the certified
header; one that is far behind stores verified blocks and the state of the last
(`node.sync.statesync`) and executes only what comes after. A peer that does not help is left out
for the rest of the sync. Sidecars of this node go before those of the peer, whose entries may be
erased. An own chain that certified headers do not continue halts the node.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bulwark.ledger.ids import Digest, Height, MemberId
from bulwark.ledger.votes import Certificate
from node.chain.epochs import EpochBook
from node.chain.syncblock import SyncBlock
from node.driver.ports import Chain, Execution, Observer
from node.execution.errors import SidecarMissing
from node.gossip import anchor_call
from node.logs import Log
from node.requests import MAX_SYNC_BYTES, Topic
from node.sync.blocks import certified_run, fetch_blocks
from node.sync.faults import PeerLied, SelfContradicted, SyncImpossible
from node.sync.peers import FAULTS, Peers
from node.sync.pin import Pin
from node.sync.progress import Meter, Phase, Progress
from node.sync.server import BlockServer
from node.sync.statesync import StateSync
from node.sync.wire import MAX_BLOCKS, decode_blocks, encode_blocks

FAR_BEHIND = 256
"""Blocks behind from which state sync takes less time than execution."""

__all__ = [
    "MAX_BLOCKS",
    "BlockServer",
    "BlockSync",
    "SelfContradicted",
    "SyncImpossible",
    "decode_blocks",
    "encode_blocks",
]

log = Log("sync")


class BlockSync:
    """Brings the chain to a certified height, by execution or by state sync."""

    def __init__(
        self,
        *,
        chain: Chain,
        execution: Execution,
        observer: Observer,
        peers: Peers,
        epochs: EpochBook,
        now_ms: Callable[[], int],
        state: StateSync | None = None,
        pin: Pin | None = None,
        far_behind: int = FAR_BEHIND,
    ) -> None:
        """Without `state` every block is executed, however many there are."""
        self._chain = chain
        self._execution = execution
        self._observer = observer
        self._epochs = epochs
        self._now_ms = now_ms
        self._state = state
        self._pin = pin
        self._far_behind = far_behind
        self.peers = peers
        """Who is asked, and what was wrong with whom."""
        self.target: Height | None = None
        """Height of the sync under way, None when there is none."""
        self._meter: Meter | None = None

    @property
    def progress(self) -> Progress | None:
        """How far the sync under way is, None when there is none."""
        return None if self._meter is None else self._meter.read()

    async def run(self, target: Height, prefer: MemberId | None) -> Certificate:
        """Apply blocks until `target` at least is applied and certified; its certificate.

        Raises SyncImpossible when every connected peer failed.
        """
        self.target = target
        started = self._chain.applied
        self._meter = meter = Meter(started, target, self._now_ms)
        self.peers.begin()
        try:
            certificate: Certificate | None = None
            if target - started > self._far_behind:
                certificate = await self._leap(prefer, meter)
            while certificate is None or certificate.subject.height < target:
                certificate = await self._step(prefer, meter) or certificate
            log.info("in step", since=started, height=self._chain.applied)
            return certificate
        finally:
            self.target = self._meter = None

    async def _leap(self, prefer: MemberId | None, meter: Meter) -> Certificate | None:
        """State sync, if members show that this node is far behind."""
        if self._state is None:
            return None
        before = self._chain.applied
        highest = await self._state.highest()
        if highest - before <= self._far_behind:
            return None
        self.target = max(self.target or highest, highest)
        certificate = await self._state.run(prefer, meter)
        log.info("state sync done", since=before, height=self._chain.applied)
        await self._observer.installed(self._state.chain, before)
        meter.phase(Phase.EXECUTING)
        return certificate

    async def _step(self, prefer: MemberId | None, meter: Meter) -> Certificate | None:
        """Ask one member and apply what it gives; the certificate of the last block, if any."""
        peer = self.peers.choose(prefer)
        if peer is None:
            raise SyncImpossible(
                f"{self.peers.left_out} peers tried, {self._chain.applied} applied"
            )
        try:
            certificate = await self._round(peer, prefer, meter)
        except FAULTS as error:
            self.peers.blame(peer, error)
            return None
        self.peers.helped(peer)
        return certificate

    async def _round(
        self, peer: MemberId, prefer: MemberId | None, meter: Meter
    ) -> Certificate | None:
        """One request and its blocks, applied; the certificate of the last one."""
        meter.asks((peer,))
        fetched = await fetch_blocks(self.peers, peer, Height(self._chain.applied + 1))
        if len(fetched.blocks) > self._far_behind or fetched.size > MAX_SYNC_BYTES // 2:
            # The one who asked knew only that there is more: see how much before executing it.
            leapt = await self._leap(prefer, meter)
            if leapt is not None:
                return leapt
        terms = self._epochs.at(Height(self._chain.applied + 1)).terms
        run = certified_run(fetched.blocks, self._chain.tip, terms)
        for block in run:
            await self._apply(block)
            self.peers.note_bare(peer, block.sidecars)
            meter.block(block.header.height)
            self.peers.verified[Topic.BLOCKS] += 1
        return run[-1].checkpoint

    async def _apply(self, block: SyncBlock) -> None:
        height = block.header.height
        if self._pin is not None:
            self._pin.check(block.header)
        if block.batch.digest != block.header.batch_digest:
            raise PeerLied(f"block {height} has another batch")
        wanted = {
            Digest(call.root)
            for transaction in self._observer.transactions_of(block.batch)
            if (call := anchor_call(transaction)) is not None
        }
        # Only what the certified batch names: a peer can not fill the disk with other sidecars.
        sidecars = {root: s for s in block.sidecars if (root := Digest(s.root)) in wanted}
        for root in wanted:
            own = self._chain.sidecar(root)
            if own is not None:
                sidecars[root] = own
        try:
            executed = self._execution.execute(height, block.batch, sidecars)
        except SidecarMissing as error:
            raise PeerLied(str(error)) from error
        if executed.header != block.header:
            raise SelfContradicted(
                f"block {height} executes to 0x{executed.header.hash().hex()}, "
                f"certified is 0x{block.header.hash().hex()}"
            )
        self._chain.commit_block(executed, None)
        if block.checkpoint is not None:
            self._chain.store_checkpoint(block.checkpoint)
        self._observer.executed(height, executed)
        await asyncio.sleep(0)

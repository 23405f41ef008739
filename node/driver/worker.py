"""The worker: executes ordered blocks and installs synced ones, strictly one after another.

Rules: one task owns `applied` (pitfall S9: the same height from sync and consensus is applied
once); a block, its state, receipts, indexes and certificate are one synced write; what disagrees
with a certificate halts the node. A block whose sidecars are missing waits for peers to bring them,
or for block sync to overtake it. An ordered block that a failed sync had applied before is answered
as executed, since nothing else will tell the core of it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from bulwark.ledger.errors import LedgerError
from bulwark.ledger.ids import Digest, Height, MemberId
from bulwark.ledger.sidecar import Sidecar
from bulwark.ledger.votes import Certificate
from consensus.effects import Execute
from consensus.events import Event, Executed, StateInstalled, SyncFailed
from node.chain.errors import BuildTooOld
from node.driver.ports import Chain, Execution, Observer
from node.driver.sync import BlockSync, SyncImpossible
from node.execution.errors import SidecarMissing
from node.execution.executor import ExecutedBlock
from node.gossip import anchor_call
from node.logs import Log

RETRY_S = 0.5
"""Pause before a missing sidecar is asked for again."""

log = Log("worker")


class Worker:
    """Execution and block sync of one node."""

    def __init__(
        self,
        *,
        chain: Chain,
        execution: Execution,
        observer: Observer,
        sync: BlockSync,
        fetch_sidecar: Callable[[Digest], Awaitable[Sidecar]],
        announce: Callable[[Height], None],
        halt: Callable[[str], None],
    ) -> None:
        self._chain = chain
        self._execution = execution
        self._observer = observer
        self._sync = sync
        self._fetch_sidecar = fetch_sidecar
        self._announce = announce
        self._halt = halt
        self._blocks: deque[Execute] = deque()
        self._target: tuple[Height, MemberId | None] | None = None
        self._unstored: dict[Height, Certificate] = {}
        self._yields = False
        """Whether the next block waits for something that only block sync may bring."""
        self._wake = asyncio.Event()
        self.post: Callable[[Event], None] = lambda event: None
        """Where answers go; the engine sets it."""

    def execute(self, effect: Execute) -> None:
        """Queue an ordered block."""
        self._blocks.append(effect)
        self._observer.ordered(effect.height, effect.batch)
        self._wake.set()

    def catch_up(self, height: Height, prefer: MemberId | None) -> None:
        """Queue a sync to `height` at least, asking `prefer` first; it only moves forward."""
        if self._target is None or height > self._target[0]:
            self._target = (height, prefer)
        self._wake.set()

    def stable(self, certificate: Certificate) -> None:
        """Keep a finality certificate beside its block, now or when the block is there."""
        height = certificate.subject.height
        if height > self._chain.applied:
            self._unstored[height] = certificate
            return
        if height > self._chain.finalized:
            self._store_checkpoint(certificate)

    def _store_checkpoint(self, certificate: Certificate) -> None:
        height = certificate.subject.height
        self._chain.store_checkpoint(certificate)
        self._observer.finalized(height)
        self._announce(height)

    async def run(self) -> None:
        """Work until cancelled; anything unexpected halts the node."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._blocks or self._target is not None:
                    if self._blocks and not self._yields:
                        await self._execute(self._blocks.popleft())
                    else:
                        self._yields = False
                        await self._catch_up()
                    # One block a turn of the loop, so that votes and timers get theirs between.
                    await asyncio.sleep(0)
        except asyncio.CancelledError:
            raise
        except BuildTooOld as error:
            self._halt(str(error))
        except Exception as error:
            log.error("worker failed", trace=True)
            self._halt(f"execution: {type(error).__name__}: {error}")

    async def _execute(self, effect: Execute) -> None:
        if effect.height <= self._chain.applied:
            self._answer_applied(effect)
            return
        if effect.height != self._chain.applied + 1:
            raise RuntimeError(
                f"block {effect.height} is ordered, {self._chain.applied} is the last applied"
            )
        sidecars: dict[Digest, Sidecar] = {}
        for transaction in self._observer.transactions_of(effect.batch):
            call = anchor_call(transaction)
            if call is not None:
                root = Digest(call.root)
                kept = self._chain.sidecar(root)
                if kept is not None:
                    sidecars[root] = kept
        block = await self._run(effect, sidecars)
        if block is None:
            self._blocks.appendleft(effect)
            self._yields = True
            return
        self._chain.commit_block(block, effect.commit_certificate)
        self._observer.executed(effect.height, block)
        self.post(Executed(effect.height, block.header.hash(), block.header.epoch_end or None))
        certificate = self._unstored.pop(effect.height, None)
        if certificate is not None:
            self._store_checkpoint(certificate)

    def _answer_applied(self, effect: Execute) -> None:
        """Block sync had applied it: the core still waits for the answer, unless it was told."""
        header = self._chain.header(effect.height)
        if header is None or header.batch_digest != effect.batch.digest:
            raise RuntimeError(f"block {effect.height} is ordered with another batch than applied")
        self.post(Executed(effect.height, header.hash(), header.epoch_end or None))

    async def _run(self, effect: Execute, sidecars: dict[Digest, Sidecar]) -> ExecutedBlock | None:
        """Execute, bringing each sidecar that is really anchored; None if block sync goes first.

        What execution leaves out or reverts needs no sidecar, and nobody may have it any more.
        """
        while True:
            try:
                return self._execution.execute(effect.height, effect.batch, sidecars)
            except SidecarMissing as error:
                sidecar = await self._bring(error.root)
                if sidecar is None:
                    return None
                sidecars[error.root] = sidecar

    async def _bring(self, root: Digest) -> Sidecar | None:
        """Fetch a sidecar for as long as it takes: a quorum holds it (no PREPARE without it)."""
        while self._target is None:
            try:
                return await self._fetch_sidecar(root)
            except (LookupError, LedgerError) as error:
                log.warning("sidecar missing", root=root.hex(), reason=str(error))
                await asyncio.sleep(RETRY_S)
        return None

    async def _catch_up(self) -> None:
        target = self._target
        self._target = None
        if target is None or target[0] <= self._chain.applied:
            return
        height, prefer = target
        try:
            certificate = await self._sync.run(height, prefer)
        except SyncImpossible as error:
            log.warning("block sync gave up", target=height, reason=str(error))
            self.post(SyncFailed())
            return
        self._unstored = {h: c for h, c in self._unstored.items() if h > self._chain.applied}
        self._blocks = deque(b for b in self._blocks if b.height > self._chain.applied)
        self._observer.finalized(certificate.subject.height)
        self._announce(certificate.subject.height)
        self.post(
            StateInstalled(
                certificate.subject.height,
                Digest(certificate.subject.digest),
                certificate,
                self._chain.tip.epoch_end or None,
            )
        )

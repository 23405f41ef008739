"""State sync: blocks verified and stored without execution, then the state of the last of them.

Rules: the target is the highest block that members prove and moves forward only; nothing of a peer
is believed; blocks are stored in order and the state complete from below, so a stop at any moment
loses nothing that counts; one synced write makes both this node's chain. It reports progress, and
leaves the last blocks up to the tip to execution.
"""

from __future__ import annotations

import asyncio

from bulwark.ledger.genesis import Genesis
from bulwark.ledger.ids import Height, MemberId
from bulwark.ledger.votes import Certificate
from node.chain.install import Installation
from node.chain.store import ChainStore
from node.logs import Log
from node.requests import Topic
from node.storage.port import KeyValueStore
from node.sync.blocks import certified_run, fetch_blocks
from node.sync.faults import SyncImpossible
from node.sync.peers import FAULTS, Peers
from node.sync.pin import Pin
from node.sync.progress import Meter, Phase
from node.sync.state import fetch_state
from node.sync.target import Targets

log = Log("sync")


class StateSync:
    """Brings the store of one node near the tip without executing history."""

    def __init__(
        self,
        *,
        store: KeyValueStore,
        chain: ChainStore,
        genesis: Genesis,
        peers: Peers,
        pin: Pin | None = None,
    ) -> None:
        self._store = store
        self.chain = chain
        """What it brings forward."""
        self._genesis = genesis
        self._peers = peers
        self._pin = pin

    async def highest(self) -> Height:
        """The highest height that connected members prove, or claim for an unknown epoch."""
        terms_of = Installation(self._store, self.chain, self._genesis).terms_of
        targets = Targets(self._peers)
        await targets.ask(terms_of)
        claims = targets.claimed(self.chain.applied, terms_of)
        return max([targets.proven(terms_of), *claims.values()])

    async def run(self, prefer: MemberId | None, meter: Meter) -> Certificate:
        """Install blocks and state; the certificate of the last block.

        Raises SyncImpossible, SelfContradicted, PinContradicted, StoreWriteFailed.
        """
        installation = Installation(self._store, self.chain, self._genesis)
        targets = Targets(self._peers)
        await targets.ask(installation.terms_of)
        while True:
            meter.phase(Phase.BLOCKS)
            await self._blocks(installation, targets, prefer, meter)
            meter.phase(Phase.STATE)
            try:
                await fetch_state(self._store, installation.tip.state_root, self._peers, meter)
                break
            except SyncImpossible:
                # Whoever is left may have synced past this state: take a later one, if any.
                self._peers.forgive_lacking()
                await targets.ask(installation.terms_of)
                if targets.proven(installation.terms_of) <= installation.height:
                    raise
        meter.phase(Phase.INSTALLING)
        return installation.finish()

    async def _blocks(
        self,
        installation: Installation,
        targets: Targets,
        prefer: MemberId | None,
        meter: Meter,
    ) -> None:
        """Store certified blocks up to the highest proven target."""
        while True:
            proven = targets.proven(installation.terms_of)
            meter.aim(proven)
            claimed = targets.claimed(installation.height, installation.terms_of)
            meter.claim(claimed.values())
            among: set[MemberId] | None = None
            if installation.height >= proven and installation.certificate is not None:
                # Only who claims more can show it; the others would be blamed for his words.
                among = set(claimed)
                if not among:
                    return
            peer = self._peers.choose(prefer, among)
            if peer is None:
                raise SyncImpossible(
                    f"{self._peers.left_out} peers tried, block {installation.height} is verified"
                )
            try:
                await self._round(peer, installation, meter)
            except FAULTS as error:
                self._peers.blame(peer, error)
            else:
                self._peers.helped(peer)

    async def _round(self, peer: MemberId, installation: Installation, meter: Meter) -> None:
        """One answer of a peer, stored as far as it is certified."""
        meter.asks((peer,))
        first = Height(installation.height + 1)
        fetched = await fetch_blocks(self._peers, peer, first)
        run = certified_run(fetched.blocks, installation.tip, installation.terms)
        for block in run:
            if self._pin is not None:
                self._pin.check(block.header)
            installation.add(block)
            self._peers.note_bare(peer, block.sidecars)
            meter.block(block.header.height)
            self._peers.verified[Topic.BLOCKS] += 1
            await asyncio.sleep(0)

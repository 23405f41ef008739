"""Block sync: brings a node that was away to a certified height, trusting no single peer.

Rules: nothing of an answer is applied before a checkpoint certificate covers it (its own, or that
of a later block in the same answer, through the parent hashes) and the validator set of the node's
own last header is the one that signed; every block is executed again and must give the certified
header; a peer that serves something else is left out for the rest of the sync and asked last in
the next one. A certificate is verified before it is stored, also where a later one covers its
block: it will be shown as proof. Sidecars of this node go before those of the peer, whose entries
may be erased. An own chain that certified headers do not continue halts the node.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise

from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.errors import LedgerError
from bulwark.ledger.ids import Digest, Height, MemberId
from bulwark.ledger.signing import SigningDomain
from bulwark.ledger.validators import ValidatorSet
from bulwark.ledger.votes import Certificate, VoteKind
from node.chain.syncblock import SyncBlock
from node.driver.ports import Chain, Execution, Observer
from node.execution.errors import SidecarMissing
from node.gossip import anchor_call
from node.logs import Log
from node.requests import (
    MAX_SYNC_BYTES,
    Mesh,
    PeerUnavailable,
    Topic,
    decode_first,
    encode_first,
)

MAX_BLOCKS = 512
"""Blocks in one answer."""
REQUEST_TIMEOUT_MS = 15_000
SERVED_BYTES = 64 * 1024
"""Bytes of blocks read in one turn of the event loop."""

log = Log("sync")


class SyncImpossible(Exception):
    """No connected peer serves usable blocks up to the target."""


class PeerLied(Exception):
    """A peer's answer contradicts a certificate, or proves nothing."""


class SelfContradicted(Exception):
    """Executing certified blocks gives another header: this node's state or code is wrong."""


def encode_blocks(blocks: Sequence[SyncBlock]) -> bytes:
    """Answer to a BLOCKS request."""
    return Writer().sequence(blocks, lambda w, block: w.blob(block.encode())).done()


def decode_blocks(data: bytes) -> tuple[SyncBlock, ...]:
    """Inverse of encode_blocks(); raises LedgerError."""
    reader = Reader(data, "blocks answer")
    blocks = reader.sequence(
        "blocks", MAX_BLOCKS, lambda r: SyncBlock.decode(r.blob("block", MAX_SYNC_BYTES))
    )
    reader.end()
    return blocks


class BlockServer:
    """Answers BLOCKS requests of peers from the own chain."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    async def __call__(self, member: MemberId, body: bytes) -> bytes:
        """Blocks from the asked height on; raises DecodeError for a malformed request.

        Read in small portions, so that no asker can keep votes waiting.
        """
        first = decode_first(body)
        found: list[SyncBlock] = []
        size = 0
        while len(found) < MAX_BLOCKS:
            portion = self._chain.sync_blocks(Height(first + len(found)), SERVED_BYTES)
            size += sum(len(block.encode()) + 4 for block in portion)
            if not portion or (found and size > MAX_SYNC_BYTES):
                break
            found += portion
            await asyncio.sleep(0)
        return encode_blocks(found[:MAX_BLOCKS])


class BlockSync:
    """Fetches, verifies and installs blocks."""

    def __init__(
        self,
        *,
        chain: Chain,
        execution: Execution,
        observer: Observer,
        mesh: Mesh,
        validators: ValidatorSet,
        domain: SigningDomain,
    ) -> None:
        self._chain = chain
        self._execution = execution
        self._observer = observer
        self._mesh = mesh
        self._validators = validators
        self._domain = domain
        self.target: Height | None = None
        """Height of the sync under way, None when there is none."""
        self._strikes: dict[MemberId, int] = {}
        """How often in a row a member did not help."""

    async def run(self, target: Height, prefer: MemberId | None) -> Certificate:
        """Apply blocks until `target` at least is applied and certified; its certificate.

        Raises SyncImpossible when every connected peer failed.
        """
        self.target = target
        started = self._chain.applied
        bad: set[MemberId] = set()
        try:
            while True:
                peer = self._choose(prefer, bad)
                if peer is None:
                    raise SyncImpossible(f"{len(bad)} peers tried, {self._chain.applied} applied")
                try:
                    certificate = await self._round(peer)
                except (PeerLied, LedgerError, PeerUnavailable) as error:
                    log.warning("peer does not help", peer=peer, reason=str(error))
                    bad.add(peer)
                    self._strikes[peer] = self._strikes.get(peer, 0) + 1
                    continue
                self._strikes.pop(peer, None)
                if certificate is not None and certificate.subject.height >= target:
                    log.info("in step", since=started, height=self._chain.applied)
                    return certificate
                log.info("catching up", height=self._chain.applied, target=target, peer=peer)
        finally:
            self.target = None

    def _choose(self, prefer: MemberId | None, bad: set[MemberId]) -> MemberId | None:
        """The member that failed least often in a row, the preferred one among equals."""
        usable = [member for member in self._mesh.connected() if member not in bad]
        return min(usable, key=lambda m: (self._strikes.get(m, 0), m != prefer), default=None)

    async def _round(self, peer: MemberId) -> Certificate:
        """One request and its blocks, applied; the certificate of the last one."""
        first = Height(self._chain.applied + 1)
        answer = await self._mesh.ask(peer, Topic.BLOCKS, encode_first(first), REQUEST_TIMEOUT_MS)
        blocks = decode_blocks(answer)
        certified, certificate = self._certified(first, blocks)
        for block in certified:
            await self._apply(block)
        return certificate

    def _certified(
        self, first: Height, blocks: Sequence[SyncBlock]
    ) -> tuple[Sequence[SyncBlock], Certificate]:
        """The leading blocks that a verified certificate covers; raises PeerLied."""
        last = max((i for i, b in enumerate(blocks) if b.checkpoint is not None), default=None)
        if last is None:
            raise PeerLied("no certified block in the answer")
        certified = blocks[: last + 1]
        certificate = certified[-1].checkpoint
        if certificate is None:
            raise PeerLied("no certified block in the answer")
        self._verify(certificate, certified[-1])
        if certified[0].header.height != first:
            raise PeerLied(f"asked for {first}, got {certified[0].header.height}")
        for before, after in pairwise(certified):
            if after.header.parent_hash != before.header.hash():
                raise PeerLied(f"block {after.header.height} does not follow its parent")
        if certified[0].header.parent_hash != self._chain.tip.hash():
            # The quorum's headers lead from here to the certificate, so the stray one is this node.
            raise SelfContradicted(f"the certified block {first} has another parent than the tip")
        return certified, certificate

    def _verify(self, certificate: Certificate, block: SyncBlock) -> None:
        """Check that a certificate is of a block; raises PeerLied, CertificateInvalid."""
        subject, header = certificate.subject, block.header
        if (subject.kind, subject.height, subject.digest) != (
            VoteKind.CHECKPOINT,
            header.height,
            header.hash(),
        ):
            raise PeerLied("a certificate is of another block")
        certificate.verify(self._validators, self._domain)

    async def _apply(self, block: SyncBlock) -> None:
        height = block.header.height
        if block.batch.digest != block.header.batch_digest:
            raise PeerLied(f"block {height} has another batch")
        if block.checkpoint is not None:
            self._verify(block.checkpoint, block)
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

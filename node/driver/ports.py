"""What the driver needs of the chain, the executor and the mesh: Protocols owned by the driver."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from bulwark.ledger.batch import Batch
from bulwark.ledger.header import Header
from bulwark.ledger.ids import Digest, Height
from bulwark.ledger.sidecar import Sidecar
from bulwark.ledger.transaction import Transaction
from bulwark.ledger.votes import Certificate
from node.chain.store import ChainStore
from node.chain.syncblock import SyncBlock
from node.execution.executor import ExecutedBlock


class Chain(Protocol):
    """The executed chain on disk."""

    @property
    def applied(self) -> Height:
        """Height of the last executed block."""
        ...

    @property
    def finalized(self) -> Height:
        """Height of the highest checkpoint certificate."""
        ...

    @property
    def tip(self) -> Header:
        """Header of the last executed block."""
        ...

    def header(self, height: Height) -> Header | None:
        """Header of an executed block."""
        ...

    def commit_block(self, executed: ExecutedBlock, commit: Certificate | None) -> None:
        """Everything of a block in one synced write."""
        ...

    def store_checkpoint(self, certificate: Certificate) -> None:
        """Keep the certificate of an executed block."""
        ...

    def put_sidecar(self, sidecar: Sidecar) -> None:
        """Keep a sidecar; the next synced write makes it durable."""
        ...

    def sidecar(self, root: Digest) -> Sidecar | None:
        """A kept sidecar."""
        ...

    def sync_blocks(self, first: Height, most_bytes: int) -> list[SyncBlock]:
        """Blocks from `first` on for a peer that is behind."""
        ...


class Execution(Protocol):
    """Runs a batch on the state after the last block."""

    def execute(
        self, height: Height, batch: Batch, sidecars: Mapping[Digest, Sidecar]
    ) -> ExecutedBlock:
        """What the batch yields; raises only where the node must halt."""
        ...


class Observer(Protocol):
    """Who is told what happened to transactions."""

    def ordered(self, height: Height, batch: Batch) -> None:
        """A batch has its commit certificate."""
        ...

    def executed(self, height: Height, block: ExecutedBlock) -> None:
        """A block is durable."""
        ...

    async def installed(self, chain: ChainStore, before: Height) -> None:
        """The blocks of a chain above `before` are durable and were not executed here."""
        ...

    def finalized(self, height: Height) -> None:
        """Blocks up to here have a checkpoint certificate."""
        ...

    def transactions_of(self, batch: Batch) -> list[Transaction]:
        """Decoded transactions of a batch, from the mempool where they are there."""
        ...

"""An adversary that helps those who are behind with wrong blocks, short chains and old proofs.

The promise against it: what is fetched is verified by the same code as what is voted on (S11), so
a sync from it fails or brings true blocks, and the asker goes on with another peer.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from msgspec.structs import replace

from bulwark.ledger.batch import Batch
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Height, TimestampMs
from bulwark.ledger.votes import Certificate
from consensus.messages import Body, Decision, Message, StableProof, StatusReport
from tests.simulation.adversaries.base import Adversary

if TYPE_CHECKING:
    from tests.simulation.ledger import Block


class SyncLiar(Adversary):
    """Serves altered blocks, other batches for a digest, and certificates of other heights."""

    KIND: ClassVar[str] = "sync-liar"

    def change(self, receiver: int, message: Message, now_ms: int) -> list[tuple[int, Message]]:
        """Boasts in STATUS and answers what it is asked for with something else."""
        if isinstance(message, StatusReport) and self.is_mine(message):
            far = Height(message.executed + 100)
            return [(0, self.sign_status(replace(message, executed=far, stable=far)))]
        if isinstance(message, Body):
            return [(0, replace(message, batch=self._other(message.batch)))]
        if isinstance(message, Decision):
            return [(0, replace(message, batch=self._other(message.batch)))]
        if isinstance(message, StableProof):
            return [(0, replace(message, certificate=self._forge(message.certificate)))]
        return [(0, message)]

    def serve_blocks(
        self, blocks: list[Block], certificate: Certificate
    ) -> tuple[list[Block], Certificate]:
        """A chain that is too short, altered, reordered, or under a forged certificate."""
        self.lies += 1
        served = list(blocks)
        match self.rng.randrange(5):
            case 0:
                return served[:-1], certificate
            case 1 if served:
                served[-1] = self._alter(served[-1])
                return served, certificate
            case 2 if served:
                place = self.rng.randrange(len(served))
                served[place] = self._alter(served[place])
                return served, certificate
            case 3:
                return served[::-1], certificate
            case _:
                return served, self._forge(certificate)

    def _alter(self, block: Block) -> Block:
        batch = self._other(block.batch)
        return dataclasses.replace(block, batch=batch, header_hash=sha256(block.header_hash))

    def _other(self, batch: Batch) -> Batch:
        time = TimestampMs(batch.timestamp_ms + 1)
        return Batch(time, (*batch.transactions, b"tx never submitted"))

    def _forge(self, certificate: Certificate) -> Certificate:
        subject = replace(
            certificate.subject,
            height=Height(certificate.subject.height + 10),
            digest=sha256(certificate.subject.digest),
        )
        return replace(certificate, subject=subject)

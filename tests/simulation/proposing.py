"""Proposals of a simulated node: batches from its toy mempool, and what it thinks of others'."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulwark.ledger.batch import Batch
from bulwark.ledger.ids import TimestampMs
from consensus.effects import CheckBatch
from consensus.events import BatchChecked, ProposalReady

if TYPE_CHECKING:
    from tests.simulation.node import SimNode

MAX_TRANSACTIONS = 20


def propose(node: SimNode) -> None:
    """Answer the wish for a batch if there is something to order."""
    need = node.need
    if need is None or node.replica is None:
        return
    chosen: list[bytes] = []
    if node.mempool:
        flying = {tx for batch in need.in_flight for tx in batch.transactions}
        chosen = [tx for tx in node.mempool if tx not in flying][:MAX_TRANSACTIONS]
    if chosen or need.allow_empty:
        node.need = None
        batch = Batch(TimestampMs(node.now()), tuple(chosen))
        node.give(ProposalReady(need.view, need.height, batch))


def verdict_on(effect: CheckBatch) -> BatchChecked:
    """Valid are transactions that begin like those of the clients."""
    ok = all(tx.startswith(b"tx") for tx in effect.batch.transactions)
    return BatchChecked(effect.digest, ok, "" if ok else "toy")

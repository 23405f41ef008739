"""Blocks of a peer: fetched, decoded in small portions, and held against certificates.

Rules: nothing of an answer counts before a checkpoint certificate covers it, its own or that of a
later block of the same epoch in the same answer, through the parent hashes. A run ends with its
epoch: who votes in the next one is known when the last block of this one is stored. Every
certificate is verified, also where a later one covers its block: it will be shown as proof.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise, takewhile
from typing import NamedTuple

from bulwark.ledger.epochs import EpochTerms
from bulwark.ledger.header import Header
from bulwark.ledger.ids import Height, MemberId
from node.chain.syncblock import SyncBlock
from node.requests import Topic, encode_first
from node.sync.faults import PeerLied, PeerWithholds, SelfContradicted
from node.sync.peers import Peers
from node.sync.wire import split_blocks


class Fetched(NamedTuple):
    """An answer that nobody verified yet."""

    blocks: list[SyncBlock]
    size: int
    """Bytes."""


async def fetch_blocks(peers: Peers, member: MemberId, first: Height) -> Fetched:
    """Blocks from a height on, at least one; verifies nothing.

    Raises PeerUnavailable, PeerWithholds, PeerLied, LedgerError.
    """
    answer = await peers.ask(member, Topic.BLOCKS, encode_first(first))
    blocks: list[SyncBlock] = []
    for data in split_blocks(answer):
        blocks.append(SyncBlock.decode(data))
        # Decoding a long answer takes longer than a vote may wait.
        await asyncio.sleep(0)
    if not blocks:
        raise PeerWithholds(f"no block from {first} on")
    if blocks[0].header.height != first:
        raise PeerLied(f"asked for block {first}, got {blocks[0].header.height}")
    return Fetched(blocks, len(answer))


def certified_run(
    blocks: Sequence[SyncBlock], tip: Header, terms: EpochTerms
) -> Sequence[SyncBlock]:
    """The leading blocks behind `tip` that a verified certificate of their epoch covers.

    Raises PeerLied, PeerWithholds, ProofInvalid, and SelfContradicted if the quorum's headers do
    not continue this node's own.
    """
    own_epoch = list(takewhile(lambda block: block.header.epoch == terms.number, blocks))
    if not own_epoch:
        raise PeerLied(f"block {blocks[0].header.height} is of another epoch than {terms.number}")
    last = max((i for i, b in enumerate(own_epoch) if b.checkpoint is not None), default=None)
    if last is None:
        raise PeerWithholds(f"no certified block from {blocks[0].header.height} on")
    run = own_epoch[: last + 1]
    for block in reversed(run):
        if block.checkpoint is not None:
            terms.verify(block.header, block.checkpoint)
    for before, after in pairwise(run):
        if after.header.parent_hash != before.header.hash():
            raise PeerLied(f"block {after.header.height} does not follow its parent")
        if after.header.height != before.header.height + 1:
            raise PeerLied(f"block {after.header.height} stands behind {before.header.height}")
    if run[0].header.parent_hash != tip.hash():
        # The quorum's headers lead from here to the certificate, so the stray one is this node.
        raise SelfContradicted(
            f"the certified block {run[0].header.height} has another parent than the tip"
        )
    return run

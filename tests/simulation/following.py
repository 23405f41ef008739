"""How a simulated node gets blocks that it did not order, and goes from one epoch to the next.

Block sync verifies what peers serve: commit certificates, batches and headers by own execution, and
the CHECKPOINT certificate of the target. A peer that lies is counted and passed over. Frames of
another epoch are answered as the wire rules say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulwark.ledger.errors import LedgerError
from bulwark.ledger.ids import Height, ValidatorIndex
from bulwark.ledger.votes import Certificate, VoteKind
from consensus.events import StateInstalled, SyncFailed
from consensus.messages import StableProof
from consensus.terms import Terms
from tests.simulation.ledger import Block

if TYPE_CHECKING:
    from tests.simulation.node import SimNode

ANSWER_EVERY_MS = 250
FOLLOW_EVERY_MS = 500


def other_epoch(node: SimNode, epoch: int, sender: ValidatorIndex) -> None:
    """A frame of another epoch arrived: help its sender, or ask for help (rate-limited)."""
    world = node.world
    last = node.answered_ms.get(sender)
    if node.replica is None or (last is not None and world.now < last + ANSWER_EVERY_MS):
        return
    node.answered_ms[sender] = world.now
    if epoch < node.span.number:
        end = node.ledger.epochs[epoch + 1].start
        certificate = node.disk.boundaries[end]
        world.send(node, (sender,), StableProof(certificate), epoch)
    elif node.last_status is not None:
        world.send(node, (sender,), node.last_status)


def end_epoch(node: SimNode, certificate: Certificate) -> None:
    """Duty 12: certificate durable and records deleted in one write, then the next replica."""
    silent = node.silent
    node.disk.end_epoch(certificate, silent=silent)
    node.open_epoch(recovered=False, silent=silent)
    node.world.faults["epoch changes lived through"] += 1
    if node.replica is None:
        node.later(FOLLOW_EVERY_MS, lambda _: follow(node))


def sync(node: SimNode, height: int) -> None:
    """Block sync from any reachable node that is far enough; the running block ends first."""
    if node.executing:
        node.later(20, lambda _: sync(node, height))
        return
    for peer in node.world.reachable(node):
        got = _fetch(node, peer, height)
        if got is None:
            continue
        top = got.subject.height
        if node.ledger.height > top:
            break  # execution was faster
        end = node.ledger.end_of(node.span)
        node.give(StateInstalled(Height(top), node.ledger.tip, got, end))
        node.pending()
        return
    node.give(SyncFailed())


def follow(node: SimNode) -> None:
    """A node outside the validator set keeps up, and votes from the epoch on that has it."""
    if node.replica is not None:
        return
    for peer in node.world.reachable(node):
        if peer.ledger.height <= node.ledger.height and peer.span.number <= node.span.number:
            continue
        got = _fetch(node, peer, node.ledger.height)
        if got is not None:
            if got.subject.height == node.ledger.end_of(node.span):
                end_epoch(node, got)
            break
    if node.replica is None:
        node.later(FOLLOW_EVERY_MS, lambda _: follow(node))


def _fetch(node: SimNode, peer: SimNode, least: int) -> Certificate | None:
    """Install what a peer serves up to a certified height of the node's epoch, None if nothing."""
    if peer.span.number < node.span.number:
        return None
    if peer.span.number > node.span.number:
        end = peer.ledger.epochs[node.span.number + 1].start
        certificate = peer.disk.boundaries.get(end)
    else:
        certificate = peer.disk.best_stable()
    if certificate is None or certificate.subject.height < least:
        return None
    top = certificate.subject.height
    if top <= node.span.start:
        return None
    blocks = peer.ledger.blocks[node.ledger.height : top]
    adversary = node.world.byzantine.get(peer.index)
    if adversary is not None:
        served, certificate = adversary.serve_blocks(blocks, certificate)
        blocks = list(served)
    try:
        if certificate is None:
            raise LedgerError("no certificate")
        _verify(node, node.world.terms_of(node.span), blocks, certificate)
    except LedgerError:
        node.world.faults["lying sync peers caught"] += 1
        return None
    for block in blocks:
        node.ledger.append(block)
    node.tell_blocks()
    node.world.faults["blocks synced"] += len(blocks)
    return certificate


def _verify(node: SimNode, terms: Terms, blocks: list[Block], certificate: Certificate) -> None:
    """Raises LedgerError unless the blocks continue the own chain up to the certificate."""
    if certificate.subject.kind is not VoteKind.CHECKPOINT:
        raise LedgerError("not a CHECKPOINT certificate")
    certificate.verify(terms.validators, terms.domain, terms.check)
    probe = node.world.copy_ledger(node)
    for block in blocks:
        subject = block.commit.subject
        if subject.kind is not VoteKind.COMMIT or subject.height != block.height:
            raise LedgerError("not the commit certificate of its block")
        if subject.digest != block.batch.digest or block.height != probe.height + 1:
            raise LedgerError("not the certified batch")
        block.commit.verify(terms.validators, terms.domain, terms.check)
        if probe.execute(block.batch, block.commit).header_hash != block.header_hash:
            raise LedgerError("another header")
        probe.append(block)
    if probe.height == certificate.subject.height:
        if probe.tip != certificate.subject.digest:
            raise LedgerError("the header is not the certified one")
    elif probe.height < certificate.subject.height:
        raise LedgerError("too few blocks")

"""State sync follows the validator sets epoch by epoch; nothing of a wrong epoch counts."""

from __future__ import annotations

import asyncio
from functools import cache

import pytest
from msgspec.structs import replace

from bulwark.ledger.header import Header
from bulwark.ledger.ids import Address, Height, MemberId, ValidatorIndex, View
from bulwark.ledger.validators import ValidatorSet
from bulwark.ledger.votes import Certificate, VoteKind, VoteSubject
from contracts.actions import SetParameter
from contracts.governance import GOVERNANCE, encode_approve, encode_propose
from node.chain.install import Installation
from node.chain.syncblock import NextEpoch, SyncBlock
from node.requests import Topic, decode_first
from node.storage.errors import StoreWriteFailed
from node.storage.memory import MemoryStore
from node.sync.faults import Fault
from node.sync.wire import encode_blocks
from tests.unit.node.driver.test_epochs import governed
from tests.unit.node.execution.alliance import ACCOUNTS, VOTE_KEYS, Node, call
from tests.unit.node.sync.support import (
    BAD,
    GOOD,
    NOT_INSTALLED,
    DyingStore,
    Mesh,
    Syncing,
    clean,
    contents,
    pairs_of,
    servers,
    sync_blocks,
)


def certify(node: Node, header: Header) -> Certificate:
    """By all validators, in the header's own epoch."""
    subject = VoteSubject(VoteKind.CHECKPOINT, View(0), header.height, header.hash())
    digest = subject.signing_digest(node.genesis.domain(header.epoch))
    votes = {ValidatorIndex(i): key.sign(digest) for i, key in enumerate(VOTE_KEYS)}
    return Certificate.assemble(subject, votes, node.genesis.validator_set.quorum)


def vote(node: Node, sender: int, data: bytes) -> None:
    nonce = node.executor.nonce(ACCOUNTS[sender].address)
    block = node.block(
        call(ACCOUNTS[sender], nonce, Address(GOVERNANCE), data, gas=2_000_000), final=False
    )
    assert block.receipts[0].succeeded


@cache
def two_changes() -> Node:
    """A chain that reaches epoch 2, certified at every interval."""
    node = Node(genesis=governed())
    for number, rotation in ((1, 3), (2, 5)):
        lapses_s = node.chain.tip.timestamp_ms // 1000 + 86_400
        vote(node, 0, encode_propose(SetParameter("rotation", rotation), lapses_s))
        vote(node, 1, encode_approve(number))
        vote(node, 2, encode_approve(number))
        while node.executor.epochs.current.number < number:
            node.block(final=False)
    for _ in range(10):
        node.block(final=False)
    tip = node.chain.applied
    interval = node.genesis.consensus.checkpoint_interval
    for height in [*range(interval, tip, interval), tip]:
        header = node.chain.header(Height(height))
        assert header is not None
        node.chain.store_checkpoint(certify(node, header))
    return node


async def reach(syncing: Syncing) -> None:
    async with asyncio.timeout(30):
        await syncing.sync.run(two_changes().chain.applied, BAD)


async def test_an_empty_node_follows_two_epochs_to_the_third() -> None:
    node = two_changes()
    syncing = Syncing(Node(genesis=governed()), Mesh({GOOD: servers(node)}))
    await reach(syncing)
    fresh = syncing.node
    assert contents(fresh, *NOT_INSTALLED) == contents(node, *NOT_INSTALLED)
    assert fresh.executor.epochs.current.number == 2
    assert fresh.executor.epochs.current.config.rotation == 5
    assert clean(fresh, full=False)
    header = fresh.chain.tip
    fresh.prover._sealed("the tip", header.height).verify(fresh.genesis)
    fresh.block(final=False)
    assert syncing.watcher.executed_heights == []


def ends(change: NextEpoch | None) -> dict[Topic, object]:
    """A member that lies about who votes after an epoch's end."""

    async def blocks(member: MemberId, body: bytes) -> bytes:
        def spoilt(block: SyncBlock) -> SyncBlock:
            return block if block.next_epoch is None else replace(block, next_epoch=change)

        return encode_blocks([spoilt(b) for b in sync_blocks(two_changes(), decode_first(body))])

    return {**servers(two_changes()), Topic.BLOCKS: blocks}


def with_number(number: int) -> ValidatorSet:
    validators = governed().validator_set.validators
    return ValidatorSet(number, validators)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        None,
        NextEpoch(with_number(1), {"rotation": 7}),
        NextEpoch(with_number(2), {"rotation": 3}),
        NextEpoch(
            ValidatorSet(1, governed().validator_set.validators[:3]),  # type: ignore[arg-type]
            {"rotation": 3},
        ),
    ],
)
async def test_who_names_other_successors_than_the_header_is_dropped(
    change: NextEpoch | None,
) -> None:
    mesh = Mesh({BAD: ends(change), GOOD: servers(two_changes())})  # type: ignore[dict-item]
    syncing = Syncing(Node(genesis=governed()), mesh)
    await reach(syncing)
    assert syncing.node.chain.tip == two_changes().chain.tip
    assert syncing.peers.blamed[BAD].fault is Fault.LIED


async def test_a_certificate_of_the_old_epoch_does_not_count_in_the_next() -> None:
    node = two_changes()
    start = node.executor.epochs.number(1).terms.start

    async def blocks(member: MemberId, body: bytes) -> bytes:
        def spoilt(block: SyncBlock) -> SyncBlock:
            if block.checkpoint is None or block.header.height <= start:
                return block
            old = replace(block.header, epoch=0)  # type: ignore[arg-type]
            subject = replace(certify(node, old).subject, digest=block.header.hash())
            return replace(block, checkpoint=Certificate(subject, certify(node, old).signatures))

        return encode_blocks([spoilt(b) for b in sync_blocks(node, decode_first(body))])

    bad = {**servers(node), Topic.BLOCKS: blocks}
    syncing = Syncing(Node(genesis=governed()), Mesh({BAD: bad, GOOD: servers(node)}))
    await reach(syncing)
    assert syncing.node.chain.tip == node.chain.tip
    assert syncing.peers.blamed[BAD].fault is Fault.LIED


@pytest.mark.parametrize("beyond", [3, 12])
async def test_a_sync_killed_behind_an_epochs_end_goes_on_and_claims_no_epoch_early(
    beyond: int,
) -> None:
    start = two_changes().executor.epochs.number(1).terms.start
    store = DyingStore(pairs_of(MemoryStore()), start + beyond)
    with pytest.raises(StoreWriteFailed):
        await reach(Syncing(Node(store, governed()), Mesh({GOOD: servers(two_changes())})))
    node = Node(MemoryStore(pairs_of(store)), governed())
    assert node.executor.epochs.current.number == 0
    assert clean(node, full=False)
    installation = Installation(node.store, node.chain, node.genesis)
    assert installation.height > start
    assert installation.terms.number in (1, 2)
    assert installation.terms.start <= installation.height
    await reach(Syncing(node, Mesh({GOOD: servers(two_changes())})))
    assert node.executor.epochs.current.number == 2
    assert contents(node, *NOT_INSTALLED) == contents(two_changes(), *NOT_INSTALLED)


async def test_progress_shows_the_claimed_target_while_its_epoch_is_not_known() -> None:
    source = two_changes()
    shown: list[tuple[Height, Height]] = []
    honest = servers(source)

    async def looking(member: MemberId, body: bytes) -> bytes:
        progress = syncing.sync.progress
        assert progress is not None
        shown.append((progress.at, progress.target))
        return await honest[Topic.BLOCKS](member, body)

    syncing = Syncing(Node(genesis=governed()), Mesh({GOOD: {**honest, Topic.BLOCKS: looking}}))
    await syncing.sync.run(Height(5), GOOD)
    assert syncing.node.chain.tip == source.chain.tip
    # The first question is of a sync that does not know yet that it is far behind.
    assert {target for _, target in shown[1:]} == {source.chain.applied}, shown

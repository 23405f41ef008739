"""Protocol features: off before the boundary, on behind it, the same for who comes later."""

from __future__ import annotations

import asyncio
from functools import cache

import pytest

from bulwark.ledger.epochs import proven_level
from bulwark.ledger.errors import ProofInvalid, TransactionInvalid
from bulwark.ledger.features import (
    FEATURES,
    HIGHEST_LEVEL,
    MAX_TRANSACTION_GAS,
    features_at,
    level_of,
    transaction_gas,
)
from bulwark.ledger.ids import Address, Height
from bulwark.ledger.proofs import SealedHeader
from contracts.actions import SetParameter
from contracts.governance import GOVERNANCE, encode_approve, encode_propose
from node.chain.errors import BuildTooOld
from node.execution.executor import Executor
from node.fsck import fsck
from tests.unit.node.driver.test_epochs import governed
from tests.unit.node.execution.alliance import ACCOUNTS, NOWHERE, Node, call
from tests.unit.node.sync.support import (
    BAD,
    GOOD,
    NOT_INSTALLED,
    Mesh,
    Syncing,
    contents,
    servers,
)
from tests.unit.node.sync.test_epochs import certify

OVER = MAX_TRANSACTION_GAS + 1


def vote(node: Node, sender: int, data: bytes, *, succeeds: bool = True) -> None:
    nonce = node.executor.nonce(ACCOUNTS[sender].address)
    wanted = call(ACCOUNTS[sender], nonce, Address(GOVERNANCE), data, gas=2_000_000)
    assert node.block(wanted, final=False).receipts[0].succeeded is succeeds


def voted(node: Node, level: int = 1, number: int = 1) -> None:
    """A level is carried: the next epoch is fixed and has not begun."""
    lapses_s = node.chain.tip.timestamp_ms // 1000 + 86_400
    vote(node, 0, encode_propose(SetParameter("protocol_level", level), lapses_s))
    for voter in (1, 2):
        vote(node, voter, encode_approve(number))


def greedy(node: Node, gas: int = OVER) -> tuple[int, int]:
    """A block with one transaction that asks for much gas: (in the block, left out)."""
    nonce = node.executor.nonce(ACCOUNTS[0].address)
    block = node.block(call(ACCOUNTS[0], nonce, NOWHERE, gas=gas), final=False)
    return len(block.transactions), len(block.skipped)


@cache
def raised() -> Node:
    """A chain in which level 1 was voted: greedy transactions before, at and after the boundary."""
    node = Node(genesis=governed())
    assert greedy(node) == (1, 0)
    voted(node)
    end = node.chain.tip.epoch_end
    assert end > node.chain.applied
    while node.chain.applied < end - 1:
        node.block(final=False)
    assert greedy(node) == (1, 0), "the last block of the old epoch is under the old rules"
    assert node.chain.applied == end
    assert greedy(node) == (0, 1), "the first of the new one is not"
    assert greedy(node, MAX_TRANSACTION_GAS) == (1, 0)
    for height in range(1, node.chain.applied + 1):
        header = node.chain.header(Height(height))
        assert header is not None
        node.chain.store_checkpoint(certify(node, header))
    return node


def test_levels_are_numbered_without_a_gap_and_names_are_unique() -> None:
    assert [feature.level for feature in FEATURES] == list(range(1, HIGHEST_LEVEL + 1))
    assert len({feature.name for feature in FEATURES}) == len(FEATURES)
    assert features_at(0) == () and features_at(HIGHEST_LEVEL) == FEATURES
    assert level_of({}) == 0


def test_the_gas_of_a_transaction_is_the_lower_of_both_limits() -> None:
    assert transaction_gas(0, 45_000_000) == 45_000_000
    assert transaction_gas(1, 45_000_000) == MAX_TRANSACTION_GAS
    assert transaction_gas(1, 3_000_000) == 3_000_000


def test_the_rule_changes_with_the_first_block_behind_the_boundary() -> None:
    epoch = raised().executor.epochs.current
    assert (epoch.level, epoch.transaction_gas) == (1, MAX_TRANSACTION_GAS)
    assert raised().executor.epochs.number(0).level == 0


def test_ingress_refuses_with_both_numbers_what_no_block_would_take() -> None:
    node = raised()
    nonce = node.executor.nonce(ACCOUNTS[1].address)
    with pytest.raises(TransactionInvalid, match=f"{OVER} is over {MAX_TRANSACTION_GAS}"):
        node.executor.check(call(ACCOUNTS[1], nonce, NOWHERE, gas=OVER))


def test_every_block_executed_again_from_genesis_is_the_same() -> None:
    node, again = raised(), Node(genesis=governed())
    for height in range(1, node.chain.applied + 1):
        stored = node.chain.block(Height(height))
        assert stored is not None
        made = again.executor.execute(Height(height), stored.batch, {})
        assert made.header == stored.header
        commit = node.chain.commit_certificate(Height(height))
        assert commit is not None
        again.chain.commit_block(made, commit)
    assert again.executor.epochs.current.level == 1


def test_a_build_that_does_not_know_the_level_ends_the_old_epoch_with_all_others_and_stops() -> (
    None
):
    node, old = raised(), Node(genesis=governed())
    old.executor = Executor(old.store, old.genesis, known=0)
    end = node.executor.epochs.current.terms.start
    for height in range(1, end + 1):
        stored = node.chain.block(Height(height))
        commit = node.chain.commit_certificate(Height(height))
        assert stored is not None and commit is not None
        made = old.executor.execute(Height(height), stored.batch, {})
        assert made.header == stored.header, "no fork: what it signs is what all sign"
        old.chain.commit_block(made, commit)
    beyond = node.chain.block(Height(end + 1))
    assert beyond is not None
    with pytest.raises(BuildTooOld, match=f"level 1 is in force above block {end}.*up to 0"):
        old.executor.execute(Height(end + 1), beyond.batch, {})
    assert old.chain.applied == end
    new = Executor(old.store, old.genesis)
    assert new.execute(Height(end + 1), beyond.batch, {}).header == beyond.header


def test_the_ledger_refuses_to_lower_a_level_or_to_vote_it_twice() -> None:
    node = Node(genesis=governed())
    voted(node, level=1)
    lapses_s = node.chain.tip.timestamp_ms // 1000 + 86_400
    vote(node, 0, encode_propose(SetParameter("protocol_level", 1), lapses_s))
    vote(node, 1, encode_approve(2))
    vote(node, 2, encode_approve(2))
    assert node.executor.epochs.current.number == 0
    end = node.chain.tip.epoch_end
    while node.chain.applied < end:
        node.block(final=False)
    assert node.executor.epochs.current.level == 1
    assert node.chain.tip.epoch_end == end
    for _ in range(20):
        node.block(final=False)
    assert node.executor.epochs.current.number == 1, "the second vote changed nothing"


def test_the_level_is_proven_by_the_header_that_ends_an_epoch() -> None:
    node = raised()
    terms = node.executor.epochs.current.terms
    header = node.chain.header(terms.start)
    assert header is not None
    assert proven_level(header, terms.parameters) == 1
    with pytest.raises(ProofInvalid, match="other parameters"):
        proven_level(header, {**terms.parameters, "protocol_level": 2})


def test_proofs_across_the_boundary_hold_offline() -> None:
    node = raised()
    found = node.chain.certified_from(node.chain.applied)
    assert found is not None
    header, certificate = found
    changes = node.executor.epochs.changes(header.epoch)
    SealedHeader(header, certificate, changes).verify(node.genesis)


def test_fsck_executes_a_chain_with_a_boundary_again_and_finds_nothing() -> None:
    node = raised()
    report = fsck(node.store, node.genesis, full=True)
    # The test alliance signs COMMITs in epoch 0 only.
    assert not [p for p in report.problems if not p.where.startswith("commit certificate")]


async def test_a_node_that_syncs_the_state_across_the_boundary_is_under_the_new_rules() -> None:
    node = raised()
    syncing = Syncing(Node(genesis=governed()), Mesh({GOOD: servers(node)}))
    async with asyncio.timeout(30):
        await syncing.sync.run(node.chain.applied, BAD)
    fresh = syncing.node
    assert contents(fresh, *NOT_INSTALLED) == contents(node, *NOT_INSTALLED)
    assert fresh.executor.epochs.current.level == 1
    assert greedy(fresh) == (0, 1)

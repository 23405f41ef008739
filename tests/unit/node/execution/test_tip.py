"""Answers about the last block are right after every block, and memory stays bounded."""

from __future__ import annotations

import pytest

import node.execution.tip as tip_module
from bulwark.ledger.ids import Address
from contracts.bindings import MEMBER_REGISTRY
from node.execution.accounts import Account
from node.execution.genesis import alloc_state
from node.execution.tip import TipState, read_roles
from tests.unit.node.execution.alliance import ACCOUNTS, NOWHERE, STRANGER, Node, call

ALPHA, BRAVO, _, DELTA = ACCOUNTS


def test_nonce_and_roles_follow_the_last_block() -> None:
    node = Node()
    tip = TipState(node.store, node.executor.source)
    assert (tip.nonce(ALPHA.address), tip.header.height) == (0, 0)
    node.block(call(ALPHA, 0, NOWHERE), call(ALPHA, 1, NOWHERE))
    assert (tip.nonce(ALPHA.address), tip.header.height) == (2, 1)
    assert tip.nonce(STRANGER.address) == 0
    assert [tip.roles(key.address) for key in (ALPHA, BRAVO, DELTA, STRANGER)] == [11, 3, 5, 0]


def test_a_state_without_a_member_registry_gives_no_roles() -> None:
    node = Node()
    root, _ = alloc_state({})
    assert read_roles(node.executor.source, root, ALPHA.address) == 0
    assert node.executor.account(root, Address(MEMBER_REGISTRY)) is None
    assert Account().nonce == 0


def test_memory_of_strangers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tip_module, "MAX_REMEMBERED", 3)
    node = Node()
    tip = TipState(node.store, node.executor.source)
    for number in range(10):
        assert tip.nonce(Address(number.to_bytes(20, "big"))) == 0
        assert len(tip._nonces) <= 3

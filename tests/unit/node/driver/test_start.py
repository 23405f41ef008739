"""A core starts silent exactly where it may have forgotten votes (P6)."""

from __future__ import annotations

from pathlib import Path

import pytest

from consensus.amnesia import UNKNOWN
from node.driver.start import start_core
from node.storage.memory import MemoryStore
from tests.unit.node.execution.alliance import VOTE_KEYS, Node


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "node.voted"


def silence_of(node: Node, marker: Path) -> int | None:
    epoch = node.executor.epochs.current
    core = start_core(epoch, VOTE_KEYS[0], node.store, node.chain, marker)
    return core.snapshot().silent_until


def crashed(node: Node) -> Node:
    assert isinstance(node.store, MemoryStore)
    return Node(node.store.crash(), node.genesis)


def test_a_first_start_votes_and_leaves_its_marker(marker: Path) -> None:
    node = Node()
    assert silence_of(node, marker) is None
    assert marker.exists()
    assert silence_of(crashed(node), marker) is None


def test_a_member_that_followed_before_it_votes_for_the_first_time_is_not_silent(
    marker: Path,
) -> None:
    node = Node()
    node.block()
    assert silence_of(node, marker) is None


def test_a_wiped_node_that_synced_blocks_before_its_core_starts_is_silent(marker: Path) -> None:
    """Who joined by vote has no core while it follows the epochs before its own."""
    marker.touch()
    node = Node()
    node.block()
    node.block()
    assert silence_of(node, marker) == UNKNOWN


def test_the_silence_of_a_wiped_node_is_durable_before_its_core_says_a_word(marker: Path) -> None:
    marker.touch()
    node = Node()
    assert silence_of(node, marker) == UNKNOWN
    assert silence_of(crashed(node), marker) == UNKNOWN

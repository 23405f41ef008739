"""The batched trie gives the roots of HexaryTrie and of the published trie cases."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import rlp
from hypothesis import given, settings
from hypothesis import strategies as st
from trie import HexaryTrie

from bulwark.ledger.hashing import keccak256
from bulwark.ledger.trie import EMPTY_TRIE_ROOT
from node.execution.nodes import Node, decode_node
from node.execution.patricia import lookup, prove, update

VECTORS = Path(__file__).resolve().parents[3] / "vectors" / "ethereum"


class Nodes:
    """A node source over a dict."""

    def __init__(self) -> None:
        self.stored: dict[bytes, bytes] = {}

    def node(self, node_hash: bytes) -> Node:
        return decode_node(self.stored[node_hash])

    def encoded(self, node_hash: bytes) -> bytes:
        return self.stored[node_hash]

    def update(self, root: bytes, changes: dict[bytes, bytes]) -> bytes:
        new_root, new = update(self, root, changes)
        assert all(keccak256(value) == key for key, value in new.items())
        self.stored.update(new)
        return new_root


# Few distinct leading bytes make deep shared paths; short values make nodes inside their parents.
_KEYS = st.builds(
    lambda head, tail: bytes(head) + bytes(30 - len(head)) + tail.to_bytes(2, "big"),
    st.lists(st.integers(0, 1), max_size=3),
    st.sampled_from([0, 1, 2, 16, 17, 255, 256, 4096, 65535]),
)
_VALUES = st.sampled_from([b"", b"", b"\x01", b"\x81", b"short", b"long" * 12])
_ROUNDS = st.lists(st.dictionaries(_KEYS, _VALUES, max_size=8), max_size=6)


@settings(deadline=None, max_examples=120)
@given(rounds=_ROUNDS)
def test_batched_updates_give_the_roots_of_hexary_trie(rounds: list[dict[bytes, bytes]]) -> None:
    nodes, oracle, root = Nodes(), HexaryTrie({}), bytes(EMPTY_TRIE_ROOT)
    content: dict[bytes, bytes] = {}
    for changes in rounds:
        root = nodes.update(root, changes)
        content.update(changes)
        for key, value in changes.items():
            if value:
                oracle[key] = value
            else:
                del oracle[key]
        assert root == oracle.root_hash
        for key, value in content.items():
            assert (lookup(nodes, root, key) or b"") == value


@settings(deadline=None, max_examples=50)
@given(content=st.dictionaries(_KEYS, st.sampled_from([b"\x01", b"x" * 40]), min_size=1), key=_KEYS)
def test_proofs_verify_with_hexary_trie_for_present_and_absent_keys(
    content: dict[bytes, bytes], key: bytes
) -> None:
    nodes = Nodes()
    root = nodes.update(EMPTY_TRIE_ROOT, content)
    proof = [rlp.decode(node) for node in prove(nodes, root, key)]
    assert HexaryTrie.get_from_proof(root, key, proof) == content.get(key, b"")


def _hexed(text: str) -> bytes:
    return bytes.fromhex(text[2:]) if text.startswith("0x") else text.encode()


@pytest.mark.parametrize(
    "name", ["hex_encoded_securetrie_test", "trieanyorder_secureTrie", "trietest_secureTrie"]
)
def test_published_cases_of_hashed_keys(name: str) -> None:
    cases = json.loads((VECTORS / f"{name}.json").read_text())
    for case in cases.values():
        listed = case["in"].items() if isinstance(case["in"], dict) else case["in"]
        one_by_one, at_once = Nodes(), Nodes()
        root = bytes(EMPTY_TRIE_ROOT)
        changes: dict[bytes, bytes] = {}
        for key, value in listed:
            change = {keccak256(_hexed(key)): b"" if value is None else _hexed(value)}
            root = one_by_one.update(root, change)
            changes.update(change)
        assert root.hex() == case["root"][2:]
        assert at_once.update(EMPTY_TRIE_ROOT, changes) == root


def test_an_update_without_changes_keeps_the_root_and_writes_nothing() -> None:
    nodes = Nodes()
    root = nodes.update(EMPTY_TRIE_ROOT, {bytes(32): b"x" * 40, b"\x01" * 32: b"y" * 40})
    assert update(nodes, root, {}) == (root, {})
    assert update(nodes, root, {bytes(32): b"x" * 40, b"\x02" * 32: b""}) == (root, {})

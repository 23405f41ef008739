"""RFC 6962 / 9162 trees: held to published cases and to the recursive definition."""

from __future__ import annotations

from base64 import b64decode
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulwark.ledger.errors import DecodeError, ProofInvalid
from bulwark.ledger.merkle import (
    EMPTY_ROOT,
    MAX_PATH,
    MAX_TREE_SIZE,
    Frontier,
    consistency_path,
    inclusion_path,
    leaf_hash,
    root_of,
    stored_consistency_path,
    stored_inclusion_path,
    stored_root,
    verify_consistency,
    verify_inclusion,
)

LEAVES = [leaf_hash(b"%d" % i) for i in range(300)]
sizes = st.integers(1, len(LEAVES))


def defined_root(leaves):
    """MTH of RFC 9162 section 2.1.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1 << (len(leaves) - 1).bit_length() - 1
    left, right = defined_root(leaves[:k]), defined_root(leaves[k:])
    return sha256(b"\x01" + left + right).digest()


class Store:
    """Complete subtrees of a log, as a node keeps them; counts its reads."""

    def __init__(self, leaves):
        self.frontier = Frontier()
        self.nodes = {}
        self.reads = 0
        for leaf in leaves:
            for node in self.frontier.append(leaf):
                assert (node.level, node.place) not in self.nodes
                self.nodes[node.level, node.place] = node.digest

    def __call__(self, level, place):
        self.reads += 1
        return self.nodes[level, place]


STORE = Store(LEAVES)


def test_published_inclusion_cases_are_judged_as_published(load_vectors):
    cases = load_vectors("merkle/inclusion.json")
    wrong = []
    for case in cases:
        path = [b64decode(item) for item in case["proof"] or []]
        leaf, root = b64decode(case["leafHash"] or ""), b64decode(case["root"] or "")
        try:
            verify_inclusion(leaf, case["leafIdx"], case["treeSize"], path, root)
            refused = False
        except ProofInvalid:
            refused = True
        if refused != case["wantErr"]:
            wrong.append(case["case"])
    assert len(cases) == 98
    assert wrong == []


def test_published_consistency_cases_are_judged_as_published(load_vectors):
    cases = load_vectors("merkle/consistency.json")
    wrong = []
    for case in cases:
        path = [b64decode(item) for item in case["proof"] or []]
        roots = b64decode(case["root1"] or ""), b64decode(case["root2"] or "")
        try:
            verify_consistency(case["size1"], case["size2"], *roots, path)
            refused = False
        except ProofInvalid:
            refused = True
        if refused != case["wantErr"]:
            wrong.append(case["case"])
    assert len(cases) == 98
    assert wrong == []


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 7, 8, 9, 31, 64, 100, 255, 300])
def test_root_is_that_of_the_definition_by_every_way(size):
    expected = defined_root(LEAVES[:size])
    assert root_of(LEAVES[:size]) == expected
    assert stored_root(STORE, size) == expected
    assert Store(LEAVES[:size]).frontier.root == expected


def test_every_leaf_of_every_small_tree_is_proved():
    for size in range(1, 34):
        root = root_of(LEAVES[:size])
        for index in range(size):
            path = inclusion_path(LEAVES[:size], index)
            assert path == stored_inclusion_path(STORE, index, size)
            verify_inclusion(LEAVES[index], index, size, path, root)


def test_every_pair_of_small_trees_is_consistent():
    for second in range(1, 34):
        for first in range(1, second + 1):
            path = consistency_path(LEAVES[:second], first, second)
            assert path == stored_consistency_path(STORE, first, second)
            roots = root_of(LEAVES[:first]), root_of(LEAVES[:second])
            verify_consistency(first, second, *roots, path)


@given(sizes, st.data())
@settings(deadline=None)
def test_inclusion_proof_serves_no_other_leaf_place_size_or_root(size, data):
    index = data.draw(st.integers(0, size - 1))
    path = stored_inclusion_path(STORE, index, size)
    root = root_of(LEAVES[:size])
    other = data.draw(st.integers(0, size - 1).filter(lambda i: i != index)) if size > 1 else size
    bad = [
        (LEAVES[other % 300], index, size, path, EMPTY_ROOT),
        (LEAVES[index], size, size, path, root),
    ]
    if size > 1:
        bad.append((LEAVES[other], index, size, path, root))
        bad.append((LEAVES[index], other, size, path, root))
        bad.append((LEAVES[index], index, size, path[:-1], root))
        step = data.draw(st.integers(0, len(path) - 1))
        damaged = [bytes([d[0] ^ 1]) + d[1:] if i == step else d for i, d in enumerate(path)]
        bad.append((LEAVES[index], index, size, damaged, root))
    bad.append((LEAVES[index], index, size, [*path, EMPTY_ROOT], root))
    for arguments in bad:
        with pytest.raises(ProofInvalid):
            verify_inclusion(*arguments)


@given(sizes, st.data())
@settings(deadline=None)
def test_consistency_proof_serves_no_other_roots(second, data):
    first = data.draw(st.integers(1, second))
    path = stored_consistency_path(STORE, first, second)
    old, new = root_of(LEAVES[:first]), root_of(LEAVES[:second])
    bad = [(EMPTY_ROOT, new, path), (old, EMPTY_ROOT, path), (old, new, [*path, EMPTY_ROOT])]
    if path:
        bad.append((old, new, path[:-1]))
        step = data.draw(st.integers(0, len(path) - 1))
        damaged = [bytes([d[0] ^ 1]) + d[1:] if i == step else d for i, d in enumerate(path)]
        bad.append((old, new, damaged))
    for arguments in bad:
        with pytest.raises(ProofInvalid):
            verify_consistency(first, second, *arguments)


def test_proofs_of_a_big_log_read_a_logarithmic_number_of_nodes():
    leaves = [i.to_bytes(32, "big") for i in range(20_011)]
    store = Store(leaves)
    root = store.frontier.root
    for index in (0, 1, 9_999, 16_383, 16_384, 20_010):
        store.reads = 0
        path = stored_inclusion_path(store, index, len(leaves))
        assert store.reads <= 2 * 15
        verify_inclusion(leaves[index], index, len(leaves), path, root)
    for first in (1, 4_096, 16_384, 20_010):
        store.reads = 0
        path = stored_consistency_path(store, first, len(leaves))
        assert store.reads <= 2 * 15
        verify_consistency(first, len(leaves), root_of(leaves[:first]), root, path)


@pytest.mark.parametrize("index", [-1, 5, 6])
def test_leaf_outside_the_tree_has_no_proof(index):
    with pytest.raises(ProofInvalid, match="of a tree of 5"):
        inclusion_path(LEAVES[:5], index)
    with pytest.raises(ProofInvalid, match="of a tree of 5"):
        stored_inclusion_path(STORE, index, 5)


@pytest.mark.parametrize(("first", "second"), [(0, 5), (6, 5), (-1, 3)])
def test_consistency_from_nothing_or_backwards_is_refused(first, second):
    with pytest.raises(ProofInvalid, match="from size"):
        stored_consistency_path(STORE, first, second)
    with pytest.raises(ProofInvalid, match="from size"):
        verify_consistency(first, second, EMPTY_ROOT, EMPTY_ROOT, [])


def test_consistency_beyond_the_leaves_is_refused():
    with pytest.raises(ProofInvalid, match="size 6 of a tree of 5"):
        consistency_path(LEAVES[:5], 1, 6)


def test_paths_over_the_bound_are_refused_unread():
    path = [EMPTY_ROOT] * (MAX_PATH + 1)
    with pytest.raises(ProofInvalid, match="at most"):
        verify_inclusion(EMPTY_ROOT, 0, 1, path, EMPTY_ROOT)
    with pytest.raises(ProofInvalid, match="at most"):
        verify_consistency(1, 2, EMPTY_ROOT, EMPTY_ROOT, path)


def test_sizes_beyond_63_bits_are_refused():
    with pytest.raises(ProofInvalid, match="tree size"):
        verify_inclusion(EMPTY_ROOT, 0, MAX_TREE_SIZE, [], EMPTY_ROOT)
    with pytest.raises(ProofInvalid, match="tree size"):
        stored_root(STORE, -1)


def test_hash_of_another_width_is_refused():
    with pytest.raises(ProofInvalid, match="32 bytes"):
        Frontier().append(b"short")
    with pytest.raises(ProofInvalid, match="32 bytes"):
        verify_consistency(1, 2, EMPTY_ROOT, EMPTY_ROOT, [b"short"])


@given(st.integers(0, 300), st.integers(0, 20))
def test_frontier_continues_after_decoding_and_copies_are_independent(size, more):
    frontier = Store(LEAVES[:size]).frontier
    again = Frontier.decode(frontier.encode())
    copied = frontier.copy()
    assert (again.size, again.root, again.encode()) == (size, frontier.root, frontier.encode())
    for leaf in LEAVES[:more]:
        assert again.append(leaf) == copied.append(leaf)
    assert again.root == copied.root == root_of(LEAVES[:size] + LEAVES[:more])
    assert frontier.size == size


def test_damaged_frontier_is_refused():
    raw = Store(LEAVES[:5]).frontier.encode()
    for end in range(len(raw)):
        with pytest.raises(DecodeError):
            Frontier.decode(raw[:end])
    with pytest.raises(DecodeError):
        Frontier.decode(raw + b"\x00")
    with pytest.raises(DecodeError):
        Frontier.decode(MAX_TREE_SIZE.to_bytes(8, "big"))
    with pytest.raises(ProofInvalid, match="peaks"):
        Frontier(3, [EMPTY_ROOT])


def test_leaf_that_looks_like_two_hashes_is_not_a_node():
    assert leaf_hash(LEAVES[0] + LEAVES[1]) != root_of(LEAVES[:2])

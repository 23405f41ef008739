"""Trie roots: held to Ethereum's cases and to the `trie` package."""

from __future__ import annotations

import pytest
import rlp
from hypothesis import given
from hypothesis import strategies as st
from trie import HexaryTrie

from bulwark.ledger.hashing import keccak256
from bulwark.ledger.trie import EMPTY_TRIE_ROOT, map_root, trie_root


def as_bytes(text):
    if text is None:
        return b""
    return bytes.fromhex(text[2:]) if text.startswith("0x") else text.encode()


def reference_root(content):
    reference = HexaryTrie({})
    for key, value in content.items():
        reference[key] = value
    return reference.root_hash


@pytest.mark.parametrize(
    ("file", "secure"),
    [
        ("trietest", False),
        ("trieanyorder", False),
        ("trietest_secureTrie", True),
        ("trieanyorder_secureTrie", True),
        ("hex_encoded_securetrie_test", True),
    ],
)
def test_published_roots_are_reached(load_vectors, file, secure):
    cases = load_vectors(f"ethereum/{file}.json")
    assert cases
    for name, case in cases.items():
        pairs = case["in"].items() if isinstance(case["in"], dict) else case["in"]
        content = {}
        for key, value in pairs:
            raw = as_bytes(key)
            content[keccak256(raw) if secure else raw] = as_bytes(value)
        assert map_root(content).hex() == case["root"][2:], name


@given(st.dictionaries(st.binary(max_size=3), st.binary(min_size=1, max_size=40), max_size=40))
def test_root_of_any_map_is_that_of_the_trie_package(content):
    assert map_root(content) == reference_root(content)


@pytest.mark.parametrize("count", [0, 1, 2, 16, 17, 127, 128, 129, 256, 300])
def test_root_of_a_list_is_that_of_the_trie_package(count):
    items = [b"item %d" % i * (1 + i % 7) for i in range(count)]
    assert trie_root(items) == reference_root({rlp.encode(i): v for i, v in enumerate(items)})


def test_empty_trie_has_its_known_root():
    assert EMPTY_TRIE_ROOT.hex() == (
        "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"
    )
    assert trie_root([]) == map_root({b"gone": b""}) == EMPTY_TRIE_ROOT

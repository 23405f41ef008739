"""The walk keeps a node only with everything below it, whatever happens, and holds little of it."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulwark.ledger.hashing import keccak256
from bulwark.ledger.ids import Address, Digest
from bulwark.ledger.trie import EMPTY_TRIE_ROOT
from node.execution.accounts import Accounts
from node.execution.database import StateSource
from node.execution.nodes import Branch, decode_node
from node.storage import schema
from node.storage.errors import StoreWriteFailed
from node.storage.memory import MemoryStore
from node.sync.faults import PeerLied
from node.sync.walk import StateWalk, below
from tests.unit.node.sync.support import DyingStore, pairs_of

Values = dict[bytes, bytes]


def address(number: int) -> Address:
    return Address(sha256(b"account %d" % number).digest()[:20])


def state(accounts: int, slots: int, codes: int = 3) -> tuple[Digest, Values]:
    """A state root with all its values by hash."""
    made = Accounts(StateSource({}))
    for number in range(accounts):
        made.set_nonce(address(number), number + 1)
        if number < codes:
            made.set_code(address(number), b"\x60" + bytes([number]) * 40)
        for slot in range(slots if number % 2 else 0):
            # Two accounts share each storage trie, as contracts of one kind may.
            made.set_storage(address(number), slot, number // 4 + 1)
    return made.make_state_root(), made.new_nodes


def drive(walk: StateWalk, values: Values, portion: int = 7) -> int:
    """Answer everything; how many values were asked for."""
    asked = 0
    while not walk.done:
        hashes = walk.next(portion)
        assert hashes
        asked += len(hashes)
        walk.take([(each, values[each]) for each in hashes])
    return asked


def whole(store: MemoryStore, root: bytes) -> None:
    """Everything below a root is in the store; raises KeyError."""
    wanted = [(root, True, False)]
    while wanted:
        value_hash, is_account, is_code = wanted.pop()
        if value_hash in (EMPTY_TRIE_ROOT, keccak256(b"")):
            continue
        value = pairs_of_key(store, schema.state(value_hash))
        if is_code:
            pairs_of_key(store, schema.code_mark(value_hash))
        else:
            wanted += below(decode_node(value), is_account)


def pairs_of_key(store: MemoryStore, key: bytes) -> bytes:
    value = store.get(key)
    if value is None:
        raise KeyError(key.hex())
    return value


def every_node_is_whole(store: MemoryStore, values: Values, root: bytes) -> None:
    """No stored trie node lacks anything below it: what skips stored nodes relies on this."""
    wanted = [(root, True, False)]
    while wanted:
        value_hash, is_account, is_code = wanted.pop()
        if is_code or value_hash == EMPTY_TRIE_ROOT:
            continue
        if store.get(schema.state(value_hash)) is not None:
            if is_account:
                whole(store, value_hash)
            continue
        wanted += below(decode_node(values[value_hash]), is_account)


@settings(deadline=None, max_examples=40)
@given(
    accounts=st.integers(0, 40),
    slots=st.integers(0, 12),
    portion=st.integers(1, 50),
)
def test_a_state_is_fetched_whole_and_nothing_twice(
    accounts: int, slots: int, portion: int
) -> None:
    root, values = state(accounts, slots)
    store = MemoryStore()
    walk = StateWalk(store, root)
    asked = drive(walk, values, portion)
    whole(store, root)
    assert asked == walk.kept <= len(values)
    again = StateWalk(store, root)
    assert again.done and again.next(9) == []


def test_only_what_changed_is_asked_for_the_second_time() -> None:
    root, values = state(60, 3)
    store = MemoryStore()
    drive(StateWalk(store, root), values)
    later = Accounts(StateSource(store), root)
    later.set_nonce(address(5), 999)
    new_root = later.make_state_root()
    assert drive(StateWalk(store, new_root), values | later.new_nodes) <= 4
    whole(store, new_root)


def test_a_wrong_value_is_refused_and_wanted_again_and_what_came_before_it_counts() -> None:
    root, values = state(20, 2)
    walk = StateWalk(MemoryStore(), root)
    [top] = walk.next(9)
    with pytest.raises(PeerLied, match="does not have the hash"):
        walk.take([(top, values[top] + b"x")])
    assert walk.next(9) == [top]
    walk.take([(top, values[top])])
    first, second, *others = walk.next(5)
    with pytest.raises(PeerLied):
        walk.take([(first, values[first]), (second, b"")])
    walk.give_back([first, second, *others])
    assert first not in walk.next(99)


def test_a_walk_that_dies_at_any_write_leaves_only_whole_nodes_and_goes_on() -> None:
    root, values = state(30, 4)
    done = MemoryStore()
    drive(StateWalk(done, root), values)
    lives = 0
    while True:
        store = DyingStore({}, lives)
        try:
            drive(StateWalk(store, root), values)
            break
        except StoreWriteFailed:
            every_node_is_whole(store, values, root)
            again = MemoryStore(pairs_of(store))
            drive(StateWalk(again, root), values)
            assert pairs_of(again) == pairs_of(done)
        lives += 1
    assert lives > 5


def test_the_same_holds_when_the_power_goes_and_the_disk_keeps_a_part() -> None:
    root, values = state(12, 4)
    kept = 0
    while True:
        store = MemoryStore()
        drive(StateWalk(store, root), values)
        total = len(store._undo)
        after = store.crash(keep_unsynced=kept)
        every_node_is_whole(after, values, root)
        drive(StateWalk(after, root), values)
        whole(after, root)
        kept += 1
        if kept > total:
            break


def test_code_made_to_look_like_a_trie_node_does_not_pass_for_its_subtree() -> None:
    root, values = state(40, 0, codes=0)
    trap = next(
        value_hash
        for value_hash, data in values.items()
        if isinstance(decode_node(data), Branch) and value_hash != root
    )
    store = MemoryStore()
    # Somebody deployed a contract whose code is the encoding of a branch of the coming state.
    store.write({schema.state(trap): values[trap], schema.code_mark(trap): b""}, sync=True)
    drive(StateWalk(store, root), values)
    whole(store, root)


def test_code_of_that_kind_inside_the_state_is_fetched_as_both() -> None:
    _, inner = state(40, 0, codes=0)
    for fake in [data for data in inner.values() if isinstance(decode_node(data), Branch)]:
        made = Accounts(StateSource({}))
        for number in range(40):
            made.set_nonce(address(number), number + 1)
        made.set_code(address(99), fake)
        root = made.make_state_root()
        values = inner | made.new_nodes
        store = MemoryStore()
        drive(StateWalk(store, root), values, 3)
        whole(store, root)
        assert store.get(schema.code_mark(keccak256(fake))) is not None


def test_what_is_held_at_once_grows_with_depth_and_not_with_size() -> None:
    held = []
    for accounts in (1_000, 4_000):
        root, values = state(accounts, 0, codes=0)
        walk = StateWalk(MemoryStore(), root)
        drive(walk, values, 64)
        held.append(walk.most_open)
    assert held[1] < 2 * held[0] < 3_000

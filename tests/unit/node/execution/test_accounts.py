"""The write set of accounts: undo at any depth, and roots that depend on content alone."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from bulwark.ledger.trie import EMPTY_TRIE_ROOT
from node.execution.accounts import EMPTY_CODE_HASH, Accounts, read_account, read_slot
from node.execution.database import StateSource
from node.storage import schema

ADDRESSES = [bytes([n]) * 20 for n in range(1, 4)]


class Nodes:
    """State nodes in a dict, as a store gives them."""

    def __init__(self) -> None:
        self.stored: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        return self.stored.get(key)

    def keep(self, accounts: Accounts) -> bytes:
        root = accounts.make_state_root()
        self.stored |= {schema.state(h): node for h, node in accounts.new_nodes.items()}
        return root


@dataclass
class Model:
    """What accounts should be, the plain way."""

    balance: dict[bytes, int] = field(default_factory=dict)
    nonce: dict[bytes, int] = field(default_factory=dict)
    code: dict[bytes, bytes] = field(default_factory=dict)
    slots: dict[tuple[bytes, int], int] = field(default_factory=dict)
    alive: set[bytes] = field(default_factory=set)

    def apply(self, step: tuple[str, bytes, int, int]) -> None:
        name, address, slot, value = step
        if name == "delete":
            for table in (self.balance, self.nonce, self.code):
                table.pop(address, None)
            self.slots = {k: v for k, v in self.slots.items() if k[0] != address}
            self.alive.discard(address)
            return
        self.alive.add(address)
        match name:
            case "balance":
                self.balance[address] = value
            case "nonce":
                self.nonce[address] = value
            case "code":
                self.code[address] = bytes([value % 256])
            case "slot":
                self.slots[address, slot] = value


def apply(accounts: Accounts, step: tuple[str, bytes, int, int]) -> None:
    name, address, slot, value = step
    match name:
        case "delete":
            accounts.delete_account(address)
        case "balance":
            accounts.set_balance(address, value)
        case "nonce":
            accounts.set_nonce(address, value)
        case "code":
            accounts.set_code(address, bytes([value % 256]))
        case "slot":
            accounts.set_storage(address, slot, value)


def check(accounts: Accounts, model: Model) -> None:
    for address in ADDRESSES:
        assert accounts.account_exists(address) == (address in model.alive)
        assert accounts.get_balance(address) == model.balance.get(address, 0)
        assert accounts.get_nonce(address) == model.nonce.get(address, 0)
        assert accounts.get_code(address) == model.code.get(address, b"")
        for slot in range(3):
            assert accounts.get_storage(address, slot) == model.slots.get((address, slot), 0)


_STEPS = st.tuples(
    st.sampled_from(["balance", "nonce", "code", "slot", "slot", "slot", "delete"]),
    st.sampled_from(ADDRESSES),
    st.integers(0, 2),
    st.sampled_from([0, 1, 2, 200, 1 << 60]),
)
_ACTIONS = st.lists(st.one_of(_STEPS, st.sampled_from(["record", "discard", "commit"])))
_BLOCKS = st.lists(_ACTIONS, min_size=1, max_size=4)


@settings(deadline=None, max_examples=200)
@given(blocks=_BLOCKS)
def test_reverts_and_blocks_give_the_content_and_the_root_of_the_plain_model(
    blocks: list[list[object]],
) -> None:
    nodes, root, model = Nodes(), bytes(EMPTY_TRIE_ROOT), Model()
    for actions in blocks:
        accounts = Accounts(StateSource(nodes), root)
        accounts.lock_changes()
        points: list[tuple[int, Model]] = []
        for action in actions:
            if isinstance(action, tuple):
                apply(accounts, action)
                model.apply(action)
            elif action == "record":
                points.append((accounts.record(), copy.deepcopy(model)))
            elif points:
                point, before = points.pop()
                if action == "discard":
                    accounts.discard(point)
                    model = before
                else:
                    accounts.commit(point)
            check(accounts, model)
        root = nodes.keep(accounts)
        check(Accounts(StateSource(nodes), root), model)
        assert root == fresh_root(model)


def fresh_root(model: Model) -> bytes:
    """Root of the model's content, built in one go."""
    accounts = Accounts(StateSource(Nodes()))
    for address in model.alive:
        accounts.touch_account(address)
        accounts.set_balance(address, model.balance.get(address, 0))
        accounts.set_nonce(address, model.nonce.get(address, 0))
        if address in model.code:
            accounts.set_code(address, model.code[address])
    for (address, slot), value in model.slots.items():
        accounts.set_storage(address, slot, value)
    return accounts.make_state_root()


def test_the_original_value_of_a_slot_is_that_before_the_transaction() -> None:
    nodes = Nodes()
    accounts = Accounts(StateSource(nodes))
    a = ADDRESSES[0]
    accounts.set_storage(a, 1, 5)
    accounts.lock_changes()
    accounts.set_storage(a, 1, 6)
    accounts.set_storage(a, 1, 7)
    assert accounts.get_storage(a, 1) == 7
    assert accounts.get_storage(a, 1, from_journal=False) == 5
    accounts.lock_changes()
    assert accounts.get_storage(a, 1, from_journal=False) == 7


def test_warm_and_transient_marks_end_with_the_transaction_and_obey_reverts() -> None:
    accounts = Accounts(StateSource(Nodes()))
    a = ADDRESSES[0]
    point = accounts.record()
    accounts.mark_address_warm(a)
    accounts.mark_storage_warm(a, 1)
    accounts.set_transient_storage(a, 1, b"x")
    assert accounts.is_address_warm(a) and accounts.is_storage_warm(a, 1)
    accounts.discard(point)
    assert not accounts.is_address_warm(a) and not accounts.is_storage_warm(a, 1)
    assert accounts.get_transient_storage(a, 1) == b""
    accounts.set_transient_storage(a, 1, b"y")
    accounts.mark_address_warm(a)
    accounts.lock_changes()
    assert not accounts.is_address_warm(a)
    assert accounts.get_transient_storage(a, 1) == b""


def test_reads_of_a_root_need_no_write_set() -> None:
    nodes = Nodes()
    accounts = Accounts(StateSource(nodes))
    accounts.set_balance(ADDRESSES[0], 9)
    accounts.set_storage(ADDRESSES[0], 1 << 255, 77)
    root = nodes.keep(accounts)
    source = StateSource(nodes)
    found = read_account(source, root, ADDRESSES[0])
    assert found is not None
    assert (found.balance, found.code_hash) == (9, EMPTY_CODE_HASH)
    assert read_slot(source, found.storage_root, 1 << 255) == 77
    assert read_slot(source, found.storage_root, 1) == 0
    assert read_account(source, root, ADDRESSES[1]) is None

"""The directory: members as the ledger has them, and whom the mesh lets in."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from bulwark.ledger.ids import Address, MemberId
from contracts.members import MEMBER_REGISTRY
from node.directory import Directory, LedgerMember
from node.gatekeeper import Gatekeeper
from node.network.identity import Member, MemberTable
from tests.unit.node.execution.alliance import ACCOUNTS, NAMES, STRANGER, VOTE_KEYS, Node


@pytest.fixture
def node() -> Node:
    return Node()


@pytest.fixture
def directory(node: Node) -> Directory:
    return Directory(node.genesis, node.executor.slot)


def test_members_are_those_of_the_registry_with_the_names_of_genesis(directory: Directory) -> None:
    assert [member.id for member in directory.members] == list(NAMES)
    assert [member.name for member in directory.members] == [name.title() for name in NAMES]
    found = directory.member(MemberId("delta"))
    assert found is not None
    assert (found.roles, found.is_validator) == (("validator", "regulator"), True)


def test_an_account_is_named_by_its_member_and_a_stranger_by_its_address(
    directory: Directory,
) -> None:
    assert directory.member_of(ACCOUNTS[1].address) == "bravo"
    assert directory.member_of(STRANGER.address) == f"0x{STRANGER.address.hex()}"


def pinned(directory: Directory) -> None:
    """Everybody gets a pin of its own, as the registry of these tests has none."""
    directory.members = tuple(
        replace(member, pins=(bytes([index]) * 32,))
        for index, member in enumerate(directory.members)
    )


def test_who_left_is_let_in_for_as_long_as_it_votes(node: Node, directory: Directory) -> None:
    pinned(directory)
    epoch = node.executor.epochs.current
    before = directory.table(epoch)
    directory.members = directory.members[:3]
    assert [m.id for m in directory.table(epoch, before)] == list(NAMES)


def test_who_left_and_still_votes_is_let_in_after_a_restart_too(
    node: Node, directory: Directory
) -> None:
    """Its vote may be needed up to the end of the epoch."""
    pinned(directory)
    directory.members = directory.members[:3]
    table = directory.table(node.executor.epochs.current)
    assert [member.id for member in table] == list(NAMES)
    assert table[3].pins == (node.genesis.members[3].tls_pin,)


def test_a_replaced_vote_key_counts_from_the_next_epoch(node: Node, directory: Directory) -> None:
    pinned(directory)
    first, *others = directory.members
    directory.members = (replace(first, node=STRANGER.address), *others)
    table = {m.id: m.address for m in directory.table(node.executor.epochs.current)}
    assert table[MemberId("alpha")] == VOTE_KEYS[0].address


def test_a_pin_that_was_voted_in_twice_shuts_out_nobody_but_its_second_holder(
    node: Node, directory: Directory
) -> None:
    pinned(directory)
    twin = replace(directory.members[0], id=MemberId("twin"), node=Address(b"\x77" * 20))
    directory.members = (*directory.members, twin)
    table = directory.table(node.executor.epochs.current)
    assert [member.id for member in table] == list(NAMES)
    assert MemberTable(table).ids() == tuple(NAMES)


def test_a_pin_of_its_own_that_was_voted_in_for_another_does_not_stop_a_node(
    node: Node, directory: Directory
) -> None:
    pinned(directory)
    first, second, *others = directory.members
    directory.members = (replace(first, pins=second.pins), second, *others)
    own = Member(second.id, second.node, second.pins)
    epoch = node.executor.epochs.current
    gatekeeper = Gatekeeper(own, directory, epoch, {})
    assert MemberTable(gatekeeper.table).ids() == ("bravo", "charlie", "delta")
    assert gatekeeper.table[0] == own


def test_only_blocks_that_touch_the_registry_are_looked_at(node: Node) -> None:
    reads: list[Address] = []

    def slot(contract: Address, number: int) -> int:
        reads.append(contract)
        return node.executor.slot(contract, number)

    directory = Directory(node.genesis, slot)
    told: list[bool] = []
    directory.changed = lambda: told.append(True)
    reads.clear()
    assert not directory.executed(())
    assert (reads, told) == ([], [])
    assert directory.executed(None)
    assert set(reads) == {MEMBER_REGISTRY}
    assert told == [True]


def test_a_member_without_a_pin_is_not_let_in(node: Node, directory: Directory) -> None:
    pinned(directory)
    directory.members = (
        *directory.members,
        LedgerMember(MemberId("new"), "new", (), Address(b"\x66" * 20), Address(b"\x55" * 20), ()),
    )
    table = directory.table(node.executor.epochs.current)
    assert "new" not in [member.id for member in table]

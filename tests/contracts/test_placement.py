"""Genesis contracts made without an EVM equal those that the real constructors leave."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from contracts.artifact import load_artifact
from contracts.bindings import (
    BadMembers,
    Member,
    OutOfRange,
    PlacedContract,
    Role,
    UnknownParameter,
    WrongLength,
    encode_anchor,
    genesis_contracts,
    governed_contracts,
    member_registry_init_code,
)
from contracts.placement import LAYOUT
from tests.contracts.harness import PARAMETERS, Chain, alliance, governed, member, signer

GOVERNOR = signer("governor").address
ALPHA = member("alpha")


def _placed(members: list[Member]) -> Chain:
    return _place(genesis_contracts(GOVERNOR, members))


def _place(contracts: tuple[PlacedContract, ...]) -> Chain:
    chain = Chain()
    for contract in contracts:
        chain.state.set_nonce(contract.address, contract.nonce)
        chain.state.set_code(contract.address, contract.code)
        for slot, value in contract.storage.items():
            chain.state.set_storage(contract.address, slot, value)
    chain.state.lock_changes()
    chain.next_block()
    return chain


@pytest.mark.parametrize("count", [0, 1, 4, 17, 128])
def test_state_root_is_that_of_the_constructors(count):
    members = [member(f"m{i}", i % 16) for i in range(count)]
    assert _placed(members).root == alliance(members).root


def test_members_with_all_keys_and_with_none_are_placed_alike():
    members = [
        replace(ALPHA, next_tls_pin=b"\x01" * 32),
        Member(b"\x02" + bytes(31), b"\x03" * 20, b"\x04" * 20, Role(0)),
    ]
    assert _placed(members).root == alliance(members).root


def test_placed_registry_works():
    chain = _placed([ALPHA])
    contract = genesis_contracts(GOVERNOR, [ALPHA])[1]
    data = encode_anchor(b"\x01" * 32, 1, 1, bytes(32))
    assert chain.send(signer("alpha"), contract.address, data).ok


@pytest.mark.parametrize("count", [0, 1, 4])
@pytest.mark.parametrize("parameters", [{}, {"rotation": 5}, PARAMETERS])
def test_governed_state_root_is_that_of_the_constructors(count, parameters):
    members = [member(f"m{i}", i % 16) for i in range(count)]
    placed = _place(governed_contracts(members, parameters))
    assert placed.root == governed(members, parameters).root


def test_first_parameters_are_known_and_positive():
    with pytest.raises(UnknownParameter, match="speed"):
        governed_contracts([ALPHA], {"speed": 1})
    for value in (0, -1, 2**256):
        with pytest.raises(OutOfRange, match="rotation"):
            governed_contracts([ALPHA], {"rotation": value})


def test_no_zero_value_is_listed():
    for contract in genesis_contracts(GOVERNOR, []):
        assert 0 not in contract.storage.values()


def test_layout_is_that_of_the_artifact():
    slots = load_artifact("MemberRegistry").storage_slots
    assert {name: slots[name] for name in LAYOUT} == LAYOUT


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"id": bytes(32)}, "zero id"),
        ({"id": ALPHA.id}, "id is taken"),
        ({"node": bytes(20)}, "zero node"),
        ({"node": ALPHA.node}, "node is taken"),
        ({"account": bytes(20)}, "zero account"),
        ({"account": ALPHA.account}, "account is taken"),
    ],
)
def test_members_that_the_constructor_refuses_are_refused(change, problem):
    members = [ALPHA, replace(member("beta"), **change)]
    with pytest.raises(BadMembers, match=problem) as caught:
        genesis_contracts(GOVERNOR, members)
    assert caught.value.member_id == members[1].id
    assert not Chain().place(b"\x01" * 20, member_registry_init_code(GOVERNOR, members)).ok


def test_zero_governor_is_refused():
    with pytest.raises(BadMembers, match="governor"):
        genesis_contracts(bytes(20), [ALPHA])


def test_bounds_are_those_of_the_constructor():
    with pytest.raises(OutOfRange, match="roles"):
        genesis_contracts(GOVERNOR, [replace(ALPHA, roles=16)])
    with pytest.raises(OutOfRange, match="number of members"):
        genesis_contracts(GOVERNOR, [member(f"m{i}") for i in range(129)])
    with pytest.raises(WrongLength, match="oprf_key"):
        genesis_contracts(GOVERNOR, [replace(ALPHA, oprf_key=b"\x01")])

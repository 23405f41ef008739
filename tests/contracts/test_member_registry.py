"""MemberRegistry on py-evm: views, and the changes that only the governor makes."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from contracts.bindings import (
    MAX_MEMBERS,
    MEMBER_REGISTRY,
    GovernorChanged,
    GovernorOffered,
    KeysChanged,
    Member,
    MemberAdded,
    MemberRemoved,
    Role,
    RolesChanged,
    TlsPinsChanged,
    decode_member,
    decode_member_event,
    encode_accept_governor,
    encode_add_member,
    encode_has_role,
    encode_member,
    encode_member_at,
    encode_member_count,
    encode_member_of_account,
    encode_offer_governor,
    encode_owner_of_account,
    encode_remove_member,
    encode_roles_of,
    encode_set_keys,
    encode_set_roles,
    encode_set_tls_pins,
    load_artifact,
    member_id_bytes,
    member_registry_init_code,
    roles_slot,
)
from tests.contracts.harness import Chain, Outcome, alliance, member, signer

GOVERNOR = signer("governor")
ALPHA = member("alpha")
BETA = member("beta")
GAMMA = member("gamma", Role.REGULATOR)
FRESH = b"\x5a" * 20
KEY = b"\x5b" * 32
NAMES = ("alpha", "beta", "gamma", "delta")


def _govern(chain: Chain, data: bytes) -> Outcome:
    return chain.send(GOVERNOR, MEMBER_REGISTRY, data)


def _number(chain: Chain, data: bytes) -> int:
    return int.from_bytes(chain.view(MEMBER_REGISTRY, data), "big")


def _members(chain: Chain) -> list[Member]:
    count = _number(chain, encode_member_count())
    return [decode_member(chain.view(MEMBER_REGISTRY, encode_member_at(i))) for i in range(count)]


def _genesis(members: list[Member], governor: bytes = GOVERNOR.address) -> Outcome:
    return Chain().place(MEMBER_REGISTRY, member_registry_init_code(governor, members))


def test_genesis_members_are_listed_in_their_order():
    chain = alliance()
    assert _members(chain) == [ALPHA, BETA, GAMMA]
    for one in (ALPHA, BETA, GAMMA):
        assert decode_member(chain.view(MEMBER_REGISTRY, encode_member(one.id))) == one
        for view in (encode_member_of_account, encode_owner_of_account):
            assert chain.view(MEMBER_REGISTRY, view(one.account)) == one.id
        assert _number(chain, encode_roles_of(one.account)) == one.roles
        assert chain.state.get_storage(MEMBER_REGISTRY, roles_slot(one.account)) == one.roles


def test_genesis_logs_the_governor_and_every_member():
    outcome = _genesis([ALPHA, BETA])
    assert [decode_member_event(*entry) for entry in outcome.logs] == [
        GovernorChanged(bytes(20), GOVERNOR.address),
        MemberAdded(ALPHA),
        MemberAdded(BETA),
    ]


@pytest.mark.parametrize("held", range(16))
def test_has_role_asks_for_every_bit(held):
    chain = alliance([member("alpha", held)])
    for asked in range(33):
        expected = asked != 0 and asked & held == asked
        assert _number(chain, encode_has_role(ALPHA.account, asked)) == int(expected)


@pytest.mark.parametrize("account", [bytes(20), FRESH, ALPHA.node, GOVERNOR.address])
def test_others_have_no_roles_and_belong_to_nobody(account):
    chain = alliance()
    assert _number(chain, encode_roles_of(account)) == 0
    assert _number(chain, encode_has_role(account, 0)) == 0
    assert _number(chain, encode_member_of_account(account)) == 0
    assert _number(chain, encode_owner_of_account(account)) == 0


def test_unknown_members_and_indexes_are_refused():
    chain = alliance()
    for member_id in (bytes(32), member_id_bytes("delta")):
        outcome = chain.call(MEMBER_REGISTRY, encode_member(member_id))
        assert outcome.reason == "bulwark: unknown member"
    for index in (3, MAX_MEMBERS, 2**256 - 1):
        outcome = chain.call(MEMBER_REGISTRY, encode_member_at(index))
        assert outcome.reason == "bulwark: no such index"


def test_added_member_is_last_and_logged():
    chain = alliance()
    delta = replace(member("delta", Role.DEPLOYER), next_tls_pin=KEY)
    ((*entry,),) = _govern(chain, encode_add_member(delta)).logs
    assert decode_member_event(*entry) == MemberAdded(delta)
    assert _members(chain) == [ALPHA, BETA, GAMMA, delta]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"id": bytes(32)}, "bulwark: zero id"),
        ({"id": ALPHA.id}, "bulwark: id taken"),
        ({"node": bytes(20)}, "bulwark: zero node"),
        ({"node": ALPHA.node}, "bulwark: node taken"),
        ({"account": bytes(20)}, "bulwark: zero account"),
        ({"account": ALPHA.account}, "bulwark: account taken"),
        ({"roles": 16}, "bulwark: unknown role"),
        ({"roles": 2**256 - 1}, "bulwark: unknown role"),
    ],
)
def test_faulty_member_is_refused_at_genesis_and_later(change, reason):
    faulty = replace(member("delta"), **change)
    chain = alliance()
    assert _govern(chain, encode_add_member(faulty)).reason == reason
    assert _members(chain) == [ALPHA, BETA, GAMMA]
    assert _genesis([ALPHA, faulty]).reason == reason


def test_zero_governor_is_refused_at_genesis():
    assert _genesis([ALPHA], governor=bytes(20)).reason == "bulwark: zero governor"


def test_registry_holds_128_members_and_no_more():
    chain = alliance([member(f"m{i}") for i in range(MAX_MEMBERS)])
    assert _number(chain, encode_member_count()) == MAX_MEMBERS
    outcome = _govern(chain, encode_add_member(member("one more")))
    assert outcome.reason == "bulwark: too many members"
    assert _govern(chain, encode_remove_member(member_id_bytes("m0"))).ok
    assert _govern(chain, encode_add_member(member("one more"))).ok
    assert [m.id for m in _members(chain)[-2:]] == [
        member_id_bytes("m127"),
        member_id_bytes("one more"),
    ]


@pytest.mark.parametrize("name", NAMES[:3])
def test_removal_keeps_the_order_of_the_rest_and_ends_all_rights(name):
    chain = alliance()
    gone = {"alpha": ALPHA, "beta": BETA, "gamma": GAMMA}[name]
    ((*entry,),) = _govern(chain, encode_remove_member(gone.id)).logs
    assert decode_member_event(*entry) == MemberRemoved(gone.id, gone.node, gone.account)
    assert _members(chain) == [m for m in (ALPHA, BETA, GAMMA) if m != gone]
    assert _number(chain, encode_roles_of(gone.account)) == 0
    assert _number(chain, encode_member_of_account(gone.account)) == 0
    assert chain.view(MEMBER_REGISTRY, encode_owner_of_account(gone.account)) == gone.id
    again = _govern(chain, encode_remove_member(gone.id))
    assert again.reason == "bulwark: unknown member"


def test_removed_member_can_join_again_with_its_own_keys():
    chain = alliance()
    assert _govern(chain, encode_remove_member(ALPHA.id)).ok
    assert _govern(chain, encode_add_member(ALPHA)).ok
    assert _members(chain) == [BETA, GAMMA, ALPHA]


def test_account_of_a_removed_member_goes_to_nobody_else_but_its_node_key_may():
    chain = alliance()
    assert _govern(chain, encode_remove_member(ALPHA.id)).ok
    thief = replace(member("delta"), account=ALPHA.account)
    assert _govern(chain, encode_add_member(thief)).reason == "bulwark: account taken"
    assert _govern(chain, encode_add_member(replace(member("delta"), node=ALPHA.node))).ok


def test_new_keys_take_the_roles_with_them():
    chain = alliance()
    ((*entry,),) = _govern(chain, encode_set_keys(ALPHA.id, b"\x01" * 20, FRESH, KEY)).logs
    assert decode_member_event(*entry) == KeysChanged(ALPHA.id, b"\x01" * 20, FRESH, KEY)
    assert _members(chain)[0] == replace(ALPHA, node=b"\x01" * 20, account=FRESH, oprf_key=KEY)
    assert _number(chain, encode_roles_of(ALPHA.account)) == 0
    assert _number(chain, encode_member_of_account(ALPHA.account)) == 0
    assert chain.view(MEMBER_REGISTRY, encode_owner_of_account(ALPHA.account)) == ALPHA.id
    assert chain.view(MEMBER_REGISTRY, encode_member_of_account(FRESH)) == ALPHA.id


def test_one_key_can_change_while_the_others_stay():
    chain = alliance()
    assert _govern(chain, encode_set_keys(ALPHA.id, ALPHA.node, ALPHA.account, KEY)).ok
    assert _members(chain)[0] == replace(ALPHA, oprf_key=KEY)
    assert _govern(chain, encode_set_keys(ALPHA.id, ALPHA.node, FRESH, KEY)).ok
    assert _govern(chain, encode_set_keys(ALPHA.id, ALPHA.node, ALPHA.account, KEY)).ok
    assert _members(chain)[0] == replace(ALPHA, oprf_key=KEY)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (encode_set_keys(ALPHA.id, bytes(20), FRESH, KEY), "bulwark: zero node"),
        (encode_set_keys(ALPHA.id, FRESH, bytes(20), KEY), "bulwark: zero account"),
        (encode_set_keys(ALPHA.id, BETA.node, FRESH, KEY), "bulwark: node taken"),
        (encode_set_keys(ALPHA.id, FRESH, BETA.account, KEY), "bulwark: account taken"),
        (encode_set_keys(member_id_bytes("delta"), FRESH, FRESH, KEY), "bulwark: unknown member"),
        (encode_set_tls_pins(member_id_bytes("delta"), KEY, KEY), "bulwark: unknown member"),
        (encode_set_roles(member_id_bytes("delta"), 1), "bulwark: unknown member"),
        (encode_set_roles(bytes(32), 1), "bulwark: unknown member"),
        (encode_set_roles(ALPHA.id, 16), "bulwark: unknown role"),
        (encode_remove_member(bytes(32)), "bulwark: unknown member"),
    ],
)
def test_faulty_change_is_refused_and_changes_nothing(data, reason):
    chain = alliance()
    outcome = _govern(chain, data)
    assert (outcome.reason, outcome.logs) == (reason, ())
    assert _members(chain) == [ALPHA, BETA, GAMMA]
    assert _number(chain, encode_has_role(ALPHA.account, ALPHA.roles)) == 1


def test_pins_and_roles_change_and_are_logged():
    chain = alliance()
    ((*entry,),) = _govern(chain, encode_set_tls_pins(ALPHA.id, KEY, b"\x01" * 32)).logs
    assert decode_member_event(*entry) == TlsPinsChanged(ALPHA.id, KEY, b"\x01" * 32)
    ((*entry,),) = _govern(chain, encode_set_roles(ALPHA.id, 0)).logs
    assert decode_member_event(*entry) == RolesChanged(ALPHA.id, ALPHA.account, Role(0))
    expected = replace(ALPHA, tls_pin=KEY, next_tls_pin=b"\x01" * 32, roles=Role(0))
    assert _members(chain)[0] == expected


CHANGES = [
    encode_add_member(member("delta")),
    encode_remove_member(ALPHA.id),
    encode_set_keys(ALPHA.id, FRESH, FRESH, KEY),
    encode_set_tls_pins(ALPHA.id, KEY, KEY),
    encode_set_roles(ALPHA.id, 15),
    encode_offer_governor(FRESH),
]


@pytest.mark.parametrize("data", CHANGES)
@pytest.mark.parametrize("name", ["alpha", "gamma", "alpha node", "stranger"])
def test_nobody_but_the_governor_changes_anything(data, name):
    chain = alliance()
    assert chain.send(signer(name), MEMBER_REGISTRY, data).reason == "bulwark: not the governor"
    assert _members(chain) == [ALPHA, BETA, GAMMA]


def _governors(chain: Chain) -> tuple[bytes, bytes]:
    methods = load_artifact("MemberRegistry").method_identifiers
    views = (methods["governor()"], methods["successor()"])
    governor, successor = (chain.view(MEMBER_REGISTRY, view)[12:] for view in views)
    return governor, successor


def test_governor_hands_over_in_two_steps():
    chain = alliance()
    heir = signer("heir")
    ((*entry,),) = _govern(chain, encode_offer_governor(heir.address)).logs
    assert decode_member_event(*entry) == GovernorOffered(GOVERNOR.address, heir.address)
    assert _governors(chain) == (GOVERNOR.address, heir.address)
    ((*entry,),) = chain.send(heir, MEMBER_REGISTRY, encode_accept_governor()).logs
    assert decode_member_event(*entry) == GovernorChanged(GOVERNOR.address, heir.address)
    assert _governors(chain) == (heir.address, bytes(20))
    for data in CHANGES:
        assert _govern(chain, data).reason == "bulwark: not the governor"
    assert chain.send(heir, MEMBER_REGISTRY, CHANGES[0]).ok


@pytest.mark.parametrize("name", ["governor", "alpha", "stranger", "heir"])
def test_only_the_named_successor_accepts_and_an_offer_can_be_taken_back(name):
    chain = alliance()
    accept = encode_accept_governor()
    assert chain.send(signer(name), MEMBER_REGISTRY, accept).reason == "bulwark: not the successor"
    assert _govern(chain, encode_offer_governor(signer("heir").address)).ok
    assert _govern(chain, encode_offer_governor(bytes(20))).ok
    assert chain.send(signer(name), MEMBER_REGISTRY, accept).reason == "bulwark: not the successor"
    assert _governors(chain) == (GOVERNOR.address, bytes(20))

"""The genesis document: one reading, one hash, no contradictions."""

from __future__ import annotations

import dataclasses
import json
from copy import deepcopy

import pytest
from msgspec.structs import replace

from bulwark.ledger.errors import GenesisInvalid
from bulwark.ledger.genesis import Genesis, GenesisAccount
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Address, Epoch, MemberId
from bulwark.ledger.signing import SigningDomain


@pytest.fixture
def document(genesis):
    return json.loads(genesis.to_json())


def refusal(document) -> str:
    """The field for which this document is refused."""
    with pytest.raises(GenesisInvalid) as caught:
        Genesis.from_json(json.dumps(document).encode())
    return caught.value.field


def test_document_is_read_back_from_any_spelling(genesis, document):
    for spelling in (genesis.to_json(), json.dumps(document, indent=4).encode()):
        again = Genesis.from_json(spelling)
        assert again == genesis
        assert again.hash == genesis.hash


def test_hash_is_that_of_the_canonical_form(genesis, document):
    canonical = genesis.to_json()
    assert canonical.startswith(b'{"alliance":"Test alliance","alloc":{"0x1010')
    assert genesis.hash == sha256(b"bulwark/genesis/1\x00" + canonical)
    assert sorted(document) == [
        "alliance", "alloc", "chain_id", "consensus", "created_ms", "format", "gas_limit",
        "members", "oprf", "permissions", "privacy",
    ]  # fmt: skip


def test_genesis_gives_domain_validators_and_members(genesis, alliance):
    assert genesis.domain() == SigningDomain(7117, genesis.hash, Epoch(0))
    assert genesis.domain(Epoch(3)).epoch == 3
    addresses = [v.address for v in genesis.validator_set.validators]
    assert addresses == [key.address for key in alliance.vote_keys]
    member = genesis.member_of_account(alliance.account_keys[2].address)
    assert member is genesis.members[2] is genesis.member(MemberId("member-2"))
    assert genesis.member_of_account(Address(bytes(20))) is None
    assert genesis.member(MemberId("nobody")) is None


def test_validators_keep_the_order_of_the_members_and_observers_do_not_vote(genesis):
    observer = replace(genesis.members[1], roles=("regulator",))
    changed = dataclasses.replace(
        genesis, members=(genesis.members[3], observer, *genesis.members[::2])
    )
    assert [v.member for v in changed.validator_set.validators] == [
        "member-3", "member-0", "member-2",
    ]  # fmt: skip


def paths(value, path=()):
    """Every place of a document: keys of objects, positions of lists."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, child in pairs:
        yield (*path, key)
        if isinstance(child, dict | list):
            yield from paths(child, (*path, key))


def reach(document, path):
    for key in path:
        document = document[key]
    return document


def test_every_missing_field_is_refused_unless_its_keys_are_free(document):
    for path in paths(document):
        if isinstance(path[-1], int) or (path[0] == "alloc" and len(path) in (2, 4)):
            continue
        changed = deepcopy(document)
        del reach(changed, path[:-1])[path[-1]]
        assert refusal(changed).endswith(path[-1])


def test_every_unknown_field_is_refused(document):
    for path in [(), *paths(document)]:
        if isinstance(reach(document, path), dict):
            changed = deepcopy(document)
            reach(changed, path)["surplus"] = 1
            assert refusal(changed)


def test_every_value_of_another_type_is_refused(document):
    for path in paths(document):
        for value in (None, True, 1.5, -1, "", [], {}, "0xzz", [[]]):
            if type(value) is type(reach(document, path)):
                continue
            changed = deepcopy(document)
            reach(changed, path[:-1])[path[-1]] = value
            try:
                again = Genesis.from_json(json.dumps(changed).encode())
            except GenesisInvalid:
                continue
            assert json.loads(again.to_json()) == changed


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        (("format",), "bulwark-genesis/1", "format"),
        (("alliance",), "", "alliance"),
        (("alliance",), " x", "alliance"),
        (("alliance",), "a\nb", "alliance"),
        (("alliance",), "\ud800", "alliance"),
        (("chain_id",), 0, "chain_id"),
        (("created_ms",), 0, "created_ms"),
        (("gas_limit",), 20_999, "gas_limit"),
        (("consensus", "rotation"), 0, "consensus.rotation"),
        (("consensus", "checkpoint_interval"), 65, "consensus.checkpoint_interval"),
        (("consensus", "base_timeout_ms"), 30_001, "consensus.base_timeout_ms"),
        (("members",), [], "members"),
        (("members", 0, "id"), "Member", "members.id"),
        (("members", 0, "id"), "member-1", "members.id"),
        (("members", 0, "name"), "", "members[member-0].name"),
        (("members", 0, "roles"), ["king"], "members[member-0].roles"),
        (("members", 0, "roles"), ["validator"] * 2, "members[member-0].roles"),
        (("members", 0, "node"), "0x" + "00" * 20, "members[member-0].node"),
        (("members", 0, "account"), "0x" + "00" * 20, "members[member-0].account"),
        (("members", 0, "node"), "0x" + "AA" * 20, "members[0].node"),
        (("members", 0, "ring_key"), "00" * 32, "members[member-0].ring_proof"),
        (("members", 0, "sealing_key"), "00" * 31, "members[0].sealing_key"),
        (("privacy", "epoch_seconds"), 9, "privacy.epoch_seconds"),
        (("permissions", "send"), "nobody", "permissions.send"),
        (("permissions", "deploy"), "members", "permissions.deploy"),
        (("oprf", "key_id"), 65_536, "oprf.key_id"),
        (("oprf", "tag_version"), 0, "oprf.tag_version"),
        (("alloc", "0x" + "10" * 20, "storage", "0x" + "00" * 32), "0x" + "00" * 32,
         "alloc.storage value"),
        (("alloc", "0x" + "10" * 20, "nonce"), hex(2**64 - 1), "alloc.nonce"),
        (("alloc", "0x" + "10" * 20, "balance"), "0x01", "alloc.0x" + "10" * 20 + ".balance"),
        (("alloc", "10" * 20), {}, "alloc address"),
    ],
)  # fmt: skip
def test_value_out_of_bounds_is_refused_by_name(document, path, value, field):
    reach(document, path[:-1])[path[-1]] = value
    assert refusal(document) == field


@pytest.mark.parametrize(
    ("source", "target", "field"),
    [
        ("node", "node", "members.node or account"),
        ("account", "account", "members.node or account"),
        ("node", "account", "members.node or account"),
        ("tls_pin", "tls_pin", "members.tls_pin"),
    ],
)
def test_key_used_twice_is_refused(document, source, target, field):
    document["members"][1][target] = document["members"][0][source]
    assert refusal(document) == field


def test_privacy_keys_are_read_back_and_never_shared(genesis, document):
    keys = {"ring_key": "01" * 32, "ring_proof": "02" * 64, "sealing_key": "03" * 32}
    document["members"][0].update(keys)
    member = Genesis.from_json(json.dumps(document).encode()).members[0]
    assert (member.ring_key, member.sealing_key) == (b"\x01" * 32, b"\x03" * 32)
    document["members"][1].update(keys)
    assert refusal(document) == "members.ring_key"
    document["members"][1]["ring_key"] = "04" * 32
    assert refusal(document) == "members.sealing_key"
    document["members"][1]["sealing_key"] = None
    assert refusal(document) == "members[member-1].sealing_key"


def test_only_a_regulator_has_a_part_of_the_opener(document):
    document["members"][0].update(regulator_key="01" * 32, regulator_proof="02" * 64)
    assert refusal(document) == "members[member-0].regulator_key"
    document["members"][0]["roles"] = ["validator", "regulator"]
    assert Genesis.from_json(json.dumps(document).encode()).members[0].regulator_key


def test_alliance_without_a_validator_is_refused(genesis, document):
    for member in document["members"]:
        member.update(roles=["reporter"])
    assert refusal(document) == "validators"


def test_more_members_than_the_registry_holds_are_refused(document):
    document["members"] *= 33
    assert refusal(document) == "members"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"sealing_key": b"short"}, "sealing_key"),
        ({"tls_pin": b"short"}, "tls_pin"),
        ({"node": b"short"}, "node"),
    ],
)
def test_member_built_in_code_is_checked_as_well(genesis, change, field):
    with pytest.raises(GenesisInvalid, match=field):
        replace(genesis.members[0], **change)


def test_parameters_built_in_code_are_checked_as_well(genesis):
    with pytest.raises(GenesisInvalid, match="key_id"):
        replace(genesis.oprf, key_id=-1)
    with pytest.raises(GenesisInvalid, match="alloc address"):
        dataclasses.replace(genesis, alloc={b"short": GenesisAccount()})
    with pytest.raises(GenesisInvalid, match="storage slot"):
        GenesisAccount(storage={2**256: 1})
    with pytest.raises(GenesisInvalid, match="code"):
        GenesisAccount(code=bytes(24_577))

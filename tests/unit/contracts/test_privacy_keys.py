"""PrivacyKeys: who registers which keys, with proof, and from which epoch they are in force."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from contracts.bindings import (
    Role,
    encode_add_member,
    encode_remove_member,
    encode_set_keys,
    encode_set_roles,
)
from contracts.errors import WrongLength
from contracts.privacy.bindings import (
    NO,
    PRIVACY_KEYS,
    YES,
    GenesisKeys,
    KeysInForce,
    KeysRegistered,
    RegulatorKey,
    RegulatorKeyRegistered,
    decode_key_event,
    encode_keys_at,
    encode_register,
    encode_register_regulator,
    encode_regulator_key_at,
    privacy_keys_init_code,
    read_keys,
    read_keys_at,
    read_regulator_key_at,
    read_regulator_keys,
    read_ring_key_owner,
)
from contracts.words import address_word
from tests.contracts.harness import Chain, Outcome, member, signer
from tests.unit.contracts.privacy_harness import (
    DAY,
    REGULATOR,
    PrivacyChain,
    genesis_keys,
    privacy_alliance,
    prove,
    public,
    sealing,
    through_a_contract,
    validators,
)

ALPHA, BETA = member("alpha"), member("beta")
MEMBERS = [ALPHA, BETA, REGULATOR]
RING, OPENER = b"ring-key", b"regulator-key"


def alliance() -> PrivacyChain:
    return privacy_alliance(MEMBERS, genesis_keys([ALPHA, BETA]))


def register(chain: PrivacyChain, key: str, by: str = "alpha") -> Outcome:
    proof = prove(RING, member(by).id, key)
    return chain.send(signer(by), PRIVACY_KEYS, encode_register(public(key), proof, sealing(key)))


def register_regulator(chain: PrivacyChain, key: str, by: str = "regulator") -> Outcome:
    data = encode_register_regulator(public(key), prove(OPENER, member(by).id, key))
    return chain.send(signer(by), PRIVACY_KEYS, data)


def ring_key(chain: PrivacyChain, epoch: int, of: str = "alpha") -> bytes | None:
    """By the reads of storage, which must agree with the view."""
    found = read_keys_at(chain.state.get_storage, member(of).id, epoch)
    output = chain.view(PRIVACY_KEYS, encode_keys_at(member(of).id, epoch))
    keys = KeysInForce(output[:32], output[32:64], int.from_bytes(output[64:], "big"))
    assert (found or KeysInForce(bytes(32), bytes(32), 0)) == keys
    return found.ring_key if found else None


def regulator_key(chain: PrivacyChain, epoch: int) -> bytes | None:
    found = read_regulator_key_at(chain.state.get_storage, epoch)
    output = chain.view(PRIVACY_KEYS, encode_regulator_key_at(epoch))
    zero = RegulatorKey(bytes(32), bytes(32), 0)
    assert (found or zero) == RegulatorKey(
        output[:32], output[32:64], int.from_bytes(output[64:], "big")
    )
    return found.key if found else None


def test_genesis_keys_are_in_force_from_the_start():
    chain = alliance()
    assert ring_key(chain, 0) == ring_key(chain, chain.epoch) == public("alpha")
    assert ring_key(chain, chain.epoch, "regulator") is None
    assert regulator_key(chain, chain.epoch) is None


def test_new_keys_are_in_force_from_the_next_epoch_on():
    chain = alliance()
    epoch = chain.epoch
    outcome = register(chain, "second")
    assert outcome.ok
    (event,) = [decode_key_event(*entry) for entry in outcome.logs]
    assert event == KeysRegistered(ALPHA.id, public("second"), sealing("second"), epoch + 1)
    assert ring_key(chain, epoch) == public("alpha")
    assert ring_key(chain, epoch + 1) == public("second")
    chain.wait(DAY)
    assert ring_key(chain, chain.epoch) == public("second")


def test_a_change_in_the_next_epoch_keeps_what_is_in_force_meanwhile():
    chain = alliance()
    epoch = chain.epoch
    assert register(chain, "second").ok
    chain.wait(DAY)
    assert register(chain, "third").ok
    keys = [ring_key(chain, at) for at in (epoch, epoch + 1, epoch + 2, epoch + 9)]
    assert keys == [None, public("second"), public("third"), public("third")]


def test_a_second_change_in_one_epoch_takes_the_place_of_the_first():
    chain = alliance()
    assert register(chain, "second").ok
    assert register(chain, "third").ok
    assert ring_key(chain, chain.epoch) == public("alpha")
    assert ring_key(chain, chain.epoch + 1) == public("third")
    assert read_ring_key_owner(chain.state.get_storage, public("second")) == ALPHA.id


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=6))
def test_after_any_history_no_key_changes_within_an_epoch(history):
    chain = alliance()
    expected = public("alpha")
    planned: bytes | None = None
    for key, days in history:
        assert register(chain, f"key{key}").ok
        planned = public(f"key{key}")
        assert ring_key(chain, chain.epoch) == expected
        if days:
            chain.wait(days * DAY)
            expected = planned
            assert ring_key(chain, chain.epoch) == expected
    assert ring_key(chain, chain.epoch + 1) == (planned or expected)


def test_a_ring_key_belongs_to_its_first_member_for_ever():
    chain = alliance()
    assert register(chain, "second").ok
    chain.wait(DAY)
    assert register(chain, "third").ok
    chain.wait(2 * DAY)
    for taken in ("alpha", "second", "third"):
        assert register(chain, taken, "beta").reason == "bulwark: key taken"
        assert register(chain, taken).ok


def test_a_member_that_left_comes_back_to_its_own_keys_and_to_no_fresh_ones():
    chain = alliance()
    assert chain.govern(encode_remove_member(ALPHA.id)).ok
    assert register(chain, "second").reason == "bulwark: not a member"
    assert chain.govern(encode_add_member(ALPHA)).ok
    epoch = chain.epoch
    assert ring_key(chain, epoch) == public("alpha")
    assert register(chain, "second").ok
    assert ring_key(chain, epoch) == public("alpha")


def test_a_new_account_of_a_member_registers_and_the_old_one_does_not():
    chain = alliance()
    new = signer("alpha two").address
    assert chain.govern(encode_set_keys(ALPHA.id, ALPHA.node, new, bytes(32))).ok
    assert register(chain, "second").reason == "bulwark: not a member"
    proof = prove(RING, ALPHA.id, "second")
    data = encode_register(public("second"), proof, sealing("second"))
    assert chain.send(signer("alpha two"), PRIVACY_KEYS, data).ok


@pytest.mark.parametrize(
    "proof",
    [
        prove(RING, BETA.id, "second"),
        prove(RING, ALPHA.id, "third"),
        prove(OPENER, ALPHA.id, "second"),
        prove(RING, ALPHA.id, "second", chain_id=1),
        bytes(64),
    ],
    ids=["another member", "another key", "another purpose", "another chain", "zeros"],
)
def test_a_key_without_its_own_proof_is_refused(proof):
    data = encode_register(public("second"), proof, sealing("second"))
    outcome = alliance().send(signer("alpha"), PRIVACY_KEYS, data)
    assert outcome.reason == "bulwark: possession not proven"


def answering(output: bytes, gas: int = 0):
    def precompile(computation):
        if gas:
            computation.consume_gas(gas, reason="test")
        computation.output = output
        return computation

    return precompile


@pytest.mark.parametrize(
    ("precompile", "reason"),
    [
        (None, "no answer on possession"),
        (answering(b""), "no answer on possession"),
        (answering(YES[1:]), "no answer on possession"),
        (answering(YES, gas=10**12), "no answer on possession"),
        (answering(NO), "possession not proven"),
        (answering(bytes(31) + b"\x02"), "possession not proven"),
        (answering(b"\x01" + bytes(31)), "possession not proven"),
    ],
)
def test_any_answer_but_one_word_of_one_is_a_refusal(precompile, reason):
    chain = alliance()
    chain.answer_with(precompile)
    assert register(chain, "second").reason == f"bulwark: {reason}"
    assert register_regulator(chain, "opener").reason == f"bulwark: {reason}"


def test_zero_keys_are_refused():
    chain = alliance()
    proof = prove(RING, ALPHA.id, "second")
    for data in (
        encode_register(bytes(32), proof, sealing("second")),
        encode_register(public("second"), proof, bytes(32)),
    ):
        assert chain.send(signer("alpha"), PRIVACY_KEYS, data).reason == "bulwark: zero key"
    data = encode_register_regulator(bytes(32), proof)
    assert chain.send(signer("regulator"), PRIVACY_KEYS, data).reason == "bulwark: zero key"


def test_strangers_tails_and_accounts_with_code_are_refused():
    chain = alliance()
    data = encode_register(public("second"), prove(RING, ALPHA.id, "second"), sealing("second"))
    assert chain.send(signer("stranger"), PRIVACY_KEYS, data).reason == "bulwark: not a member"
    outcome = chain.send(signer("alpha"), PRIVACY_KEYS, data + b"\0")
    assert outcome.reason == "bulwark: calldata length"
    outcome = through_a_contract(chain, signer("alpha"), PRIVACY_KEYS, data)
    assert outcome.reason == "bulwark: not an account"


def test_a_regulator_registers_its_part_of_the_opener_from_the_next_epoch_on():
    chain = alliance()
    epoch = chain.epoch
    outcome = register_regulator(chain, "opener")
    (event,) = [decode_key_event(*entry) for entry in outcome.logs]
    assert event == RegulatorKeyRegistered(REGULATOR.id, public("opener"), epoch + 1)
    assert (regulator_key(chain, epoch), regulator_key(chain, epoch + 1)) == (
        None,
        public("opener"),
    )
    chain.wait(DAY)
    assert register_regulator(chain, "opener two").ok
    assert regulator_key(chain, epoch + 1) == public("opener")
    assert regulator_key(chain, epoch + 2) == public("opener two")
    assert len(read_regulator_keys(chain.state.get_storage)) == 2


def test_only_the_regulator_role_registers_the_opener():
    chain = alliance()
    assert register_regulator(chain, "opener", "alpha").reason == "bulwark: not a regulator"
    assert chain.govern(encode_set_roles(REGULATOR.id, 0)).ok
    assert register_regulator(chain, "opener").reason == "bulwark: not a regulator"


def test_ring_keys_and_opener_keys_are_never_the_same():
    chain = alliance()
    assert chain.govern(encode_set_roles(ALPHA.id, Role.VALIDATOR | Role.REGULATOR)).ok
    assert register_regulator(chain, "opener").ok
    assert register(chain, "opener", "beta").reason == "bulwark: key taken"
    assert register(chain, "opener", "regulator").reason == "bulwark: key taken"
    assert register_regulator(chain, "alpha", "alpha").reason == "bulwark: key taken"
    assert register_regulator(chain, "opener", "alpha").reason == "bulwark: key taken"
    assert register_regulator(chain, "opener").ok


KEYS = genesis_keys([ALPHA, BETA])
HOLDER = RegulatorKey(public("opener"), REGULATOR.id, 0)


@pytest.mark.parametrize(
    ("keys", "regulator", "reason"),
    [
        ([replace(KEYS[0], id=bytes(32))], None, "zero id"),
        ([replace(KEYS[0], ring_key=bytes(32))], None, "zero key"),
        ([replace(KEYS[0], sealing_key=bytes(32))], None, "zero key"),
        ([KEYS[0], replace(KEYS[1], id=ALPHA.id)], None, "id taken"),
        ([KEYS[0], replace(KEYS[1], ring_key=KEYS[0].ring_key)], None, "key taken"),
        ([replace(KEYS[0], ring_key=HOLDER.key)], HOLDER, "key taken"),
        (KEYS, replace(HOLDER, holder=bytes(32)), "zero key"),
    ],
)
def test_a_faulty_genesis_is_refused(keys, regulator, reason):
    code = privacy_keys_init_code(b"\x01" * 20, DAY, keys, regulator)
    assert Chain().place(PRIVACY_KEYS, code).reason == f"bulwark: {reason}"


def test_a_genesis_without_registry_or_epoch_is_refused():
    zero = privacy_keys_init_code(bytes(20), DAY, [])
    assert Chain().place(PRIVACY_KEYS, zero).reason == "bulwark: zero members"
    code = privacy_keys_init_code(b"\x01" * 20, 0, [])
    assert Chain().place(PRIVACY_KEYS, code).reason == "bulwark: zero epoch"


def test_the_first_opener_is_in_force_from_the_start_with_128_members():
    members = validators(128)
    chain = privacy_alliance(members, genesis_keys(members), HOLDER)
    assert regulator_key(chain, 0) == HOLDER.key
    assert read_keys(chain.state.get_storage, members[127].id) == (
        KeysInForce(public("m127"), sealing("m127"), 0),
    )


def test_lengths_are_checked_before_a_call_is_made():
    with pytest.raises(WrongLength, match="possession"):
        encode_register(bytes(32), bytes(63), bytes(32))
    with pytest.raises(WrongLength, match="ring_key"):
        privacy_keys_init_code(bytes(20), DAY, [GenesisKeys(bytes(32), b"", bytes(32))])


def test_events_of_other_contracts_are_none():
    chain = alliance()
    ((address, topics, data),) = register(chain, "second").logs
    assert decode_key_event(address_word("a", bytes(20))[12:], topics, data) is None
    assert decode_key_event(address, topics[:2], data) is None
    assert decode_key_event(address, topics, data + bytes(32)) is None

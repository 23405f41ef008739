"""RecordRegistry on py-evm: who may anchor, what is refused and why, what is stored and logged."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.bindings import (
    ANCHOR_SELECTOR,
    MEMBER_REGISTRY,
    RECORD_REGISTRY,
    RecordAnchor,
    RecordsAnchored,
    Role,
    decode_anchor_call,
    decode_records_anchored,
    encode_anchor,
    encode_remove_member,
    encode_set_keys,
    encode_set_roles,
    load_artifact,
    member_id_bytes,
    record_registry_init_code,
    record_slot,
    unpack_record_slot,
)
from tests.contracts.harness import Chain, alliance, member, signer

ROOT = b"\xab" * 32
POLICY = b"\xcd" * 32
ALPHA = signer("alpha")
PROXY_SOURCE = """
# pragma version 0.4.3
target: public(address)

@deploy
def __init__(target: address):
    self.target = target

@external
@payable
def __default__():
    raw_call(self.target, slice(msg.data, 0, 132))
"""
# Anchors from its constructor: the caller is a contract whose code is still empty.
CONSTRUCTOR_SOURCE = """
# pragma version 0.4.3
@deploy
def __init__(target: address, data: Bytes[132]):
    raw_call(target, data)
"""


@cache
def _compiled(source: str) -> bytes:
    from vyper.compiler import compile_code

    return bytes.fromhex(compile_code(source, output_formats=["bytecode"])["bytecode"][2:])


def _raw(root=ROOT, count=1, schema=1, policy=POLICY) -> bytes:
    """An anchor call with any values, also those the encoder refuses."""
    words = (root, count.to_bytes(32, "big"), schema.to_bytes(32, "big"), policy)
    return ANCHOR_SELECTOR + b"".join(words)


def _anchored(chain: Chain, root: bytes) -> tuple[bytes, int, int]:
    selector = load_artifact("RecordRegistry").method_identifiers["anchored(bytes32)"]
    output = chain.view(RECORD_REGISTRY, selector + root)
    assert len(output) == 96
    return output[12:32], int.from_bytes(output[32:64], "big"), int.from_bytes(output[64:], "big")


def test_reporter_anchors_a_root_with_one_event_and_one_slot():
    chain = alliance()
    height = chain.number
    outcome = chain.send(ALPHA, RECORD_REGISTRY, encode_anchor(ROOT, 1000, 7, POLICY))
    assert outcome.ok
    ((address, topics, data),) = outcome.logs
    assert decode_records_anchored(address, topics, data) == RecordsAnchored(
        ALPHA.address, ROOT, 1000, 7, POLICY
    )
    assert _anchored(chain, ROOT) == (ALPHA.address, 1000, height)
    value = chain.state.get_storage(RECORD_REGISTRY, record_slot(ROOT))
    assert unpack_record_slot(value) == RecordAnchor(ALPHA.address, 1000, height)


def test_root_never_anchored_reads_as_zero():
    chain = alliance()
    assert _anchored(chain, ROOT) == (bytes(20), 0, 0)
    assert unpack_record_slot(chain.state.get_storage(RECORD_REGISTRY, record_slot(ROOT))) is None


def test_root_is_anchored_once_even_by_another_reporter():
    chain = alliance()
    assert chain.send(ALPHA, RECORD_REGISTRY, _raw()).ok
    before = _anchored(chain, ROOT)
    for by in (ALPHA, signer("beta")):
        outcome = chain.send(by, RECORD_REGISTRY, _raw(count=2))
        assert (outcome.reason, outcome.logs) == ("bulwark: root anchored", ())
    assert _anchored(chain, ROOT) == before


@pytest.mark.parametrize("count", [1, 2, 1999, 2000])
def test_counts_from_1_to_2000_are_accepted(count):
    assert alliance().send(ALPHA, RECORD_REGISTRY, _raw(count=count)).ok


@pytest.mark.parametrize("count", [0, 2001, 2**32 - 1])
def test_other_counts_are_refused(count):
    outcome = alliance().send(ALPHA, RECORD_REGISTRY, _raw(count=count))
    assert outcome.reason == "bulwark: count not 1 to 2000"


def test_zero_root_is_refused():
    outcome = alliance().send(ALPHA, RECORD_REGISTRY, _raw(root=bytes(32)))
    assert outcome.reason == "bulwark: zero root"


@pytest.mark.parametrize("roles", range(16))
def test_exactly_the_roles_reporter_and_regulator_permit_an_anchor(roles):
    chain = alliance([member("alpha", roles)])
    outcome = chain.send(ALPHA, RECORD_REGISTRY, _raw())
    may = roles & (Role.REPORTER | Role.REGULATOR)
    expected = None if may else "bulwark: not a reporter or regulator"
    assert outcome.reason == expected


@pytest.mark.parametrize("name", ["stranger", "alpha node", "governor"])
def test_keys_that_are_no_member_account_are_refused(name):
    outcome = alliance().send(signer(name), RECORD_REGISTRY, _raw())
    assert outcome.reason == "bulwark: not a reporter or regulator"


@pytest.mark.parametrize(
    "change",
    [
        encode_set_roles(member_id_bytes("alpha"), Role.VALIDATOR),
        encode_remove_member(member_id_bytes("alpha")),
        encode_set_keys(
            member_id_bytes("alpha"),
            signer("alpha node").address,
            signer("alpha 2").address,
            bytes(32),
        ),
    ],
    ids=["role taken", "removed", "account replaced"],
)
def test_lost_role_ends_the_permission_at_once(change):
    chain = alliance()
    assert chain.send(ALPHA, RECORD_REGISTRY, _raw()).ok
    assert chain.send(signer("governor"), MEMBER_REGISTRY, change).ok
    outcome = chain.send(ALPHA, RECORD_REGISTRY, _raw(root=b"\x01" * 32))
    assert outcome.reason == "bulwark: not a reporter or regulator"


def test_new_account_of_a_member_may_anchor():
    chain = alliance()
    fresh = signer("alpha 2")
    change = encode_set_keys(
        member_id_bytes("alpha"), signer("alpha node").address, fresh.address, bytes(32)
    )
    assert chain.send(signer("governor"), MEMBER_REGISTRY, change).ok
    assert chain.send(fresh, RECORD_REGISTRY, _raw()).ok


def test_anchoring_through_a_contract_is_refused():
    chain = alliance()
    target = bytes(12) + RECORD_REGISTRY
    proxy = chain.deploy(ALPHA, _compiled(PROXY_SOURCE) + target)
    outcome = chain.send(ALPHA, proxy, _raw())
    assert (outcome.reason, outcome.logs) == ("bulwark: not an account", ())
    assert _anchored(chain, ROOT) == (bytes(20), 0, 0)


def test_contract_with_the_reporter_role_is_refused_too():
    chain = alliance()
    proxy = chain.deploy(ALPHA, _compiled(PROXY_SOURCE) + bytes(12) + RECORD_REGISTRY)
    change = encode_set_keys(
        member_id_bytes("alpha"), signer("alpha node").address, proxy, bytes(32)
    )
    assert chain.send(signer("governor"), MEMBER_REGISTRY, change).ok
    assert chain.send(signer("beta"), proxy, _raw()).reason == "bulwark: not an account"


def test_anchoring_from_a_constructor_is_refused():
    chain = alliance()
    offset_and_length = (64).to_bytes(32, "big") + (132).to_bytes(32, "big")
    arguments = bytes(12) + RECORD_REGISTRY + offset_and_length + _raw() + bytes(28)
    outcome = chain.send(ALPHA, b"", _compiled(CONSTRUCTOR_SOURCE) + arguments)
    assert outcome.reason == "bulwark: not an account"


def test_account_with_delegated_code_is_refused():
    chain = alliance()
    chain.state.set_code(ALPHA.address, b"\xef\x01\x00" + b"\x11" * 20)
    chain.next_block()
    assert chain.send(ALPHA, RECORD_REGISTRY, _raw()).reason == "bulwark: not an account"


@pytest.mark.parametrize("tail", [b"\0", bytes(32), b"phone +41 79 000 00 00"])
def test_calldata_with_a_tail_is_refused(tail):
    outcome = alliance().send(ALPHA, RECORD_REGISTRY, _raw() + tail)
    assert outcome.reason == "bulwark: calldata length"


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (_raw()[:-1], 0),
        (b"", 0),
        (b"\xff\xff\xff\xff", 0),
        (_raw(count=2**32), 0),
        (_raw(schema=2**16), 0),
        (_raw(), 1),
    ],
    ids=["short", "empty", "unknown method", "count too wide", "schema too wide", "value"],
)
def test_malformed_call_is_refused_by_the_compiler_without_a_reason(data, value):
    chain = alliance()
    chain.state.set_balance(ALPHA.address, 1)
    outcome = chain.send(ALPHA, RECORD_REGISTRY, data, value)
    assert (outcome.ok, outcome.reason) == (False, "")


def test_registry_without_a_member_registry_cannot_be_made():
    outcome = alliance().place(b"\x77" * 20, record_registry_init_code(bytes(20)))
    assert outcome.reason == "bulwark: zero members"


def test_registry_names_its_member_registry():
    selector = load_artifact("RecordRegistry").method_identifiers["members()"]
    assert alliance().view(RECORD_REGISTRY, selector)[12:] == MEMBER_REGISTRY


@cache
def _shared_chain() -> Chain:
    return alliance()


@settings(deadline=None, max_examples=40)
@given(
    root=st.binary(min_size=32, max_size=32).filter(any),
    count=st.integers(1, 2000),
    height=st.integers(1, 2**64 - 1),
    by=st.sampled_from([ALPHA, signer("beta")]),
)
def test_packed_slot_gives_back_reporter_count_and_block(root, count, height, by):
    chain = _shared_chain()
    chain.next_block(height)
    outcome = chain.send(by, RECORD_REGISTRY, encode_anchor(root, count, 1, POLICY))
    if outcome.reason == "bulwark: root anchored":
        return
    assert outcome.ok
    assert _anchored(chain, root) == (by.address, count, height)
    slot = unpack_record_slot(chain.state.get_storage(RECORD_REGISTRY, record_slot(root)))
    assert slot == RecordAnchor(by.address, count, height)


@settings(deadline=None, max_examples=60)
@given(
    position=st.integers(0, 140),
    byte=st.integers(0, 255),
    cut=st.integers(0, 140),
    root=st.binary(min_size=32, max_size=32).filter(any),
)
def test_whatever_the_contract_accepts_the_decoder_decodes(position, byte, cut, root):
    data = bytearray((_raw(root=root) + bytes(8))[: max(cut, 132)])
    data[position % len(data)] = byte
    outcome = _shared_chain().send(ALPHA, RECORD_REGISTRY, bytes(data))
    if outcome.ok and outcome.logs:
        call = decode_anchor_call(bytes(data))
        event = decode_records_anchored(*outcome.logs[0])
        assert call is not None
        assert event is not None
        assert (call.root, call.count, call.schema, call.policy) == (
            event.root,
            event.count,
            event.schema,
            event.policy,
        )

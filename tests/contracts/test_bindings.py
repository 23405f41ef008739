"""Bindings: strict calldata, event and view codecs; every bound is an error with its operands."""

from __future__ import annotations

import pytest
from eth_abi import encode
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.bindings import (
    ALL_ROLES,
    ANCHOR_CALL_BYTES,
    ANCHOR_SELECTOR,
    CONSENT_ANCHORED_TOPIC,
    CONSENT_REGISTRY,
    MEMBER_REGISTRY,
    RECORD_REGISTRY,
    RECORDS_ANCHORED_TOPIC,
    AnchorCall,
    BadMemberId,
    BadReturnData,
    ConsentAnchored,
    ConsentState,
    GiveCall,
    Member,
    MemberAdded,
    OutOfRange,
    RecordsAnchored,
    RenewCall,
    Role,
    WithdrawCall,
    WrongLength,
    decode_anchor_call,
    decode_consent_anchored,
    decode_give_call,
    decode_member,
    decode_member_event,
    decode_records_anchored,
    decode_renew_call,
    decode_status,
    decode_withdraw_call,
    encode_add_member,
    encode_anchor,
    encode_give,
    encode_has_role,
    encode_renew,
    encode_status,
    encode_withdraw,
    load_artifact,
    member_id_bytes,
    member_id_text,
    member_registry_init_code,
    record_slot,
    unpack_record_slot,
)
from contracts.member_events import EVENT_NAMES
from tests.contracts.harness import member

WORDS = st.binary(min_size=32, max_size=32)
U16 = st.integers(0, 2**16 - 1)
U32 = st.integers(0, 2**32 - 1)
ADDRESSES = st.binary(min_size=20, max_size=20)
ANCHOR = encode_anchor(b"\x01" * 32, 1000, 7, b"\x02" * 32)
GIVE = encode_give(b"\x01" * 32, b"\x02" * 32, 3, 4, 5)
WITHDRAW = encode_withdraw(b"\x01" * 32, 6)
RENEW = encode_renew(b"\x01" * 32, b"\x02" * 32, 7)
MEMBER_TUPLE = "(bytes32,address,address,uint256,bytes32,bytes32,bytes32)"


def _fields(one: Member) -> tuple[object, ...]:
    return (
        one.id,
        one.node,
        one.account,
        int(one.roles),
        one.oprf_key,
        one.tls_pin,
        one.next_tls_pin,
    )


def test_contracts_live_at_fixed_addresses():
    addresses = [MEMBER_REGISTRY, RECORD_REGISTRY, CONSENT_REGISTRY]
    assert [a.hex() for a in addresses] == ["0" * 36 + end for end in ("b001", "b002", "b003")]


@given(root=WORDS, count=st.integers(1, 2000), schema=U16, policy=WORDS)
def test_anchor_call_matches_the_abi_and_decodes_to_its_arguments(root, count, schema, policy):
    data = encode_anchor(root, count, schema, policy)
    types = ["bytes32", "uint32", "uint16", "bytes32"]
    assert data == ANCHOR_SELECTOR + encode(types, [root, count, schema, policy])
    assert len(data) == ANCHOR_CALL_BYTES
    assert decode_anchor_call(data) == AnchorCall(root, count, schema, policy)


@given(identifier=WORDS, commitment=WORDS, purpose=U16, basis=U16, day=U32)
def test_consent_calls_match_the_abi_and_decode(identifier, commitment, purpose, basis, day):
    data = encode_give(identifier, commitment, purpose, basis, day)
    values = [identifier, commitment, purpose, basis, day]
    assert data[4:] == encode(["bytes32", "bytes32", "uint16", "uint16", "uint32"], values)
    assert decode_give_call(data) == GiveCall(*values)
    data = encode_renew(identifier, commitment, day)
    assert data[4:] == encode(["bytes32", "bytes32", "uint32"], [identifier, commitment, day])
    assert decode_renew_call(data) == RenewCall(identifier, commitment, day)
    data = encode_withdraw(identifier, purpose)
    assert data[4:] == encode(["bytes32", "uint16"], [identifier, purpose])
    assert decode_withdraw_call(data) == WithdrawCall(identifier, purpose)


CODECS = [
    (decode_anchor_call, ANCHOR, lambda c: encode_anchor(c.root, c.count, c.schema, c.policy)),
    (
        decode_give_call,
        GIVE,
        lambda c: encode_give(c.anchor_id, c.commitment, c.purpose, c.basis, c.valid_until_day),
    ),
    (
        decode_renew_call,
        RENEW,
        lambda c: encode_renew(c.anchor_id, c.commitment, c.valid_until_day),
    ),
    (decode_withdraw_call, WITHDRAW, lambda c: encode_withdraw(c.anchor_id, c.reason)),
]


@pytest.mark.parametrize(("decode", "data", "again"), CODECS)
def test_every_flipped_bit_gives_other_arguments_or_no_call(decode, data, again):
    """No two byte strings decode to the same call: what decodes encodes to the same bytes."""
    for position in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[position // 8] ^= 1 << position % 8
        try:
            call = decode(bytes(flipped))
            assert call is None or again(call) == bytes(flipped)
        except OutOfRange as error:
            # The decoder reads counts that only the encoder and the contract refuse.
            assert error.field == "count"


@pytest.mark.parametrize(("decode", "data", "again"), CODECS)
def test_other_lengths_and_other_methods_are_no_call(decode, data, again):
    assert again(decode(data)) == data
    for other in (b"", data[:-1], data + b"\0", data[:4], data * 2, b"\0" * len(data)):
        assert decode(other) is None


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_decoders_are_total_on_any_bytes(data):
    for decode in (decode_anchor_call, decode_give_call, decode_withdraw_call):
        assert decode(data) is None
    for decode in (decode_records_anchored, decode_consent_anchored, decode_member_event):
        for address in (MEMBER_REGISTRY, RECORD_REGISTRY, CONSENT_REGISTRY, data):
            for topic in (RECORDS_ANCHORED_TOPIC, CONSENT_ANCHORED_TOPIC, *EVENT_NAMES, data):
                for count in range(5):
                    decode(address, [topic, data, data, data][:count], data)


@given(reporter=ADDRESSES, root=WORDS, count=U32, schema=U16, policy=WORDS)
def test_anchor_event_is_read_from_its_log_entry_alone(reporter, root, count, schema, policy):
    topics = [RECORDS_ANCHORED_TOPIC, bytes(12) + reporter, root]
    data = encode(["uint32", "uint16", "bytes32"], [count, schema, policy])
    expected = RecordsAnchored(reporter, root, count, schema, policy)
    assert decode_records_anchored(RECORD_REGISTRY, topics, data) == expected
    dirty = [topics[0], b"\1" + topics[1][1:], root]
    for entry in (
        (CONSENT_REGISTRY, topics, data),
        (RECORD_REGISTRY, topics[:2], data),
        (RECORD_REGISTRY, [*topics, root], data),
        (RECORD_REGISTRY, dirty, data),
        (RECORD_REGISTRY, [topics[0], topics[1], root[1:]], data),
        (RECORD_REGISTRY, topics, data[:-1]),
        (RECORD_REGISTRY, topics, b"\1" + data[1:]),
        (RECORD_REGISTRY, topics, data[:32] + b"\1" + data[33:]),
        (RECORD_REGISTRY, [CONSENT_ANCHORED_TOPIC, *topics[1:]], data),
    ):
        assert decode_records_anchored(*entry) is None


@pytest.mark.parametrize("kind", [1, 2, 3])
def test_consent_event_names_basis_and_reason_apart(kind):
    topics = [CONSENT_ANCHORED_TOPIC, bytes(12) + b"\x0e" * 20, b"\x0f" * 32]
    types = ["bytes32", "uint8", "uint16", "uint16", "uint32"]
    data = encode(types, [b"\x0c" * 32, kind, 3, 4, 5])
    basis, reason = (0, 4) if kind == 2 else (4, 0)
    assert decode_consent_anchored(CONSENT_REGISTRY, topics, data) == ConsentAnchored(
        b"\x0e" * 20, b"\x0f" * 32, b"\x0c" * 32, ConsentState(kind), 3, basis, reason, 5
    )
    event = decode_consent_anchored(CONSENT_REGISTRY, topics, data)
    assert event is not None
    assert event.code == 4
    for word in range(1, 5):
        dirty = data[: word * 32] + b"\1" + data[word * 32 + 1 :]
        assert decode_consent_anchored(CONSENT_REGISTRY, topics, dirty) is None
    for other in (0, 4, 255):
        unknown = encode(types, [b"\x0c" * 32, other, 3, 4, 5])
        assert decode_consent_anchored(CONSENT_REGISTRY, topics, unknown) is None


@pytest.mark.parametrize(
    ("build", "field"),
    [
        (lambda: encode_anchor(bytes(32), 0, 1, bytes(32)), "count"),
        (lambda: encode_anchor(bytes(32), 2001, 1, bytes(32)), "count"),
        (lambda: encode_anchor(bytes(32), 1, 2**16, bytes(32)), "schema"),
        (lambda: encode_anchor(bytes(32), 1, -1, bytes(32)), "schema"),
        (lambda: encode_give(bytes(32), bytes(32), 2**16, 0, 0), "purpose"),
        (lambda: encode_give(bytes(32), bytes(32), 0, 2**16, 0), "basis"),
        (lambda: encode_give(bytes(32), bytes(32), 0, 0, 2**32), "valid_until_day"),
        (lambda: encode_withdraw(bytes(32), 2**16), "reason"),
        (lambda: unpack_record_slot(2**256), "slot"),
        (lambda: member_registry_init_code(bytes(20), [member("a")] * 129), "number of members"),
    ],
)
def test_values_out_of_range_are_named(build, field):
    with pytest.raises(OutOfRange, match="allowed is") as caught:
        build()
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("build", "field", "length"),
    [
        (lambda: encode_anchor(bytes(31), 1, 1, bytes(32)), "root", 31),
        (lambda: encode_anchor(bytes(32), 1, 1, bytes(33)), "policy", 33),
        (lambda: encode_give(bytes(32), b"", 1, 1, 1), "commitment", 0),
        (lambda: encode_has_role(bytes(32), 1), "account", 32),
        (lambda: encode_status(bytes(20)), "anchor_id", 20),
        (lambda: record_slot(bytes(20)), "root", 20),
    ],
)
def test_byte_strings_of_another_length_are_named(build, field, length):
    with pytest.raises(WrongLength) as caught:
        build()
    assert (caught.value.field, caught.value.length) == (field, length)


@pytest.mark.parametrize("count", [0, 1, 3, 128])
def test_member_registry_init_code_ends_with_the_abi_of_its_arguments(count):
    members = [member(f"m{i}", i % 16) for i in range(count)]
    arguments = encode(
        ["address", f"{MEMBER_TUPLE}[]"], [b"\x09" * 20, [_fields(one) for one in members]]
    )
    code = member_registry_init_code(b"\x09" * 20, members)
    assert code == load_artifact("MemberRegistry").bytecode + arguments
    assert len(code) <= 49_152


def test_member_call_and_answer_are_the_same_words():
    one = member("alpha", ALL_ROLES)
    words = encode_add_member(one)[4:]
    assert words == encode([MEMBER_TUPLE], [_fields(one)])
    assert decode_member(words) == one
    for word in (1, 2, 3):
        with pytest.raises(BadReturnData):
            decode_member(words[: word * 32] + b"\1" + words[word * 32 + 1 :])
    for other in (b"", words[1:], words + b"\0"):
        with pytest.raises(BadReturnData):
            decode_member(other)


@pytest.mark.parametrize("output", [b"", bytes(127), bytes(31) + b"\3" + bytes(96), b"\1" * 128])
def test_status_that_does_not_decode_is_an_error(output):
    with pytest.raises(BadReturnData, match="status"):
        decode_status(output)


def test_added_event_with_an_unknown_role_is_no_event():
    (topic,) = [t for t, name in EVENT_NAMES.items() if name == "MemberAdded"]
    topics = [topic, b"\1" * 32, bytes(12) + b"\2" * 20, bytes(12) + b"\3" * 20]
    good = (15).to_bytes(32, "big") + bytes(96)
    assert decode_member_event(MEMBER_REGISTRY, topics, good) == MemberAdded(
        Member(b"\1" * 32, b"\2" * 20, b"\3" * 20, ALL_ROLES)
    )
    bad = (16).to_bytes(32, "big") + bytes(96)
    assert decode_member_event(MEMBER_REGISTRY, topics, bad) is None


@given(st.text(min_size=1, max_size=8).filter(lambda t: "\0" not in t and t.isprintable()))
def test_member_ids_survive_the_padding(text):
    assert member_id_text(member_id_bytes(text)) == text


@pytest.mark.parametrize("text", ["", "a\0b", "\0", "x" * 33, "ü" * 17])
def test_member_ids_that_do_not_fit_are_refused(text):
    with pytest.raises(BadMemberId):
        member_id_bytes(text)


@pytest.mark.parametrize("raw", [bytes(32), b"a\0b" + bytes(29), b"\xff" * 32, b"a", b"a" * 33])
def test_bytes_that_are_no_member_id_are_refused(raw):
    with pytest.raises(BadMemberId):
        member_id_text(raw)


def test_roles_are_four_bits():
    assert [role.value for role in Role] == [1, 2, 4, 8]
    assert ALL_ROLES == 15

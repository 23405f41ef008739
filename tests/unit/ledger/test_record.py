"""Records: one value, one payload, one id."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import fields, replace

from bulwark.ledger.errors import RecordInvalid
from bulwark.ledger.limits import MAX_RECORD_PAYLOAD_BYTES
from bulwark.ledger.record import PAYLOAD_HEAD_BYTES, Record, RecordPayload

codes = st.integers(0, 255)
shorts = st.integers(0, 65_535)
references = st.none() | st.binary(min_size=32, max_size=32).filter(any)
letters = st.sampled_from([b"", b"DE", b"CN", b"ZZ", b"AA"])


@st.composite
def payloads(draw) -> RecordPayload:
    first = draw(st.integers(0, 2**32 - 1))
    later = st.just(0) | st.integers(first, 2**32 - 1)
    return RecordPayload(
        operation=draw(st.integers(1, 255)),
        kind=draw(st.integers(1, 255)),
        fraud_type=draw(codes),
        object_role=draw(codes),
        evidence_level=draw(codes),
        confidence=draw(st.integers(0, 100)),
        tlp=draw(codes),
        channel=draw(codes),
        country=draw(letters),
        first_seen_day=first,
        last_seen_day=draw(later),
        valid_until_day=draw(later),
        distinct_customers=draw(shorts),
        loss_band=draw(codes),
        lawful_basis=draw(codes),
        purpose=draw(shorts),
        oprf_key_id=draw(shorts),
        usage=draw(shorts),
        reason=draw(codes),
        case_commitment=draw(references),
        consent_anchor=draw(references),
        previous_record=draw(references),
        link_group=draw(references),
    )


PLAIN = RecordPayload(operation=1, kind=2, country=b"DE", first_seen_day=20_000, confidence=60)
SALT, TAG = b"\x01" * 32, b"\x02" * 32


@given(payloads())
def test_payload_is_read_back_from_its_one_encoding(payload):
    data = payload.encode()
    assert RecordPayload.decode(data) == payload
    assert PAYLOAD_HEAD_BYTES <= len(data) <= MAX_RECORD_PAYLOAD_BYTES


@given(payloads(), st.data())
def test_damaged_payload_is_refused_or_is_another_one(payload, data):
    raw = bytearray(payload.encode())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        other = RecordPayload.decode(bytes(raw))
    except RecordInvalid:
        return
    assert other != payload
    assert other.encode() == bytes(raw)


@given(payloads())
def test_cut_or_extended_payload_is_refused(payload):
    data = payload.encode()
    for end in range(len(data)):
        with pytest.raises(RecordInvalid):
            RecordPayload.decode(data[:end])
    with pytest.raises(RecordInvalid, match="head says"):
        RecordPayload.decode(data + b"\x00")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("operation", 0),
        ("kind", 0),
        ("fraud_type", 256),
        ("tlp", -1),
        ("confidence", 101),
        ("purpose", 65_536),
        ("usage", "1"),
        ("first_seen_day", 2**32),
        ("last_seen_day", 19_999),
        ("valid_until_day", 19_999),
        ("country", b"de"),
        ("country", b"D1"),
        ("country", b"D"),
        ("country", b"DEU"),
        ("country", b"\x00\x00"),
        ("country", "DE"),
    ],
)
def test_field_outside_its_bounds_is_refused_by_name(field, value):
    with pytest.raises(RecordInvalid) as caught:
        replace(PLAIN, **{field: value}).encode()
    assert caught.value.field == field


@pytest.mark.parametrize(
    "field", ["case_commitment", "consent_anchor", "previous_record", "link_group"]
)
@pytest.mark.parametrize("value", [bytes(32), b"", b"\x01" * 31, b"\x01" * 64])
def test_reference_that_is_zero_or_not_32_bytes_is_refused(field, value):
    with pytest.raises(RecordInvalid, match="references"):
        replace(PLAIN, **{field: value}).encode()


@pytest.mark.parametrize(
    ("offset", "value", "field"), [(0, 2, "version"), (12, 16, "references"), (13, 1, "country")]
)
def test_head_with_an_unknown_part_is_refused(offset, value, field):
    data = bytearray(PLAIN.encode())
    data[offset] = value
    with pytest.raises(RecordInvalid) as caught:
        RecordPayload.decode(bytes(data))
    assert caught.value.field == field


def test_record_id_is_the_tagged_leaf_hash():
    record = Record.of(SALT, TAG, PLAIN)
    leaf = b"\x00bulwark/record/1\x00" + SALT + TAG + PLAIN.encode()
    assert record.record_id == sha256(leaf).digest()


@given(payloads())
def test_record_gives_its_payload_and_the_codes_of_the_hot_path(payload):
    record = Record.of(SALT, TAG, payload)
    assert record.payload == payload
    assert (record.operation, record.kind) == (payload.operation, payload.kind)


def test_every_field_of_a_record_changes_its_id():
    ids = {Record.of(SALT, TAG, PLAIN).record_id, Record.of(TAG, SALT, PLAIN).record_id}
    for item in fields(RecordPayload):
        value = {"country": b"FR", "last_seen_day": 20_001, "valid_until_day": 20_002}.get(
            item.name, b"\x01" * 32 if item.default is None else 7
        )
        ids.add(Record.of(SALT, TAG, replace(PLAIN, **{item.name: value})).record_id)
    assert len(ids) == 2 + len(fields(RecordPayload))


@pytest.mark.parametrize(("salt", "tag"), [(b"\x01" * 31, TAG), (SALT, b"\x02" * 33)])
def test_salt_or_tag_of_another_width_is_refused(salt, tag):
    with pytest.raises(RecordInvalid, match="32 needed"):
        Record.of(salt, tag, PLAIN)


def test_record_with_a_broken_payload_is_refused():
    with pytest.raises(RecordInvalid):
        Record(SALT, TAG, b"\x01" * 34)


def test_salt_and_tag_are_not_in_the_representation():
    shown = repr(Record.of(b"salt" * 8, b"tags" * 8, PLAIN))
    assert "salt" not in shown
    assert "tag" not in shown

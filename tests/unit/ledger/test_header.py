"""Block headers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import fields, replace

from bulwark.ledger.errors import DecodeError, LimitExceeded
from bulwark.ledger.hashing import keccak256
from bulwark.ledger.header import Header

digests = st.binary(min_size=32, max_size=32)
numbers = st.integers(0, 2**64 - 1)
headers = st.builds(
    Header,
    height=numbers,
    parent_hash=digests,
    batch_digest=digests,
    timestamp_ms=st.integers(0, 2**48),
    transactions_root=digests,
    receipts_root=digests,
    state_root=digests,
    record_log_size=numbers,
    record_log_root=digests,
    next_validators_hash=digests,
    next_parameters_hash=digests,
    epoch=numbers,
    epoch_end=numbers,
    gas_used=numbers,
    gas_limit=numbers,
)


@given(headers)
def test_encoding_is_read_back(header):
    assert Header.decode(header.encode()) == header


def test_every_field_changes_the_hash(header):
    hashes = {header.hash()}
    for item in fields(Header):
        value = getattr(header, item.name)
        changed = value + 1 if isinstance(value, int) else bytes(31) + b"\x07"
        hashes.add(replace(header, **{item.name: changed}).hash())
    assert len(hashes) == 16


def test_hash_is_keccak_of_the_encoding(header):
    assert header.hash() == keccak256(header.encode())


def test_every_truncation_and_extension_is_refused(header):
    data = header.encode()
    for end in range(len(data)):
        with pytest.raises(DecodeError):
            Header.decode(data[:end])
    with pytest.raises(DecodeError, match="after the end"):
        Header.decode(data + b"\x00")


def test_other_version_is_refused(header):
    with pytest.raises(DecodeError, match=r"header\.version"):
        Header.decode(b"\x03" + header.encode()[1:])


def test_time_beyond_the_bound_is_refused(header):
    with pytest.raises(LimitExceeded):
        Header.decode(replace(header, timestamp_ms=2**48 + 1).encode())

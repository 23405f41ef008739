"""Batches."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulwark.ledger.batch import NULL_BATCH, Batch
from bulwark.ledger.errors import DecodeError, LimitExceeded
from bulwark.ledger.limits import (
    MAX_BATCH_BYTES,
    MAX_BATCH_TRANSACTIONS,
    MAX_TIMESTAMP_MS,
    MAX_TRANSACTION_BYTES,
)

batches = st.builds(
    Batch,
    st.integers(0, MAX_TIMESTAMP_MS),
    st.lists(st.binary(max_size=60), max_size=6).map(tuple),
)


@given(batches)
def test_encoding_and_digest_are_read_back(batch):
    again = Batch.decode(batch.encode())
    assert again == batch
    assert again.digest == batch.digest


@given(batches, st.data())
def test_damaged_encoding_is_refused_or_is_another_batch(batch, data):
    raw = bytearray(batch.encode())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        other = Batch.decode(bytes(raw))
    except DecodeError:
        return
    assert other.digest != batch.digest
    assert other.encode() == bytes(raw)


def test_null_batch_is_empty_and_has_its_own_digest():
    assert NULL_BATCH.transactions == ()
    assert NULL_BATCH.timestamp_ms == 0
    assert Batch(1, ()).digest != NULL_BATCH.digest


def test_too_many_transactions_are_refused():
    raw = Batch(1, (b"",) * (MAX_BATCH_TRANSACTIONS + 1)).encode()
    with pytest.raises(LimitExceeded, match="transactions"):
        Batch.decode(raw)


def test_too_long_a_transaction_is_refused():
    with pytest.raises(LimitExceeded, match="transaction"):
        Batch.decode(Batch(1, (bytes(MAX_TRANSACTION_BYTES + 1),)).encode())


def test_batch_over_its_bytes_is_refused_unread():
    with pytest.raises(LimitExceeded, match="batch"):
        Batch.decode(bytes(MAX_BATCH_BYTES + 1))

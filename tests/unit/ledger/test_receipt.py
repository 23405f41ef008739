"""Receipts, logs and blooms: held to py-evm's."""

from __future__ import annotations

import pytest
from eth.rlp.logs import Log as EvmLog
from eth.rlp.receipts import Receipt as EvmReceipt
from hypothesis import given
from hypothesis import strategies as st

from bulwark.ledger import rlpcodec
from bulwark.ledger.errors import DecodeError
from bulwark.ledger.receipt import (
    MAX_RECEIPT_BYTES,
    Log,
    Receipt,
    bloom_may_contain,
    bloom_of,
    bloom_union,
    receipts_root,
)
from bulwark.ledger.trie import EMPTY_TRIE_ROOT, trie_root

words = st.binary(min_size=32, max_size=32)
logs = st.builds(
    Log,
    st.binary(min_size=20, max_size=20),
    st.lists(words, max_size=4).map(tuple),
    st.binary(max_size=50),
)
receipts = st.builds(
    Receipt,
    st.integers(0, 2),
    st.booleans(),
    st.integers(0, 2**64 - 1),
    st.lists(logs, max_size=4).map(tuple),
)
LOG = Log(b"\x01" * 20, (b"\x02" * 32,), b"data")
PLAIN = Receipt(0, True, 21_000, (LOG,))


@given(receipts)
def test_encoding_and_bloom_are_those_of_py_evm(receipt):
    reference = EvmReceipt(
        state_root=b"\x01" if receipt.succeeded else b"",
        gas_used=receipt.cumulative_gas,
        logs=[
            EvmLog(log.address, [int.from_bytes(t, "big") for t in log.topics], log.data)
            for log in receipt.logs
        ],
    )
    prefix = bytes([receipt.type]) if receipt.type else b""
    assert receipt.encode() == prefix + reference.encode()
    assert int.from_bytes(receipt.bloom, "big") == reference.bloom


@given(receipts)
def test_encoding_is_read_back(receipt):
    assert Receipt.decode(receipt.encode()) == receipt


@given(receipts, st.data())
def test_damaged_receipt_is_refused_or_is_another_one(receipt, data):
    raw = bytearray(receipt.encode())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        other = Receipt.decode(bytes(raw))
    except DecodeError:
        return
    assert other != receipt
    assert other.encode() == bytes(raw)


def test_every_truncation_is_refused():
    raw = PLAIN.encode()
    for end in range(len(raw)):
        with pytest.raises(DecodeError):
            Receipt.decode(raw[:end])


@given(st.lists(logs, max_size=5))
def test_bloom_never_misses_what_is_in_it(found):
    bloom = bloom_of(found)
    assert bloom == bloom_union(bloom_of([log]) for log in found)
    for log in found:
        assert all(bloom_may_contain(bloom, value) for value in (log.address, *log.topics))


def test_empty_bloom_contains_nothing():
    assert not bloom_may_contain(bloom_of([]), LOG.address)


def test_root_is_that_of_the_ordered_trie():
    listed = [PLAIN, Receipt(2, False, 42_000, ())]
    assert receipts_root(listed) == trie_root([r.encode() for r in listed])
    assert receipts_root([]) == EMPTY_TRIE_ROOT


@pytest.mark.parametrize(
    ("position", "item", "message"),
    [
        (0, b"\x02", "status"),
        (0, [], "status"),
        (1, b"\x00", "cumulative_gas"),
        (1, bytes([1] * 9), "cumulative_gas"),
        (1, [], "cumulative_gas"),
        (2, bytes(256), "bloom"),
        (3, b"", "logs"),
        (3, [b""], "three fields"),
        (3, [[b"", b""]], "three fields"),
        (3, [[[], [], b""]], "wrong shape"),
        (3, [[bytes(20), b"", b""]], "wrong shape"),
        (3, [[bytes(20), [], []]], "wrong shape"),
        (3, [[bytes(20), [[]], b""]], "a topic is a list"),
        (3, [[bytes(20), [b"short"], b""]], "topics"),
        (3, [[bytes(20), [bytes(32)] * 5, b""]], "topics"),
        (3, [[bytes(19), [], b""]], "address"),
    ],
)
def test_field_of_another_shape_is_refused(position, item, message):
    fields = list(rlpcodec.decode(PLAIN.encode()))
    fields[position] = item
    with pytest.raises(DecodeError, match=message):
        Receipt.decode(rlpcodec.encode(fields))


def test_other_number_of_fields_is_refused():
    with pytest.raises(DecodeError, match="4 needed"):
        Receipt.decode(rlpcodec.encode([b"\x01"]))


@pytest.mark.parametrize("prefix", [b"\x00", b"\x03", b"\x7f"])
def test_unknown_type_is_refused(prefix):
    with pytest.raises(DecodeError, match="type"):
        Receipt.decode(prefix + PLAIN.encode())


@pytest.mark.parametrize("raw", [b"", bytes(MAX_RECEIPT_BYTES + 1)])
def test_empty_or_oversized_input_is_refused_unread(raw):
    with pytest.raises(DecodeError, match="bytes"):
        Receipt.decode(raw)


@pytest.mark.parametrize("gas", [-1, 2**64])
def test_gas_beyond_64_bits_is_refused(gas):
    with pytest.raises(DecodeError, match="64 bits"):
        Receipt(0, True, gas, ())

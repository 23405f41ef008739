"""Sidecars: erasure keeps every root, and nothing unbounded is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulwark.ledger.errors import DecodeError, LedgerError, LimitExceeded, RecordInvalid
from bulwark.ledger.hashing import sha256
from bulwark.ledger.limits import MAX_RECORDS_PER_SIDECAR, MAX_SIDECAR_BYTES
from bulwark.ledger.merkle import verify_inclusion
from bulwark.ledger.record import Record, RecordPayload
from bulwark.ledger.sidecar import ErasedRecord, Sidecar


def make_record(number: int) -> Record:
    payload = RecordPayload(
        operation=1, kind=1 + number % 9, link_group=sha256(b"group") if number % 2 else None
    )
    return Record.of(sha256(b"salt %d" % number), sha256(b"tag %d" % number), payload)


def make_sidecar(count: int) -> Sidecar:
    return Sidecar(tuple(make_record(i) for i in range(count)))


@given(st.integers(1, 40), st.sets(st.integers(0, 39)))
def test_erasing_keeps_leaves_root_and_proofs_and_forgets_the_rest(count, erased):
    sidecar = make_sidecar(count)
    after = sidecar
    for index in erased:
        if index < count:
            after = after.erase(index)
    assert (after.root, after.leaves, after.count) == (sidecar.root, sidecar.leaves, count)
    assert Sidecar.decode(after.encode()) == after
    assert Sidecar.decode(sidecar.encode()) == sidecar
    data = after.encode()
    for index in range(count):
        record = sidecar.entries[index]
        assert (record.salt in data, record.tag in data) == (index not in erased,) * 2
        path = after.path(index)
        verify_inclusion(after.leaves[index], index, count, path, sidecar.root)


def test_erasing_twice_changes_nothing():
    once = make_sidecar(3).erase(1)
    assert once.erase(1) == once
    assert isinstance(once.entries[1], ErasedRecord)


@pytest.mark.parametrize("index", [-1, 3])
def test_erasing_outside_the_sidecar_is_refused(index):
    with pytest.raises(IndexError):
        make_sidecar(3).erase(index)


@given(st.data())
def test_damaged_sidecar_is_refused_or_is_another_one(data):
    sidecar = make_sidecar(4).erase(2)
    raw = bytearray(sidecar.encode())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        other = Sidecar.decode(bytes(raw))
    except LedgerError:
        return
    assert other.root != sidecar.root
    assert other.encode() == bytes(raw)


def test_every_truncation_and_extension_is_refused():
    raw = make_sidecar(3).erase(2).encode()
    for end in range(len(raw)):
        with pytest.raises(LedgerError):
            Sidecar.decode(raw[:end])
    with pytest.raises(DecodeError, match="after the end"):
        Sidecar.decode(raw + b"\x00")
    full = make_sidecar(3).encode()
    for end in range(len(full)):
        with pytest.raises(LedgerError):
            Sidecar.decode(full[:end])


def test_unknown_version_and_entry_kind_are_refused():
    raw = make_sidecar(1).encode()
    with pytest.raises(DecodeError, match=r"sidecar\.version"):
        Sidecar.decode(b"\x02" + raw[1:])
    with pytest.raises(DecodeError, match="neither full nor erased"):
        Sidecar.decode(raw[:5] + b"\x02" + raw[6:])


def test_same_record_twice_is_refused_also_if_one_is_erased():
    record = make_record(1)
    for twin in (record, ErasedRecord(record.record_id)):
        with pytest.raises(DecodeError, match="same record"):
            Sidecar((record, twin))


def test_empty_and_oversized_sidecars_are_refused():
    with pytest.raises(DecodeError, match=r"1\.\.2000"):
        Sidecar(())
    with pytest.raises(DecodeError, match=r"1\.\.2000"):
        Sidecar.decode(b"\x01" + bytes(4))
    many = (MAX_RECORDS_PER_SIDECAR + 1).to_bytes(4, "big")
    with pytest.raises(LimitExceeded):
        Sidecar.decode(b"\x01" + many)
    with pytest.raises(LimitExceeded):
        Sidecar.decode(bytes(MAX_SIDECAR_BYTES + 1))


def test_erased_leaf_of_another_width_is_refused():
    with pytest.raises(RecordInvalid, match="leaf"):
        ErasedRecord(b"short")

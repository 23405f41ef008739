"""Anchors: one layout, one encoding, one leaf."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import fields, replace

from bulwark.ledger.anchor import ANCHOR_BYTES, Anchor, AnchorKind
from bulwark.ledger.errors import DecodeError
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Address, Height

words = st.binary(min_size=32, max_size=32).filter(any)
place = {
    "height": st.integers(0, 2**64 - 1),
    "transaction_index": st.integers(0, 2**32 - 1),
    "log_index": st.integers(0, 2**32 - 1),
    "account": st.binary(min_size=20, max_size=20),
    "digest": words,
    "reference": words,
}
shorts = st.integers(0, 65_535)
batches = st.builds(
    Anchor, kind=st.just(AnchorKind.RECORDS), count=st.integers(1, 2_000), schema=shorts, **place
)
consents = st.builds(
    Anchor,
    kind=st.sampled_from([kind for kind in AnchorKind if kind is not AnchorKind.RECORDS]),
    purpose=shorts,
    basis=shorts,
    valid_until_day=st.integers(0, 2**32 - 1),
    **place,
)
BATCH = Anchor(
    kind=AnchorKind.RECORDS,
    height=Height(3),
    transaction_index=1,
    log_index=2,
    account=Address(b"\x05" * 20),
    digest=sha256(b"root"),
    reference=sha256(b"policy"),
    count=10,
    schema=1,
)
CONSENT = replace(BATCH, kind=AnchorKind.CONSENT_GIVEN, count=0, schema=0, purpose=4)


@given(batches | consents)
def test_anchor_is_read_back_from_its_one_encoding(anchor):
    data = anchor.encode()
    assert len(data) == ANCHOR_BYTES
    assert Anchor.decode(data) == anchor


@given(batches | consents, st.data())
def test_damaged_anchor_is_refused_or_is_another_one(anchor, data):
    raw = bytearray(anchor.encode())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        other = Anchor.decode(bytes(raw))
    except DecodeError:
        return
    assert other.leaf_hash != anchor.leaf_hash
    assert other.encode() == bytes(raw)


@pytest.mark.parametrize(
    ("anchor", "change", "message"),
    [
        (BATCH, {"count": 0}, "count"),
        (BATCH, {"count": 2_001}, "count"),
        (BATCH, {"purpose": 1}, "no purpose"),
        (BATCH, {"basis": 1}, "no purpose"),
        (BATCH, {"valid_until_day": 1}, "no purpose"),
        (BATCH, {"digest": bytes(32)}, "is zero"),
        (BATCH, {"digest": b""}, "32 bytes"),
        (BATCH, {"reference": b""}, "32 bytes"),
        (BATCH, {"account": b""}, "20 bytes"),
        (BATCH, {"height": -1}, "does not fit"),
        (BATCH, {"log_index": 2**32}, "does not fit"),
        (CONSENT, {"count": 1}, "no count"),
        (CONSENT, {"schema": 1}, "no count"),
        (CONSENT, {"reference": bytes(32)}, "anchor id is zero"),
    ],
)
def test_field_that_its_kind_does_not_have_or_that_misfits_is_refused(anchor, change, message):
    with pytest.raises(DecodeError, match=message):
        replace(anchor, **change)


@pytest.mark.parametrize(("offset", "field"), [(0, "version"), (1, "kind")])
def test_unknown_version_or_kind_is_refused(offset, field):
    raw = bytearray(BATCH.encode())
    raw[offset] = 9
    with pytest.raises(DecodeError, match=field):
        Anchor.decode(bytes(raw))


@pytest.mark.parametrize("length", [0, ANCHOR_BYTES - 1, ANCHOR_BYTES + 1])
def test_anchor_of_another_length_is_refused(length):
    with pytest.raises(DecodeError, match="needed"):
        Anchor.decode(bytes(length))


def test_policy_of_a_batch_may_be_zero():
    assert replace(BATCH, reference=bytes(32)).reference == bytes(32)


def test_every_field_changes_the_leaf():
    leaves = {BATCH.leaf_hash, CONSENT.leaf_hash}
    for anchor in (BATCH, CONSENT):
        for name in [f.name for f in fields(Anchor)][1:7]:
            value = getattr(anchor, name)
            other = value + 1 if isinstance(value, int) else bytes([value[0] ^ 1]) + value[1:]
            leaves.add(replace(anchor, **{name: other}).leaf_hash)
    assert len(leaves) == 14

"""A parcel is a transaction with exactly the sidecar it anchors."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulwark.ledger.errors import LedgerError, TransactionInvalid
from node.gossip import decode_parcel, make_parcel
from tests.unit.node.builders import ALICE, anchor, call, sidecar


def test_anchor_with_its_sidecar_survives_the_wire() -> None:
    carried = sidecar(1, 2, 3)
    parcel = make_parcel(anchor(ALICE, 0, carried), carried)
    again = decode_parcel(parcel.encode())
    assert again.transaction == parcel.transaction
    assert again.sidecar == carried
    assert again.sidecar_root == carried.root


def test_ordinary_transaction_travels_alone() -> None:
    parcel = make_parcel(call(ALICE, 0), None)
    assert decode_parcel(parcel.encode()).sidecar is None
    assert parcel.sidecar_root is None


@pytest.mark.parametrize(
    ("rule", "build"),
    [
        ("sidecar.missing", lambda: make_parcel(anchor(ALICE, 0, sidecar(1)), None)),
        ("sidecar.unexpected", lambda: make_parcel(call(ALICE, 0), sidecar(1))),
        ("sidecar.root", lambda: make_parcel(anchor(ALICE, 0, sidecar(1)), sidecar(2))),
        (
            "sidecar.erased",
            lambda: make_parcel(anchor(ALICE, 0, sidecar(1, 2)), sidecar(1, 2).erase(0)),
        ),
        (
            "sidecar.count",
            lambda: make_parcel(anchor(ALICE, 0, sidecar(1), count=2), sidecar(1)),
        ),
    ],
)
def test_parcel_that_does_not_belong_together_is_refused(rule: str, build: object) -> None:
    with pytest.raises(TransactionInvalid) as refused:
        build()  # type: ignore[operator]
    assert refused.value.rule == rule


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_damaged_parcel_is_refused_with_a_ledger_error(data: st.DataObject) -> None:
    carried = sidecar(1, 2)
    encoded = bytearray(make_parcel(anchor(ALICE, 0, carried), carried).encode())
    position = data.draw(st.integers(0, len(encoded) - 1))
    encoded[position] ^= data.draw(st.integers(1, 255))
    try:
        again = decode_parcel(bytes(encoded))
    except LedgerError:
        return
    # A flipped bit of the signature makes another sender's valid transaction, never another body.
    assert again.sidecar == carried

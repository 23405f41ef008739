"""Claims of spent slots: only the author of a question can make one, and only for its own."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bulwark.ledger.errors import DecodeError
from bulwark.privacy.errors import ClaimRefused
from bulwark.privacy.group import ORDER, Scalar, multiply
from bulwark.privacy.memberkeys import RingSecret
from bulwark.privacy.ring.ristretto import member_ring
from bulwark.privacy.ring.statement import RingStatement
from bulwark.privacy.slotclaim import CLAIM_BYTES, Slot, SlotClaim, check_claim, make_claim
from tests.unit.privacy.opening_world import CHAIN, GENESIS, stream

RANDOM = stream("slot claims")
AUTHOR, OTHER = RingSecret(Scalar.from_int(0xA07)), RingSecret(Scalar.from_int(0x1E5))
SLOT = Slot(CHAIN, GENESIS, 9, 1, 77)
CLAIM = make_claim(AUTHOR, SLOT, (3, 5), RANDOM)


def check(claim: SlotClaim, chain: int = CHAIN, genesis: bytes = GENESIS) -> None:
    check_claim(claim, chain, genesis)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, ORDER - 1), st.integers(0, 2**32 - 1), st.integers(1, 2))
def test_the_author_of_a_question_can_claim_its_slot(secret: int, number: int, scope: int) -> None:
    author = RingSecret(Scalar.from_int(secret))
    claim = make_claim(author, Slot(CHAIN, GENESIS, 9, scope, number), (1, 1), RANDOM)
    assert len(claim.encode()) == CLAIM_BYTES
    assert SlotClaim.decode(claim.encode()) == claim
    check(claim)


def test_the_nullifier_is_the_one_that_evaluators_see() -> None:
    statement = RingStatement(
        chain_id=CHAIN,
        genesis_hash=GENESIS,
        ring_height=4,
        ring=member_ring([AUTHOR.public, OTHER.public]),
        opener=OTHER.public,
        opener_epoch=0,
        epoch=SLOT.epoch,
        scope=SLOT.scope,
        slot=SLOT.number,
        message=bytes(64),
    )
    seen = multiply(AUTHOR.secret, statement.scope_point)
    assert CLAIM.nullifier == seen.encoding


@pytest.mark.parametrize(
    "change",
    [
        {"epoch": 10},
        {"scope": 2},
        {"slot": 78},
        {"ring_key": OTHER.public.encoding},
        {"nullifier": multiply(OTHER.secret, SLOT.point).encoding},
        {"proof": make_claim(OTHER, SLOT, (3, 5), RANDOM).proof},
        {"proof": bytes(64)},
        {"ring_key": bytes(32)},
        {"nullifier": b"\xff" * 32},
    ],
)
def test_another_slot_key_or_nullifier_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ClaimRefused):
        check(replace(CLAIM, **change))  # type: ignore[arg-type]


def test_a_claim_of_another_alliance_is_refused() -> None:
    with pytest.raises(ClaimRefused):
        check(CLAIM, chain=CHAIN + 1)
    with pytest.raises(ClaimRefused):
        check(CLAIM, genesis=bytes(32))


@pytest.mark.parametrize("entries", [(0, 1), (5, 3), (1, 0)])
def test_entries_that_are_no_range_are_refused(entries: tuple[int, int]) -> None:
    bent = replace(CLAIM, first=entries[0], last=entries[1])
    with pytest.raises(DecodeError, match="no range"):
        SlotClaim.decode(bent.encode())


def test_another_version_or_length_is_refused() -> None:
    data = CLAIM.encode()
    for bent in (b"\x02" + data[1:], data[:-1], data + b"\x00", b""):
        with pytest.raises(DecodeError):
            SlotClaim.decode(bent)

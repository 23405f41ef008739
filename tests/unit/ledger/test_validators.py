"""Validator sets and quorums (pitfall S5)."""

from __future__ import annotations

from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulwark.ledger.errors import DecodeError, LimitExceeded
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Address, Epoch, MemberId, ValidatorIndex
from bulwark.ledger.validators import Validator, ValidatorSet, max_faulty, quorum_size


def make_set(count: int, epoch: int = 0) -> ValidatorSet:
    return ValidatorSet(
        Epoch(epoch),
        tuple(Validator(MemberId(f"m{i}"), Address(sha256(b"%d" % i)[:20])) for i in range(count)),
    )


@pytest.mark.parametrize("n", range(1, 401))
def test_quorum_is_the_ceiling_and_two_quorums_share_an_honest_validator(n):
    f, q = max_faulty(n), quorum_size(n)
    assert f == (n - 1) // 3
    assert q == ceil((n + f + 1) / 2)
    assert 2 * q - n >= f + 1, "two quorums must share more than f"
    assert 2 * (q - 1) - n < f + 1, "one vote less would be too few"
    assert n - f >= q, "the honest alone must be a quorum"


def test_quorum_differs_from_2f_plus_1_where_n_is_not_3f_plus_1():
    assert [quorum_size(n) for n in (1, 2, 3, 4, 5, 6, 7)] == [1, 2, 2, 3, 4, 4, 5]


def test_set_knows_its_numbers_and_positions():
    validators = make_set(6)
    assert (len(validators), validators.quorum, validators.faulty) == (6, 4, 1)
    for index in range(6):
        address = validators.address_of(ValidatorIndex(index))
        assert validators.index_of(address) == index
    assert validators.index_of(Address(bytes(20))) is None


@given(st.integers(1, 128), st.integers(0, 2**64 - 1))
def test_encoding_is_read_back(count, epoch):
    validators = make_set(count, epoch)
    assert ValidatorSet.decode(validators.encode()) == validators


def test_hash_commits_to_epoch_and_order():
    validators = make_set(3)
    turned = ValidatorSet(Epoch(0), validators.validators[::-1])
    assert len({validators.hash(), turned.hash(), make_set(3, 1).hash(), make_set(2).hash()}) == 4


def test_shared_vote_key_is_refused():
    one, two = make_set(2).validators
    with pytest.raises(DecodeError, match="share a vote key"):
        ValidatorSet(Epoch(0), (one, Validator(two.member, one.address)))


def test_member_with_two_validators_is_refused():
    one, two = make_set(2).validators
    with pytest.raises(DecodeError, match="two validators"):
        ValidatorSet(Epoch(0), (one, Validator(one.member, two.address)))


def test_empty_and_oversized_sets_are_refused():
    with pytest.raises(DecodeError, match=r"1\.\.128"):
        ValidatorSet(Epoch(0), ())
    with pytest.raises(DecodeError, match=r"1\.\.128"):
        make_set(129)
    with pytest.raises(LimitExceeded):
        ValidatorSet.decode(bytes(8) + b"\x00\x00\x00\x81")


def test_encoding_has_one_form_and_the_hash_its_own_tag():
    validators = make_set(2, 3)
    members = b"".join(
        b"\x00\x00\x00\x02m%d" % i + sha256(b"%d" % i)[:20] for i in range(len(validators))
    )
    raw = (3).to_bytes(8, "big") + b"\x00\x00\x00\x02" + members
    assert validators.encode() == raw
    assert validators.hash() == sha256(b"bulwark/validators/1\x00" + raw)


def test_anything_after_the_end_is_refused():
    with pytest.raises(DecodeError, match="after the end"):
        ValidatorSet.decode(make_set(2).encode() + b"\x00")


def test_two_sets_are_equal_by_epoch_and_validators_and_show_nothing_else():
    assert make_set(3) == make_set(3)
    assert "_by_address" not in repr(make_set(3))

"""Epochs: where one ends, and how validator sets are followed from genesis (E1, E4)."""

from __future__ import annotations

from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.epochs import (
    MAX_EPOCH_CHANGES,
    MAX_PARAMETER_CHARS,
    MAX_PARAMETERS,
    EpochChange,
    EpochTerms,
    boundary,
    follow,
    parameters_hash,
    read_parameters,
    write_parameters,
)
from bulwark.ledger.errors import DecodeError, LimitExceeded, ProofInvalid
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Epoch, Height, MemberId, ValidatorIndex, View
from bulwark.ledger.signing import SigningDomain
from bulwark.ledger.validators import Validator, ValidatorSet
from bulwark.ledger.votes import Certificate, VoteKind, VoteSubject
from tests.unit.ledger.conftest import key_of

NAMES = st.text(st.characters(codec="ascii"), min_size=1, max_size=MAX_PARAMETER_CHARS)
PARAMETERS = st.dictionaries(NAMES, st.integers(0, 2**64 - 1), max_size=MAX_PARAMETERS)
END_0, END_1 = Height(9), Height(20)


def later_set(genesis, epoch: int) -> ValidatorSet:
    """The genesis validators and one more for each epoch."""
    added = tuple(
        Validator(MemberId(f"added-{i}"), key_of(f"vote {4 + i}").address) for i in range(epoch)
    )
    return ValidatorSet(Epoch(epoch), genesis.validator_set.validators + added)


def sign(subject: VoteSubject, domain: SigningDomain, count: int) -> Certificate:
    """A certificate of the first `count` validators."""
    digest = subject.signing_digest(domain)
    signed = tuple((ValidatorIndex(i), key_of(f"vote {i}").sign(digest)) for i in range(count))
    return Certificate(subject, signed)


def checkpoint(header) -> VoteSubject:
    return VoteSubject(VoteKind.CHECKPOINT, View(0), header.height, header.hash())


@pytest.fixture
def first(genesis, header) -> EpochChange:
    """Epoch 0 ends with header 9; five validators vote next."""
    following = later_set(genesis, 1)
    ending = replace(header, height=END_0, epoch_end=END_0, next_validators_hash=following.hash())
    return EpochChange(ending, sign(checkpoint(ending), genesis.domain(), 3), following)


@pytest.fixture
def second(genesis, header) -> EpochChange:
    """Epoch 1 ends with header 20; six validators vote next."""
    following = later_set(genesis, 2)
    ending = replace(
        header,
        height=END_1,
        epoch=Epoch(1),
        epoch_end=END_1,
        next_validators_hash=following.hash(),
    )
    return EpochChange(ending, sign(checkpoint(ending), genesis.domain(Epoch(1)), 4), following)


# -- E1: the boundary ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("height", "window", "interval", "end"),
    [(1, 8, 1, 9), (7, 8, 1, 15), (1, 16, 4, 20), (4, 16, 4, 20), (5, 16, 4, 24), (1, 8, 2, 10)],
)
def test_an_epoch_ends_at_the_first_checkpoint_a_window_above_the_change_e1(
    height, window, interval, end
):
    assert boundary(Height(height), window, interval) == end


@given(st.integers(1, 10**9), st.integers(1, 16))
def test_nobody_can_have_voted_above_the_boundary_before_the_change_e1(height, interval):
    window = max(8, 4 * interval)
    end = boundary(Height(height), window, interval)
    assert end % interval == 0
    assert end >= height - 1 + window
    assert end == ceil((height + window) / interval) * interval


# -- parameters ------------------------------------------------------------------------------------


@given(PARAMETERS)
def test_parameters_are_read_back_and_hashed_in_any_order(parameters):
    written = write_parameters(Writer(), parameters).done()
    reader = Reader(written, "parameters")
    assert read_parameters(reader) == parameters
    reader.end()
    turned = dict(reversed(list(parameters.items())))
    assert write_parameters(Writer(), turned).done() == written
    assert parameters_hash(turned) == parameters_hash(parameters)


def test_another_name_or_value_has_another_hash():
    cases = [{}, {"gas_limit": 1}, {"gas_limit": 2}, {"rotation": 1}, {"gas_limit": 1, "x": 0}]
    assert len({parameters_hash(case) for case in cases}) == len(cases)


def test_the_hash_of_parameters_has_its_own_tag_and_fixed_form():
    gas_limit = b"\x00\x00\x00\x09gas_limit" + (7).to_bytes(8, "big")
    rotation = b"\x00\x00\x00\x08rotation" + (16).to_bytes(8, "big")
    raw = b"\x00\x00\x00\x02" + gas_limit + rotation
    parameters = {"rotation": 16, "gas_limit": 7}
    assert write_parameters(Writer(), parameters).done() == raw
    assert parameters_hash(parameters) == sha256(b"bulwark/parameters/1\x00" + raw)


def test_too_many_parameters_or_too_long_a_name_are_refused():
    most = {f"p{i}": i for i in range(MAX_PARAMETERS)}
    assert read_parameters(Reader(write_parameters(Writer(), most).done(), "x")) == most
    for wrong in (most | {"more": 1}, {"n" * (MAX_PARAMETER_CHARS + 1): 1}):
        with pytest.raises(DecodeError):
            read_parameters(Reader(write_parameters(Writer(), wrong).done(), "x"))


def test_the_bounds_of_what_is_read_are_those_of_the_protocol():
    assert (MAX_PARAMETERS, MAX_PARAMETER_CHARS, MAX_EPOCH_CHANGES) == (64, 31, 1024)


# -- E4: who votes ---------------------------------------------------------------------------------


def test_epoch_0_is_that_of_the_genesis_document_e4(genesis):
    terms = EpochTerms.first(genesis)
    assert terms.validators == genesis.validator_set
    assert (terms.number, terms.start, terms.domain) == (0, 0, genesis.domain())
    assert follow(genesis, ()) == terms


def test_a_header_is_final_by_a_checkpoint_quorum_of_its_epoch_e4(genesis, alliance, header):
    EpochTerms.first(genesis).verify(header, alliance.seal(header).certificate)
    lowest = replace(header, height=Height(1))
    EpochTerms.first(genesis).verify(lowest, alliance.seal(lowest).certificate)


def test_a_certificate_of_another_kind_or_view_is_no_finality_e4(genesis, alliance, header):
    for kind, view in ((VoteKind.COMMIT, 0), (VoteKind.PREPARE, 0), (VoteKind.CHECKPOINT, 1)):
        with pytest.raises(ProofInvalid, match="not CHECKPOINT"):
            EpochTerms.first(genesis).verify(header, alliance.seal(header, kind, view).certificate)


def test_a_certificate_over_another_header_is_no_finality_e4(genesis, alliance, header):
    other = replace(header, gas_used=1)
    with pytest.raises(ProofInvalid, match="another header"):
        EpochTerms.first(genesis).verify(header, alliance.seal(other).certificate)
    subject = replace(checkpoint(header), height=Height(header.height + 1))
    with pytest.raises(ProofInvalid, match="another header"):
        EpochTerms.first(genesis).verify(header, sign(subject, genesis.domain(), 3))


def test_a_certificate_below_the_quorum_is_no_finality_e4(genesis, header):
    with pytest.raises(ProofInvalid, match="quorum is 3"):
        EpochTerms.first(genesis).verify(header, sign(checkpoint(header), genesis.domain(), 2))


def test_a_header_of_another_epoch_or_below_its_start_is_refused_e4(genesis, alliance, header):
    certificate = alliance.seal(header).certificate
    with pytest.raises(ProofInvalid, match="epoch 0 begins above 9"):
        replace(EpochTerms.first(genesis), start=header.height).verify(header, certificate)
    later = replace(header, epoch=Epoch(1))
    with pytest.raises(ProofInvalid, match="is of epoch 1"):
        EpochTerms.first(genesis).verify(later, alliance.seal(later).certificate)


# -- E4: from one set to the next --------------------------------------------------------------


def test_the_next_set_is_the_one_that_the_certified_end_commits_to_e4(genesis, first):
    terms = follow(genesis, (first,))
    assert (terms.validators, terms.number, terms.start) == (first.validators, 1, END_0)
    assert terms.domain == genesis.domain(Epoch(1))


def test_sets_are_followed_one_by_one_e4(genesis, first, second):
    terms = follow(genesis, (first, second))
    assert (len(terms.validators), terms.number, terms.start) == (6, 2, END_1)
    with pytest.raises(ProofInvalid):
        follow(genesis, (second,))
    with pytest.raises(ProofInvalid):
        follow(genesis, (first, first))


def test_old_validators_certify_nothing_in_the_new_epoch_e4(genesis, first, second):
    old = sign(checkpoint(second.header), genesis.domain(), 4)
    with pytest.raises(ProofInvalid):
        follow(genesis, (first, replace(second, certificate=old)))


def test_a_header_that_is_not_the_last_of_its_epoch_proves_no_change_e4(genesis, first):
    for end in (Height(0), Height(END_0 + 1)):
        header = replace(first.header, epoch_end=end)
        change = replace(
            first, header=header, certificate=sign(checkpoint(header), genesis.domain(), 3)
        )
        with pytest.raises(ProofInvalid, match="not the last"):
            follow(genesis, (change,))


def test_a_set_that_the_header_does_not_name_is_refused_e4(genesis, first):
    liar = ValidatorSet(Epoch(1), genesis.validator_set.validators)
    with pytest.raises(ProofInvalid, match="not those that the header names"):
        follow(genesis, (replace(first, validators=liar),))


@pytest.mark.parametrize("number", [0, 2])
def test_epochs_are_counted_without_gap_or_repetition_e4(genesis, first, number):
    following = ValidatorSet(Epoch(number), first.validators.validators)
    header = replace(first.header, next_validators_hash=following.hash())
    certificate = sign(checkpoint(header), genesis.domain(), 3)
    with pytest.raises(ProofInvalid, match=f"set of epoch {number}"):
        follow(genesis, (EpochChange(header, certificate, following),))


def test_an_end_without_its_quorum_changes_nothing_e4(genesis, first):
    few = sign(checkpoint(first.header), genesis.domain(), 2)
    with pytest.raises(ProofInvalid, match="quorum is 3"):
        follow(genesis, (replace(first, certificate=few),))


# -- encoding --------------------------------------------------------------------------------------


def test_a_change_is_read_back_from_its_one_encoding(first):
    written = first.write(Writer()).done()
    reader = Reader(written, "change")
    assert EpochChange.read(reader) == first
    reader.end()
    parts = (first.header.encode(), first.certificate.encode(), first.validators.encode())
    assert written == b"".join(len(part).to_bytes(4, "big") + part for part in parts)


@pytest.mark.parametrize(("place", "most"), [(0, 1024), (1, 16 * 1024), (2, 16 * 1024)])
def test_an_oversized_part_is_refused_before_it_is_read(first, place, most):
    parts = [first.header.encode(), first.certificate.encode(), first.validators.encode()]
    for size in (most, most + 1):
        parts[place] = bytes(size)
        writer = Writer()
        for part in parts:
            writer.blob(part)
        with pytest.raises(DecodeError) as caught:
            EpochChange.read(Reader(writer.done(), "change"))
        assert isinstance(caught.value, LimitExceeded) is (size > most)

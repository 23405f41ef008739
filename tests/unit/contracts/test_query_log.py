"""QueryLog: who anchors what it served, in which order, and the tree under a root."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulwark.ledger.ids import Digest
from bulwark.ledger.merkle import root_of
from contracts.bindings import MEMBER_REGISTRY, Role, encode_set_roles
from contracts.errors import OutOfRange
from contracts.privacy.bindings import (
    QUERY_LOG,
    AccessAnchor,
    AccessAnchored,
    StatementAnchor,
    StatementsAnchored,
    decode_query_log_event,
    encode_anchor_access,
    encode_statements_anchor,
    query_log_init_code,
    read_access_anchor,
    read_anchor,
    read_last_anchor,
    root_of_proof,
    statement_leaf,
    statement_proof,
)
from contracts.privacy.query_log import ACCESS_SELECTOR, ANCHORED_SELECTOR, LAST_SELECTOR
from tests.contracts.harness import Chain, Outcome, member, signer
from tests.unit.contracts.privacy_harness import (
    REGULATOR,
    PrivacyChain,
    privacy_alliance,
    through_a_contract,
    validators,
)

M0 = member("m0").id
ROOTS = [bytes([i + 1]) * 32 for i in range(6)]


def alliance() -> PrivacyChain:
    return privacy_alliance([*validators(2), REGULATOR], [])


def anchor(
    chain: PrivacyChain,
    interval: int = 1,
    root: bytes = ROOTS[0],
    epoch: int | None = None,
    by: str = "m0",
) -> Outcome:
    at = chain.epoch if epoch is None else epoch
    return chain.send(signer(by), QUERY_LOG, encode_statements_anchor(at, interval, 7, root))


def access(chain: PrivacyChain, sequence: int, count: int, by: str = "m0") -> Outcome:
    return chain.send(signer(by), QUERY_LOG, encode_anchor_access(sequence, count, ROOTS[0]))


def numbers(output: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(output[at : at + 32], "big") for at in range(0, len(output), 32))


def test_an_evaluator_anchors_an_interval_with_one_event():
    chain = alliance()
    block, epoch = chain.number, chain.epoch
    outcome = anchor(chain)
    assert [decode_query_log_event(*entry) for entry in outcome.logs] == [
        StatementsAnchored(M0, ROOTS[0], epoch, 1, 7)
    ]
    read = chain.state.get_storage
    kept = StatementAnchor(epoch, 1, 7, block)
    assert read_anchor(read, M0, ROOTS[0]) == read_last_anchor(read, M0) == kept
    assert numbers(chain.view(QUERY_LOG, ANCHORED_SELECTOR + M0 + ROOTS[0])) == (epoch, 1, 7, block)
    assert numbers(chain.view(QUERY_LOG, LAST_SELECTOR + M0)) == (epoch, 1, 7, block)


def test_what_nobody_anchored_is_none():
    read = alliance().state.get_storage
    assert read_anchor(read, M0, ROOTS[0]) is None
    assert read_last_anchor(read, M0) is None
    assert read_access_anchor(read, M0) is None


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=6))
def test_intervals_of_a_member_only_go_forward(places):
    chain = alliance()
    last = None
    for root, (epoch, interval) in zip(ROOTS, places, strict=False):
        outcome = anchor(chain, interval, root, epoch)
        if last is None or (epoch, interval) > last:
            assert outcome.ok
            last = (epoch, interval)
        else:
            assert outcome.reason == "bulwark: interval not after the last"
    found = read_last_anchor(chain.state.get_storage, M0)
    assert found is not None
    assert (found.epoch, found.interval) == last


def test_evaluators_do_not_hinder_each_other():
    chain = alliance()
    assert anchor(chain, 5).ok
    assert anchor(chain, 1, by="m1").ok
    assert anchor(chain, 6).reason == "bulwark: root anchored"


def test_a_future_epoch_is_refused():
    chain = alliance()
    assert anchor(chain, epoch=chain.epoch + 1).reason == "bulwark: future epoch"
    assert anchor(chain, epoch=2**64 - 1).reason == "bulwark: future epoch"
    assert anchor(chain, interval=2**32 - 1).ok
    assert anchor(chain, root=ROOTS[1]).reason == "bulwark: interval not after the last"


def test_counts_and_roots_are_bounded():
    chain = alliance()
    assert anchor(chain, root=bytes(32)).reason == "bulwark: zero root"
    data = encode_statements_anchor(chain.epoch, 1, 7, ROOTS[0])
    for count in (0, 2**24 + 1):
        with pytest.raises(OutOfRange, match="count"):
            encode_statements_anchor(0, 1, count, ROOTS[0])
        bent = data[:68] + count.to_bytes(32, "big") + data[100:]
        reason = chain.send(signer("m0"), QUERY_LOG, bent).reason
        assert reason == "bulwark: count not 1 to 2^24"
    most = encode_statements_anchor(chain.epoch, 1, 2**24, ROOTS[0])
    assert chain.send(signer("m0"), QUERY_LOG, most).ok


def test_only_validators_anchor_statements():
    chain = alliance()
    assert anchor(chain, by="regulator").reason == "bulwark: not an evaluator"
    assert anchor(chain, by="stranger").reason == "bulwark: not a member"
    assert chain.govern(encode_set_roles(M0, Role.REPORTER)).ok
    assert anchor(chain).reason == "bulwark: not an evaluator"


def test_tails_and_accounts_with_code_are_refused():
    chain = alliance()
    for data in (
        encode_statements_anchor(chain.epoch, 1, 7, ROOTS[0]),
        encode_anchor_access(1, 7, ROOTS[0]),
    ):
        outcome = chain.send(signer("m0"), QUERY_LOG, data + b"\0")
        assert outcome.reason == "bulwark: calldata length"
        outcome = through_a_contract(chain, signer("m1"), QUERY_LOG, data)
        assert outcome.reason == "bulwark: not an account"


def test_an_access_log_only_grows():
    chain = alliance()
    block = chain.number
    outcome = access(chain, 3, 10)
    assert [decode_query_log_event(*entry) for entry in outcome.logs] == [
        AccessAnchored(M0, ROOTS[0], 3, 10)
    ]
    kept = read_access_anchor(chain.state.get_storage, M0)
    assert kept == AccessAnchor(3, 10, block, ROOTS[0])
    output = numbers(chain.view(QUERY_LOG, ACCESS_SELECTOR + M0))
    assert output == (3, 10, block, int.from_bytes(ROOTS[0], "big"))
    for sequence in (0, 3):
        assert access(chain, sequence, 10).reason == "bulwark: sequence not after the last"
    assert access(chain, 4, 9).reason == "bulwark: access log shrank"
    assert access(chain, 4, 10).ok
    assert access(chain, 2**64 - 1, 2**64 - 1).ok


def test_every_member_anchors_its_own_access_log():
    chain = alliance()
    assert access(chain, 1, 1, "regulator").ok
    assert access(chain, 1, 1, "stranger").reason == "bulwark: not a member"
    zero = encode_anchor_access(1, 1, bytes(32))
    assert chain.send(signer("m0"), QUERY_LOG, zero).reason == "bulwark: zero root"


@given(st.integers(1, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n - 1))))
@settings(deadline=None)
def test_a_proof_leads_from_its_leaf_to_the_root(place):
    count, index = place
    leaves = [_leaf(i) for i in range(count)]
    proof = statement_proof(leaves, index)
    assert root_of_proof(leaves[index], proof) == root_of(leaves)
    assert proof.lefts < 1 << len(proof.siblings)


def test_a_leaf_that_is_not_there_has_no_proof():
    for leaves, index in (([], 0), ([_leaf(0)], 1), ([_leaf(0)], -1)):
        with pytest.raises(OutOfRange, match="leaf"):
            statement_proof(leaves, index)


def test_a_log_without_registry_or_epoch_cannot_be_made():
    zero = query_log_init_code(bytes(20), 86_400)
    assert Chain().place(QUERY_LOG, zero).reason == "bulwark: zero members"
    code = query_log_init_code(MEMBER_REGISTRY, 0)
    assert Chain().place(QUERY_LOG, code).reason == "bulwark: zero epoch"


def _leaf(number: int) -> Digest:
    word = number.to_bytes(32, "big")
    return statement_leaf(word, word, word, word)

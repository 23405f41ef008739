"""Openings: a case from the regulator's question to its end, vote by vote."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bulwark.ledger.merkle import root_of
from contracts.bindings import (
    MEMBER_REGISTRY,
    Role,
    encode_remove_member,
    encode_set_keys,
    encode_set_roles,
)
from contracts.errors import OutOfRange
from contracts.privacy.bindings import (
    MAX_SEALED_BYTES,
    OPENINGS,
    QUERY_LOG,
    CaseApproved,
    CaseClosed,
    CaseOpened,
    CaseRecord,
    CaseRefused,
    PartialPosted,
    StatementProof,
    Voted,
    encode_close_case,
    encode_open_case,
    encode_statements_anchor,
    encode_vote,
    openings_init_code,
    read_case,
    read_partial,
    read_vote,
    root_of_proof,
    statement_proof,
)
from contracts.privacy.openings import (
    PARTIAL_OF_SELECTOR,
    VOTE_OF_SELECTOR,
    PartialRecord,
)
from tests.contracts.harness import Chain, member, signer
from tests.unit.contracts.case_steps import (
    APPROVED,
    ASKED,
    BY,
    CASE,
    CLOSED,
    EXPIRED,
    FOURTEEN_DAYS,
    LEAVES,
    OPEN,
    PROOF,
    REFUSED,
    REQUEST,
    RESULT,
    SHARING,
    alliance,
    approved,
    ask,
    case,
    close,
    events,
    opened,
    partial,
    vote,
)
from tests.unit.contracts.privacy_harness import (
    REGULATOR,
    privacy_alliance,
    through_a_contract,
    validators,
)


def test_a_regulator_opens_a_case_for_an_anchored_statement():
    chain = alliance()
    block, now = chain.number, chain.now_s
    outcome = ask(chain)
    assert events(outcome) == [CaseOpened(REQUEST, REGULATOR.id, 3, now + FOURTEEN_DAYS)]
    assert case(chain) == CaseRecord(
        REQUEST, REGULATOR.id, OPEN, 4, 3, 0, 0, 0, now + FOURTEEN_DAYS, block, None
    )


def test_a_whole_case_leads_to_its_result():
    chain = opened()
    for index in (0, 1):
        assert events(vote(chain, index)) == [
            Voted(CASE, member(f"m{index}").id, True, index + 1, 0)
        ]
    now = chain.now_s
    assert events(vote(chain, 2))[1] == CaseApproved(CASE, now + FOURTEEN_DAYS)
    assert (case(chain).state, case(chain).deadline_s) == (APPROVED, now + FOURTEEN_DAYS)
    posted = PartialPosted(CASE, member("m0").id, SHARING, RESULT, b"sealed")
    assert events(partial(chain)) == [posted]
    assert partial(chain, "m3", b"\x01" * MAX_SEALED_BYTES).ok
    assert case(chain).partials == 2
    read = chain.state.get_storage
    assert read_partial(read, CASE, member("m0").id) == PartialRecord(RESULT, SHARING)
    assert read_partial(read, CASE, member("m1").id) is None
    shown = chain.view(OPENINGS, PARTIAL_OF_SELECTOR + CASE + member("m0").id)
    assert shown == RESULT + SHARING
    assert events(close(chain)) == [CaseClosed(CASE, REGULATOR.id, RESULT)]
    assert (case(chain).state, case(chain).result_hash) == (CLOSED, RESULT)
    chain.wait(2 * FOURTEEN_DAYS)
    assert case(chain).state is CLOSED


@pytest.mark.parametrize(
    "change",
    [
        {"statement_hash": RESULT},
        {"nullifier": RESULT},
        {"e1": RESULT},
        {"e2": RESULT},
        {"evaluator": member("m0").id},
        {"evaluator": bytes(32)},
    ],
)
def test_what_nobody_anchored_is_not_opened(change):
    outcome = ask(alliance(), replace(REQUEST, **change))
    assert outcome.reason == "bulwark: statement not anchored"


@pytest.mark.parametrize(
    ("proof", "reason"),
    [
        (replace(PROOF, lefts=PROOF.lefts ^ 1), "statement not anchored"),
        (replace(PROOF, siblings=PROOF.siblings[:-1]), "statement not anchored"),
        (replace(PROOF, siblings=(*PROOF.siblings, RESULT)), "statement not anchored"),
        (replace(PROOF, lefts=PROOF.lefts | 1 << 5), "more sides than siblings"),
        (StatementProof(0, ()), "statement not anchored"),
    ],
)
def test_a_proof_that_leads_elsewhere_is_refused(proof, reason):
    outcome = alliance().send(BY, OPENINGS, encode_open_case(REQUEST, proof))
    assert outcome.reason == f"bulwark: {reason}"


def test_an_inner_node_passes_for_no_statement():
    """A leaf is hashed with another prefix than a node."""
    chain = alliance()
    inner = replace(PROOF, siblings=PROOF.siblings[1:], lefts=PROOF.lefts >> 1)
    outcome = chain.send(BY, OPENINGS, encode_open_case(REQUEST, inner))
    assert outcome.reason == "bulwark: statement not anchored"


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 33).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n - 1))))
def test_every_statement_of_any_interval_can_be_shown(place):
    count, index = place
    chain = alliance()
    leaves = [LEAVES[i % 5] for i in range(count)]
    leaves[index] = LEAVES[ASKED]
    data = encode_statements_anchor(chain.epoch, 2, count, root_of(leaves))
    if root_of(leaves) != root_of(LEAVES):
        assert chain.send(signer("m1"), QUERY_LOG, data).ok
    proof = statement_proof(leaves, index)
    assert chain.send(BY, OPENINGS, encode_open_case(REQUEST, proof)).ok


def test_24_siblings_are_accepted_and_no_more():
    chain = alliance()
    node = LEAVES[ASKED]
    proof = StatementProof(2**24 - 1, tuple(bytes([i]) * 32 for i in range(24)))
    data = encode_statements_anchor(chain.epoch, 2, 2**24, root_of_proof(node, proof))
    assert chain.send(signer("m1"), QUERY_LOG, data).ok
    assert chain.send(BY, OPENINGS, encode_open_case(REQUEST, proof)).ok
    longer = replace(proof, siblings=(*proof.siblings, RESULT))
    with pytest.raises(OutOfRange, match="siblings"):
        encode_open_case(REQUEST, longer)


def test_only_a_regulator_opens_and_closes():
    chain = alliance()
    assert ask(chain, by=signer("m0")).reason == "bulwark: not a regulator"
    assert ask(chain, by=signer("nobody")).reason == "bulwark: not a member"
    chain = approved()
    assert close(chain, signer("m0")).reason == "bulwark: not a regulator"
    assert chain.govern(encode_set_roles(REGULATOR.id, 0)).ok
    assert close(chain).reason == "bulwark: not a regulator"


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"case_id": bytes(32)}, "zero case id"), ({"basis_hash": bytes(32)}, "zero basis")],
)
def test_a_case_without_name_or_legal_basis_is_refused(change, reason):
    assert ask(alliance(), replace(REQUEST, **change)).reason == f"bulwark: {reason}"


def test_no_regulator_closes_the_case_of_another():
    other = member("regulator-2", Role.REGULATOR)
    chain = privacy_alliance([*validators(4), REGULATOR, other], [])
    data = encode_statements_anchor(chain.epoch, 1, len(LEAVES), root_of(LEAVES))
    assert chain.send(signer("m1"), QUERY_LOG, data).ok
    assert ask(chain).ok
    for index in range(3):
        assert vote(chain, index).ok
    assert close(chain, signer("regulator-2")).reason == "bulwark: another regulator's case"
    assert close(chain).ok


def test_a_case_id_is_used_once():
    chain = opened()
    assert ask(chain).reason == "bulwark: case id taken"
    assert ask(chain, replace(REQUEST, case_id=RESULT)).ok


def test_every_validator_votes_once_and_nobody_else():
    chain = opened()
    assert vote(chain, 0, approve=False).ok
    assert vote(chain, 0).reason == "bulwark: voted already"
    data = encode_vote(CASE, True)
    assert chain.send(BY, OPENINGS, data).reason == "bulwark: not a voter"
    assert chain.send(signer("nobody"), OPENINGS, data).reason == "bulwark: not a member"
    read = chain.state.get_storage
    votes = [read_vote(read, CASE, member(f"m{i}").id) for i in range(2)]
    assert votes == [False, None]
    assert int.from_bytes(chain.view(OPENINGS, VOTE_OF_SELECTOR + CASE + member("m0").id)) == 2


def test_a_new_account_of_a_member_has_no_second_vote():
    chain = opened()
    assert vote(chain, 0).ok
    old = member("m0")
    new = signer("m0 again")
    assert chain.govern(encode_set_keys(old.id, old.node, new.address, bytes(32))).ok
    outcome = chain.send(new, OPENINGS, encode_vote(CASE, True))
    assert outcome.reason == "bulwark: voted already"


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6, 7])
def test_two_thirds_rounded_up_approve_and_what_makes_that_impossible_refuses(count):
    needed = -(-2 * count // 3)
    chain = opened(count)
    for index in range(needed):
        assert case(chain).state is OPEN
        assert vote(chain, index).ok
    assert case(chain).state is APPROVED
    chain = opened(count)
    for index in range(count - needed + 1):
        assert case(chain).state is OPEN
        outcome = vote(chain, index, approve=False)
        assert outcome.ok
    assert events(outcome)[-1] == CaseRefused(CASE)
    assert case(chain).state is REFUSED
    assert partial(chain).reason == "bulwark: wrong state"


@pytest.mark.parametrize(("voted", "needed"), [(1, 2), (2, 2), (3, 3), (4, 4), (128, 4)])
def test_a_voted_number_counts_between_f_plus_1_and_all(voted, needed):
    chain = alliance()
    chain.parameter("council_approvals", voted)
    assert ask(chain).ok
    assert case(chain).needed == needed


def test_the_number_needed_stays_that_of_the_opening():
    chain = opened()
    assert chain.govern(encode_remove_member(member("m3").id)).ok
    chain.parameter("council_approvals", 2)
    assert case(chain).needed == 3
    assert chain.govern(encode_set_roles(member("m2").id, Role.REPORTER)).ok
    assert vote(chain, 2).reason == "bulwark: not a voter"


def test_an_open_case_expires_at_its_deadline():
    chain = opened()
    assert vote(chain, 0).ok
    chain.wait(case(chain).deadline_s - chain.now_s - 2)
    assert case(chain).state is OPEN
    assert vote(chain, 1).ok
    assert case(chain).state is EXPIRED
    assert vote(chain, 2).reason == "bulwark: expired"
    assert partial(chain).reason == "bulwark: expired"


def test_an_approved_case_has_its_time_anew_and_expires_then():
    chain = alliance()
    chain.parameter("case_seconds", 7_200)
    assert ask(chain).ok
    chain.wait(7_000)
    for index in range(3):
        assert vote(chain, index).ok
    chain.wait(7_000)
    assert case(chain).state is APPROVED
    assert partial(chain).ok
    chain.wait(300)
    assert case(chain).state is EXPIRED
    assert partial(chain, "m1").reason == "bulwark: expired"
    assert close(chain).reason == "bulwark: expired"


def test_only_an_approved_case_closes_and_with_a_result():
    chain = opened()
    assert close(chain).reason == "bulwark: wrong state"
    chain = approved()
    zero = encode_close_case(CASE, bytes(32))
    assert chain.send(BY, OPENINGS, zero).reason == "bulwark: zero result"
    assert close(chain).ok
    assert close(chain).reason == "bulwark: wrong state"
    assert vote(chain, 3).reason == "bulwark: wrong state"


def test_an_unknown_case_takes_nothing():
    chain = alliance()
    for outcome in (vote(chain, 0), partial(chain), close(chain)):
        assert outcome.reason == "bulwark: unknown case"
    assert read_case(chain.state.get_storage, CASE, chain.now_s) is None


def test_accounts_with_code_take_no_part():
    chain = opened()
    outcome = through_a_contract(chain, signer("m0"), OPENINGS, encode_vote(CASE, True))
    assert outcome.reason == "bulwark: not an account"


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_a_contract_without_its_others_cannot_be_made(place):
    addresses = [MEMBER_REGISTRY] * 4
    addresses[place] = bytes(20)
    names = ("members", "governance", "query log", "ceremony")
    outcome = Chain().place(OPENINGS, openings_init_code(*addresses))
    assert outcome.reason == f"bulwark: zero {names[place]}"

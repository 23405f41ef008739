"""The policy registry on py-evm: publication, adoption and withdrawal by vote, storage reads."""

from __future__ import annotations

from hashlib import sha256

import pytest

from contracts.actions import AdoptPolicy, WithdrawPolicy
from contracts.bindings import GOVERNANCE, Executed, ExecutionFailed, OutOfRange, governed_contracts
from contracts.policies import (
    ADOPT_SELECTOR,
    DEFAULT_ID_SELECTOR,
    DOCUMENT_SELECTOR,
    ID_AT_SELECTOR,
    MAX_GENESIS_POLICIES,
    MAX_POLICY_BYTES,
    MAX_WAITING_POLICIES,
    POLICY_COUNT_SELECTOR,
    POLICY_REGISTRY,
    STANDING_SELECTOR,
    PolicyAdopted,
    PolicyPublished,
    PolicyState,
    PolicyWithdrawn,
    Standing,
    decode_policy_event,
    encode_publish,
    policy_registry_init_code,
    publish_gas,
    read_default_id,
    read_document,
    read_policy_ids,
    read_standing,
)
from tests.contracts.harness import (
    MEMBER_REGISTRY,
    PARAMETERS,
    Chain,
    Outcome,
    governed,
    signer,
)
from tests.contracts.test_placement import _place
from tests.contracts.voting import ALPHA, BETA, FOUR, carry, events

FIRST, SECOND = b'{"title":"first"}', b"a second policy, longer than one word of storage" * 9
FIRST_ID, SECOND_ID = (sha256(document).digest() for document in (FIRST, SECOND))


def publish(chain: Chain, document: bytes = SECOND, by: str = "alpha") -> Outcome:
    return chain.send(signer(by), POLICY_REGISTRY, encode_publish(document))


def policy_events(outcome: Outcome) -> list[object]:
    return [e for e in (decode_policy_event(*entry) for entry in outcome.logs) if e is not None]


def standing(chain: Chain, policy_id: bytes = SECOND_ID) -> Standing | None:
    found = read_standing(chain.state.get_storage, policy_id)
    words = chain.view(POLICY_REGISTRY, STANDING_SELECTOR + policy_id)
    seen = tuple(int.from_bytes(words[at : at + 32], "big") for at in (0, 32, 64))
    kept = (found.state, found.since, found.until) if found else (0, 0, 0)
    assert seen == kept and words[96:] == (found.publisher if found else bytes(32))
    return found


def test_what_a_member_publishes_is_on_the_ledger_under_its_hash_and_not_in_force():
    chain = governed(FOUR, policies=[FIRST])
    outcome = publish(chain)
    assert outcome.ok and outcome.output == SECOND_ID
    assert policy_events(outcome) == [PolicyPublished(SECOND_ID, FOUR[0].id, SECOND)]
    found = standing(chain)
    assert found == Standing(PolicyState.PUBLISHED, 0, 0, FOUR[0].id)
    assert not found.in_force(chain.number) and not found.in_force(10**9)
    read = chain.state.get_storage
    assert read_document(read, SECOND_ID) == SECOND
    assert read_policy_ids(read, 10) == (FIRST_ID, SECOND_ID)
    assert read_policy_ids(read, 1) == (SECOND_ID,)
    assert chain.view(POLICY_REGISTRY, ID_AT_SELECTOR + (1).to_bytes(32, "big")) == SECOND_ID
    assert int.from_bytes(chain.view(POLICY_REGISTRY, POLICY_COUNT_SELECTOR), "big") == 2
    shown = chain.view(POLICY_REGISTRY, DOCUMENT_SELECTOR + SECOND_ID)
    assert shown[64 : 64 + len(SECOND)] == SECOND


def test_a_vote_adopts_a_policy_for_later_blocks_and_another_withdraws_it_for_later_blocks():
    chain = governed(FOUR, policies=[FIRST])
    assert publish(chain).ok
    adopting = chain.number + 2
    outcome = carry(chain, AdoptPolicy(SECOND_ID))
    assert PolicyAdopted(SECOND_ID) in policy_events(outcome)
    assert Executed(1, 3) in events(outcome)
    withdrawing = chain.number + 2
    outcome = carry(chain, WithdrawPolicy(SECOND_ID), 2)
    assert PolicyWithdrawn(SECOND_ID) in policy_events(outcome)
    found = standing(chain)
    assert found == Standing(PolicyState.WITHDRAWN, adopting, withdrawing, FOUR[0].id)
    assert [found.in_force(h) for h in (adopting, adopting + 1, withdrawing, withdrawing + 1)] == [
        False,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("votes", "reason"),
    [
        ([AdoptPolicy(b"\x07" * 32)], "bulwark: unknown policy"),
        ([AdoptPolicy(FIRST_ID)], "bulwark: policy adopted"),
        ([WithdrawPolicy(FIRST_ID)], "bulwark: the default policy"),
        ([WithdrawPolicy(SECOND_ID)], "bulwark: policy not adopted"),
        (
            [AdoptPolicy(SECOND_ID), WithdrawPolicy(SECOND_ID), AdoptPolicy(SECOND_ID)],
            "bulwark: policy was withdrawn",
        ),
    ],
)
def test_a_vote_that_the_registry_refuses_stays_open_with_the_reason(votes, reason):
    chain = governed(FOUR, policies=[FIRST])
    assert publish(chain).ok
    outcomes = [carry(chain, vote, number + 1) for number, vote in enumerate(votes)]
    assert ExecutionFailed(len(votes), reason) in events(outcomes[-1])


def test_nobody_but_the_governance_adopts_or_withdraws():
    chain = governed(FOUR, policies=[FIRST])
    assert publish(chain).ok
    for by in (ALPHA, signer("stranger")):
        refused = chain.send(by, POLICY_REGISTRY, ADOPT_SELECTOR + SECOND_ID)
        assert refused.reason == "bulwark: not the governor"
        refused = chain.send(by, POLICY_REGISTRY, bytes.fromhex("8e19899e") + FIRST_ID)
        assert refused.reason == "bulwark: not the governor"


def test_publication_is_for_members_once_a_document_and_bounded():
    chain = governed(FOUR, policies=[FIRST])
    assert publish(chain, by="stranger").reason == "bulwark: not a member"
    assert publish(chain, FIRST).reason == "bulwark: policy known"
    empty = encode_publish(b"x")[:36] + bytes(64)
    assert chain.send(ALPHA, POLICY_REGISTRY, empty).reason == "bulwark: empty policy"
    for number in range(MAX_WAITING_POLICIES):
        assert publish(chain, b"draft %d" % number).ok
    assert publish(chain).reason == "bulwark: too many waiting policies"
    assert publish(chain, by="beta").ok
    # A draft that is adopted makes room for another.
    carry(chain, AdoptPolicy(sha256(b"draft 0").digest()))
    assert publish(chain, b"one more").ok


@pytest.mark.parametrize("length", [0, MAX_POLICY_BYTES + 1])
def test_documents_out_of_bounds_are_refused_before_they_are_sent(length):
    with pytest.raises(OutOfRange, match="bytes of a policy"):
        encode_publish(bytes(length))
    with pytest.raises(OutOfRange, match="bytes of a policy"):
        governed_contracts(FOUR, {}, [bytes(length)])


@pytest.mark.parametrize("length", [1, 32, 33, 2_000, MAX_POLICY_BYTES])
def test_a_document_of_any_length_fits_into_the_gas_that_is_asked_for(length):
    chain = governed(FOUR)
    document = b"\xa1" * length
    outcome = publish(chain, document)
    assert outcome.ok and outcome.gas_used < publish_gas(document)


def test_an_alliance_without_a_policy_in_genesis_has_no_default():
    read = governed(FOUR).state.get_storage
    assert read_default_id(read) is None and read_policy_ids(read, 10) == ()


@pytest.mark.parametrize(
    "policies", [[], [FIRST], [FIRST, SECOND], [bytes([n]) * 8_192 for n in range(1, 5)]]
)
def test_storage_made_without_an_evm_is_that_of_the_constructor(policies):
    made = governed(FOUR, policies=policies)
    assert _place(governed_contracts(FOUR, PARAMETERS, policies)).root == made.root
    read = made.state.get_storage
    assert read_default_id(read) == (sha256(policies[0]).digest() if policies else None)
    word = made.view(POLICY_REGISTRY, DEFAULT_ID_SELECTOR)
    assert word == (read_default_id(read) or bytes(32))
    for document in policies:
        found = standing(made, sha256(document).digest())
        assert found == Standing(PolicyState.ADOPTED, 0, 0, bytes(32))
        assert found.in_force(1)
        assert read_document(read, sha256(document).digest()) == document


def test_more_policies_than_genesis_holds_or_one_twice_are_refused():
    many = [b"%d" % number for number in range(MAX_GENESIS_POLICIES + 1)]
    for policies, where in ((many, "number of policies"), ([FIRST, FIRST], "listed")):
        with pytest.raises(OutOfRange, match=where):
            governed_contracts(FOUR, {}, policies)
        with pytest.raises(OutOfRange, match=where):
            policy_registry_init_code(MEMBER_REGISTRY, GOVERNANCE, policies)


@pytest.mark.parametrize("zero", ["members", "governor"])
def test_a_registry_needs_its_members_and_its_governor(zero):
    members, governor = (
        bytes(20) if zero == name else address
        for name, address in (("members", MEMBER_REGISTRY), ("governor", GOVERNANCE))
    )
    refused = Chain().place(b"\x01" * 20, policy_registry_init_code(members, governor, []))
    assert refused.reason == f"bulwark: zero {zero}"


def test_a_log_entry_that_is_bent_is_no_event():
    chain = governed(FOUR)
    address, topics, data = publish(chain).logs[0]
    assert decode_policy_event(BETA.address, topics, data) is None
    assert decode_policy_event(address, topics[:2], data) is None
    assert decode_policy_event(address, topics, data[:-32]) is None
    assert decode_policy_event(address, (), data) is None

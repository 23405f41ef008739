"""Suspension by vote: only for a case on the ledger, keeps the member, comes back by vote."""

from __future__ import annotations

import pytest

from contracts.actions import (
    Action,
    Reinstate,
    RemoveMember,
    SetRoles,
    SuspendMember,
    decode_action,
    encode_action,
)
from contracts.bindings import (
    GOVERNANCE,
    AddMember,
    Executed,
    ExecutionFailed,
    ProposalState,
    Role,
    RolesChanged,
    read_members,
    read_voter_count,
)
from contracts.evidence import EVIDENCE_REGISTRY, encode_unverified, unverified_case_id
from contracts.governance import (
    CASE_STATUS_SELECTOR,
    SUSPENSION_SELECTOR,
    CaseStatus,
    read_case_status,
    read_suspension,
)
from contracts.governance_events import MemberReinstated, MemberSuspended
from tests.contracts.harness import Chain, governed, member, signer
from tests.contracts.voting import (
    ALPHA,
    BETA,
    DAY,
    DELTA,
    FOUR,
    approve,
    carry,
    events,
    propose,
    shown,
)

BOTH = Role.VALIDATOR | Role.REPORTER
CULPRIT = FOUR[3]
CASE = unverified_case_id(CULPRIT.id, b"case")
SUSPEND = SuspendMember(CULPRIT.id, CASE)


def accused(*, data: bytes = b"case", culprit: bytes = CULPRIT.id) -> Chain:
    """Four members, one case against the last."""
    chain = governed(FOUR)
    assert chain.send(ALPHA, EVIDENCE_REGISTRY, encode_unverified(culprit, 5, data)).ok
    return chain


def roles(chain: Chain, member_id: bytes = CULPRIT.id) -> Role | None:
    members = read_members(chain.state.get_storage)
    return next((m.roles for m in members if m.id == member_id), None)


def suspension(chain: Chain) -> tuple[Role, bytes] | None:
    found = read_suspension(chain.state.get_storage, CULPRIT.id)
    words = chain.view(GOVERNANCE, SUSPENSION_SELECTOR + CULPRIT.id)
    taken, case = found or (Role(0), bytes(32))
    assert words == int(taken).to_bytes(32, "big") + case
    return found


def status(chain: Chain, case: bytes = CASE) -> CaseStatus:
    found = read_case_status(chain.state.get_storage, case)
    words = chain.view(GOVERNANCE, CASE_STATUS_SELECTOR + case)
    assert words == found.proposal.to_bytes(32, "big") + found.judged.to_bytes(32, "big")
    return found


def test_two_thirds_suspend_a_member_that_keeps_its_place_and_its_keys():
    chain = accused()
    before = read_members(chain.state.get_storage)
    block = chain.number + 2
    outcome = carry(chain, SUSPEND)
    assert events(outcome)[1:] == [
        RolesChanged(CULPRIT.id, CULPRIT.account, Role(0)),
        MemberSuspended(CULPRIT.id, CASE, BOTH),
        Executed(1, 3),
    ]
    after = read_members(chain.state.get_storage)
    assert [m.id for m in after] == [m.id for m in before]
    assert (after[3].node, after[3].tls_pin) == (CULPRIT.node, CULPRIT.tls_pin)
    assert read_voter_count(chain.state.get_storage) == 3
    assert suspension(chain) == (BOTH, CASE)
    assert status(chain) == CaseStatus(1, block)
    assert propose(chain, DELTA, SUSPEND).reason == "bulwark: not a voter"


def test_a_suspension_leaves_other_roles_and_takes_only_what_is_there():
    chain = accused()
    carry(chain, SetRoles(CULPRIT.id, Role.REPORTER | Role.DEPLOYER))
    carry(chain, SUSPEND, 2)
    assert roles(chain) == Role.DEPLOYER
    assert suspension(chain) == (Role.REPORTER, CASE)


def test_a_vote_reinstates_with_the_roles_that_were_taken():
    chain = accused()
    carry(chain, SUSPEND)
    carry(chain, SetRoles(CULPRIT.id, Role.DEPLOYER), 2)
    assert propose(chain, ALPHA, Reinstate(CULPRIT.id)).ok
    outcome = approve(chain, BETA, 3)  # Two thirds of three.
    assert MemberReinstated(CULPRIT.id, BOTH) in events(outcome)
    assert roles(chain) == BOTH | Role.DEPLOYER
    assert suspension(chain) is None
    assert ExecutionFailed(4, "bulwark: not suspended") in events(
        carry(chain, Reinstate(CULPRIT.id), 4)
    )


def test_nobody_is_suspended_for_one_case_twice():
    chain = accused()
    carry(chain, SUSPEND)
    carry(chain, Reinstate(CULPRIT.id), 2)
    assert propose(chain, ALPHA, SUSPEND).reason == "bulwark: case judged"


def test_a_second_case_against_a_suspended_member_has_nothing_to_take():
    chain = accused()
    assert chain.send(ALPHA, EVIDENCE_REGISTRY, encode_unverified(CULPRIT.id, 5, b"other")).ok
    carry(chain, SUSPEND)
    other = SuspendMember(CULPRIT.id, unverified_case_id(CULPRIT.id, b"other"))
    assert ExecutionFailed(2, "bulwark: nothing to suspend") in events(carry(chain, other, 2))


def test_a_second_suspension_of_what_was_given_in_between_gives_everything_back_at_once():
    chain = accused()
    assert chain.send(ALPHA, EVIDENCE_REGISTRY, encode_unverified(CULPRIT.id, 5, b"other")).ok
    carry(chain, SUSPEND)
    carry(chain, SetRoles(CULPRIT.id, Role.REPORTER), 2)
    other = SuspendMember(CULPRIT.id, unverified_case_id(CULPRIT.id, b"other"))
    carry(chain, other, 3)
    carry(chain, Reinstate(CULPRIT.id), 4)
    assert roles(chain) == BOTH


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (SuspendMember(CULPRIT.id, b"\x09" * 32), "bulwark: unknown evidence"),
        (SuspendMember(CULPRIT.id, bytes(32)), "bulwark: unknown evidence"),
        (SuspendMember(FOUR[0].id, CASE), "bulwark: evidence against another"),
        (SuspendMember(bytes(32), CASE), "bulwark: evidence against another"),
    ],
)
def test_without_a_case_on_the_ledger_against_this_very_member_nothing_is_proposed(action, reason):
    assert propose(accused(), ALPHA, action).reason == reason


def test_one_proposal_a_case_is_open_and_another_may_follow_when_it_lapsed():
    chain = accused()
    assert propose(chain, ALPHA, SUSPEND, 100).ok
    assert propose(chain, BETA, SUSPEND).reason == "bulwark: already proposed"
    assert status(chain) == CaseStatus(1, 0)
    chain.wait(200)
    assert shown(chain).state is ProposalState.LAPSED
    assert propose(chain, BETA, SUSPEND, DAY).ok
    assert status(chain) == CaseStatus(2, 0)


def test_two_proposals_against_one_member_end_in_one_suspension():
    chain = accused()
    assert propose(chain, ALPHA, SUSPEND, 100).ok
    approve(chain, BETA)
    chain.wait(200)
    carry(chain, SUSPEND, 2)
    assert approve(chain, signer("gamma"), 1).reason == "bulwark: lapsed"


def test_the_last_validator_is_not_suspended_and_the_proposal_says_why():
    alpha = member("alpha")
    chain = governed([alpha])
    assert chain.send(ALPHA, EVIDENCE_REGISTRY, encode_unverified(alpha.id, 5, b"case")).ok
    action = SuspendMember(alpha.id, unverified_case_id(alpha.id, b"case"))
    outcome = propose(chain, ALPHA, action)
    assert ExecutionFailed(1, "bulwark: last validator") in events(outcome)
    assert read_case_status(chain.state.get_storage, action.evidence).judged == 0


def test_a_member_that_left_is_suspended_no_more_and_reinstates_nobody_under_its_name():
    chain = accused()
    carry(chain, SUSPEND)
    carry(chain, RemoveMember(CULPRIT.id), 2)
    assert suspension(chain) is None
    carry(chain, AddMember(member("delta", Role(0))), 3)
    failed = ExecutionFailed(4, "bulwark: not suspended")
    assert failed in events(carry(chain, Reinstate(CULPRIT.id), 4))


def test_a_member_that_left_before_the_vote_is_not_suspended_and_the_vote_counts():
    chain = accused()
    assert propose(chain, ALPHA, SUSPEND).ok
    carry(chain, RemoveMember(CULPRIT.id), 2)
    outcome = approve(chain, BETA, 1)
    assert ExecutionFailed(1, "bulwark: nothing to suspend") in events(outcome)


@pytest.mark.parametrize("action", [SUSPEND, Reinstate(CULPRIT.id)])
def test_an_action_is_read_back_as_it_was_written_and_no_other_length_is_one(action: Action):
    data = encode_action(action)
    assert decode_action(data) == action
    assert decode_action(data + bytes(32)) is None
    assert decode_action(data[:-32]) is None

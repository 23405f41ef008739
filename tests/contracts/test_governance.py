"""Governance on py-evm: every action by vote, thresholds, expiry, and what does not count."""

from __future__ import annotations

import pytest

from contracts.bindings import (
    MAX_LIFETIME_S,
    MAX_OPEN_EACH,
    MEMBER_REGISTRY,
    Action,
    AddMember,
    ApprovalWithdrawn,
    Approved,
    Executed,
    KeysChanged,
    MemberAdded,
    MemberRemoved,
    ParameterChanged,
    ProposalMade,
    ProposalState,
    ProposalWithdrawn,
    RemoveMember,
    Role,
    RolesChanged,
    SetKeys,
    SetRoles,
    SetTlsPins,
    TlsPinsChanged,
    encode_action,
    member_id_bytes,
    needed_approvals,
    read_members,
    read_parameters,
    touches_validators,
)
from tests.contracts.harness import governed, member, signer
from tests.contracts.voting import (
    ALPHA,
    BETA,
    DAY,
    DELTA,
    EPSILON,
    FOUR,
    GAMMA,
    KEY,
    RAISE,
    approve,
    carry,
    events,
    propose,
    shown,
    withdraw,
)

ACTIONS: list[tuple[Action, object]] = [
    (AddMember(EPSILON), MemberAdded(EPSILON)),
    (RemoveMember(FOUR[3].id), MemberRemoved(FOUR[3].id, FOUR[3].node, FOUR[3].account)),
    (
        SetKeys(FOUR[0].id, b"\x01" * 20, b"\x02" * 20, KEY),
        KeysChanged(FOUR[0].id, b"\x01" * 20, b"\x02" * 20, KEY),
    ),
    (SetTlsPins(FOUR[1].id, KEY, bytes(32)), TlsPinsChanged(FOUR[1].id, KEY, bytes(32))),
    (
        SetRoles(FOUR[2].id, Role.REPORTER),
        RolesChanged(FOUR[2].id, FOUR[2].account, Role.REPORTER),
    ),
    (RAISE, ParameterChanged("rotation", 16, 32)),
]


@pytest.mark.parametrize(("action", "event"), ACTIONS)
def test_every_action_is_carried_out_by_the_third_of_four_approvals(action, event):
    chain = governed(FOUR)
    expires = chain.now_s + DAY
    first = propose(chain, ALPHA, action)
    assert events(first) == [
        ProposalMade(1, ALPHA.address, expires, action, encode_action(action)),
        Approved(1, ALPHA.address, 1, 3),
    ]
    second = approve(chain, BETA)
    assert events(second) == [Approved(1, BETA.address, 2, 3)]
    before = read_members(chain.state.get_storage), read_parameters(chain.state.get_storage)
    third = approve(chain, GAMMA)
    assert events(third) == [Approved(1, GAMMA.address, 3, 3), event, Executed(1, 3)]
    assert before != (
        read_members(chain.state.get_storage),
        read_parameters(chain.state.get_storage),
    )
    assert shown(chain).state is ProposalState.EXECUTED
    assert approve(chain, DELTA).reason in ("bulwark: closed", "bulwark: not a voter")
    for outcome, touches in ((first, False), (second, False), (third, True)):
        assert touches_validators([_Entry(*entry) for entry in outcome.logs]) is touches


class _Entry:
    def __init__(self, address, topics, data):
        self.address, self.topics, self.data = address, topics, data


@pytest.mark.parametrize("count", range(1, 14))
def test_a_proposal_is_carried_out_at_two_thirds_rounded_up_and_not_before(count):
    names = [f"m{place}" for place in range(count)]
    chain = governed([member(name) for name in names])
    needed = -(-2 * count // 3)
    assert needed_approvals(count) == needed
    for place, name in enumerate(names[:needed], 1):
        by = signer(name)
        outcome = propose(chain, by, RAISE) if place == 1 else approve(chain, by)
        assert outcome.ok
        executed = shown(chain).state is ProposalState.EXECUTED
        assert executed is (place == needed)
        assert (read_parameters(chain.state.get_storage)["rotation"] == 32) is executed


@pytest.mark.parametrize("name", ["stranger", "observer", "alpha node"])
def test_only_validators_propose_and_approve(name):
    chain = governed([*FOUR, member("observer", Role.REPORTER | Role.REGULATOR)])
    assert propose(chain, signer(name), RAISE).reason == "bulwark: not a voter"
    assert propose(chain, ALPHA, RAISE).ok
    assert approve(chain, signer(name)).reason == "bulwark: not a voter"
    assert withdraw(chain, signer(name)).reason == "bulwark: not approved"


def test_nobody_approves_twice():
    chain = governed(FOUR)
    assert propose(chain, ALPHA, RAISE).ok
    assert approve(chain, ALPHA).reason == "bulwark: already approved"
    assert shown(chain).approvals == (ALPHA.address,)


def test_unknown_and_closed_proposals_take_no_votes():
    chain = governed(FOUR)
    for vote in (approve, withdraw):
        for proposal_id in (0, 1, 2**256 - 1):
            assert vote(chain, ALPHA, proposal_id).reason == "bulwark: unknown proposal"
    assert carry(chain, RAISE).ok
    for vote in (approve, withdraw):
        assert vote(chain, ALPHA).reason == "bulwark: closed"


def test_withdrawn_approvals_do_not_count_and_can_be_given_again():
    chain = governed(FOUR)
    assert propose(chain, ALPHA, RAISE).ok
    assert approve(chain, BETA).ok
    assert events(withdraw(chain, ALPHA)) == [ApprovalWithdrawn(1, ALPHA.address, 1)]
    assert withdraw(chain, ALPHA).reason == "bulwark: not approved"
    assert events(approve(chain, GAMMA)) == [Approved(1, GAMMA.address, 2, 3)]
    assert shown(chain).approvals == (BETA.address, GAMMA.address)
    assert Executed(1, 3) in events(approve(chain, ALPHA))


def test_a_proposal_without_any_approval_is_withdrawn():
    chain = governed(FOUR)
    assert propose(chain, ALPHA, RAISE).ok
    assert events(withdraw(chain, ALPHA)) == [
        ApprovalWithdrawn(1, ALPHA.address, 0),
        ProposalWithdrawn(1),
    ]
    assert shown(chain).state is ProposalState.WITHDRAWN
    assert approve(chain, BETA).reason == "bulwark: closed"


def test_a_proposal_lapses_at_its_block_time():
    chain = governed(FOUR)
    expires = chain.now_s + 100
    assert propose(chain, ALPHA, RAISE, 100).ok
    chain.wait(expires - chain.now_s - 2)
    assert chain.now_s == expires - 1
    assert approve(chain, BETA).ok
    assert chain.now_s == expires
    assert shown(chain).state is ProposalState.LAPSED
    for vote in (approve, withdraw):
        assert vote(chain, GAMMA).reason == "bulwark: lapsed"


def test_lifetimes_are_bounded():
    chain = governed(FOUR)
    assert propose(chain, ALPHA, RAISE, 0).reason == "bulwark: expired"
    too_late = propose(chain, ALPHA, RAISE, MAX_LIFETIME_S + 1)
    assert too_late.reason == "bulwark: expires too late"
    assert propose(chain, ALPHA, RAISE, MAX_LIFETIME_S).ok


def test_approvals_of_removed_demoted_and_replaced_accounts_do_not_count():
    five = [*FOUR, EPSILON]
    for change in (
        RemoveMember(EPSILON.id),
        SetRoles(EPSILON.id, Role.REPORTER),
        SetKeys(EPSILON.id, EPSILON.node, signer("epsilon 2").address, KEY),
    ):
        chain = governed(five)
        assert propose(chain, signer("epsilon"), RAISE).ok
        assert propose(chain, ALPHA, change).ok
        for by in (BETA, GAMMA):
            assert approve(chain, by, 2).ok
        assert Executed(2, 4) in events(approve(chain, DELTA, 2))
        assert shown(chain, 1).approvals == ()
        assert approve(chain, signer("epsilon"), 1).reason == "bulwark: not a voter"
        voters = 5 if isinstance(change, SetKeys) else 4
        needed = needed_approvals(voters)
        for place, by in enumerate((ALPHA, BETA, GAMMA, DELTA)[:needed], 1):
            assert Approved(1, by.address, place, needed) in events(approve(chain, by, 1))
        assert shown(chain, 1).state is ProposalState.EXECUTED


def test_a_proposal_that_has_enough_once_voters_leave_is_carried_out_by_approving_again():
    chain = governed([*FOUR, EPSILON])
    assert propose(chain, ALPHA, RAISE).ok
    for by in (BETA, GAMMA):
        assert approve(chain, by).ok
    assert propose(chain, ALPHA, RemoveMember(EPSILON.id)).ok
    for by in (BETA, GAMMA, DELTA):
        assert approve(chain, by, 2).ok
    assert shown(chain, 1).state is ProposalState.OPEN
    assert events(approve(chain, ALPHA, 1)) == [
        ParameterChanged("rotation", 16, 32),
        Executed(1, 3),
    ]


def test_a_voter_has_a_bounded_number_of_open_proposals():
    chain = governed(FOUR)
    for _ in range(MAX_OPEN_EACH):
        assert propose(chain, ALPHA, RAISE, 1_000).ok
    full = "bulwark: too many open proposals"
    assert propose(chain, ALPHA, RAISE).reason == full
    assert propose(chain, BETA, RAISE).ok
    assert withdraw(chain, ALPHA, 3).ok
    assert propose(chain, ALPHA, RAISE, 1_000).ok
    assert propose(chain, ALPHA, RAISE).reason == full
    for by in (BETA, GAMMA):
        assert approve(chain, by, 5).ok
    assert propose(chain, ALPHA, RAISE, 1_000).ok
    assert propose(chain, ALPHA, RAISE).reason == full
    chain.wait(1_001)
    for _ in range(MAX_OPEN_EACH):
        assert propose(chain, ALPHA, RAISE).ok
    assert propose(chain, ALPHA, RAISE).reason == full


def test_members_change_only_by_vote():
    chain = governed(FOUR)
    for action in (action for action, _ in ACTIONS[:5]):
        outcome = chain.send(ALPHA, MEMBER_REGISTRY, encode_action(action))
        assert outcome.reason == "bulwark: not the governor"


def test_an_added_member_votes_and_a_second_of_its_id_is_refused():
    chain = governed(FOUR)
    assert carry(chain, AddMember(EPSILON)).ok
    assert propose(chain, signer("epsilon"), RAISE).ok
    assert shown(chain, 2).approvals == (EPSILON.account,)
    assert read_members(chain.state.get_storage) == (*FOUR, EPSILON)
    assert member_id_bytes("epsilon") == EPSILON.id

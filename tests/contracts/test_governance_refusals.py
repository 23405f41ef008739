"""What Governance refuses, and that a refusal bricks nothing."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from vyper.compiler import compile_code

from contracts.bindings import (
    GOVERNANCE,
    MEMBER_REGISTRY,
    Action,
    AddMember,
    Approved,
    Executed,
    ExecutionFailed,
    ProposalState,
    RemoveMember,
    Role,
    SetKeys,
    SetParameter,
    SetRoles,
    SetTlsPins,
    encode_action,
    encode_propose,
    governance_init_code,
    read_members,
    read_parameters,
)
from tests.contracts.harness import Chain, governed, member
from tests.contracts.voting import (
    ALPHA,
    BETA,
    DAY,
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

REFUSED: list[tuple[Action, str]] = [
    (AddMember(replace(EPSILON, id=FOUR[0].id)), "bulwark: id taken"),
    (AddMember(replace(EPSILON, node=FOUR[0].node)), "bulwark: node taken"),
    (AddMember(replace(EPSILON, account=FOUR[0].account)), "bulwark: account taken"),
    (AddMember(replace(EPSILON, node=bytes(20))), "bulwark: zero node"),
    (RemoveMember(EPSILON.id), "bulwark: unknown member"),
    (SetKeys(FOUR[0].id, FOUR[1].node, FOUR[0].account, KEY), "bulwark: node taken"),
    (SetTlsPins(EPSILON.id, KEY, KEY), "bulwark: unknown member"),
    (SetRoles(EPSILON.id, Role.VALIDATOR), "bulwark: unknown member"),
    (SetParameter("pipeline", 9), "bulwark: pipeline over window"),
    (SetParameter("base_timeout_ms", 30_001), "bulwark: base over max timeout"),
    (SetParameter("max_timeout_ms", 999), "bulwark: base over max timeout"),
]


@pytest.mark.parametrize(("action", "reason"), REFUSED)
def test_an_action_that_is_refused_says_why_and_leaves_the_proposal_open(action, reason):
    chain = governed(FOUR)
    before = read_members(chain.state.get_storage), read_parameters(chain.state.get_storage)
    outcome = carry(chain, action)
    assert outcome.ok
    assert events(outcome) == [Approved(1, GAMMA.address, 3, 3), ExecutionFailed(1, reason)]
    assert (shown(chain).state, shown(chain).failure) == (ProposalState.OPEN, reason)
    after = read_members(chain.state.get_storage), read_parameters(chain.state.get_storage)
    assert after == before
    # Nothing is stuck: it can be tried again, and other proposals go through.
    assert events(approve(chain, ALPHA)) == [ExecutionFailed(1, reason)]
    assert Executed(2, 3) in events(carry(chain, RAISE, 2))


def test_a_refused_action_goes_through_once_the_obstacle_is_gone():
    chain = governed(FOUR)
    assert carry(chain, SetParameter("pipeline", 16)).ok
    assert shown(chain).failure == "bulwark: pipeline over window"
    assert carry(chain, SetParameter("checkpoint_interval", 4), 2).ok
    assert Executed(1, 3) in events(approve(chain, ALPHA, 1))
    assert read_parameters(chain.state.get_storage)["pipeline"] == 16


@pytest.mark.parametrize("action", [RemoveMember(FOUR[0].id), SetRoles(FOUR[0].id, Role(0))])
def test_the_last_validator_stays(action):
    chain = governed([FOUR[0], member("observer", Role.REPORTER)])
    assert events(propose(chain, ALPHA, action))[-1] == ExecutionFailed(
        1, "bulwark: last validator"
    )
    assert read_members(chain.state.get_storage)[0] == FOUR[0]


EVIL = """
# pragma version 0.4.3
interface Governance:
    def approve(id: uint256): nonpayable

calls: public(uint256)

@external
@view
def has_role(account: address, role: uint256) -> bool:
    return True

@external
@view
def validator_count() -> uint256:
    return 1

@external
def remove_member(id: bytes32):
    self.calls += 1
    assert raw_call(
        0x000000000000000000000000000000000000b004,
        abi_encode(convert(1, uint256), method_id=method_id("approve(uint256)")),
        revert_on_failure=False,
        max_outsize=0,
    ) == False
"""


def test_what_an_action_calls_can_not_vote_and_so_not_carry_it_out_again():
    evil = bytes.fromhex(compile_code(EVIL, output_formats=["bytecode"])["bytecode"][2:])
    chain = governed([], registry=evil)
    assert events(propose(chain, ALPHA, RemoveMember(FOUR[0].id)))[-1] == Executed(1, 1)
    assert chain.state.get_storage(MEMBER_REGISTRY, 0) == 1
    assert approve(chain, ALPHA).reason == "bulwark: closed"


def test_accounts_with_code_have_no_vote():
    chain = governed(FOUR)
    assert propose(chain, ALPHA, RAISE).ok
    chain.state.set_code(BETA.address, b"\xef\x01\x00" + b"\x11" * 20)
    chain.next_block()
    assert approve(chain, BETA).reason == "bulwark: not an account"
    assert withdraw(chain, BETA).reason == "bulwark: not an account"
    assert propose(chain, BETA, RAISE).reason == "bulwark: not an account"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "bulwark: unknown action"),
        (b"\0" * 36, "bulwark: unknown action"),
        (bytes.fromhex("ca6e9e8c") + bytes(32), "bulwark: unknown action"),
        (encode_action(RAISE) + b"\0", "bulwark: action length"),
        (encode_action(RemoveMember(KEY))[:-1], "bulwark: action length"),
        (encode_action(RAISE)[:4] + b"speed".ljust(32, b"\0") + KEY, "bulwark: unknown parameter"),
    ],
)
def test_what_is_no_action_is_not_proposed(data, reason):
    chain = governed(FOUR)
    call = encode_propose(RAISE, chain.now_s + 60)[:68]
    call += len(data).to_bytes(32, "big") + data.ljust(-(-len(data) // 32) * 32, b"\0")
    assert chain.send(ALPHA, GOVERNANCE, call).reason == reason


def test_an_action_that_the_registry_can_not_read_fails_and_leaves_the_proposal_open():
    chain = governed(FOUR)
    data = bytearray(encode_propose(AddMember(EPSILON), chain.now_s + DAY))
    data[4 + 3 * 32 + 4 + 32] = 1  # dirty padding of the node's address
    assert chain.send(ALPHA, GOVERNANCE, bytes(data)).ok
    assert approve(chain, BETA).ok
    failed = events(approve(chain, GAMMA))[-1]
    assert isinstance(failed, ExecutionFailed)
    assert failed.reason.startswith("no reason given")
    assert shown(chain).state is ProposalState.OPEN
    assert shown(chain).action is None


@pytest.mark.parametrize(
    ("members", "parameters", "reason"),
    [
        (bytes(20), {}, "bulwark: zero members"),
        (MEMBER_REGISTRY, {"rotation": 0}, "bulwark: zero parameter"),
    ],
)
def test_a_faulty_genesis_is_refused(members, parameters, reason):
    assert Chain().place(GOVERNANCE, governance_init_code(members, parameters)).reason == reason

"""Reads of storage equal the contracts' own views after any history of votes."""

from __future__ import annotations

import pytest
from eth_abi import decode, encode
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from contracts.actions import (
    BOUNDS,
    PARAMETERS,
    SET_PARAMETER_SELECTOR,
    VOTABLE,
    parameter_name_bytes,
)
from contracts.bindings import (
    GOVERNANCE,
    MEMBER_REGISTRY,
    AddMember,
    DamagedStorage,
    OutOfRange,
    RemoveMember,
    Role,
    SetKeys,
    SetParameter,
    SetRoles,
    SetTlsPins,
    UnknownParameter,
    decode_action,
    decode_governance_event,
    decode_member,
    encode_action,
    encode_approve,
    encode_member_at,
    encode_member_count,
    encode_propose,
    encode_validator_count,
    encode_withdraw_approval,
    load_artifact,
    member_id_bytes,
    needed_approvals,
    read_members,
    read_parameters,
    read_proposal,
    read_proposal_count,
    read_voter_count,
    touches_validators,
)
from contracts.governance import (
    APPROVALS_SELECTOR,
    BOUNDS_SELECTOR,
    NEEDED_SELECTOR,
    OPEN_IDS_SELECTOR,
    PARAMETER_SELECTOR,
    PROPOSAL_COUNT_SELECTOR,
    PROPOSAL_SELECTOR,
    ProposalState,
    decode_failure,
)
from contracts.governance_events import EVENT_NAMES, PARAMETER_CHANGED_TOPIC
from tests.contracts.harness import PARAMETERS as FIRST
from tests.contracts.harness import Chain, governed, member, signer

NAMES = ("alpha", "beta", "gamma", "delta")
POOL = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta")
IDS = [member_id_bytes(name) for name in POOL]
ids = st.sampled_from(IDS)
words = st.binary(min_size=32, max_size=32)
addresses = st.sampled_from([bytes([n]) * 20 for n in range(3)] + [signer(n).address for n in POOL])
actions = st.one_of(
    st.builds(AddMember, st.builds(member, st.sampled_from(POOL), st.integers(0, 15))),
    st.builds(RemoveMember, ids),
    st.builds(SetKeys, ids, addresses, addresses, words),
    st.builds(SetTlsPins, ids, words, words),
    st.builds(SetRoles, ids, st.integers(0, 15).map(Role)),
    st.sampled_from(PARAMETERS).flatmap(
        lambda name: st.builds(SetParameter, st.just(name), st.integers(*BOUNDS[name]))
    ),
)
steps = st.one_of(
    st.tuples(st.just("carry"), actions),
    st.tuples(st.just("propose"), st.sampled_from(POOL), actions),
    st.tuples(st.just("approve"), st.sampled_from(POOL), st.integers(0, 6)),
    st.tuples(st.just("withdraw"), st.sampled_from(POOL), st.integers(0, 6)),
    st.tuples(st.just("wait"), st.integers(1, 400)),
)


def _do(chain: Chain, step: tuple) -> None:
    """One step; a refused one changes nothing, which the comparison shows."""
    match step:
        case ("propose", name, action):
            chain.send(signer(name), GOVERNANCE, encode_propose(action, chain.now_s + 300))
        case ("approve", name, proposal_id):
            chain.send(signer(name), GOVERNANCE, encode_approve(proposal_id))
        case ("withdraw", name, proposal_id):
            chain.send(signer(name), GOVERNANCE, encode_withdraw_approval(proposal_id))
        case ("wait", seconds):
            chain.wait(seconds)
        case ("carry", action):
            for by in POOL:
                _do(chain, ("propose", by, action))
                last = read_proposal_count(chain.state.get_storage)
                for name in POOL:
                    _do(chain, ("approve", name, last))
                break


def _number(chain: Chain, to: bytes, data: bytes) -> int:
    return int.from_bytes(chain.view(to, data), "big")


def _assert_reads_are_views(chain: Chain) -> None:
    read = chain.state.get_storage
    count = _number(chain, MEMBER_REGISTRY, encode_member_count())
    assert list(read_members(read)) == [
        decode_member(chain.view(MEMBER_REGISTRY, encode_member_at(i))) for i in range(count)
    ]
    voters = sum(bool(m.roles & Role.VALIDATOR) for m in read_members(read))
    assert read_voter_count(read) == voters
    assert _number(chain, MEMBER_REGISTRY, encode_validator_count()) == voters
    assert _number(chain, GOVERNANCE, NEEDED_SELECTOR) == needed_approvals(voters)
    for name in PARAMETERS:
        query = PARAMETER_SELECTOR + parameter_name_bytes(name)
        assert read_parameters(read).get(name, 0) == _number(chain, GOVERNANCE, query)
    made = read_proposal_count(read)
    assert made == _number(chain, GOVERNANCE, PROPOSAL_COUNT_SELECTOR)
    still_open = []
    for proposal_id in range(made + 2):
        _assert_proposal(chain, proposal_id)
        found = read_proposal(read, proposal_id, chain.now_s)
        if found is not None and found.state is ProposalState.OPEN:
            still_open.append(proposal_id)
    (listed,) = decode(["uint256[]"], chain.view(GOVERNANCE, encode_open_ids(1)))
    assert list(listed) == still_open


def encode_open_ids(first: int) -> bytes:
    return OPEN_IDS_SELECTOR + encode(["uint256"], [first])


def _assert_proposal(chain: Chain, proposal_id: int) -> None:
    word = encode(["uint256"], [proposal_id])
    proposer, expires, state, action, failure = decode(
        ["address", "uint256", "uint256", "bytes", "bytes"],
        chain.view(GOVERNANCE, PROPOSAL_SELECTOR + word),
    )
    found = read_proposal(chain.state.get_storage, proposal_id, chain.now_s)
    if state == 0:
        assert found is None
        return
    (approvals,) = decode(["address[]"], chain.view(GOVERNANCE, APPROVALS_SELECTOR + word))
    assert found is not None
    assert (found.proposer.hex(), found.expires_s) == (proposer.removeprefix("0x"), expires)
    assert (found.state, found.action_bytes) == (state, action)
    assert found.failure == (decode_failure(failure) if failure else None)
    assert [f"0x{voter.hex()}" for voter in found.approvals] == list(approvals)


@settings(deadline=None, max_examples=40)
@given(st.lists(steps, max_size=12))
def test_after_any_history_reads_equal_views(history):
    chain = governed([member(name) for name in NAMES])
    for step in history:
        _do(chain, step)
    _assert_reads_are_views(chain)


@settings(deadline=None)
@given(actions)
def test_an_action_decodes_to_itself_and_matches_the_abi(action):
    data = encode_action(action)
    assert decode_action(data) == action
    for other in (data[:-1], data + b"\0", data[:4], b"\0" * len(data), b""):
        assert decode_action(other) is None
    call = encode_propose(action, 7)
    assert call[4:] == encode(["bytes", "uint256"], [data, 7])


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_decoders_are_total_on_any_bytes(data):
    decode_action(data)
    for count in range(4):
        for topic in EVENT_NAMES:
            decode_governance_event(GOVERNANCE, [topic, data, data][:count], data)
            padded = [topic, *[bytes(12) + bytes(20)] * 2][:count]
            decode_governance_event(GOVERNANCE, padded, data)
            assert decode_governance_event(MEMBER_REGISTRY, padded, data) is None


def test_bounds_of_the_binding_are_those_of_the_contract():
    chain = governed([member("alpha")])
    for name in VOTABLE:
        output = chain.view(GOVERNANCE, BOUNDS_SELECTOR + parameter_name_bytes(name))
        assert decode(["uint256", "uint256"], output) == VOTABLE[name]
    assert set(FIRST) | {"protocol_level"} == set(PARAMETERS), "a level is only ever voted"
    assert load_artifact("Governance").method_identifiers["propose(bytes,uint256)"]


@pytest.mark.parametrize("name", VOTABLE)
def test_values_outside_their_bounds_are_refused_by_binding_and_contract(name):
    chain = governed([member("alpha")])
    least, most = VOTABLE[name]
    for value in (least - 1, most + 1):
        with pytest.raises(OutOfRange, match=name):
            encode_action(SetParameter(name, value))
        data = SET_PARAMETER_SELECTOR + parameter_name_bytes(name) + encode(["uint256"], [value])
        assert decode_action(data) is None
        call = encode_propose(SetParameter(name, least), chain.now_s + 60)
        call = call.replace(encode_action(SetParameter(name, least)), data)
        outcome = chain.send(signer("alpha"), GOVERNANCE, call)
        assert outcome.reason == "bulwark: parameter out of range"


def test_a_read_of_storage_that_no_contract_wrote_is_refused():
    chain = governed([member("alpha")])
    with pytest.raises(UnknownParameter, match="speed"):
        parameter_name_bytes("speed")
    with pytest.raises(DamagedStorage, match="length"):
        read_members(lambda contract, slot: 129)
    with pytest.raises(DamagedStorage, match="no address"):
        read_members(lambda contract, slot: 1 if slot == 6 else 2**200)
    assert read_members(lambda contract, slot: 0) == ()
    assert read_parameters(lambda contract, slot: 0) == {}
    with pytest.raises(DamagedStorage, match="state"):
        read_proposal(lambda contract, slot: 9, 1, chain.now_s)


def test_only_registry_logs_and_changed_parameters_touch_validators():
    class Entry:
        def __init__(self, address, *topics):
            self.address, self.topics = address, topics

    assert not touches_validators([])
    assert touches_validators([Entry(GOVERNANCE), Entry(MEMBER_REGISTRY)])
    assert touches_validators([Entry(GOVERNANCE, PARAMETER_CHANGED_TOPIC, bytes(32))])
    assert not touches_validators([Entry(bytes(20), PARAMETER_CHANGED_TOPIC)])
    for topic in set(EVENT_NAMES) - {PARAMETER_CHANGED_TOPIC}:
        assert not touches_validators([Entry(GOVERNANCE, topic)])


@pytest.mark.parametrize(
    "text",
    [b"", b"-a", b"a_b", b"A", b"a\0b", b"\xff", b"a" * 32, b"a b", b"\0a", b"a" * 31 + b"-"],
)
def test_a_member_whose_id_is_none_of_a_genesis_document_is_never_proposed(text):
    chain = governed([member("alpha")])
    added = AddMember(replace(member("epsilon"), id=text.ljust(32, b"\0")))
    data = encode_propose(added, chain.now_s + 60)
    assert chain.send(signer("alpha"), GOVERNANCE, data).reason == "bulwark: bad id"


@pytest.mark.parametrize("text", [b"a", b"0", b"a-", b"a" * 31, b"9-z"])
def test_a_member_with_an_id_of_genesis_documents_is_added(text):
    chain = governed([member("alpha")])
    added = AddMember(replace(member("epsilon"), id=text.ljust(32, b"\0")))
    data = encode_propose(added, chain.now_s + 60)
    assert chain.send(signer("alpha"), GOVERNANCE, data).ok
    assert read_members(chain.state.get_storage)[-1] == added.member

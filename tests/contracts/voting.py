"""Four voters, and one line a vote, for the tests of the governance contract."""

from __future__ import annotations

from contracts.bindings import (
    GOVERNANCE,
    Action,
    Proposal,
    SetParameter,
    decode_governance_event,
    decode_member_event,
    encode_approve,
    encode_propose,
    encode_withdraw_approval,
    read_proposal,
)
from tests.contracts.harness import Chain, Outcome, Signer, member, signer

DAY = 86_400
FOUR = [member(name) for name in ("alpha", "beta", "gamma", "delta")]
ALPHA, BETA, GAMMA, DELTA = (signer(name) for name in ("alpha", "beta", "gamma", "delta"))
EPSILON = member("epsilon")
KEY = b"\x5b" * 32
RAISE = SetParameter("rotation", 32)


def propose(chain: Chain, by: Signer, action: Action, seconds: int = DAY) -> Outcome:
    return chain.send(by, GOVERNANCE, encode_propose(action, chain.now_s + seconds))


def approve(chain: Chain, by: Signer, proposal_id: int = 1) -> Outcome:
    return chain.send(by, GOVERNANCE, encode_approve(proposal_id))


def withdraw(chain: Chain, by: Signer, proposal_id: int = 1) -> Outcome:
    return chain.send(by, GOVERNANCE, encode_withdraw_approval(proposal_id))


def events(outcome: Outcome) -> list[object]:
    return [
        decode_governance_event(*entry) or decode_member_event(*entry) for entry in outcome.logs
    ]


def shown(chain: Chain, proposal_id: int = 1) -> Proposal:
    found = read_proposal(chain.state.get_storage, proposal_id, chain.now_s)
    assert found is not None
    return found


def carry(chain: Chain, action: Action, proposal_id: int = 1) -> Outcome:
    """Propose and approve by three of four; the outcome of the third approval."""
    assert propose(chain, ALPHA, action).ok
    assert approve(chain, BETA, proposal_id).ok
    return approve(chain, GAMMA, proposal_id)

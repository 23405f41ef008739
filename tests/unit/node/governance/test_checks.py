"""Dry runs of suspensions and policies on a real chain: what the ledger would say, and why."""

from __future__ import annotations

from hashlib import sha256

import pytest

from bulwark.policies.library import shipped
from contracts.actions import AdoptPolicy, Reinstate, SuspendMember, WithdrawPolicy
from contracts.bindings import RemoveMember
from contracts.evidence import EVIDENCE_REGISTRY, encode_unverified, unverified_case_id
from contracts.policies import POLICY_REGISTRY, encode_publish
from node.governance.port import Weight
from node.service import Conflict
from tests.contracts.harness import member, signer
from tests.contracts.voting import approve
from tests.unit.node.governance.test_desk import Scene, make, vote

DELTA = member("delta").id
CASE = unverified_case_id(DELTA, b"case")
SUSPEND = SuspendMember(DELTA, CASE)
POLICY = shipped("eu-psr-83")


def accused() -> Scene:
    scene = make()
    filed = scene.chain.send(
        signer("beta"), EVIDENCE_REGISTRY, encode_unverified(DELTA, 5, b"case")
    )
    assert filed.ok
    return scene


def publish(scene: Scene, document: bytes = POLICY.document) -> None:
    assert scene.chain.send(signer("beta"), POLICY_REGISTRY, encode_publish(document)).ok


def refusal(scene: Scene, action) -> str | None:
    run = scene.desk.dry_run(action)
    return next((f.detail for f in run.findings if f.weight is Weight.REFUSED), None)


async def test_a_suspension_by_vote_goes_from_dry_run_to_reinstatement():
    scene = accused()
    run = scene.desk.dry_run(SUSPEND)
    assert (run.before.validators, run.after.validators, run.after.quorum) == (4, 3, 2)
    assert run.verdict() is None
    note = next(f.detail for f in run.findings if f.code == "evidence")
    assert "did not verify" in note
    outcome = await vote(scene.desk, SUSPEND)
    assert outcome.proposal.action == {
        "kind": "suspend_member",
        "id": "delta",
        "evidence": CASE.hex(),
    }
    for name in ("beta", "gamma"):
        assert approve(scene.chain, signer(name)).ok
    assert scene.desk.proposal(1).state == "executed"
    assert "already" in str(refusal(scene, SUSPEND))
    back = scene.desk.dry_run(Reinstate(DELTA))
    assert back.verdict() is None
    assert (back.before.validators, back.after.validators) == (3, 4)


async def test_a_suspension_without_a_case_against_the_member_is_refused_before_it_is_sent():
    scene = accused()
    assert "no case" in str(refusal(scene, SuspendMember(DELTA, b"\x01" * 32)))
    other = SuspendMember(member("beta").id, CASE)
    assert "against another member" in str(refusal(scene, other))
    with pytest.raises(Conflict, match="against another member"):
        await vote(scene.desk, other, force=True)
    assert "not suspended" in str(refusal(scene, Reinstate(DELTA)))


async def test_who_neither_votes_nor_reports_can_not_be_suspended():
    scene = accused()
    await vote(scene.desk, RemoveMember(DELTA), force=True)
    for name in ("beta", "gamma"):
        assert approve(scene.chain, signer(name)).ok
    assert "nothing to suspend" in str(refusal(scene, SUSPEND))


async def test_a_policy_is_adopted_only_if_the_ledger_has_it_and_nodes_can_read_it():
    scene = make()
    adopt = AdoptPolicy(POLICY.id)
    assert "unknown policy" in str(refusal(scene, adopt))
    publish(scene)
    assert scene.desk.dry_run(adopt).verdict() is None
    outcome = await vote(scene.desk, adopt)
    assert outcome.proposal.action == {"kind": "adopt_policy", "policy": POLICY.id.hex()}
    for name in ("beta", "gamma"):
        assert approve(scene.chain, signer(name)).ok
    assert "policy adopted" in str(refusal(scene, adopt))
    assert scene.desk.dry_run(WithdrawPolicy(POLICY.id)).verdict() is None
    publish(scene, b"{}")
    unreadable = str(refusal(scene, AdoptPolicy(sha256(b"{}").digest())))
    assert "no node could apply this policy: $.consent_receipt: is missing" in unreadable

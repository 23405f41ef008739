"""Metrics of the guarded path: what operators need, and nothing that tells who asks."""

from __future__ import annotations

from bulwark.privacy.query import Scope
from node.guarded.report import GuardedReport
from tests.unit.node.guarded.questions import code_of, elements, proven, request_of
from tests.unit.node.guarded.world import QUOTAS, Member, World


def report_of(member: Member) -> GuardedReport:
    return GuardedReport(
        keys=member.keys,
        rings=member.chain,
        slots=member.slots,
        prover=member.prover,
        evaluator=member.evaluator,
        relay=member.relay,
    )


def shown(member: Member) -> dict[str, float]:
    """Name and labels to value."""
    return {
        f"{sample.name}{sorted(sample.labels.values())}": sample.value
        for family in report_of(member).families()
        for sample in family.samples
    }


async def test_quota_and_what_is_used_of_it_are_shown_by_scope(world: World) -> None:
    asker = world["bank-a"]
    before = shown(asker)
    assert before["bulwark_quota['small']"] == QUOTAS[Scope.SMALL]
    assert before["bulwark_quota_used['small']"] == 0
    await (await asker.asker.open(world.live(asker.index), elements(2))).ask(world["bank-c"].index)
    after = shown(asker)
    assert after["bulwark_quota_used['small']"] == 1
    assert after["bulwark_quota_used['bulk']"] == 0
    assert after["bulwark_guarded_proofs_total[]"] == 1
    assert after["bulwark_ring_members[]"] == len(world.members)
    assert after["bulwark_holds_share[]"] == 1


async def test_what_was_answered_refused_and_passed_on_is_counted(world: World) -> None:
    asker, evaluator = world["bank-a"], world["bank-c"]
    await (await asker.asker.open(world.live(asker.index), elements(2))).ask(evaluator.index)
    spent = proven(asker, request_of(world, slot=10**6), world.view())
    await code_of(evaluator, spent)
    seen = shown(evaluator)
    assert seen["bulwark_guarded_answered_total[]"] == 1
    assert seen["bulwark_guarded_evaluations_total[]"] == 2
    assert seen["bulwark_guarded_refused_total['no_such_slot']"] == 1
    assert seen["bulwark_guarded_refused_total['unreadable']"] == 0
    passed = sum(shown(world[name])["bulwark_guarded_passed_total[]"] for name in world.members)
    assert passed == 1


def test_no_metric_has_another_member_as_a_label(world: World) -> None:
    for member in (world[name] for name in world.members):
        for name in shown(member):
            assert not [other for other in world.members if other in name]

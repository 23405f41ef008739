"""The desk: what is refused before a transaction is spent, and repeats that do nothing twice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bulwark.ledger.ids import Digest
from bulwark.privacy.memberkeys import new_ring_key
from bulwark.privacy.ring.prover import prove
from bulwark.privacy.ring.ristretto import member_ring
from node.guarded.served import ServedStatement
from node.openings.desk import OpeningsDesk
from node.service import Busy, Conflict, Forbidden, Idempotency, NotFound, Stage
from tests.unit.node.openings.opening_scene import BASIS, NAMES, REGULATOR, WORLD, Scene, asked


async def request(desk: OpeningsDesk, slot: int = 1, wish: Idempotency | None = None) -> bytes:
    outcome = await desk.request(
        asked(1, slot).statement_hash, BASIS, wait=Stage.EXECUTED, idempotency=wish
    )
    assert outcome.case is not None
    return outcome.case.case_id


async def vote(scene: Scene, name: str, case_id: bytes, approve: bool = True) -> str:
    outcome = await scene.nodes[name].desk.vote(
        case_id, approve=approve, wait=Stage.EXECUTED, idempotency=None
    )
    assert outcome.case is not None
    return outcome.case.state


async def test_a_case_goes_from_open_to_approved_by_votes(scene: Scene) -> None:
    await scene.anchored(asked(1, 1))
    case_id = await request(scene.nodes[REGULATOR].desk)
    states = [await vote(scene, name, case_id) for name in NAMES[:3]]
    assert states == ["open", "open", "approved"]
    view = scene.nodes["m3"].desk.case(case_id)
    assert (view.regulator, view.approvals, view.needed, view.voters) == (REGULATOR, 3, 3, 4)
    assert (view.statement_hash, view.basis_hash) == (asked(1, 1).statement_hash, BASIS)


async def test_cases_are_listed_newest_first_and_open_ones_alone(scene: Scene) -> None:
    await scene.anchored(asked(1, 1), asked(1, 2))
    desk = scene.nodes[REGULATOR].desk
    first, second = await request(desk, 1), await request(desk, 2)
    for name in NAMES[:2]:
        await vote(scene, name, first, approve=False)
    other = scene.nodes["m3"].desk
    assert [view.case_id for view in other.cases(open_only=False)] == [second, first]
    assert [view.case_id for view in other.cases(open_only=True)] == [second]
    assert other.cases(open_only=False)[1].state == "refused"


async def test_what_the_ledger_would_refuse_costs_no_transaction(scene: Scene) -> None:
    await scene.anchored(asked(1, 1))
    case_id = await request(scene.nodes[REGULATOR].desk)
    await vote(scene, "m0", case_id)
    sent = {name: len(node.lane.sent) for name, node in scene.nodes.items()}
    with pytest.raises(Conflict, match="voted already"):
        await vote(scene, "m0", case_id, approve=False)
    with pytest.raises(Forbidden, match="not a voter"):
        await vote(scene, REGULATOR, case_id)
    with pytest.raises(Forbidden, match="not a regulator"):
        await scene.nodes["m0"].desk.request(
            asked(1, 1).statement_hash, BASIS, wait=Stage.EXECUTED, idempotency=None
        )
    for unknown in (b"\0" * 32, b"short"):
        with pytest.raises(NotFound):
            await vote(scene, "m1", unknown)
    assert sent == {name: len(node.lane.sent) for name, node in scene.nodes.items()}


async def test_a_statement_that_is_not_anchored_yet_is_told_apart_from_an_unknown_one(
    scene: Scene,
) -> None:
    scene.nodes["m1"].log.record(asked(1, 1), scene.chain.now_s * 1000)
    desk = scene.nodes[REGULATOR].desk
    with pytest.raises(Conflict, match="not anchored yet"):
        await request(desk)
    with pytest.raises(NotFound):
        await request(desk, 2)


async def test_a_copy_that_does_not_hold_is_not_asked_about(scene: Scene) -> None:
    await scene.anchored(asked(1, 1), asked(1, 2, opener_epoch=9))
    desk = scene.nodes[REGULATOR].desk
    with pytest.raises(Conflict, match="opener epoch 9"):
        await desk.request(
            asked(1, 2, opener_epoch=9).statement_hash,
            BASIS,
            wait=Stage.EXECUTED,
            idempotency=None,
        )


async def test_a_ring_with_a_key_that_nobody_registered_is_refused(scene: Scene) -> None:
    """Of a height whose ring this node does not know any more."""
    scene.rings = {}
    ring = member_ring([*WORLD.ring, new_ring_key(WORLD.random_bytes).public])
    statement = replace(asked(1, 1).statement, ring=ring)
    secret = WORLD.secrets[1].secret
    served = ServedStatement(statement, prove(statement, secret, 1, WORLD.random_bytes))
    await scene.anchored(served, asked(1, 2))
    desk = scene.nodes[REGULATOR].desk
    with pytest.raises(Conflict, match="no member registered"):
        await desk.request(served.statement_hash, BASIS, wait=Stage.EXECUTED, idempotency=None)
    assert await request(desk, 2)


async def test_a_repeated_request_or_vote_does_nothing_twice(scene: Scene) -> None:
    await scene.anchored(asked(1, 1))
    node = scene.nodes[REGULATOR]
    wish = Idempotency("key", Digest(b"\1" * 32))
    case_id = await request(node.desk, 1, wish)
    node.start()
    assert await request(node.desk, 1, wish) == case_id
    assert len(node.lane.sent) == 1
    member = scene.nodes["m0"]
    for _ in range(2):
        await member.desk.vote(case_id, approve=True, wait=Stage.EXECUTED, idempotency=wish)
    assert scene.nodes["m1"].desk.case(case_id).approvals == 1


async def test_what_is_on_its_way_has_no_case_yet(scene: Scene) -> None:
    await scene.anchored(asked(1, 1))
    desk = scene.nodes[REGULATOR].desk
    outcome = await desk.request(
        asked(1, 1).statement_hash, BASIS, wait=Stage.ACCEPTED, idempotency=None
    )
    assert (outcome.stage, outcome.case, outcome.height) == (Stage.ACCEPTED, None, None)
    scene.nodes[REGULATOR].lane.busy = True
    with pytest.raises(Busy):
        await request(desk)

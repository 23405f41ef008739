"""A regulator's node reads an evaluator's log and believes nothing of it."""

from __future__ import annotations

import dataclasses

import pytest
from msgspec.structs import replace

from bulwark.ledger.ids import MemberId
from node.guarded.served import ServedStatement
from node.openings.statements import Copies
from node.service import Forbidden, Unavailable
from tests.unit.node.openings.opening_scene import REGULATOR, Scene, asked


async def test_every_statement_of_a_log_is_verified_and_can_be_asked_about(scene: Scene) -> None:
    await scene.anchored(*(asked(author, 1) for author in range(4)), by=("m1", "m2"))
    desk = scene.nodes[REGULATOR].desk
    seen, cursor = [], None
    while True:
        page = await desk.statements("m1", cursor, 3)
        seen += page.statements
        cursor = page.next
        if cursor is None:
            break
    assert {view.statement_hash for view in seen} == {asked(a, 1).statement_hash for a in range(4)}
    assert [view.obstacle for view in seen] == [None] * 4
    assert len({view.nullifier for view in seen}) == 4
    assert seen[0].interval is not None
    assert (seen[0].scope, seen[0].slot, seen[0].ring_size) == (1, 1, 4)
    assert await scene.opened(asked(2, 1))


async def test_what_does_not_hold_is_shown_with_the_reason(scene: Scene) -> None:
    mine, other = asked(0, 1), asked(2, 2)
    bent = ServedStatement(mine.statement, dataclasses.replace(mine.proof, e2=other.proof.e2))
    await scene.anchored(bent, asked(1, 3, opener_epoch=9), by=("m1",))
    page = await scene.nodes[REGULATOR].desk.statements("m1", None, 16)
    reasons = sorted(view.obstacle or "" for view in page.statements)
    assert "opener epoch 9" in reasons[0]
    assert "ring proof does not hold" in reasons[1]


async def test_a_place_that_the_ledger_does_not_have_is_seen(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.anchored(asked(1, 1), by=("m1",))
    node = scene.nodes[REGULATOR]
    (good,) = scene.nodes["m1"].server.found(asked(1, 1).statement_hash)
    assert good.anchorage is not None
    anchor = good.anchorage.anchor
    moved = replace(good, anchorage=replace(good.anchorage, anchor=replace(anchor, interval=9)))
    root = replace(anchor, root=b"\x07" * 32)
    other = replace(good, anchorage=replace(good.anchorage, anchor=root))
    unplaced = replace(good, anchorage=None)

    async def lie(to, topic, body, timeout_ms):
        return Copies((moved, other, unplaced)).encode()

    monkeypatch.setattr(node.mesh, "ask", lie)
    page = await node.desk.statements("m1", None, 16)
    reasons = [view.obstacle for view in page.statements]
    assert reasons[0] == "the ledger has no such anchor"
    assert "not under the anchored root" in (reasons[1] or "")
    assert (reasons[2], page.statements[2].interval) == (None, None)


async def test_only_the_own_log_and_a_regulators_view_are_open(scene: Scene) -> None:
    await scene.anchored(asked(1, 1), by=("m1",))
    assert len((await scene.nodes["m1"].desk.statements("m1", None, 16)).statements) == 1
    with pytest.raises(Forbidden, match="only a regulator's node"):
        await scene.nodes["m2"].desk.statements(MemberId("m1"), None, 16)
    scene.down = {"m1"}
    with pytest.raises(Unavailable, match="down"):
        await scene.nodes[REGULATOR].desk.statements("m1", None, 16)

"""A member that did not ask can show it; the one that did can not, and nobody in its place."""

from __future__ import annotations

import dataclasses

import pytest
from msgspec.structs import replace

from bulwark.privacy.memberkeys import new_ring_key
from node.openings.courtfile import NotShown
from node.openings.exculpating import verify_exculpation
from node.service import Conflict, NotFound, Stage, Unavailable
from tests.unit.node.openings.opening_scene import (
    NAMES,
    REGULATOR,
    WORLD,
    Scene,
    asked,
    genesis,
)


async def test_everybody_but_the_author_clears_itself_to_whoever_has_genesis(scene: Scene) -> None:
    await scene.anchored(asked(1, 1))
    case_id = await scene.approved(asked(1, 1))
    scene.finalize()
    for name in ("m0", "m2", "m3"):
        document = await scene.nodes[name].desk.exculpation(case_id)
        cleared = verify_exculpation(document, genesis())
        assert cleared.member == name
        assert cleared.served.statement_hash == asked(1, 1).statement_hash
    with pytest.raises(Conflict, match=r"there is no exculpation: .*made with this key"):
        await scene.nodes["m1"].desk.exculpation(case_id)
    await scene.act()
    await scene.nodes[REGULATOR].desk.finish(case_id, wait=Stage.EXECUTED)
    closed = await scene.nodes["m0"].desk.exculpation(case_id)
    assert verify_exculpation(closed, genesis()).member == "m0"


async def test_the_statement_of_a_case_that_is_not_approved_is_nobodys_affair(scene: Scene) -> None:
    await scene.anchored(asked(1, 1))
    case_id = await scene.opened(asked(1, 1))
    scene.finalize()
    with pytest.raises(Conflict, match="open: the statement is shown once it is approved"):
        await scene.nodes["m0"].desk.exculpation(case_id)
    with pytest.raises(NotFound):
        await scene.nodes["m0"].desk.exculpation(b"\x07" * 32)


async def test_what_is_missing_is_told(scene: Scene) -> None:
    await scene.anchored(asked(1, 1), by=("m1",))
    case_id = await scene.approved(asked(1, 1))
    desk = scene.nodes["m0"].desk
    with pytest.raises(Conflict, match="no block is final yet"):
        await desk.exculpation(case_id)
    scene.finalize()
    scene.down = {"m1"}
    with pytest.raises(Unavailable, match="no evaluator"):
        await desk.exculpation(case_id)
    scene.down = set()
    other = new_ring_key(WORLD.random_bytes)
    scene.nodes["m0"].exculpator._ring_keys = lambda: (other,)
    with pytest.raises(Conflict, match="not among those"):
        await desk.exculpation(case_id)


async def test_a_copy_with_another_members_pair_is_not_taken(scene: Scene) -> None:
    """A lying evaluator shows the statement with the nullifier of somebody else's question."""
    await scene.anchored(asked(1, 1))
    case_id = await scene.approved(asked(1, 1))
    scene.finalize()
    mine, other = asked(1, 1), asked(2, 2)
    bent = replace(mine, proof=dataclasses.replace(mine.proof, nullifier=other.proof.nullifier))
    (copy,) = scene.nodes["m0"].server.found(mine.statement_hash)
    for name in NAMES:
        scene.nodes[name].server.found = lambda hash_: [replace(copy, served=bent)]  # type: ignore[method-assign]
    with pytest.raises(Conflict, match="not of the case's statement"):
        await scene.nodes["m0"].desk.exculpation(case_id)


async def test_a_bent_file_clears_nobody(scene: Scene) -> None:
    await scene.anchored(asked(1, 1), asked(2, 1))
    case_id = await scene.approved(asked(1, 1))
    scene.finalize()
    good = dict(await scene.nodes["m0"].desk.exculpation(case_id))
    others = dict(await scene.nodes["m2"].desk.exculpation(case_id))
    exculpation = str(good["exculpation"])
    state = list(good["state"])  # type: ignore[call-overload]
    bends: list[dict[str, object]] = [
        {"format": "bulwark-opening/1"},
        {"member_key": WORLD.ring[1].encoding.hex()},
        {"member_key": others["member_key"]},
        {"exculpation": others["exculpation"]},
        {"exculpation": exculpation[:-2] + ("00" if exculpation[-2:] != "00" else "01")},
        {"exculpation": asked(1, 1).proof.nullifier.encoding.hex() + exculpation[64:]},
        {"served": asked(2, 1).encode().hex()},
        {"served": "00"},
        {"state": state[1:]},
        {"sealed": {**good["sealed"], "certificate": "00"}},  # type: ignore[dict-item]
    ]
    for bend in bends:
        with pytest.raises(NotShown):
            verify_exculpation({**good, **bend}, genesis())
    assert verify_exculpation(good, genesis()).member == "m0"

"""The regulator's node: enough good parts or nothing, bad ones named, one result a case."""

from __future__ import annotations

import json

import pytest

from bulwark.privacy.opening import partial, partial_commitment, seal_partial
from contracts.privacy.bindings import OPENINGS
from contracts.privacy.openings import encode_post_partial, read_case
from node.openings.checking import check
from node.openings.courtfile import NotShown
from node.openings.courtrecord import verify_court_record
from node.service import Conflict, Forbidden, NotFound, Stage, Unavailable
from tests.unit.node.openings.opening_scene import (
    NAMES,
    REGULATOR,
    SHARING,
    WORLD,
    Scene,
    asked,
    genesis,
    sealing_key,
)
from tests.unit.privacy.opening_world import OpeningWorld


async def post_bad(scene: Scene, case_id: bytes, name: str, kind: str) -> None:
    """A council member posts something that is not its part."""
    node = scene.nodes[name]
    record = read_case(scene.read_slot, case_id, scene.chain.now_s)
    place = node.book.place(case_id)
    assert record is not None
    assert place is not None
    case = (await check(node.ledger, record, place, asked(1, 1))).under(WORLD.opener.council)
    share = WORLD.shares[NAMES.index(name)]
    part = partial(case, share, WORLD.random_bytes)
    sealed = seal_partial(case, part, sealing_key(REGULATOR).public)
    commitment = partial_commitment(case, part)
    if kind == "garbage":
        sealed = b"\x01" * 145
    elif kind == "commitment":
        commitment = b"\x02" * 32
    elif kind == "other":
        wrong = partial(case, WORLD.shares[0], WORLD.random_bytes)
        sealed = seal_partial(case, wrong, sealing_key(REGULATOR).public)
    assert scene.execute(name, OPENINGS, encode_post_partial(case_id, sealed, commitment, SHARING))


@pytest.mark.parametrize("kind", ["garbage", "commitment", "other"])
async def test_a_bad_part_is_named_and_the_others_suffice(scene: Scene, kind: str) -> None:
    await scene.anchored(asked(1, 1))
    case_id = await scene.approved(asked(1, 1))
    await post_bad(scene, case_id, "m3", kind)
    desk = scene.nodes[REGULATOR].desk
    await scene.act("m0", "m1")
    with pytest.raises(Conflict, match=r"2.*bad parts: m3"):
        await desk.finish(case_id, wait=Stage.EXECUTED)
    await scene.act("m2")
    finished = await desk.finish(case_id, wait=Stage.EXECUTED)
    assert finished.member == "m1"
    assert [name for name, _ in finished.bad] == ["m3"]
    again = await desk.finish(case_id, wait=Stage.EXECUTED)
    assert again.bad == finished.bad


async def test_too_few_parts_open_nothing_and_close_nothing(scene: Scene) -> None:
    await scene.anchored(asked(1, 1))
    case_id = await scene.approved(asked(1, 1))
    await scene.act("m0", "m1")
    desk = scene.nodes[REGULATOR].desk
    with pytest.raises(Conflict):
        await desk.finish(case_id, wait=Stage.EXECUTED)
    assert desk.case(case_id).state == "approved"
    with pytest.raises(NotFound):
        desk.record(case_id)


async def test_nobody_finishes_without_the_regulators_key_or_before_the_votes(scene: Scene) -> None:
    await scene.anchored(asked(1, 1))
    case_id = await scene.opened(asked(1, 1))
    with pytest.raises(Forbidden):
        await scene.nodes["m0"].desk.finish(case_id, wait=Stage.EXECUTED)
    regulator = scene.nodes[REGULATOR]
    with pytest.raises(Conflict, match="must be approved"):
        await regulator.desk.finish(case_id, wait=Stage.EXECUTED)
    for name in NAMES[:3]:
        await scene.nodes[name].desk.vote(
            case_id, approve=True, wait=Stage.EXECUTED, idempotency=None
        )
    await scene.act()
    regulator.keys.regulator = None
    with pytest.raises(Forbidden, match="regulator's key of this opener"):
        await regulator.desk.finish(case_id, wait=Stage.EXECUTED)


async def test_a_restart_between_result_and_block_closes_with_the_same_result(scene: Scene) -> None:
    await scene.anchored(asked(1, 1))
    case_id = await scene.approved(asked(1, 1))
    await scene.act()
    node = scene.nodes[REGULATOR]
    first = await node.desk.finish(case_id, wait=Stage.ACCEPTED)
    node.start()
    second = await node.desk.finish(case_id, wait=Stage.ACCEPTED)
    assert len(node.lane.sent) == 2
    node.delivered = len(node.lane.sent)  # and the transaction gets lost
    third = await node.desk.finish(case_id, wait=Stage.EXECUTED)
    assert first.result_hash == second.result_hash == third.result_hash
    again = await node.desk.finish(case_id, wait=Stage.EXECUTED)
    assert again.outcome.case is not None
    assert again.outcome.case.result_hash == first.result_hash


async def test_a_refresh_between_the_parts_has_all_of_them_made_anew(scene: Scene) -> None:
    """Two parts of one sharing and two of the next would else be too few for ever."""
    await scene.anchored(asked(1, 1))
    case_id = await scene.approved(asked(1, 1))
    await scene.act("m0", "m1")
    scene.refresh()
    desk = scene.nodes[REGULATOR].desk
    view = desk.case(case_id)
    assert (view.partials, view.posted, view.stale) == (0, (), ("m0", "m1"))
    with pytest.raises(Conflict, match=r"0 .*another sharing .*made anew by their nodes: m0, m1"):
        await desk.finish(case_id, wait=Stage.EXECUTED)
    await scene.act("m2")
    with pytest.raises(Conflict, match=r"1 .*: m0, m1"):
        await desk.finish(case_id, wait=Stage.EXECUTED)
    await scene.act()
    view = desk.case(case_id)
    assert (view.partials, view.posted, view.stale) == (4, NAMES, ())
    finished = await desk.finish(case_id, wait=Stage.EXECUTED)
    assert (finished.member, finished.bad) == ("m1", ())
    scene.refresh("after the end")
    view = desk.case(case_id)
    assert (view.state, view.partials, view.posted) == ("closed", 4, NAMES)
    scene.finalize()
    assert verify_court_record(desk.record(case_id), genesis()).member == "m1"


async def test_a_part_that_a_refresh_overtook_is_refused_and_its_maker_not_blamed(
    scene: Scene,
) -> None:
    await scene.anchored(asked(1, 1))
    case_id = await scene.approved(asked(1, 1))
    await scene.nodes["m3"].council.act()
    scene.refresh()
    await scene.act("m0", "m1", "m2")
    assert "bulwark: sharing not active" in scene.reasons
    finished = await scene.nodes[REGULATOR].desk.finish(case_id, wait=Stage.EXECUTED)
    assert (finished.member, finished.bad) == ("m1", ())


async def test_while_the_key_is_handed_over_no_part_is_made(scene: Scene) -> None:
    """The new sharing is active in the contract, and not published: nodes have the old one."""
    await scene.anchored(asked(1, 1))
    case_id = await scene.approved(asked(1, 1))
    scene.chain.council(b"\x5f" * 32)
    await scene.act()
    assert [node.council.posted for node in scene.nodes.values()] == [0] * 5
    scene.refresh()
    await scene.act()
    finished = await scene.nodes[REGULATOR].desk.finish(case_id, wait=Stage.EXECUTED)
    assert finished.member == "m1"


async def test_without_a_council_or_with_another_one_nothing_is_concluded(scene: Scene) -> None:
    await scene.anchored(asked(1, 1))
    case_id = await scene.approved(asked(1, 1))
    await scene.act()
    node = scene.nodes[REGULATOR]
    node.keys.live = False
    with pytest.raises(Conflict, match="no key yet"):
        await node.desk.finish(case_id, wait=Stage.EXECUTED)
    node.keys.live = True
    node.keys.key = OpeningWorld.build(3, 4, seed="another").opener.council
    with pytest.raises(Conflict, match="another opener's key"):
        await node.desk.finish(case_id, wait=Stage.EXECUTED)


async def test_without_any_evaluator_nothing_is_known_and_that_is_said(scene: Scene) -> None:
    await scene.anchored(asked(1, 1))
    case_id = await scene.approved(asked(1, 1))
    await scene.act()
    scene.down = set(NAMES)
    desk = scene.nodes[REGULATOR].desk
    with pytest.raises(Unavailable):
        await desk.finish(case_id, wait=Stage.EXECUTED)
    with pytest.raises(NotFound):
        await desk.request(b"\1" * 32, b"\2" * 32, wait=Stage.EXECUTED, idempotency=None)


async def test_the_result_is_on_disk_encrypted_and_the_record_waits_for_finality(
    scene: Scene,
) -> None:
    await scene.anchored(asked(1, 1))
    case_id = await scene.approved(asked(1, 1))
    await scene.act()
    scene.finalize()
    node = scene.nodes[REGULATOR]
    finished = await node.desk.finish(case_id, wait=Stage.EXECUTED)
    stored = b"".join(value for _, value in node.store.iterate(b"u"))
    assert finished.member_key not in stored
    with pytest.raises(Conflict, match="no final block"):
        node.desk.record(case_id)
    scene.finalize()
    assert verify_court_record(node.desk.record(case_id), genesis()).member == "m1"


async def test_a_bent_file_shows_nothing(scene: Scene) -> None:
    await scene.anchored(asked(1, 1), asked(2, 1))
    case_id = await scene.approved(asked(1, 1))
    await scene.act()
    node = scene.nodes[REGULATOR]
    await node.desk.finish(case_id, wait=Stage.EXECUTED)
    scene.finalize()
    good = dict(node.desk.record(case_id))
    state = list(good["state"])  # type: ignore[call-overload]
    result = str(good["result"])
    bends: list[dict[str, object]] = [
        {"format": "x"},
        {"served": asked(2, 1).encode().hex()},
        {"served": asked(1, 1).encode().hex()[:-2] + "00"},
        {"state": state[1:]},
        {"state": []},
        {"result": result[:-64] + WORLD.ring[2].encoding.hex()},
        {"result": result[:-2]},
        {"sealed": {**good["sealed"], "certificate": "00"}},  # type: ignore[dict-item]
    ]
    for bend in bends:
        with pytest.raises(NotShown):
            verify_court_record({**good, **bend}, genesis())
    with pytest.raises(NotShown):
        verify_court_record(b"[]", genesis())
    whole = json.dumps(good)
    at = whole.index('"header": "') + 30
    flipped = whole[:at] + ("0" if whole[at] != "0" else "1") + whole[at + 1 :]
    with pytest.raises(NotShown):
        verify_court_record(flipped.encode(), genesis())

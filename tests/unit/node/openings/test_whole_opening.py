"""An opening from the question to the court, over the real contracts, with real proofs."""

from __future__ import annotations

import json

import pytest

from node.openings.courtrecord import verify_court_record
from node.service import Stage
from tests.unit.node.openings.opening_scene import (
    BASIS,
    NAMES,
    REGULATOR,
    Scene,
    asked,
    genesis,
)


@pytest.mark.parametrize("author", range(4))
async def test_a_logged_question_is_opened_to_its_author_and_a_court_is_convinced(
    scene: Scene, author: int
) -> None:
    await scene.anchored(asked(author, 1), asked((author + 1) % 4, 2))
    case_id = await scene.approved(asked(author, 1))
    await scene.act()
    desk = scene.nodes[REGULATOR].desk
    finished = await desk.finish(case_id, wait=Stage.EXECUTED)
    assert (finished.member, finished.bad) == (NAMES[author], ())
    assert set(scene.reasons) == {None}
    view = scene.nodes["m0"].desk.case(case_id)
    assert (view.state, view.result_hash, view.partials) == ("closed", finished.result_hash, 4)
    assert [(v.member, v.approve) for v in view.votes] == [(n, True) for n in NAMES[:3]]
    assert view.posted == NAMES
    scene.finalize()
    document = json.dumps(desk.record(case_id)).encode()
    opened = verify_court_record(document, genesis())
    assert (opened.member, opened.place, opened.ring_size) == (NAMES[author], author, 4)
    assert opened.case.request.basis_hash == BASIS
    assert (opened.regulator, opened.served.statement.slot) == (REGULATOR, 1)

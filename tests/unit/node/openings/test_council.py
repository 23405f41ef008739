"""A council member's share answers what the ledger approved, once, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contracts.privacy.bindings import OPENINGS, CaseRequest, read_partial
from contracts.privacy.openings import encode_open_case
from contracts.privacy.query_log import StatementProof
from node.guarded.served import ServedStatement
from node.openings import council
from node.openings.council import RETRY_MS
from node.openings.statements import Copies
from node.service import Stage
from tests.unit.node.openings.opening_scene import BASIS, NAMES, REGULATOR, Scene, asked


def parts(scene: Scene) -> int:
    """Transactions with partials that left any node."""
    nodes = [scene.nodes[name] for name in NAMES]
    return sum(node.council.posted for node in nodes)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Every use of a share, by case."""
    uses: list[bytes] = []
    real = council.partial

    def counting(case, share, random_bytes):
        uses.append(case.case_id)
        return real(case, share, random_bytes)

    monkeypatch.setattr(council, "partial", counting)
    return uses


async def test_nothing_is_computed_before_the_votes_are_enough(scene: Scene, made) -> None:
    await scene.anchored(asked(1, 1))
    case_id = await scene.approved(asked(1, 1), "m0", "m1")
    await scene.act()
    assert (made, parts(scene)) == ([], 0)
    vote = scene.nodes["m3"].desk.vote
    await vote(case_id, approve=True, wait=Stage.EXECUTED, idempotency=None)
    await scene.act()
    assert made == [case_id] * 4


async def test_a_refused_a_closed_or_an_expired_case_gets_no_part(scene: Scene, made) -> None:
    await scene.anchored(asked(1, 1), asked(1, 2))
    refused = await scene.opened(asked(1, 1))
    for name in ("m0", "m1"):
        await scene.nodes[name].desk.vote(
            refused, approve=False, wait=Stage.EXECUTED, idempotency=None
        )
    expired = await scene.approved(asked(1, 2))
    scene.chain.wait(15 * 86_400)
    await scene.act()
    states = [scene.nodes["m0"].desk.case(case_id).state for case_id in (refused, expired)]
    assert (states, made) == (["refused", "expired"], [])


async def test_a_part_is_made_once_over_blocks_and_restarts(scene: Scene, made) -> None:
    await scene.anchored(asked(1, 1))
    case_id = await scene.approved(asked(1, 1))
    node = scene.nodes["m0"]
    await node.council.act()
    await node.council.act()
    node.start()
    await node.council.act()
    scene.chain.wait(RETRY_MS // 1000)
    await node.council.act()
    assert made == [case_id]
    scene.deliver()
    scene.chain.wait(RETRY_MS // 1000)
    node.start()
    await node.council.act()
    assert made == [case_id]
    assert [reason for reason in scene.reasons if reason] == []


async def test_a_part_that_got_lost_goes_out_again_with_the_same_bytes(scene: Scene, made) -> None:
    await scene.anchored(asked(1, 1))
    case_id = await scene.approved(asked(1, 1))
    node = scene.nodes["m0"]
    await node.council.act()
    node.delivered = len(node.lane.sent)
    node.start()
    await node.council.act()
    assert len(node.lane.sent) == node.delivered
    scene.chain.wait(RETRY_MS // 1000)
    await node.council.act()
    assert node.lane.sent[-1].data == node.lane.sent[-2].data
    scene.deliver()
    assert made == [case_id]
    assert read_partial(scene.read_slot, case_id, b"m0".ljust(32, b"\0")) is not None


async def test_a_case_about_a_bent_pair_gets_no_part(scene: Scene, made) -> None:
    """An evaluator anchors a leaf that it made up: a statement with the E of somebody else."""
    mine, other = asked(0, 1), asked(2, 2)
    bent = ServedStatement(
        mine.statement, replace(mine.proof, e1=other.proof.e1, e2=other.proof.e2)
    )
    await scene.anchored(bent, by=("m3",))
    await scene.anchored(mine, other, by=("m1", "m2"))
    (entry,) = scene.nodes["m3"].log.find(bent.statement_hash)
    where = scene.nodes["m3"].log.anchorage(entry, b"m3".ljust(32, b"\0"))
    assert where is not None
    case_id = b"\xcc" * 32
    proof = bent.proof
    request = CaseRequest(
        case_id,
        bent.statement_hash,
        proof.nullifier.encoding,
        proof.e1.encoding,
        proof.e2.encoding,
        BASIS,
        where.anchor.evaluator,
    )
    call = encode_open_case(request, StatementProof(where.lefts, where.path))
    assert scene.execute(REGULATOR, OPENINGS, call)
    for name in NAMES[:3]:
        await scene.nodes[name].desk.vote(
            case_id, approve=True, wait=Stage.EXECUTED, idempotency=None
        )
    await scene.act()
    assert (made, parts(scene)) == ([], 0)
    for name in NAMES:
        assert "ring proof" in scene.nodes[name].council.unfit[case_id] or name in ("m1", "m2")
    assert "ring proof" in (scene.nodes["m0"].desk.case(case_id).obstacle or "")


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        (lambda: asked(1, 1, opener_epoch=7), "opener epoch 7"),
        (lambda: asked(1, 1, genesis_hash=b"\x99" * 32), "another alliance"),
    ],
)
async def test_a_statement_of_another_opener_or_alliance_gets_no_part(
    scene: Scene, made, statement, why
) -> None:
    served = statement()
    await scene.anchored(served)
    (entry,) = scene.nodes["m0"].log.find(served.statement_hash)
    where = scene.nodes["m0"].log.anchorage(entry, b"m0".ljust(32, b"\0"))
    assert where is not None
    proof, case_id = served.proof, b"\xcc" * 32
    elements = (proof.nullifier.encoding, proof.e1.encoding, proof.e2.encoding)
    request = CaseRequest(case_id, served.statement_hash, *elements, BASIS, where.anchor.evaluator)
    call = encode_open_case(request, StatementProof(where.lefts, where.path))
    assert scene.execute(REGULATOR, OPENINGS, call)
    for name in NAMES[:3]:
        await scene.nodes[name].desk.vote(
            case_id, approve=True, wait=Stage.EXECUTED, idempotency=None
        )
    await scene.act()
    assert made == []
    assert why in scene.nodes["m2"].council.unfit[case_id]


async def test_a_foreign_ring_gets_no_part(scene: Scene, made) -> None:
    await scene.anchored(asked(1, 1))
    case_id = await scene.approved(asked(1, 1))
    scene.rings = {
        1: asked(1, 1).statement.ring.__class__(
            asked(1, 1).statement.ring.suite, asked(1, 1).statement.ring.keys[:3]
        )
    }
    await scene.act()
    assert made == []
    assert "ring is not the ledger's" in scene.nodes["m2"].council.unfit[case_id]
    scene.rings = {}
    scene.chain.wait(RETRY_MS // 1000)
    await scene.act()
    assert made == [case_id] * 4
    assert scene.nodes["m2"].council.unfit == {}


async def test_without_a_share_or_a_copy_it_waits_for_them(scene: Scene, made) -> None:
    await scene.anchored(asked(1, 1), by=("m1",))
    case_id = await scene.approved(asked(1, 1))
    node = scene.nodes["m0"]
    node.keys.live = False
    await node.council.act()
    node.keys.live = True
    scene.down = {"m1"}
    await node.council.act()
    assert made == []
    assert node.desk.case(case_id).obstacle == "no evaluator that is connected shows its statement"
    scene.down = set()
    await node.council.act()
    assert made == [], "it asks around again only after a while"
    scene.chain.wait(RETRY_MS // 1000)
    await node.council.act()
    assert made == [case_id]


async def test_a_full_lane_is_tried_again(scene: Scene, made) -> None:
    await scene.anchored(asked(1, 1))
    case_id = await scene.approved(asked(1, 1))
    node = scene.nodes["m0"]
    node.lane.busy = True
    await node.council.act()
    node.lane.busy = False
    scene.chain.wait(RETRY_MS // 1000)
    await node.council.act()
    scene.deliver()
    assert read_partial(scene.read_slot, case_id, b"m0".ljust(32, b"\0")) is not None


async def test_a_case_that_expires_while_its_statement_is_fetched_gets_no_part(
    scene: Scene, made, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.anchored(asked(1, 1), by=("m1",))
    await scene.approved(asked(1, 1))
    node = scene.nodes["m0"]
    found = scene.nodes["m1"].server.found(asked(1, 1).statement_hash)

    async def late(to, topic, body, timeout_ms):
        scene.chain.wait(15 * 86_400)
        return Copies(tuple(found)).encode()

    monkeypatch.setattr(node.mesh, "ask", late)
    await node.council.act()
    assert (made, node.lane.sent[node.delivered :]) == ([], [])

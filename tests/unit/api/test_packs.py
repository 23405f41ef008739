"""Evidence packs and seals over REST: a real desk over a real chain behind the real application."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json

import httpx
import pytest

from api.server import create_app
from bulwark.ledger.proofs import ConsistencyProof, SealedHeader
from bulwark.verifier.pack import verify_pack
from node.audit.packdesk import PackDesk, PackGround
from node.audit.packport import PackStream, PackWish
from node.clock import Clock
from node.directory import Directory
from node.evidence_book import EvidenceBook
from node.service import Busy, Caller, Role, Unavailable
from tests.unit.api.world import World
from tests.unit.node.execution.alliance import Node
from tests.unit.verifier.scene import maker, scene

PACKS, SEAL, CONSISTENCY = "/v1/audit/packs", "/v1/audit/seal", "/v1/audit/consistency"


BY = Caller("auditor-1", Role.AUDITOR)
NOTED: list[tuple[Caller, str]] = []


async def note(by: Caller, case_ref: str) -> None:
    NOTED.append((by, case_ref))


def make_desk(node: Node | None = None) -> PackDesk:
    """The desk of a node over a chain, the scene's if none is given."""
    node = node or scene().node
    return PackDesk(
        PackGround(
            store=node.store,
            maker=maker(node),
            prover=node.prover,
            directory=Directory(node.genesis, node.executor.slot),
            evidence=EvidenceBook(node.store, lambda epoch: None),
            clock=Clock(),
            note=note,
        )
    )


@pytest.fixture
def world() -> World:
    made = World()
    made.app = create_app(
        made.node, made.chain, made.keys, made.settings, packs=make_desk(), random_bytes=made.random
    )
    return made


async def test_an_auditor_downloads_a_pack_that_verifies(world: World) -> None:
    answer = await world.ask("POST", PACKS, Role.AUDITOR)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    assert int(answer.headers["content-length"]) == len(answer.content)
    found = verify_pack(io.BytesIO(answer.content), scene().node.genesis)
    assert found.chain.tip == scene().node.chain.tip
    assert answer.headers["x-content-hash"] == found.manifest.content_hash.hex()


@pytest.mark.parametrize(
    ("wish", "kind"),
    [
        ({"from_height": 1, "to_height": 2}, "all"),
        ({"reporter": "bravo"}, "reporter"),
        ({"records": [scene().disputed.hex()]}, "records"),
    ],
)
async def test_what_is_asked_for_is_what_the_pack_selects(
    world: World, wish: dict[str, object], kind: str
) -> None:
    answer = await world.ask("POST", PACKS, Role.AUDITOR, json=wish)
    found = verify_pack(io.BytesIO(answer.content), scene().node.genesis)
    assert found.manifest.selection.kind == kind


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        ({"from_height": -1}, 422),
        ({"height": 1}, 422),
        ({"records": ["zz"]}, 422),
        ({"records": ["00" * 32], "reporter": "alpha"}, 422),
        ({"records": ["00" * 32]}, 404),
        ({"reporter": "nobody"}, 404),
        ({"to_height": 1_000_000}, 409),
        ({"from_height": 5, "to_height": 4}, 409),
    ],
)
async def test_a_wish_that_can_not_be_met_is_refused_and_the_next_one_served(
    world: World, wish: dict[str, object], status: int
) -> None:
    answer = await world.ask("POST", PACKS, Role.AUDITOR, json=wish)
    assert answer.status_code == status, answer.text
    assert (await world.ask("POST", PACKS, Role.AUDITOR)).status_code == 200


@pytest.mark.parametrize("role", [Role.REPORTER, Role.ANALYST, Role.OPERATOR])
async def test_only_auditors_and_admins_make_packs(world: World, role: Role) -> None:
    for method, path in (("POST", PACKS), ("GET", f"{SEAL}?height=1")):
        assert (await world.ask(method, path, role)).status_code == 403


async def test_who_got_a_pack_is_noted_before_it_is_sent(world: World) -> None:
    NOTED.clear()
    answer = await world.ask("POST", PACKS, Role.AUDITOR)
    ((by, case_ref),) = NOTED
    assert by.role is Role.AUDITOR
    assert case_ref == f"pack {answer.headers['x-content-hash'][:16]}"


async def test_papers_that_are_given_are_listed_in_the_pack(world: World) -> None:
    papers = [{"name": "opening.json", "text": "{}"}, {"name": "log.txt", "text": "entries"}]
    answer = await world.ask("POST", PACKS, Role.AUDITOR, json={"documents": papers})
    found = verify_pack(io.BytesIO(answer.content), scene().node.genesis)
    assert found.documents == 2
    assert any("not judged" in note for note in found.notes())
    away = [{"name": "../x", "text": ""}]
    assert (
        await world.ask("POST", PACKS, Role.AUDITOR, json={"documents": away})
    ).status_code == 422
    same = [papers[0], papers[0]]
    assert (
        await world.ask("POST", PACKS, Role.AUDITOR, json={"documents": same})
    ).status_code == 422


async def test_one_pack_at_a_time_and_a_reader_that_left_blocks_nobody() -> None:
    desk = make_desk()
    first = await desk.pack(PackWish(), by=BY)
    with pytest.raises(Busy):
        await desk.pack(PackWish(), by=BY)
    await first.chunks.aclose()
    second = await desk.pack(PackWish(), by=BY)
    size = 0
    async for piece in second.chunks:
        size += len(piece)
    await second.chunks.aclose()
    assert size == second.size


async def next_pack(desk: PackDesk) -> PackStream:
    """The next pack, as soon as the one before it is let go."""
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(Busy):
                return await desk.pack(PackWish(), by=BY)
            await asyncio.sleep(0.005)


async def test_a_pack_whose_asker_is_gone_is_given_up_and_its_snapshot_let_go() -> None:
    """Cancelled while a thread reads, both while it is measured and while it is sent."""
    desk = make_desk()
    asked = asyncio.create_task(desk.pack(PackWish(), by=BY))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    sent = await next_pack(desk)
    piece = asyncio.create_task(anext(aiter(sent.chunks)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    piece.cancel()
    await sent.chunks.aclose()
    last = await next_pack(desk)
    await last.chunks.aclose()


async def test_a_node_that_stops_gives_up_a_pack_under_way() -> None:
    desk = make_desk()
    sent = await desk.pack(PackWish(), by=BY)
    desk.close()
    with pytest.raises((RuntimeError, Unavailable)):
        async for _ in sent.chunks:
            pass
    await sent.chunks.aclose()


async def test_a_pack_is_sent_in_pieces(world: World) -> None:
    transport = httpx.ASGITransport(world.app)
    headers = world.headers(Role.ADMIN)
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://node", headers=headers) as client,
        client.stream("POST", PACKS) as answer,
    ):
        pieces = [piece async for piece in answer.aiter_raw()]
    assert sum(map(len, pieces)) == int(answer.headers["content-length"])


async def test_a_seal_and_a_consistency_proof_hold_against_genesis(world: World) -> None:
    genesis, tip = scene().node.genesis, scene().node.chain.tip
    answer = await world.ask("GET", f"{SEAL}?height={tip.height}", Role.AUDITOR)
    sealed = SealedHeader.read(answer.json()["sealed"], "sealed")
    sealed.verify(genesis)
    assert (sealed.header, len(sealed.epochs)) == (tip, 1)
    asked = await world.ask("GET", f"{CONSISTENCY}?first=1&second={tip.height}", Role.AUDITOR)
    ConsistencyProof.from_json(asked.content).verify(genesis)
    assert json.loads(asked.content)["format"] == "bulwark-consistency-proof/1"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (SEAL, 400),
        (f"{SEAL}?height=x", 400),
        (f"{SEAL}?height=100000", 409),
        (f"{CONSISTENCY}?first=2&second=1", 400),
        (f"{CONSISTENCY}?first=2", 400),
    ],
)
async def test_a_seal_that_is_not_there_is_refused(world: World, path: str, status: int) -> None:
    assert (await world.ask("GET", path, Role.AUDITOR)).status_code == status

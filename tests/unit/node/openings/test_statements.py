"""Who is shown the log of an evaluator, and how copies travel."""

from __future__ import annotations

import pytest

from bulwark.ledger.errors import DecodeError
from bulwark.ledger.ids import MemberId
from node.openings.statements import (
    Copies,
    Copy,
    Wanted,
    WantedPage,
    decode_copies,
    decode_wanted,
)
from node.requests import PeerUnavailable
from node.service import Stage
from tests.unit.node.openings.opening_scene import REGULATOR, Scene, asked

HASH, CASE = b"\x01" * 32, b"\x02" * 32


@pytest.mark.parametrize(
    "wanted",
    [Wanted(HASH), Wanted(HASH, CASE), WantedPage(None, 3), WantedPage(b"\x05" * 44, 16)],
)
def test_requests_come_back_from_their_bytes(wanted) -> None:
    assert decode_wanted(wanted.encode()) == wanted


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0" + HASH + b"\0",
        b"\3" + HASH + b"\0",
        Wanted(HASH).encode()[:-1],
        Wanted(HASH, CASE).encode() + b"\0",
        WantedPage(None, 17).encode(),
    ],
)
def test_bent_requests_are_refused(body: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_wanted(body)


async def test_an_answer_comes_back_with_statement_and_place(scene: Scene) -> None:
    await scene.anchored(asked(1, 1))
    (copy,) = scene.nodes["m2"].server.found(asked(1, 1).statement_hash)
    assert copy.anchorage is not None
    for copies in (Copies((copy, Copy(asked(2, 2), None)), b"\x05" * 44), Copies(())):
        back = decode_copies(copies.encode())
        assert [c.served.leaf for c in back.copies] == [c.served.leaf for c in copies.copies]
        assert [c.anchorage for c in back.copies] == [c.anchorage for c in copies.copies]
        assert back.next == copies.next
    for bent in (b"", copies.encode() + b"\0", Copies((copy,)).encode()[:-2]):
        with pytest.raises(DecodeError):
            decode_copies(bent)


async def test_only_a_regulator_reads_the_log(scene: Scene) -> None:
    await scene.anchored(asked(1, 1))
    server = scene.nodes["m2"].server
    for wanted in (Wanted(asked(1, 1).statement_hash), WantedPage(None, 4)):
        for member in ("m0", "m1", "nobody"):
            with pytest.raises(ValueError, match="only a regulator"):
                await server.serve(MemberId(member), wanted.encode())
        answer = decode_copies(await server.serve(MemberId(REGULATOR), wanted.encode()))
        assert [copy.served.leaf for copy in answer.copies] == [asked(1, 1).leaf]
    with pytest.raises(ValueError, match="query log request"):
        await server.serve(MemberId(REGULATOR), b"")


async def test_members_see_the_statement_of_an_approved_or_closed_case_alone(
    scene: Scene,
) -> None:
    await scene.anchored(asked(1, 1), asked(1, 2))
    server = scene.nodes["m2"].server
    case_id = await scene.opened(asked(1, 1))
    wanted = Wanted(asked(1, 1).statement_hash, case_id).encode()
    with pytest.raises(ValueError, match="only"):
        await server.serve(MemberId("m0"), wanted)
    approved = await scene.approved(asked(1, 1))
    wanted = Wanted(asked(1, 1).statement_hash, approved).encode()
    assert len(decode_copies(await server.serve(MemberId("m0"), wanted)).copies) == 1
    for asker, body in (
        ("nobody", wanted),
        ("m0", Wanted(asked(1, 2).statement_hash, approved).encode()),
        ("m0", Wanted(asked(1, 1).statement_hash, b"\x07" * 32).encode()),
    ):
        with pytest.raises(ValueError, match="only"):
            await server.serve(MemberId(asker), body)
    await scene.act()
    await scene.nodes[REGULATOR].desk.finish(approved, wait=Stage.EXECUTED)
    assert len(decode_copies(await server.serve(MemberId("m0"), wanted)).copies) == 1


async def test_a_regulator_reads_a_log_page_by_page(scene: Scene) -> None:
    await scene.anchored(*(asked(1, slot) for slot in range(5)), by=("m1",))
    source, cursor, seen = scene.nodes[REGULATOR].source, None, []
    while True:
        page = await source.page(MemberId("m1"), WantedPage(cursor, 2))
        seen += [copy.served.leaf for copy in page.copies]
        cursor = page.next
        if cursor is None:
            break
    assert seen == sorted(asked(1, slot).leaf for slot in range(5))
    scene.down = {"m1"}
    with pytest.raises(PeerUnavailable):
        await source.page(MemberId("m1"), WantedPage(None, 2))


async def test_copies_come_from_the_own_log_first_then_from_whom_is_named(scene: Scene) -> None:
    await scene.anchored(asked(1, 1))
    scene.down = {"m1"}
    case_id = await scene.approved(asked(1, 1))
    wanted = Wanted(asked(1, 1).statement_hash, case_id)
    givers = [giver async for giver, _ in scene.nodes["m0"].source.copies(wanted, MemberId("m3"))]
    assert givers == [None, "m3", "m2"]

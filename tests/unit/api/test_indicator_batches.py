"""Uploads of reports: NDJSON and CSV, errors by line, bounds."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from api.settings import ApiSettings
from tests.unit.api.world import World, ndjson, problem_of

PATH = "/v1/indicators/batches"


def domain(at: int) -> dict[str, object]:
    return {"kind": "domain", "value": f"evil{at}.example", "fraud_type": "phishing"}


async def test_good_rows_are_taken_and_bad_ones_named_by_line(world: World) -> None:
    lines = [
        orjson.dumps(domain(1)),
        b"",
        b"not json",
        orjson.dumps(domain(2) | {"kind": "pigeon"}),
        orjson.dumps({"kind": "domain", "value": "localhost", "fraud_type": "phishing"}),
        orjson.dumps(domain(1)),
        b'{"kind": "domain", "kind": "url"}',
        b'{"kind": "\xff"}',
        orjson.dumps(domain(3)),
    ]
    answer = await world.upload(PATH, b"\n".join(lines))
    assert answer.status_code == 200
    summary = answer.json()
    assert (summary["taken"], summary["duplicates"], summary["refused"]) == (2, 1, 5)
    assert summary["stage"] == "executed" and summary["height"] == 1
    rows = {row["line"]: row for row in summary["rows"]}
    assert list(rows) == [1, 3, 4, 5, 6, 7, 8, 9]
    assert rows[1]["status"] == rows[9]["status"] == "taken"
    assert rows[6] == {"line": 6, "status": "duplicate", "record_id": rows[1]["record_id"]}
    assert rows[3]["problem"]["errors"][0]["rule"] == "row.malformed"
    assert rows[4]["problem"]["errors"][0]["field"] == "kind"
    assert rows[5]["problem"]["errors"][0]["rule"] == "domain.single-label"
    assert "localhost" not in answer.text


async def test_csv_takes_quotes_a_mark_blank_cells_and_crlf(world: World) -> None:
    text = (
        "\ufeffkind,Value,fraud_type,confidence,case_ref\r\n"
        'phone,"+44 20 7946 0958",imp_bank,80,"a ""quoted"", case"\r\n'
        "\r\n"
        'url,"https://evil.example/a,b",phishing,,"two\nlines"\r\n'
        "domain,evil.example,phishing\r\n"
        'domain,"evil"x.example,phishing,1,\r\n'
        "domain,other.example,phishing,,"
    )
    answer = await world.upload(PATH, text, "text/csv; charset=utf-8")
    assert answer.status_code == 200, answer.text
    summary = answer.json()
    rows = {row["line"]: row["status"] for row in summary["rows"]}
    assert rows == {2: "taken", 4: "taken", 6: "refused", 7: "refused", 8: "taken"}
    first, second, third = world.node.seen
    assert (first.confidence, first.case_ref) == (80, 'a "quoted", case')
    assert (second.value, second.case_ref) == ("https://evil.example/a,b", "two\nlines")
    assert third.confidence == 50


@pytest.mark.parametrize(
    "header", ["kind,value,price", "kind,value,kind", "", 'kind,"value', "kind," + "a," * 70]
)
async def test_a_csv_header_that_is_not_known_refuses_the_upload(world: World, header: str) -> None:
    answer = await world.upload(PATH, header + "\nphone,1,2\n", "text/csv")
    problem_of(answer, 400, "malformed")


@pytest.mark.parametrize("media", ["application/x-ndjson", "text/csv"])
async def test_an_upload_without_rows_is_malformed(world: World, media: str) -> None:
    problem_of(await world.upload(PATH, b"\n\n", media), 400, "malformed")


async def test_another_content_type_is_refused(world: World) -> None:
    problem_of(await world.upload(PATH, b"{}", "application/json"), 415, "unsupported-media-type")


@pytest.mark.parametrize("media", ["application/x-ndjson", "text/csv"])
async def test_a_row_over_the_bound_is_refused_and_the_rest_read(media: str) -> None:
    world = World(ApiSettings(max_row_bytes=512))
    if media == "text/csv":
        rows = [b"kind,value,fraud_type", b"domain," + b"x" * 5000 + b",phishing"]
        rows += [b"domain,evil.example,phishing", b'domain,"' + b"y" * 400, b"z" * 400]
        rows += [b"domain,evil2.example,phishing"]
        lines = {2: "refused", 3: "taken", 4: "refused", 6: "taken"}
    else:
        rows = [ndjson([domain(1)])[:-1], b'{"a":"' + b"x" * 5000 + b'"}', ndjson([domain(2)])]
        lines = {1: "taken", 2: "refused", 3: "taken"}
    answer = await world.upload(PATH, b"\n".join(rows), media)
    assert {row["line"]: row["status"] for row in answer.json()["rows"]} == lines


async def test_one_row_over_100_000_refuses_the_whole_upload(world: World) -> None:
    row = ndjson([domain(1)])
    answer = await world.upload(PATH, row * 100_001)
    problem = problem_of(answer, 413, "too-large")
    assert "100000" in problem["detail"] and world.node.seen == []


async def test_refused_rows_count_towards_the_bound_too() -> None:
    world = World(ApiSettings(max_batch_rows=10))
    assert (await world.upload(PATH, b"x\n" * 10)).status_code == 200
    problem_of(await world.upload(PATH, b"x\n" * 11), 413, "too-large")


async def test_an_upload_over_the_bytes_is_refused_announced_or_not() -> None:
    world = World(ApiSettings(max_batch_bytes=1000))

    async def chunks():
        for _ in range(100):
            yield ndjson([domain(1)])

    async with world.client() as client:
        media = {"content-type": "application/x-ndjson"}
        answer = await client.post(PATH, content=chunks(), headers=media)
        problem_of(answer, 413, "too-large")
        answer = await client.post(PATH, content=ndjson([domain(1)]) * 100, headers=media)
        problem_of(answer, 413, "too-large")
    assert world.node.seen == []


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
@pytest.mark.parametrize("media", ["application/x-ndjson", "text/csv"])
async def test_how_the_bytes_are_cut_does_not_matter(world: World, size: int, media: str) -> None:
    body = b"\xef\xbb\xbf" + (
        b'kind,value,fraud_type\ndomain,"evil1\n.example",phishing\ndomain,\xc3\xbc.de,phishing\n'
        if media == "text/csv"
        else ndjson([domain(1), domain(2) | {"value": "ü.de"}])
    )

    async def chunks():
        for at in range(0, len(body), size):
            yield body[at : at + size]

    async with world.client() as client:
        answer = await client.post(PATH, content=chunks(), headers={"content-type": media})
    assert answer.status_code == 200
    assert [report.value for report in world.node.seen][-1] == "ü.de"
    assert len(answer.json()["rows"]) == 2


async def test_a_repeated_upload_under_one_key_gives_the_same_records(world: World) -> None:
    key = {"content-type": "application/x-ndjson", "idempotency-key": "k"}
    body = ndjson([domain(1), domain(2)])
    async with world.client() as client:
        first = await client.post(PATH, content=body, headers=key)
        again = await client.post(PATH, content=body, headers=key)
        other = await client.post(PATH, content=body + b"\n", headers=key)
    assert first.json() == again.json() and len(world.node.seen) == 2
    problem_of(other, 422, "idempotency-key-reused")


async def test_an_upload_that_is_only_accepted_answers_202(world: World) -> None:
    answer = await world.upload(f"{PATH}?wait=accepted", ndjson([domain(1)]))
    assert (answer.status_code, answer.json()["stage"]) == (202, "accepted")


async def test_the_event_loop_turns_while_an_upload_is_read(world: World) -> None:
    turns = 0

    async def ticker() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(ticker())
    await world.upload(PATH, b"x" + b"\n" + b"y\n" * 20_000)
    task.cancel()
    assert turns > 5


async def test_only_so_many_uploads_are_served_at_a_time() -> None:
    world = World(ApiSettings(max_uploads=1))
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow():
        yield ndjson([domain(1)])
        begun.set()
        await go_on.wait()
        yield ndjson([domain(2)])

    async with world.client() as client:
        media = {"content-type": "application/x-ndjson"}
        first = asyncio.create_task(client.post(PATH, content=slow(), headers=media))
        await begun.wait()
        second = await client.post(PATH, content=ndjson([domain(3)]), headers=media)
        go_on.set()
        assert (await first).json()["taken"] == 2
    problem_of(second, 429, "busy")
    assert (await world.upload(PATH, ndjson([domain(3)]))).json()["taken"] == 1

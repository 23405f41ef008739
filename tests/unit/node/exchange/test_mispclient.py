"""The client of a MISP instance: bounded, patient where it may be, and silent about its key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from node.exchange import mispclient, outbound
from node.exchange.mispclient import MispClient, MispFailed, MispKeyInvalid, read_misp_key

KEY = "quokka0123456789"
Handler = Callable[[httpx.Request], httpx.Response]


def client(handler: Handler, pauses: list[float] | None = None) -> MispClient:
    async def sleep(seconds: float) -> None:
        if pauses is not None:
            pauses.append(seconds)

    transport = httpx.MockTransport(handler)
    return MispClient("https://misp.example", KEY, transport=transport, sleep=sleep)


async def all_events(misp: MispClient) -> list[dict[str, Any]]:
    return [event async for event in misp.events(7)]


async def test_pages_are_asked_for_until_one_is_not_full() -> None:
    asked: list[dict[str, Any]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        wish = httpx.Response(200, content=request.content).json()
        asked.append(wish)
        assert request.headers["Authorization"] == KEY
        size = mispclient.PAGE if wish["page"] < 3 else 4
        return httpx.Response(200, json={"response": [{"Event": {}}] * size})

    async with client(handler) as misp:
        assert len(await all_events(misp)) == 2 * mispclient.PAGE + 4
    assert [wish["page"] for wish in asked] == [1, 2, 3]
    assert {wish["timestamp"] for wish in asked} == {7} and asked[0]["deleted"] == [0, 1]


async def test_what_passes_is_tried_again_with_growing_pauses_and_what_does_not_is_told() -> None:
    pauses: list[float] = []
    answers = [
        httpx.Response(503),
        httpx.Response(429, headers={"Retry-After": "9"}),
        httpx.Response(200, json={"response": []}),
    ]
    async with client(lambda request: answers.pop(0), pauses) as misp:
        assert await all_events(misp) == []
    assert pauses == [0.5, 9.0]

    refused = httpx.Response(403, json={"message": "Authentication\nfailed."})
    async with client(lambda request: refused, pauses) as misp:
        with pytest.raises(MispFailed, match=r"HTTP 403: Authentication failed\.") as caught:
            await all_events(misp)
    assert len(pauses) == 2 and KEY not in str(caught.value)


async def test_it_gives_up_in_the_end_and_never_repeats_a_sighting() -> None:
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        raise httpx.ReadTimeout("slow", request=request)

    async with client(handler) as misp:
        with pytest.raises(MispFailed, match="ReadTimeout"):
            await all_events(misp)
        assert len(asked) == outbound.TRIES
        with pytest.raises(MispFailed):
            await misp.sight("u", "alliance")
    assert asked.count("/sightings/add") == 1


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, content=b"<html>"),
        httpx.Response(200, json={"response": "x"}),
        httpx.Response(200, json={"errors": []}),
        httpx.Response(302, headers={"Location": "https://elsewhere.example/"}),
    ],
)
async def test_nonsense_and_redirects_are_no_answer(answer: httpx.Response) -> None:
    async with client(lambda request: answer) as misp:
        with pytest.raises(MispFailed):
            await all_events(misp)


async def test_an_answer_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mispclient, "ANSWER_BYTES_MAX", 1_000)
    big = httpx.Response(200, content=b"[" + b" " * 2_000)
    async with client(lambda request: big) as misp:
        with pytest.raises(MispFailed, match="1000 bytes"):
            await all_events(misp)


@pytest.mark.parametrize("url", ["ftp://misp.example", "https://a:b@misp.example", "https://"])
def test_an_address_with_a_user_or_another_scheme_is_refused(url: str) -> None:
    with pytest.raises(MispFailed):
        MispClient(url, KEY)


def test_the_key_is_read_from_a_file_of_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(f"{KEY}\n")
    path.chmod(0o600)
    assert read_misp_key(path) == KEY
    for content, mode in ((KEY, 0o640), ("", 0o600), ("two words", 0o600), ("x" * 300, 0o600)):
        path.write_text(content)
        path.chmod(mode)
        with pytest.raises(MispKeyInvalid) as caught:
            read_misp_key(path)
        assert KEY not in str(caught.value)
    with pytest.raises(MispKeyInvalid):
        read_misp_key(tmp_path / "none")

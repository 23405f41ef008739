"""The client of foreign TAXII servers: pages, repeats, bounds, and credentials in a safe file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from bulwark.interop.stix.document import MAX_BYTES
from node.exchange.taxiiclient import (
    CredentialsInvalid,
    TaxiiClient,
    TaxiiFailed,
    TaxiiPage,
    read_credentials,
)

Answer = Callable[[httpx.Request], httpx.Response]


async def no_sleep(_: float) -> None:
    return None


def client(answer: Answer, url: str = "https://taxii.example/root/collections/7/") -> TaxiiClient:
    return TaxiiClient(url, "Bearer secret", sleep=no_sleep, transport=httpx.MockTransport(answer))


async def pages(answer: Answer, after: str = "", **more: Any) -> list[TaxiiPage]:
    async with client(answer, **more) as taxii:
        return [page async for page in taxii.pages(after)]


def page(objects: list[Any], last: str = "", **more: Any) -> httpx.Response:
    headers = {"x-taxii-date-added-last": last} if last else {}
    return httpx.Response(200, json={"objects": objects, **more}, headers=headers)


async def test_pages_follow_next_and_carry_where_the_next_pull_begins() -> None:
    asked: list[dict[str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(dict(request.url.params))
        assert request.url.path == "/root/collections/7/objects/"
        assert request.headers["authorization"] == "Bearer secret"
        if "next" not in asked[-1]:
            return page([1], "2026-11-01T00:00:00.000001Z", more=True, next="n1")
        return page([2], "2026-11-01T00:00:00.000002Z", more=False)

    found = await pages(answer, "2026-10-01T00:00:00.000000Z",
                        url="https://taxii.example/root/collections/7/objects/")  # fmt: skip
    assert [one.objects for one in found] == [[1], [2]]
    assert found[-1].added_last.endswith("2Z")
    assert all(one["added_after"] == "2026-10-01T00:00:00.000000Z" for one in asked)


async def test_a_server_that_gives_no_next_is_asked_by_date_and_never_in_a_circle() -> None:
    dates = iter(["2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z", "2026-11-02T00:00:00Z"])

    def answer(request: httpx.Request) -> httpx.Response:
        return page([1], next(dates), more=True)

    with pytest.raises(TaxiiFailed, match="nothing says where"):
        await pages(answer)


async def test_what_may_pass_is_asked_again_and_what_will_not_is_told_without_secrets() -> None:
    states = iter([503, 429, 200])

    def answer(request: httpx.Request) -> httpx.Response:
        state = next(states)
        return page([1]) if state == 200 else httpx.Response(state)

    assert [one.objects for one in await pages(answer)] == [[1]]
    for status in (401, 404, 302):
        with pytest.raises(TaxiiFailed, match=f"status {status}") as caught:
            await pages(lambda request, status=status: httpx.Response(status))
        assert "secret" not in str(caught.value)


async def test_an_answer_that_is_none_or_too_long_is_refused() -> None:
    bodies = (b"<html>", b"[]", b'{"objects":7}', b'{"objects":[],"objects":[]}')
    for body in bodies:
        with pytest.raises(TaxiiFailed):
            await pages(lambda request, body=body: httpx.Response(200, content=body))
    with pytest.raises(TaxiiFailed, match="over"):
        await pages(lambda request: httpx.Response(200, content=b" " * (MAX_BYTES + 1)))
    assert [p.objects for p in await pages(lambda request: httpx.Response(200))] == [[]]


def test_credentials_come_from_a_file_of_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "cred"
    path.write_text("user:pass:word\n")
    path.chmod(0o644)
    with pytest.raises(CredentialsInvalid, match="0600"):
        read_credentials(path)
    path.chmod(0o600)
    assert read_credentials(path) == "Basic dXNlcjpwYXNzOndvcmQ="
    path.write_text("token-1")
    assert read_credentials(path) == "Bearer token-1"
    for text in ("", "two words", "x" * 5_000):
        path.write_text(text)
        with pytest.raises(CredentialsInvalid):
            read_credentials(path)
    with pytest.raises(CredentialsInvalid, match="no such file"):
        read_credentials(tmp_path / "none")


def test_an_address_with_a_user_or_another_scheme_is_refused() -> None:
    for url in ("ftp://taxii.example/x/", "https://u:p@taxii.example/x/", "nothing"):
        with pytest.raises(TaxiiFailed):
            client(lambda request: httpx.Response(200, text=json.dumps({})), url)

"""Calls to other systems' servers: one set of rules, whichever client keeps them."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from node.exchange.mispclient import MispClient, MispKeyInvalid, read_misp_key
from node.exchange.outbound import (
    PAUSE_MAX_S,
    OutboundClient,
    SecretInvalid,
    ServerFailed,
    read_secret,
)
from node.exchange.taxiiclient import CredentialsInvalid, TaxiiClient, read_credentials

SECRET = "quokka0123456789"
ROOT = "https://other.example/root/"
Make = Callable[..., OutboundClient]
BOTH = pytest.mark.parametrize("make", [MispClient, TaxiiClient])


@BOTH
@pytest.mark.parametrize(
    "url",
    [
        f"https://user:{SECRET}@other.example/",
        f"https://{SECRET}@other.example/",
        f"ftp://other.example/{SECRET}",
        f"https://[::1/{SECRET}",
        f"https://xn--/{SECRET}",
        f"https://other.example:port/{SECRET}",
        f"https://other.example/\x00{SECRET}",
    ],
)
def test_an_address_that_can_not_be_called_is_refused_and_not_repeated(
    make: Make, url: str
) -> None:
    with pytest.raises(ServerFailed) as caught:
        make(url, SECRET)
    assert SECRET not in str(caught.value) and "wants http(s)://" in str(caught.value)


@BOTH
async def test_a_server_that_asks_for_a_pause_gets_it_within_a_bound(make: Make) -> None:
    pauses: list[float] = []
    asked = iter(["7", "99999999", "soon", "1"])

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    def handler(request: httpx.Request) -> httpx.Response:
        wish = next(asked, None)
        return httpx.Response(200) if wish is None else _busy(wish)

    def _busy(wish: str) -> httpx.Response:
        return httpx.Response(429, headers={"Retry-After": wish})

    async with make(ROOT, SECRET, transport=httpx.MockTransport(handler), sleep=sleep) as client:
        assert (await client.send("GET", "x")).status == 200
    assert pauses == [7.0, PAUSE_MAX_S, 2.0, 4.0]


@BOTH
async def test_a_query_that_is_too_long_for_an_address_is_told_and_not_a_trace(
    make: Make,
) -> None:
    async with make(ROOT, SECRET, transport=httpx.MockTransport(_never)) as client:
        with pytest.raises(ServerFailed, match="too long") as caught:
            await client.send("GET", "x", query={"next": "n" * 100_000})
    assert len(str(caught.value)) < 200


async def test_a_taxii_server_whose_next_is_too_long_ends_the_pull_with_an_error() -> None:
    answer = httpx.Response(200, json={"objects": [1], "more": True, "next": "n" * 100_000})
    transport = httpx.MockTransport(lambda request: answer)
    async with TaxiiClient(ROOT, None, transport=transport) as taxii:
        with pytest.raises(ServerFailed, match="too long"):
            [page async for page in taxii.pages("")]


async def test_what_unpacks_to_more_than_the_bound_is_cut_off() -> None:
    packed = gzip.compress(bytes(1_000_000))
    answer = httpx.Response(200, content=packed, headers={"Content-Encoding": "gzip"})
    transport = httpx.MockTransport(lambda request: answer)
    async with OutboundClient(ROOT, {}, 100_000, transport=transport) as client:
        with pytest.raises(ServerFailed, match="over 100000 bytes"):
            await client.send("GET", "x")


def test_a_secret_is_read_from_a_file_of_its_owner_alone_and_in_no_error(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(f" {SECRET}\n")
    path.chmod(0o600)
    assert read_secret(path, 64, SecretInvalid) == read_misp_key(path) == SECRET
    readers = ((read_misp_key, MispKeyInvalid), (read_credentials, CredentialsInvalid))
    for content, mode in ((SECRET, 0o640), (SECRET, 0o602), (SECRET * 500, 0o600)):
        path.write_text(content)
        path.chmod(mode)
        for read, fault in readers:
            with pytest.raises(fault) as caught:
                read(path)
            assert SECRET not in str(caught.value) and str(path) in str(caught.value)


def _never(request: httpx.Request) -> httpx.Response:
    raise AssertionError(request.url.path)

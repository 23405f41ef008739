"""Events go to public addresses over https, to private ones where allowed, and nowhere else."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest

from node.push.receiver import BadReceiver, Policy, checked_url, ports_of, resolve

PUBLIC = Policy(ports_of(("443", "1024-65535")))
PRIVATE = Policy(ports_of(("443", "1024-65535")), allow_private=True)
TRUSTED = Policy((), is_trusted=True)


@pytest.mark.parametrize(
    "url",
    [
        "https://desk.example/events",
        "https://desk.example:8443/events?desk=1",
        "https://93.184.216.34/",
        "https://[2606:2800:220:1::1]/",
    ],
)
def test_public_receivers_are_taken(url: str) -> None:
    assert checked_url(url, PUBLIC).hostname


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://desk.example/", "https"),
        ("ftp://desk.example/", "https"),
        ("https:///events", "https"),
        ("https://user:secret@desk.example/", "without user"),
        ("https://desk.example/#part", "fragment"),
        ("https://desk.example:22/", "port 22"),
        ("https://desk.example:99999/", "not a URL"),
        ("https://desk.example/ events", "space"),
        ("https://desk.example/\n", "printable"),
        ("https://désk.example/", "ASCII"),
        ("https://desk.example/" + "x" * 2_000, "2000"),
        ("https://127.0.0.1/", "may not have"),
        ("https://10.1.2.3/", "may not have"),
        ("https://192.168.0.1/", "may not have"),
        ("https://169.254.169.254/latest/meta-data", "may not have"),
        ("https://0.0.0.0/", "may not have"),
        ("https://224.0.0.1/", "may not have"),
        ("https://100.64.0.1/", "may not have"),
        ("https://[::1]/", "may not have"),
        ("https://[fe80::1]/", "may not have"),
        ("https://[fd00::1]/", "may not have"),
        ("https://[::ffff:127.0.0.1]/", "may not have"),
        ("https://[64:ff9b::7f00:1]/", "may not have"),
        ("https://[2002:7f00:1::]/", "may not have"),
        ("https://[::7f00:1]/", "may not have"),
    ],
)
def test_everything_else_is_refused(url: str, why: str) -> None:
    with pytest.raises(BadReceiver, match=why):
        checked_url(url, PUBLIC)


@pytest.mark.parametrize(
    "url",
    ["https://169.254.169.254/", "https://[fe80::1]/", "https://0.0.0.0/", "http://8.8.8.8:8080/"],
)
def test_what_is_never_allowed_is_not_allowed_with_private_receivers(url: str) -> None:
    with pytest.raises(BadReceiver):
        checked_url(url, PRIVATE)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080/", "https://10.1.2.3/", "http://[::1]:9000/"]
)
def test_private_receivers_are_taken_where_the_operator_allows_them(url: str) -> None:
    assert checked_url(url, PRIVATE).hostname


def answering(*addresses: str) -> Callable[..., Any]:
    """A name server that gives these addresses."""

    async def found(_self: object, _host: str, port: int, **_more: object) -> list[Any]:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses
        ]

    return found


async def test_the_connection_goes_to_the_address_that_was_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", answering("93.184.216.34"))
    target = await resolve("https://desk.example:8443/events?desk=1", PUBLIC)
    assert target.url == "https://93.184.216.34:8443/events?desk=1"
    assert (target.host, target.host_header) == ("desk.example", "desk.example:8443")
    target = await resolve("https://desk.example", PUBLIC)
    assert (target.url, target.host_header) == ("https://93.184.216.34:443/", "desk.example")


@pytest.mark.parametrize("bad", ["127.0.0.1", "169.254.169.254", "::ffff:10.0.0.1", "fe80::1%eth0"])
async def test_a_name_with_one_address_that_is_not_allowed_is_refused(
    bad: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", answering("93.184.216.34", bad))
    with pytest.raises(BadReceiver):
        await resolve("https://desk.example/", PUBLIC)


async def test_http_to_a_name_that_turns_public_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", answering("93.184.216.34"))
    with pytest.raises(BadReceiver, match="https"):
        await resolve("http://desk.example:8080/", PRIVATE)


async def test_a_refusal_names_no_address_that_a_name_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", answering("10.9.8.7"))
    with pytest.raises(BadReceiver) as caught:
        await resolve("https://inside.example/", PUBLIC)
    assert "10.9" not in str(caught.value)


async def test_the_operators_own_url_is_not_restricted() -> None:
    target = await resolve("http://127.0.0.1:80/recalls", TRUSTED)
    assert target.url == "http://127.0.0.1:80/recalls" and target.host_header == "127.0.0.1"


@pytest.mark.parametrize("text", ["0", "65536", "443-80", "https", "1-", "-5"])
def test_a_range_of_ports_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="port"):
        ports_of((text,))

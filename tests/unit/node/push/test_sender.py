"""One post: what receivers do over real connections, and what it is called."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from node.push.receiver import Policy, ports_of
from node.push.sender import Outcome, Sender

POLICY = Policy(ports_of(("1024-65535",)), allow_private=True)
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[int]:
    """A TCP server on loopback; its port."""

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await serve(reader, writer)
        writer.close()

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def request_of(reader: asyncio.StreamReader) -> tuple[dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    pairs = (line.partition(": ") for line in head[1:] if line)
    headers = {name.lower(): value for name, _, value in pairs} | {":first": head[0]}
    return headers, await reader.readexactly(int(headers["content-length"]))


def saying(answer: str, asked: list[dict[str, str]] | None = None) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            headers, _ = await request_of(reader)
            if asked is not None:
                asked.append(headers)
            writer.write(answer.encode())
            await writer.drain()

    return serve


async def posted(url: str, timeout_ms: int = 5_000, policy: Policy = POLICY) -> Outcome:
    sender = Sender(url, policy, timeout_ms, ssl.create_default_context)
    try:
        return await sender.post({"bulwark-delivery": "x-1"}, b'{"id":"x-1"}')
    finally:
        await sender.close()


@pytest.mark.parametrize(
    ("line", "taken"),
    [("200 OK", True), ("204 No Content", True), ("299 Odd", True), ("302 Found", False),
     ("400 Bad", False), ("410 Gone", False), ("500 Oops", False)],
)  # fmt: skip
async def test_any_2xx_takes_an_event_and_nothing_else_does(line: str, taken: bool) -> None:
    location = "location: http://127.0.0.1:1/elsewhere\r\n" if line.startswith("3") else ""
    async with serving(saying(f"HTTP/1.1 {line}\r\n{location}content-length: 0\r\n\r\n")) as port:
        outcome = await posted(f"http://127.0.0.1:{port}/")
    assert (outcome.is_taken, outcome.status, outcome.error) == (taken, int(line[:3]), "")


async def test_a_post_has_the_receivers_name_and_one_connection_serves_many() -> None:
    asked: list[dict[str, str]] = []
    async with serving(saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", asked)) as port:
        sender = Sender(
            f"http://localhost:{port}/events?x=1", POLICY, 5_000, ssl.create_default_context
        )
        for _ in range(3):
            assert (await sender.post({"bulwark-delivery": "x-1"}, b"{}")).is_taken
        await sender.close()
    assert [each["host"] for each in asked] == [f"localhost:{port}"] * 3
    assert asked[0][":first"] == "POST /events?x=1 HTTP/1.1"


async def test_a_receiver_that_answers_nothing_costs_one_deadline() -> None:
    async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(silent) as port:
        outcome = await posted(f"http://127.0.0.1:{port}/", timeout_ms=150)
    assert (outcome.status, outcome.error) == (None, "timeout")
    assert 100 <= outcome.latency_ms < 3_000


async def test_an_answer_whose_body_never_ends_counts_by_its_status() -> None:
    async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\nso far")
        await reader.read()

    async with serving(dripping) as port:
        outcome = await posted(f"http://127.0.0.1:{port}/", timeout_ms=500)
    assert outcome.is_taken and outcome.latency_ms < 4_000


@pytest.mark.parametrize(
    ("line", "header", "wait_s"),
    [("429 Slow", "30", 30), ("503 Later", "999999", 3_600), ("503 Later", "Fri, 01 Jan", 0),
     ("503 Later", "9" * 5_000, 0), ("500 Oops", "30", 0)],
)  # fmt: skip
async def test_a_pause_that_a_receiver_asks_for_is_bounded(
    line: str, header: str, wait_s: int
) -> None:
    answer = f"HTTP/1.1 {line}\r\nretry-after: {header}\r\ncontent-length: 0\r\n\r\n"
    async with serving(saying(answer)) as port:
        assert (await posted(f"http://127.0.0.1:{port}/")).retry_after_s == wait_s


async def test_faults_on_the_way_have_names_and_raise_nothing() -> None:
    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"\x00\x01 no HTTP at all\r\n\r\n")

    async with serving(rude) as port:
        assert (await posted(f"http://127.0.0.1:{port}/")).error == "not reached"
        assert (await posted(f"https://127.0.0.1:{port}/")).error == "tls"
    assert (await posted(f"http://127.0.0.1:{port}/")).error == "not reached"
    assert (await posted("https://no-such-name.invalid:8443/")).error == "not reached"
    assert (await posted("https://169.254.169.254:8080/")).error == "address not allowed"
    assert (await posted("http://127.0.0.1:80/")).error == "address not allowed"

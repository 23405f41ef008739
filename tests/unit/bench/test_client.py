from __future__ import annotations

import pytest

from bench.client import Connection, RequestFailed, request
from tests.unit.bench.servers import answer, serving


async def test_requests_of_one_connection_follow_each_other() -> None:
    async with serving(lambda raw: answer(raw.rpartition(b"\r\n\r\n")[2])) as port:
        connection = Connection("127.0.0.1", port)
        for body in (b"one", b"", b"x" * 300_000, b"four"):
            found = await connection.ask(request("POST", "/v1/x", "key", body))
            assert (found.status, found.body) == (200, body)
        connection.close()


async def test_key_path_and_type_are_sent() -> None:
    seen: list[bytes] = []

    def script(raw: bytes) -> bytes:
        seen.append(raw)
        return answer(b"", 204)

    async with serving(script) as port:
        connection = Connection("127.0.0.1", port)
        assert (await connection.ask(request("GET", "/v1/node", "secret"))).status == 204
        connection.close()
    assert seen[0].startswith(b"GET /v1/node HTTP/1.1\r\n")
    assert b"authorization: Bearer secret\r\n" in seen[0]


async def test_a_closed_connection_fails_and_is_opened_again() -> None:
    answers = iter([None, answer(b"back")])
    async with serving(lambda raw: next(answers)) as port:
        connection = Connection("127.0.0.1", port)
        with pytest.raises(RequestFailed, match="closed before the answer"):
            await connection.ask(request("GET", "/", "k"))
        assert (await connection.ask(request("GET", "/", "k"))).body == b"back"
        connection.close()


async def test_an_answer_that_does_not_come_fails_in_time() -> None:
    async with serving(lambda raw: b"") as port:
        with pytest.raises(RequestFailed, match="no answer in time"):
            await Connection("127.0.0.1", port).ask(request("GET", "/", "k"), 0.05)


async def test_a_refused_connection_fails() -> None:
    async with serving(lambda raw: b"") as port:
        pass
    with pytest.raises(RequestFailed, match="no connection"):
        await Connection("127.0.0.1", port).ask(request("GET", "/", "k"))

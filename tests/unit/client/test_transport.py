"""What is repeated, when, and what never is: against a scripted ASGI node."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import orjson
import pytest

from bulwark.client import (
    ApiProblem,
    BulwarkClient,
    TimedOut,
    UnexpectedAnswer,
    Unreachable,
)
from bulwark.client.policy import RetryPolicy, retry_after_s
from tests.unit.client.conftest import QUICK, Serve

REPORTED = {"record_id": "ab" * 32, "stage": "executed", "height": 1, "duplicate": False}
Answer = tuple[int, Any, dict[str, str]]


class Script:
    """Answers in order, the last one for ever; notes what was asked."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {k.decode(): v.decode() for k, v in scope["headers"]}
        self.seen.append((scope["method"], scope["path"], headers, body))
        status, document, extra = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        raw = document if isinstance(document, bytes) else orjson.dumps(document)
        pairs = [(k.encode(), v.encode()) for k, v in extra.items()]
        await send({"type": "http.response.start", "status": status, "headers": pairs})
        await send({"type": "http.response.body", "body": raw})


def problem(status: int, code: str, **headers: str) -> Answer:
    document = {"type": f"urn:bulwark:problem:{code}", "status": status, "detail": "so"}
    return status, document, {k.replace("_", "-"): v for k, v in headers.items()}


class Pauses:
    """Stands in for sleep."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)


async def ask(serve: Serve, script: Script, **how: Any) -> tuple[BulwarkClient, Pauses]:
    pauses = Pauses()
    how.setdefault("retry", QUICK)
    return BulwarkClient(await serve(script), "key-1", sleep=pauses, **how), pauses


async def test_a_busy_node_is_asked_again_with_the_same_key(serve: Serve) -> None:
    script = Script(problem(429, "busy"), problem(503, "unavailable"), (201, REPORTED, {}))
    client, pauses = await ask(serve, script)
    async with client:
        assert (await client.report({"kind": "phone"})).height == 1
    keys = {headers["idempotency-key"] for _, _, headers, _ in script.seen}
    assert len(script.seen) == 3 and len(keys) == 1 and len(pauses.taken) == 2


async def test_two_reports_have_two_keys(serve: Serve) -> None:
    script = Script((201, REPORTED, {}))
    client, _ = await ask(serve, script)
    async with client:
        await client.report({})
        await client.report({})
    first, second = (headers["idempotency-key"] for _, _, headers, _ in script.seen)
    assert first != second and len(first) >= 32


async def test_retry_after_is_honoured_and_bounded(serve: Serve) -> None:
    script = Script(problem(429, "busy", retry_after="3"), (201, REPORTED, {}))
    client, pauses = await ask(serve, script)
    async with client:
        await client.report({})
    assert 3 <= pauses.taken[0] < 3.1
    client, pauses = await ask(serve, Script(problem(429, "busy", retry_after="9999")))
    async with client:
        with pytest.raises(ApiProblem) as caught:
            await client.report({})
    assert caught.value.retry_after_s == 9999 and not pauses.taken


async def test_the_tries_end(serve: Serve) -> None:
    script = Script(problem(503, "unavailable"))
    client, _ = await ask(serve, script)
    async with client:
        with pytest.raises(ApiProblem):
            await client.report({})
    assert len(script.seen) == QUICK.attempts


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "malformed"), (401, "unauthenticated"), (403, "forbidden"), (409, "conflict"),
     (413, "too-large"), (422, "invalid"), (429, "too-many-attempts"), (500, "internal")],
)  # fmt: skip
async def test_a_refusal_is_not_repeated(serve: Serve, status: int, code: str) -> None:
    script = Script(problem(status, code))
    client, _ = await ask(serve, script)
    async with client:
        with pytest.raises(ApiProblem) as caught:
            await client.report({})
    assert caught.value.code == code and len(script.seen) == 1


async def test_no_node_at_the_address_is_unreachable() -> None:
    pauses = Pauses()
    async with BulwarkClient("http://127.0.0.1:9", "key-1", retry=QUICK, sleep=pauses) as client:
        with pytest.raises(Unreachable) as caught:
            await client.members()
    assert "http://127.0.0.1:9" in str(caught.value) and "key-1" not in str(caught.value)
    assert len(pauses.taken) == min(QUICK.unreachable_attempts, 5) - 1


async def test_a_slow_node_ends_at_the_time_given(serve: Serve) -> None:
    gate = asyncio.Event()

    async def stuck(scope: Any, receive: Any, send: Any) -> None:
        await gate.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    async with BulwarkClient(await serve(stuck), "k", timeout_s=0.05, retry=QUICK) as client:
        with pytest.raises(TimedOut) as caught:
            await client.members()
    gate.set()
    assert "GET /v1/members" in str(caught.value)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"members": 3}', b"\xff", b"[" * 10_000])
async def test_an_answer_of_something_else_is_named_so(serve: Serve, body: bytes) -> None:
    client, _ = await ask(serve, Script((200, body, {})))
    async with client:
        with pytest.raises(UnexpectedAnswer):
            await client.members()


async def test_an_error_page_without_a_problem_document_is_still_a_problem(serve: Serve) -> None:
    client, _ = await ask(serve, Script((404, b"<h1>Not here</h1>", {})))
    async with client:
        with pytest.raises(ApiProblem) as caught:
            await client.members()
    assert (caught.value.status, caught.value.code) == (404, "about:blank".rpartition(":")[2])


async def test_a_redirect_is_not_followed_with_the_key(serve: Serve) -> None:
    script = Script((307, b"", {"location": "http://127.0.0.1:9/elsewhere"}))
    client, _ = await ask(serve, script)
    async with client:
        with pytest.raises(UnexpectedAnswer):
            await client.members()
    assert len(script.seen) == 1


async def test_members_a_newer_node_adds_are_ignored(serve: Serve) -> None:
    client, _ = await ask(serve, Script((201, {**REPORTED, "novelty": [1]}, {})))
    async with client:
        assert (await client.report({})).record_id == "ab" * 32


def test_retry_after_reads_seconds_and_dates() -> None:
    now = datetime(2026, 11, 22, 1, 0, 0, tzinfo=UTC)
    later = datetime(2026, 11, 22, 1, 0, 30, tzinfo=UTC)
    assert retry_after_s("7") == 7
    assert retry_after_s(format_datetime(later, usegmt=True), now) == 30
    assert retry_after_s(format_datetime(now, usegmt=True), later) == 0
    assert [retry_after_s(text) for text in (None, "", "soon", "-1", "9" * 40)] == [None] * 5


def test_pauses_grow_up_to_a_bound() -> None:
    policy = RetryPolicy(attempts=10, share=lambda: 1.0)
    pauses = [policy.pause_s(attempt, None) for attempt in range(1, 10)]
    assert pauses[:3] == [0.2, 0.4, 0.8] and pauses[-1] == policy.longest_pause_s
    assert policy.pause_s(10, None) is None

"""The door: shut, it answers how the node is and nothing else; open, it is not there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.door import Door


async def _ask(door: Door, path: str, kind: str = "http") -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    await door({"type": kind, "path": path, "headers": []}, receive, send)
    return sent


async def _app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "inside", "path": scope.get("path")})


@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/v1/node", "/v1/node/diagnosis"])
async def test_how_the_node_is_can_be_asked_while_it_is_shut(path: str) -> None:
    assert await _ask(Door(_app, lambda: "restored"), path) == [{"type": "inside", "path": path}]


@pytest.mark.parametrize("path", ["/readyz", "/v1/screenings", "/rpc", "/console", "/v1/node/x"])
async def test_everything_else_is_told_why_it_has_to_wait(path: str) -> None:
    start, body = await _ask(Door(_app, lambda: "restored: block 3 of 9"), path)
    assert start["status"] == 503
    assert dict(start["headers"])[b"retry-after"] == b"2"
    problem = json.loads(body["body"])
    assert problem["detail"] == "restored: block 3 of 9"
    assert problem["status"] == 503


async def test_a_socket_is_closed_with_the_reason() -> None:
    (sent,) = await _ask(Door(_app, lambda: "restored"), "/rpc", "websocket")
    assert sent == {"type": "websocket.close", "code": 1013, "reason": "restored"}


async def test_an_open_door_passes_everything_on() -> None:
    door = Door(_app, lambda: None)
    assert await _ask(door, "/rpc") == [{"type": "inside", "path": "/rpc"}]
    assert await _ask(door, "", "lifespan") == [{"type": "inside", "path": ""}]

"""The console is put together when somebody opens it, once, and beside the event loop."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, cast

import pytest
from starlette.types import Receive, Scope, Send

from api.edge import Edge
from api.lateconsole import LateConsole


class Answers:
    """Notes the paths that it is asked for."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.routes = ("a route",)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.paths.append(scope["path"])


class Scene:
    """An edge with a console that counts how often it is made."""

    def __init__(self, failures: int = 0) -> None:
        self.edge, self.console = Answers(), Answers()
        self.threads: list[int] = []
        self._failures = failures
        self.app = LateConsole(cast("Edge", self.edge), self._make)

    def _make(self) -> Answers:
        self.threads.append(threading.get_ident())
        if len(self.threads) <= self._failures:
            raise RuntimeError("a page is broken")
        return self.console

    async def ask(self, path: str, kind: str = "http") -> None:
        async def nothing(*_: Any) -> Any:
            return {}

        await self.app({"type": kind, "path": path}, nothing, nothing)


async def test_the_console_is_made_once_in_a_thread_though_many_open_it_together() -> None:
    scene = Scene()
    await asyncio.gather(*(scene.ask(f"/console/{number}") for number in range(20)))
    assert len(scene.console.paths) == 20 and scene.edge.paths == []
    assert len(scene.threads) == 1
    assert scene.threads[0] != threading.get_ident()


async def test_what_is_no_page_goes_to_the_edge_and_makes_no_console() -> None:
    scene = Scene()
    for path in ("/healthz", "/v1/node", "/consoles", "/", "/rpc"):
        await scene.ask(path)
    await scene.ask("/console", kind="websocket")
    assert len(scene.edge.paths) == 6
    assert scene.threads == [] and scene.console.paths == []
    assert scene.app.routes == scene.edge.routes


async def test_a_console_that_could_not_be_made_is_tried_again_with_the_next_request() -> None:
    scene = Scene(failures=1)
    with pytest.raises(RuntimeError, match="a page is broken"):
        await scene.ask("/console")
    await scene.ask("/console")
    await scene.ask("/console/blocks")
    assert scene.console.paths == ["/console", "/console/blocks"]
    assert len(scene.threads) == 2

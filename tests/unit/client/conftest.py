"""A real HTTP server on loopback over the real API and a node in memory."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import uvicorn
from starlette.types import ASGIApp

from bulwark.client import BulwarkClient
from bulwark.client.policy import RetryPolicy
from tests.unit.api.world import World

QUICK = RetryPolicy(attempts=4, first_pause_s=0.001, longest_pause_s=0.002)
Serve = Callable[[ASGIApp], Awaitable[str]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serve an application with uvicorn; its address."""
    running: list[tuple[uvicorn.Server, asyncio.Task[None]]] = []

    async def start(app: ASGIApp) -> str:
        listening = socket.create_server(("127.0.0.1", 0))  # whoever connects early is queued
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        running.append((server, asyncio.create_task(server.serve(sockets=[listening]))))
        return f"http://127.0.0.1:{listening.getsockname()[1]}"

    yield start
    for server, task in running:
        server.should_exit = True
        await task


@pytest.fixture
def world() -> World:
    """A fresh node and application."""
    return World()


@pytest.fixture
async def client(serve: Serve, world: World) -> AsyncIterator[BulwarkClient]:
    """A reporter's client of the served node."""
    url = await serve(world.app)
    async with BulwarkClient(url, world.clear["reporter"], retry=QUICK) as client:
        yield client

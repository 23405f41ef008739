"""The application behind a real uvicorn on loopback, in a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import uvicorn
from starlette.types import ASGIApp

START_DEADLINE_S = 20


class Served(Protocol):
    """Whatever has an application."""

    app: ASGIApp


@contextmanager
def serving(world: Served) -> Iterator[str]:
    """Serve the world's application; the base URL."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        world.app, log_config=None, access_log=False, lifespan="off", ws="websockets-sansio"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(
        target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True
    )
    thread.start()
    deadline = time.monotonic() + START_DEADLINE_S
    started = threading.Event()
    while not server.started and time.monotonic() < deadline:
        started.wait(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(START_DEADLINE_S)

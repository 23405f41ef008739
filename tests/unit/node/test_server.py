"""The HTTP listener either serves or says why not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from node.sections import HttpConfig
from node.server import HttpServer


async def application(scope: dict, receive: object, send: object) -> None:  # type: ignore[type-arg]
    """Answers nothing; the listener is what is tested."""


async def test_a_taken_port_is_named(tmp_path: Path) -> None:
    async with asyncio.timeout(20):
        first = HttpServer(application, tmp_path, HttpConfig(port=0))  # type: ignore[arg-type]
        assert first.port == 0
        await first.start()
        second = HttpServer(application, tmp_path, HttpConfig(port=first.port))  # type: ignore[arg-type]
        with pytest.raises(OSError) as refused:
            await second.start()
        assert refused.value.filename == f"127.0.0.1:{first.port}"
        await second.stop()
        await first.stop()


async def test_a_missing_certificate_stops_the_start(tmp_path: Path) -> None:
    config = HttpConfig(port=0, certificate=Path("no.pem"), private_key=Path("no.key"))
    server = HttpServer(application, tmp_path, config)  # type: ignore[arg-type]
    async with asyncio.timeout(20):
        with pytest.raises(OSError, match="HTTP server"):
            await server.start()
        await server.stop()

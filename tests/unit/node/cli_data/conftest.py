"""The commands as a user types them, against the real API over HTTP with a node in memory."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvicorn
from click.testing import CliRunner, Result

from node.cli.main import main
from tests.unit.api.world import World

Run = Callable[..., Result]


@pytest.fixture
def bulwark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run `bulwark` with these words in this process."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    runner = CliRunner()

    def run(*words: str | Path, stdin: str | bytes | None = None) -> Result:
        return runner.invoke(main, [str(word) for word in words], "" if stdin is None else stdin)

    return run


@pytest.fixture
def world() -> World:
    """A fresh node and application."""
    return World()


@pytest.fixture
def devnet(world: World, tmp_path: Path) -> Iterator[Path]:
    """Folder of a devnet whose nodes bank-a and bank-b are one server."""
    listening = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(world.app, log_level="error", lifespan="off"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])))
    thread.start()
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps(dict(world.clear)))
    nodes = [
        {"name": name, "rest_url": url, "api_keys_file": str(keys)} for name in ("bank-a", "bank-b")
    ]
    folder = tmp_path / "devnet"
    folder.mkdir()
    (folder / "devnet.json").write_text(json.dumps({"nodes": nodes}))
    yield folder
    server.should_exit = True
    thread.join(20)

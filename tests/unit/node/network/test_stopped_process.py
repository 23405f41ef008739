"""A node's process that is stopped by a signal is found, and is back when it continues."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from pathlib import Path

import pytest

from node.network.limits import Limits
from tests.unit.node.network.harness import A, D, Node, eventually

ROOT = Path(__file__).resolve().parents[4]
PROGRAM = """
import asyncio, sys
from node.network.limits import Limits
from tests.unit.node.network.harness import A, D, HOST, Node

async def main() -> None:
    node = await Node.start(D, Limits())
    node.dial({A: (HOST, int(sys.argv[1]))})
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.process
async def test_stopped_process_is_down_within_five_seconds_and_back_after_it_continues() -> None:
    node = await Node.start(A, Limits())
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, str(node.network.port), cwd=ROOT
    )
    try:
        await eventually(lambda: node.network.connected() == {D}, 30)
        other.send_signal(signal.SIGSTOP)
        start = time.monotonic()
        await eventually(lambda: node.network.connected() == set(), 10)
        assert 2 <= time.monotonic() - start <= 6
        other.send_signal(signal.SIGCONT)
        await eventually(lambda: node.network.connected() == {D}, 10)
        other.kill()
        start = time.monotonic()
        await eventually(lambda: node.network.connected() == set(), 10)
        assert time.monotonic() - start <= 1, "a killed process is seen by its closed socket"
    finally:
        if other.returncode is None:
            other.kill()
        await other.wait()
        await node.network.stop()

"""Every asynchronous test of the mesh runs on asyncio's loop and on uvloop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop

from tests.unit.node.network.harness import Mesh


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def mesh() -> AsyncIterator[Mesh]:
    """Four connected networks; afterwards no task of theirs is left."""
    running = await Mesh.start()
    yield running
    await running.stop()
    assert asyncio.all_tasks() == {asyncio.current_task()}

"""A ledger with some reported phones, and an office of a member over it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.node.chain.lifecycle_world import World
from tests.unit.node.jobs.office import Office, ledger


@pytest.fixture(scope="module")
def world() -> World:
    return ledger()


@pytest.fixture
async def office(tmp_path: Path, world: World) -> AsyncIterator[Office]:
    made = Office(tmp_path / "jobs", world.node)
    yield made
    await made.close()

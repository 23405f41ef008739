"""Alliances for the tests of the guarded path."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.unit.node.guarded.world import World


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


@pytest.fixture
def world(pool: ThreadPoolExecutor) -> Iterator[World]:
    made = World(pool, ["bank-a", "bank-b", "bank-c", "tel-d", "tel-e"], 3)
    yield made
    made.close()

"""The alliance of the openings tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.node.openings.opening_scene import Scene


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.close()

"""A devnet of three stand-ins, stopped at the end whatever the test did."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.devnet.devnet import Devnet
from tests.unit.node.devnet.harness import STAND_IN


@pytest.fixture
def devnet(tmp_path: Path) -> Iterator[Devnet]:
    with Devnet.create(tmp_path / "net", 2, 1, command=STAND_IN) as made:
        yield made

"""A devnet of three stand-ins, stopped at the end whatever the test did."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.devnet.devnet import Devnet
from tests.unit.node.devnet.harness import STAND_IN


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once, as keys take a while; its ports serve one test after another."""
    home = tmp_path_factory.mktemp("devnet") / "net"
    return Devnet.create(home, 2, 1, command=STAND_IN).home


@pytest.fixture
def devnet(template: Path, tmp_path: Path) -> Iterator[Devnet]:
    shutil.copytree(template, tmp_path / "net")
    with Devnet.open(tmp_path / "net", command=STAND_IN) as copied:
        yield copied

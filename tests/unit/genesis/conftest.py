"""One alliance made once for all tests that only read it."""

from __future__ import annotations

import pytest

from genesis.alliance import Alliance, load_alliance
from genesis.generator import Generated
from tests.unit.genesis.samples import EXAMPLES, make


@pytest.fixture(scope="session")
def four_banks() -> Alliance:
    return load_alliance(EXAMPLES / "four-banks.toml")


@pytest.fixture(scope="session")
def made(four_banks: Alliance, tmp_path_factory: pytest.TempPathFactory) -> Generated:
    return make(four_banks, tmp_path_factory.mktemp("four") / "alliance", unattended=True)

"""A runner of the command, and one alliance for the tests that only read it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from node.cli.main import main

Run = Callable[..., Result]


@pytest.fixture(scope="session")
def bulwark() -> Run:
    """Run `bulwark` with these words in this process."""
    runner = CliRunner()

    def run(*words: str | Path, env: dict[str, str] | None = None) -> Result:
        return runner.invoke(main, [str(word) for word in words], prog_name="bulwark", env=env)

    return run


@pytest.fixture(scope="session")
def alliance(bulwark: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example of four banks, nodes that start unattended."""
    out = tmp_path_factory.mktemp("cli") / "alliance"
    result = bulwark("genesis", "new", "--out", out, "--unattended")
    assert result.exit_code == 0, result.output
    return out

"""What a node has loaded when it begins to vote: a restarted alliance waits for every bit of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from node.cli.main import main

ROOT = Path(__file__).parents[3]

# The command as an operator runs it, ended where consensus begins.
SCRIPT = """
import json, os, sys
import node.driver.engine
from node.cli.main import main

async def shown(self):
    print(json.dumps(sorted(sys.modules)), flush=True)
    os._exit(0)

node.driver.engine.Engine.run = shown
main(["node", "run", "--home", sys.argv[1]])
"""

NOT_YET = {
    "ada_url": "forms of web addresses",
    "api.server": "REST and JSON-RPC",
    "email_validator": "forms of mail addresses",
    "fastapi": "the OpenAPI document",
    "httpx": "the client",
    "node.front": "REST and JSON-RPC",
    "node.services": "what clients ask for",
    "phonenumbers": "telephone plans",
    "prometheus_client": "metrics",
    "py_ecc": "pairings, loaded with the first call",
    "pycparser": "comes with a hash of proof of work",
    "rich": "tables of the command line",
    "starlette": "REST and JSON-RPC",
    "uvicorn": "the HTTP server",
    "web3": "the client's Ethereum side",
}
"""Module -> what it is for; none of it is needed to vote."""
NEVER = {
    "Crypto.Hash._keccak": "proof of work",
    "fastapi": "the OpenAPI document, which nobody asked for",
    "py_ecc": "pairings, which no transaction called",
    "pycparser": "comes with a hash of proof of work",
}
"""The same after the EVM and what serves clients were loaded."""


def loaded(output: str) -> set[str]:
    modules: list[str] = json.loads(output)
    return set(modules)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("start") / "alliance"
    result = CliRunner().invoke(main, ["genesis", "new", "--out", str(out), "--unattended"])
    assert result.exit_code == 0, result.output
    return out / "rivertel"


def test_a_node_begins_to_vote_before_it_loads_what_votes_do_not_need(home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(home)],
        cwd=ROOT,
        env={**os.environ, "BULWARK_NETWORK__LISTEN_PORT": "0", "BULWARK_LOG__LEVEL": "error"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    early = {name: NOT_YET[name] for name in NOT_YET if name in loaded(done.stdout)}
    assert not early


def test_a_serving_node_has_not_loaded_what_nobody_called() -> None:
    script = (
        "import json, sys\n"
        "import node.app, node.execution.evm, node.services, node.front\n"
        "print(json.dumps(sorted(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    early = {name: NEVER[name] for name in NEVER if name in loaded(done.stdout)}
    assert not early

"""What a node has loaded when it begins to vote: a restarted alliance waits for every bit of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
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
    things = [thing for module in list(sys.modules.values()) for thing in vars(module).values()]
    kinds = [t for t in things if isinstance(t, type) and "__dataclass_params__" in vars(t)]
    names = {f"{kind.__module__}.{kind.__qualname__}" for kind in kinds}
    print(json.dumps([sorted(sys.modules), sorted(names)]), flush=True)
    os._exit(0)

node.driver.engine.Engine.run = shown
main(["node", "run", "--home", sys.argv[1]])
"""

NOT_YET = {
    "Crypto.Hash._keccak": "proof of work",
    "ada_url": "forms of web addresses",
    "api.console.pages": "the console",
    "api.statuspage.front": "the status page, which this member did not turn on",
    "attrs": "comes with JSON Schemas",
    "cffi": "comes with the hash of proof of work",
    "email_validator": "forms of mail addresses",
    "eth_hash.backends.pycryptodome": "a hash that takes seven times as long, for a node's life",
    "fastapi": "the OpenAPI document",
    "httpx": "the client",
    "jinja2": "pages and printed reports",
    "jsonschema": "documents of consents",
    "multiprocessing.connection": "processes of uvicorn",
    "phonenumbers": "telephone plans",
    "py_ecc": "pairings",
    "pycparser": "comes with the hash of proof of work",
    "pydantic_settings": "settings, which are read without it",
    "rich": "tables of the command line",
    "watchfiles": "restarts of uvicorn",
    "web3": "the client's Ethereum side",
}
"""Module -> what it is for; each is loaded when somebody calls for it, if ever."""
OURS = ("api", "bulwark", "consensus", "contracts", "node")
OURS_AT_MOST = 780
"""How many modules of our own a start may load, each for about 0.7 ms of CPU. Whoever comes past it
loads something in its place of use, as ADR-0014 says, or says there why a start needs it all."""
DATACLASSES_AT_MOST = 125
"""How many classes of our own a start may have compiled by `dataclasses`, each for about 0.4 ms;
a plain frozen value is a Struct, as ADR-0042 says."""
FOR_BLOCKS = {"node.execution.evm", "node.front"}
"""What a later import would hold votes up for."""


def ours(names: Iterable[str]) -> list[str]:
    return [name for name in names if name.partition(".")[0] in OURS]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("start") / "alliance"
    result = CliRunner().invoke(main, ["genesis", "new", "--out", str(out), "--unattended"])
    assert result.exit_code == 0, result.output
    return out / "rivertel"


def test_a_node_that_begins_to_vote_has_loaded_all_that_it_needs_and_nothing_else(
    home: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(home)],
        cwd=ROOT,
        env={**os.environ, "BULWARK_NETWORK__LISTEN_PORT": "0", "BULWARK_LOG__LEVEL": "error"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    modules, dataclasses = json.loads(done.stdout)
    found = set(modules)
    early = {name: NOT_YET[name] for name in NOT_YET if name in found}
    assert not early
    assert found >= FOR_BLOCKS
    assert len(ours(found)) <= OURS_AT_MOST, f"{len(ours(found))} modules of our own"
    compiled = ours(dataclasses)
    assert len(compiled) <= DATACLASSES_AT_MOST, f"{len(compiled)} dataclasses: {compiled}"

"""A home that something is wrong with: the node ends with one line that names it."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.process.support import NODE_COMMAND, ROOT, Alliance

pytestmark = pytest.mark.process

Damage = Callable[[Path], object]
PREFIX = "bulwark: can not start: "


@pytest.fixture(scope="module")
def alliance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alliance]:
    """One that is never started as a whole."""
    made = Alliance.create(tmp_path_factory.mktemp("homes") / "alliance", 1, 1)
    yield made
    made.close()


@pytest.fixture
def home(alliance: Alliance, tmp_path: Path) -> Path:
    """A copy of a validator's home."""
    return Path(shutil.copytree(alliance.node("bank-a").home, tmp_path / "home"))


def run(home: Path) -> subprocess.CompletedProcess[str]:
    """The node on this home until it ends by itself."""
    return subprocess.run(
        [*NODE_COMMAND, str(home)], cwd=ROOT, capture_output=True, text=True, timeout=120
    )


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    """The one line with which a node refused to start."""
    plain = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert done.returncode == 1, done.stderr
    assert len(plain) == 1, done.stderr
    return plain[0]


def named_as(member: str) -> Callable[[str], str]:
    """Another member's name in the configuration."""
    return lambda text: text.replace('"bank-a"', f'"{member}"', 1)


def unlink(name: str) -> Damage:
    return lambda home: (home / name).unlink()


def rewrite(name: str, change: Callable[[str], str]) -> Damage:
    return lambda home: (home / name).write_text(change((home / name).read_text()))


def other_chain(text: str) -> str:
    return json.dumps({**json.loads(text), "chain_id": 1}, sort_keys=True, separators=(",", ":"))


DAMAGES: dict[str, tuple[Damage, str]] = {
    "no genesis": (unlink("genesis.json"), "genesis.json"),
    "no keystore": (unlink("keys/keystore.json"), "keystore.json"),
    "no passphrase": (unlink("keys/passphrase"), "passphrase"),
    "no certificate": (unlink("tls/node.pem"), "node.pem"),
    "no authority": (unlink("tls/ca.pem"), "ca.pem"),
    "no API keys": (unlink("api_keys.json"), "api_keys.json"),
    "no configuration": (unlink("node.toml"), "node.toml"),
    "wrong passphrase": (rewrite("keys/passphrase", lambda _: "wrong horse"), "passphrase"),
    "cut keystore": (rewrite("keys/keystore.json", lambda text: text[:-40]), "keystore.json"),
    "cut genesis": (rewrite("genesis.json", lambda text: text[:100]), "genesis.json"),
    "cut certificate": (rewrite("tls/node.pem", lambda text: text[:200]), "certificate"),
    "broken TOML": (rewrite("node.toml", lambda text: text + "\n[network]\n"), "node.toml"),
    "unknown setting": (rewrite("node.toml", lambda text: "colour = 1\n" + text), "colour"),
    "no member": (rewrite("node.toml", named_as("bank-z")), "bank-z"),
    "keystore of another": (rewrite("node.toml", named_as("regulator")), "keystore"),
    "keystore open to all": (lambda home: (home / "keys/keystore.json").chmod(0o644), "keystore"),
    "file for a folder": (lambda home: (home / "data").write_text("no folder"), "data"),
}
"""What is done to a home, and what the refusal has to name."""


@pytest.fixture(scope="module")
def refusals(
    alliance: Alliance, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, subprocess.CompletedProcess[str]]:
    """How a node ends on each damaged home; two at a time, as each takes seconds to come up."""

    def end_of(case: str) -> subprocess.CompletedProcess[str]:
        home = Path(shutil.copytree(alliance.node("bank-a").home, folder / case))
        DAMAGES[case][0](home)
        return run(home)

    folder = tmp_path_factory.mktemp("damaged")
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(DAMAGES, pool.map(end_of, DAMAGES), strict=True))


@pytest.mark.parametrize("case", DAMAGES)
def test_what_is_wrong_is_said_in_one_line(
    refusals: dict[str, subprocess.CompletedProcess[str]], case: str
) -> None:
    line = refusal(refusals[case])
    assert line.startswith(PREFIX) and DAMAGES[case][1] in line, line
    assert "wrong horse" not in line


@pytest.mark.parametrize("which", ["p2p_port", "http_port"])
def test_a_taken_port_is_named(alliance: Alliance, home: Path, which: str) -> None:
    port = getattr(alliance.node("bank-a"), which)
    with socket.create_server(("127.0.0.1", port)):
        line = refusal(run(home))
    assert line.startswith(PREFIX) and str(port) in line, line
    assert "in use" in line.lower(), line


def test_a_store_of_another_alliance_is_refused(alliance: Alliance, home: Path) -> None:
    alliance.devnet.start_node("bank-a")
    assert alliance.devnet.stop() == []
    shutil.copytree(alliance.node("bank-a").home / "data", home / "data")
    rewrite("genesis.json", other_chain)(home)
    line = refusal(run(home))
    assert line.startswith(PREFIX) and "genesis" in line, line


def test_a_second_process_on_one_home_is_refused_and_the_first_goes_on(alliance: Alliance) -> None:
    alliance.devnet.start_node("bank-a")
    line = refusal(run(alliance.node("bank-a").home))
    assert line.startswith(PREFIX) and str(alliance.node("bank-a").pid) in line, line
    assert alliance.report("bank-a", kind="email", value="first@goes-on.net")["record_id"]
    assert alliance.devnet.stop() == []

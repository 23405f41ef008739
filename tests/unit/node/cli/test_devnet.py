"""`devnet up|status|down` with stand-ins for nodes: what it prints, keeps and refuses."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.devnet import devnet as devnet_module
from node.devnet.devnet import Devnet
from node.devnet.layout import read_nodes
from node.devnet.ports import free_ports
from node.devnet.processes import is_ours, wait_end
from tests.unit.node.devnet.harness import ROOT, STAND_IN


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(devnet_module, "NODE_COMMAND", STAND_IN)
    folder = tmp_path / "net"
    yield folder
    if (folder / "devnet.json").exists():
        Devnet.open(folder).stop()


def up(bulwark, home: Path, *words: str):
    base = str(free_ports(4)[0])
    asked = ("--members", "1", "--observers", "1", "--base-port", base)
    return bulwark("devnet", "up", "--home", home, *asked, "--detach", *words)


def test_up_writes_the_file_it_prints_and_status_and_down_follow(bulwark, home: Path) -> None:
    result = up(bulwark, home, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == json.loads((home / "devnet.json").read_bytes())

    status = json.loads(bulwark("devnet", "status", "--home", home, "--json").stdout)
    for node, entry in zip(read_nodes(home), status["nodes"], strict=True):
        assert entry.items() >= node.document().items()
        assert (entry["running"], entry["healthy"], entry["ready"]) == (True, True, True)
        assert (entry["height"], entry["finalized"]) == (7, 6)

    down = bulwark("devnet", "down", "--home", home, "--json")
    assert json.loads(down.stdout) == {"stopped": ["bank-a", "regulator"], "killed": []}
    after = json.loads(bulwark("devnet", "status", "--home", home, "--json").stdout)
    assert [(entry["running"], entry["pid"]) for entry in after["nodes"]] == [(False, None)] * 2
    assert "no node was running" in bulwark("devnet", "down", "--home", home).stdout


def test_up_again_takes_the_same_alliance(bulwark, home: Path) -> None:
    assert up(bulwark, home).exit_code == 0
    genesis = (home / "genesis.json").read_bytes()
    bulwark("devnet", "down", "--home", home)
    result = bulwark("devnet", "up", "--home", home, "--detach")
    assert result.exit_code == 0, result.output
    assert (home / "genesis.json").read_bytes() == genesis
    table = bulwark("devnet", "status", "--home", home).stdout
    assert [line.split()[:2] for line in table.splitlines()[1:]] == [
        ["bank-a", "validator"],
        ["regulator", "observer"],
    ]
    assert [line.split()[3:] for line in table.splitlines()[1:]] == [
        ["7", "6", node.rest_url, "ready"] for node in read_nodes(home)
    ]


def test_up_restarts_only_the_node_that_was_killed(bulwark, home: Path) -> None:
    up(bulwark, home)
    kept = read_nodes(home)[0].pid
    Devnet.open(home).kill("regulator")
    result = bulwark("devnet", "up", "--home", home, "--detach")
    assert result.exit_code == 0, result.output
    again = read_nodes(home)
    assert again[0].pid == kept
    assert again[1].pid is not None
    assert is_ours(again[1].pid, again[1].home)


def test_another_size_than_the_folders_is_refused(bulwark, home: Path) -> None:
    up(bulwark, home)
    bulwark("devnet", "down", "--home", home)
    result = bulwark("devnet", "up", "--home", home, "--members", "4", "--detach")
    assert result.exit_code == 2
    assert "holds a devnet with --members 1; --members 4 needs another folder" in result.stderr


def test_the_foreground_does_not_take_over_running_nodes(bulwark, home: Path) -> None:
    up(bulwark, home)
    result = bulwark("devnet", "up", "--home", home)
    assert result.exit_code == 2
    assert "runs already" in result.stderr
    assert all(node.pid is not None for node in Devnet.open(home).nodes)


def test_a_taken_port_is_one_line_and_nothing_starts(bulwark, home: Path) -> None:
    base = free_ports(4)[0]
    with socket.create_server(("127.0.0.1", base + 3)):
        result = bulwark(
            "devnet", "up", "--home", home, "--members", "1", "--base-port", base, "--detach"
        )
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert f"port {base + 3} on 127.0.0.1 (http of regulator) is taken" in result.stderr
    assert not home.exists()


def test_a_dead_node_shows_its_last_lines_and_code_1(bulwark, home: Path) -> None:
    up(bulwark, home)
    bulwark("devnet", "down", "--home", home)
    (home / "bank-a/die").touch()
    result = bulwark("devnet", "up", "--home", home, "--detach")
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert "  halt: the disk is full" in lines
    assert lines[-1].startswith("bulwark: bank-a ended (exit code 3)")
    assert [node.pid for node in Devnet.open(home).nodes] == [None, None]


@pytest.mark.parametrize("verb", ["status", "down"])
def test_a_folder_without_a_devnet_is_one_line_and_code_2(
    bulwark, tmp_path: Path, verb: str
) -> None:
    result = bulwark("devnet", verb, "--home", tmp_path)
    assert result.exit_code == 2
    assert "no devnet (genesis.json: No such file or directory)" in result.stderr


def test_up_refuses_a_folder_with_other_content(bulwark, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    result = bulwark("devnet", "up", "--home", tmp_path, "--detach")
    assert result.exit_code == 2
    assert "neither a devnet nor an empty folder" in result.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_foreground_stays_until_a_signal_and_stops_all(
    tmp_path: Path, number: signal.Signals
) -> None:
    home = tmp_path / "net"
    script = (
        "import sys; from node.devnet import devnet; from node.cli.main import main\n"
        f"devnet.NODE_COMMAND = {STAND_IN!r}\n"
        "main(sys.argv[1:], prog_name='bulwark')\n"
    )
    words = ["devnet", "up", "--home", str(home), "--members", "1"]
    words += ["--observers", "1", "--base-port", str(free_ports(4)[0])]
    process = subprocess.Popen(
        [sys.executable, "-c", script, *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "Ctrl-C stops all nodes.\n"
    running = read_nodes(home)
    process.send_signal(number)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "bank-a" in out
    for node in running:
        assert node.pid is not None
        assert wait_end(node.pid, node.home, 0)

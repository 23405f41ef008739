"""A devnet makes, starts, kills, restarts and stops its nodes, and leaves none behind."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from node.devnet.devnet import Devnet
from node.devnet.errors import DevnetError, DevnetInvalid, NodeDied, NotReady, PortTaken
from node.devnet.processes import is_ours, wait_end
from tests.unit.node.devnet.harness import ROOT, STAND_IN


def pid_of(devnet: Devnet, name: str) -> int:
    pid = devnet.node(name).pid
    assert pid is not None
    return pid


def test_all_nodes_serve_after_start_and_are_gone_after_stop(devnet: Devnet) -> None:
    devnet.start()
    started = devnet.nodes
    assert all(health.ready for _, health in devnet.health())
    assert devnet.stop() == []
    for node in started:
        assert node.pid is not None
        assert not is_ours(node.pid, node.home)
    assert [node.pid for node in devnet.nodes] == [None] * 3


def test_devnet_json_is_what_the_contract_says(devnet: Devnet) -> None:
    devnet.start()
    document = json.loads((devnet.home / "devnet.json").read_bytes())
    assert set(document) == {"nodes"}
    assert [(entry["name"], entry["role"]) for entry in document["nodes"]] == [
        ("bank-a", "validator"),
        ("telco-b", "validator"),
        ("regulator", "observer"),
    ]
    for entry, node in zip(document["nodes"], devnet.nodes, strict=True):
        assert set(entry) == {
            "name",
            "role",
            "pid",
            "home",
            "rest_url",
            "rpc_url",
            "p2p",
            "api_keys_file",
        }
        assert entry["pid"] == node.pid
        assert entry["rest_url"] == f"http://127.0.0.1:{node.http_port}"
        assert entry["rpc_url"] == entry["rest_url"] + "/rpc"
        assert entry["p2p"] == f"127.0.0.1:{node.p2p_port}"
        keys = json.loads(Path(entry["api_keys_file"]).read_bytes())
        assert set(keys) == {"reporter", "analyst", "operator", "auditor", "admin"}


def test_a_killed_node_is_seen_and_comes_back(devnet: Devnet) -> None:
    devnet.start()
    before = pid_of(devnet, "telco-b")
    devnet.kill("telco-b")
    assert devnet.node("telco-b").pid is None
    assert [health.healthy for _, health in devnet.health()] == [True, False, True]
    devnet.start_node("telco-b")
    assert pid_of(devnet, "telco-b") != before
    assert all(health.ready for _, health in devnet.health())


def test_starting_a_node_that_runs_changes_nothing(devnet: Devnet) -> None:
    devnet.start()
    before = pid_of(devnet, "bank-a")
    devnet.start_node("bank-a")
    devnet.start()
    assert pid_of(devnet, "bank-a") == before


def test_a_second_handle_sees_and_stops_the_nodes_of_the_first(devnet: Devnet) -> None:
    devnet.start()
    other = Devnet.open(devnet.home)
    assert [node.pid for node in other.nodes] == [node.pid for node in devnet.nodes]
    assert other.stop() == []
    # A process that gave its memory back may have its exit code a moment later.
    ended: set[str] = set()
    deadline = time.monotonic() + 10
    while len(ended) < 3 and time.monotonic() < deadline:
        ended |= {node.name for node, _ in devnet.ended()}
    assert ended == {"bank-a", "regulator", "telco-b"}


def test_start_takes_only_what_does_not_run(devnet: Devnet) -> None:
    devnet.start()
    kept = pid_of(devnet, "bank-a")
    devnet.kill("regulator")
    other = Devnet.open(devnet.home, command=STAND_IN, detached=True)
    other.start()
    assert pid_of(other, "bank-a") == kept
    assert pid_of(other, "regulator") is not None
    other.stop()


def test_a_node_that_dies_fails_the_start_with_the_end_of_its_log(devnet: Devnet) -> None:
    (devnet.node("telco-b").home / "die").touch()
    with pytest.raises(NodeDied, match=r"telco-b ended \(exit code 3\)") as caught:
        devnet.start()
    assert caught.value.tail[-1] == "halt: the disk is full"
    assert [node.pid for node in devnet.nodes] == [None] * 3


def test_nodes_that_do_not_become_ready_are_named_and_stopped(devnet: Devnet) -> None:
    (devnet.node("telco-b").home / "unready").touch()
    with pytest.raises(NotReady, match="telco-b waits for quorum"):
        devnet.start(timeout_s=1.0)
    assert [node.pid for node in devnet.nodes] == [None] * 3


def test_a_quorum_of_ready_validators_is_enough_when_time_is_up(devnet: Devnet) -> None:
    (devnet.node("regulator").home / "unready").touch()
    devnet.start(timeout_s=1.0)
    assert [health.ready for _, health in devnet.health()] == [True, True, False]


def test_a_taken_port_is_named_before_anything_starts(devnet: Devnet) -> None:
    node = devnet.node("telco-b")
    message = rf"port {node.http_port} on 127\.0\.0\.1 \(http of telco-b\) is taken"
    with (
        socket.create_server(("127.0.0.1", node.http_port)),
        pytest.raises(PortTaken, match=message),
    ):
        devnet.start()
    assert not any(other.log.exists() for other in devnet.nodes)


def test_a_node_that_ignores_sigterm_is_killed_after_the_grace(devnet: Devnet) -> None:
    (devnet.node("bank-a").home / "stubborn").touch()
    devnet.start()
    assert devnet.stop(grace_s=0.3) == ["bank-a"]


def test_nodes_end_when_their_owner_is_killed(tmp_path: Path) -> None:
    home = tmp_path / "net"
    owner = subprocess.Popen(
        [sys.executable, "-m", "tests.unit.node.devnet.owner", str(home)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert owner.stdout is not None
    pids = [int(word) for word in owner.stdout.readline().split()]
    assert len(pids) == 2
    owner.send_signal(signal.SIGKILL)
    owner.communicate()
    for pid, name in zip(pids, ("bank-a", "regulator"), strict=True):
        assert wait_end(pid, home / name, 10.0), name


def test_a_detached_node_outlives_its_handle_until_down(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from node.devnet.devnet import Devnet\n"
        "Devnet.create(Path(sys.argv[1]), 1, 0, command=sys.argv[2:], detached=True).start()\n"
    )
    home = tmp_path / "net"
    subprocess.run([sys.executable, "-c", script, str(home), *STAND_IN], cwd=ROOT, check=True)
    devnet = Devnet.open(home)
    assert devnet.nodes[0].pid is not None
    devnet.stop()
    assert Devnet.open(home).nodes[0].pid is None


def test_logs_are_private_and_the_owners_passphrase_reaches_no_node(
    devnet: Devnet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BULWARK_KEYSTORE_PASSPHRASE", "mine")
    devnet.start()
    for node in devnet.nodes:
        assert node.log.stat().st_mode & 0o777 == 0o600
        assert node.log.read_text() == "passphrase in environment: False\n"


def test_a_pid_that_serves_another_home_is_left_alone(devnet: Devnet) -> None:
    devnet.start()
    document = json.loads((devnet.home / "devnet.json").read_bytes())
    document["nodes"][0]["pid"] = document["nodes"][1]["pid"]
    (devnet.home / "devnet.json").write_text(json.dumps(document))
    other = Devnet.open(devnet.home)
    assert other.nodes[0].pid is None
    other.kill("bank-a")
    assert devnet.node("telco-b").pid == document["nodes"][1]["pid"]


def test_an_unknown_name_is_refused_with_the_known_ones(devnet: Devnet) -> None:
    with pytest.raises(DevnetInvalid, match="nodes: bank-a, telco-b, regulator"):
        devnet.kill("bank-z")


def test_create_refuses_a_folder_with_content(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DevnetError, match="is not empty"):
        Devnet.create(tmp_path, 1, 0)


@pytest.mark.parametrize(("members", "observers"), [(0, 1), (41, 0), (4, -1), (4, 11)])
def test_create_refuses_sizes_out_of_bounds(tmp_path: Path, members: int, observers: int) -> None:
    with pytest.raises(DevnetError, match=r"1\.\.40 and 0\.\.10 allowed"):
        Devnet.create(tmp_path / "net", members, observers)

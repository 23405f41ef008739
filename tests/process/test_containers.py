"""The container image and the compose alliance on a Docker engine, with Prometheus over it."""

from __future__ import annotations

import json
import os
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.process.browser import WIDTHS, browsing
from tests.process.containers import ROOT, Engine, engine, why_not
from tests.process.support import until

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(why_not() is not None, reason=why_not() or ""),
]

NODES = {
    "northbank": 17101,
    "rivertel": 17102,
    "harbour-savings": 17103,
    "hilltel": 17104,
    "regulator": 17105,
}
PROMETHEUS = "http://127.0.0.1:17190"
QUIET = {"bulwark_tagging_bad_evaluations_total", "bulwark_sync_liar"}


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.loads(answer.read())


def ready(port: int) -> bool:
    try:
        return bool(get(f"http://127.0.0.1:{port}/readyz")["ready"])
    except (OSError, ValueError):
        return False


def height(at: Engine, service: str) -> int:
    """The last executed block by the node's own metrics, asked inside its container."""
    port = NODES[service]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        found = re.search(rb"^bulwark_height_executed (\S+)", answer.read(), re.MULTILINE)
    assert found is not None
    return int(float(found.group(1)))


@pytest.fixture(scope="module")
def alliance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The images built and the alliance up, without Grafana, which no Debian package brings."""
    with engine(tmp_path_factory.mktemp("docker")) as made:
        made.build()
        made.compose("down", "--volumes", "--timeout", "20", check=False)
        try:
            made.compose("up", "-d", *NODES, "prometheus")
            until(
                lambda: all(ready(port) for port in NODES.values()),
                "all nodes of the compose alliance serve",
                within_s=240,
            )
            yield made
        finally:
            made.compose("down", "--volumes", "--timeout", "20", check=False)


def test_the_demo_s_steps_run_against_the_compose_alliance(alliance: Engine) -> None:
    said = alliance.compose("run", "--rm", "-T", "demo", timeout_s=400)
    for sign in ("HIT", "valid", "withdrawn in block", "all agree on block"):
        assert sign in said, said


def test_nodes_run_without_rights_on_a_read_only_file_system(alliance: Engine) -> None:
    for service in NODES:
        found = alliance.inspect(service)
        assert found["Config"]["User"] == "10001:10001"
        assert found["HostConfig"]["ReadonlyRootfs"] is True
        assert found["HostConfig"]["CapDrop"] == ["ALL"]
        assert "no-new-privileges:true" in found["HostConfig"]["SecurityOpt"]
    inside = ("docker", "exec", alliance.container("northbank"), "sh", "-c")
    assert alliance.run(*inside, "id -u").strip() == "10001"
    assert alliance.run(*inside, "touch /opt/x 2>/dev/null || echo refused").strip() == "refused"
    only_own = alliance.run(*inside, "find /var/lib/bulwark ! -user 10001 -o -perm /007 -type f")
    assert [line for line in only_own.split() if "keys/" in line or "api_keys" in line] == []


def test_no_member_holds_the_keys_of_another(alliance: Engine) -> None:
    for service in NODES:
        mounts = {mount["Name"] for mount in alliance.inspect(service)["Mounts"] if "Name" in mount}
        assert {name.rpartition("_")[2] for name in mounts} == {service}


def test_the_health_check_tells_a_node_that_lives(alliance: Engine) -> None:
    for service in NODES:
        until(
            lambda service=service: alliance.health(service) == "healthy",  # type: ignore[misc]
            f"{service} is healthy",
            within_s=180,
        )
    ask = ("docker", "exec", alliance.container("hilltel"), "bulwark", "node", "health")
    assert alliance.run(*ask, "--home", ".", "--ready").strip() == "/readyz 200"


def test_prometheus_scrapes_every_node_and_knows_the_rules(alliance: Engine) -> None:
    def targets() -> dict[str, str]:
        found = get(f"{PROMETHEUS}/api/v1/targets")["data"]["activeTargets"]
        return {target["labels"]["node"]: target["health"] for target in found}

    until(lambda: targets() == dict.fromkeys(NODES, "up"), "every node is scraped", within_s=60)
    groups = get(f"{PROMETHEUS}/api/v1/rules")["data"]["groups"]
    assert all(rule["health"] == "ok" for group in groups for rule in group["rules"])


def test_every_panel_of_the_grafana_dashboards_has_data(alliance: Engine) -> None:
    for file in sorted((ROOT / "docker" / "grafana" / "dashboards").glob("*.json")):
        for panel in json.loads(file.read_text())["panels"]:
            for target in panel["targets"]:
                query = target["expr"].replace("$node", ".*")
                asked = urllib.parse.urlencode({"query": query})

                def answered(asked: str = asked) -> bool:
                    found = get(f"{PROMETHEUS}/api/v1/query?{asked}")
                    return found["status"] == "success" and bool(found["data"]["result"])

                until(answered, f"{file.name}: {panel['title']}: {query}", within_s=45)


def test_the_dashboard_of_prometheus_renders_in_a_browser(alliance: Engine, tmp_path: Path) -> None:
    shots = Path(os.environ.get("BULWARK_SCREENSHOTS", tmp_path))
    with browsing(PROMETHEUS, tmp_path / "profile") as browser:
        for width in WIDTHS:
            browser.show_at(width)
            browser.open("/consoles/bulwark.html")
            assert browser.heading == "Bulwark: nodes"
            for service in NODES:
                assert re.search(rf"{service} yes \d+ \d+", browser.text), browser.text
            assert browser.faults() == []
            assert browser.width() <= width
            browser.save(shots / f"prometheus-{width}.png")


def test_the_alliance_goes_on_after_every_container_was_killed(alliance: Engine) -> None:
    before = height(alliance, "rivertel")
    alliance.compose("kill", *NODES)
    alliance.compose("up", "-d", *NODES)
    until(lambda: all(ready(port) for port in NODES.values()), "all serve again", within_s=120)
    until(lambda: height(alliance, "rivertel") > before, "the chain goes on", within_s=60)

"""Runbooks name the tests that try them, alerts their runbook, and alerts fire as they should."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest

from tests.architecture.layout import ROOT
from tests.architecture.test_law_matrix import has_test

OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")
RUNBOOKS = re.split(r"^### ", OPERATIONS.partition("## Runbooks")[2], flags=re.MULTILINE)[1:]
ALERTS = ROOT / "docker" / "prometheus"
DASHBOARDS = sorted((ROOT / "docker" / "grafana" / "dashboards").glob("*.json"))
METRIC = re.compile(r"\b(?:bulwark|process)_[a-z_]+")


def anchor(heading: str) -> str:
    """How a page links to a heading."""
    return re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("runbook", RUNBOOKS, ids=lambda text: anchor(text.splitlines()[0]))
def test_a_runbook_says_what_to_do_and_is_tried_by_tests_that_exist(runbook: str) -> None:
    assert "*Do*:" in runbook
    tests = re.findall(r"`(tests/\S+::\S+)`", runbook.partition("*Tried by*")[2])
    assert tests
    assert [test for test in tests if not has_test(test)] == []


def test_every_alert_leads_to_a_runbook() -> None:
    headings = {anchor(text.splitlines()[0]) for text in RUNBOOKS}
    named = re.findall(
        r'runbook: "docs/operations.md#([^"]+)"', (ALERTS / "alerts.yml").read_text()
    )
    assert named and set(named) <= headings


def test_every_alert_is_tried() -> None:
    rules = set(re.findall(r"- alert: (\w+)", (ALERTS / "alerts.yml").read_text()))
    tried = set(re.findall(r'alertname="(\w+)"', (ALERTS / "alerts_test.yml").read_text()))
    assert rules == tried


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is missing: `make tools`")
def test_alerts_fire_on_what_they_are_for_and_on_nothing_else() -> None:
    for command in (("check", "rules", "alerts.yml"), ("test", "rules", "alerts_test.yml")):
        done = subprocess.run(
            ["promtool", *command], cwd=ALERTS, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_dashboards_and_alerts_name_metrics_that_a_node_has() -> None:
    sources = "".join(
        path.read_text("utf-8") for top in ("node", "api") for path in (ROOT / top).rglob("*.py")
    )
    texts = [(ALERTS / "alerts.yml").read_text()]
    for file in DASHBOARDS:
        panels = json.loads(file.read_text())["panels"]
        texts += [target["expr"] for panel in panels for target in panel["targets"]]
    named = {name for text in texts for name in METRIC.findall(text)}
    bulwark = {re.sub(r"_(total|bucket)$", "", name) for name in named if name[0] == "b"}
    # Of counters by outcome the source has the stem and the outcome apart.
    stems = {re.sub(r"_(taken|duplicates|refused)$", "_", name) for name in bulwark}
    assert stems and [name for name in sorted(stems) if name not in sources] == []

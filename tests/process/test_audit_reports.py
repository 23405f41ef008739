"""Two regulators read one alliance at two nodes: the same reports, and the same sample."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.process.conftest import MakeAlliance
from tests.process.support import ROOT, Alliance, until

pytestmark = pytest.mark.process

REPORTS = ("sharing", "retention", "consents", "disputes", "quotas", "openings", "erasures",
           "reporters")  # fmt: skip


def bulwark(alliance: Alliance, at: str, *words: object) -> subprocess.Popen[str]:
    """`bulwark audit` at a node, under way."""
    home = alliance.node(at).home
    command = [
        sys.executable,
        "-m",
        "node.cli.main",
        "audit",
        *map(str, words),
        "--home",
        str(home),
    ]
    return subprocess.Popen(
        command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def both(alliance: Alliance, places: tuple[str, str], *words: object) -> list[str]:
    """What two nodes answer to the same words, asked at once."""
    asked = [bulwark(alliance, at, *words) for at in places]
    answers = []
    for process in asked:
        out, err = process.communicate(timeout=600)
        assert process.returncode == 0, err
        answers.append(out)
    return answers


def test_reports_and_samples_are_the_same_at_every_node(
    make_alliance: MakeAlliance, tmp_path: Path
) -> None:
    alliance = make_alliance(4, 1)
    alliance.start()
    first, second = alliance.validators[:2]
    places = (second, alliance.names[-1])
    for turn in range(3):
        for name in (first, second):
            alliance.report(name, kind="domain", value=f"{name}-{turn}.example")
    height = alliance.height(first)
    alliance.until_final(height)

    shown: dict[str, Any] = {}
    for name in REPORTS:
        one, two = both(alliance, places, "report", name, "--format", "json", "--to-height", height)
        assert one == two, name
        shown[name] = json.loads(one)
    register = shown["sharing"]
    assert sum(row["records"] for row in register["rows"]) == 6
    assert {row["reporter"] for row in register["rows"]} == {first, second}
    assert register["generated_from"]["height"] == height
    counts = {row["member"]: row["records"] for row in shown["reporters"]["rows"]}
    assert counts == {first: 3, second: 3}
    page = tmp_path / "sharing.html"
    made = bulwark(alliance, places[1], "report", "sharing", "--format", "html", "--out", page)
    assert made.wait(60) == 0 and "<table>" in page.read_text()

    # The case behind a record is opened by its reporter, and compared with the regulator's own.
    known = alliance.report(
        first, kind="domain", value="case.example", fraud_type="phishing", case_ref="CASE-7"
    )
    alliance.until_final(alliance.height(first))
    opened = tmp_path / "opened.json"
    asked = ("open-case", known["record_id"], "--out", opened, "--case-ref")
    assert bulwark(alliance, first, *asked, "CASE-8").wait(60) == 1
    assert bulwark(alliance, second, *asked, "CASE-7").wait(60) == 1
    assert bulwark(alliance, first, *asked, "CASE-7").wait(60) == 0
    assert opened.stat().st_mode & 0o777 == 0o600
    shown_there = bulwark(alliance, places[1], "verify-case", opened)
    out, err = shown_there.communicate(timeout=60)
    assert (shown_there.returncode, out.split()[0]) == (0, "VALID"), err
    opened.write_text(opened.read_text().replace("CASE-7", "CASE-8"))
    assert bulwark(alliance, places[1], "verify-case", opened).wait(60) == 1

    # Two members write for longer than the calm takes: a block above becomes the seed's.
    ends = time.monotonic() + 20.0
    number = 0

    def busy() -> bool:
        nonlocal number
        number += 1
        for name in (first, second):
            alliance.report(name, kind="domain", value=f"{name}-busy-{number}.example")
        return time.monotonic() >= ends

    until(busy, "twenty seconds of reports", within_s=90)
    alliance.until_final(alliance.height(first))
    asked_for = ("sample", "--to-height", height, "--size", 4, "--by-member", "--json")
    one, two = both(alliance, places, *asked_for)
    assert one == two
    sample = json.loads(one)
    assert sample["population"]["size"] == 6 and sample["seed"]["block"]["height"] > height
    drawn = {s["member"]: [item["name"] for item in s["items"]] for s in sample["strata"]}
    assert {member: len(names) for member, names in drawn.items()} == {first: 3, second: 3}
    for names in drawn.values():
        assert all(alliance.has_record(places[1], name) for name in names)

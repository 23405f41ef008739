"""Uploads to a real alliance: progress while they run, rows named that no evaluator tagged."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.process.conftest import MakeAlliance
from tests.process.support import ROOT, WHY, Alliance, until

pytestmark = pytest.mark.process


def rows_of(prefix: str, count: int) -> str:
    rows = [{"kind": "domain", "value": f"{prefix}-{at}.example", **WHY} for at in range(count)]
    return "".join(json.dumps(row) + "\n" for row in rows)


def screen_file(alliance: Alliance, name: str, source: Path, out: Path) -> tuple[int, Any]:
    made = subprocess.run(
        [
            sys.executable, "-m", "node.cli.main", "screen-file", str(source), "--out", str(out),
            "--home", str(alliance.node(name).home), "--json",
        ],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    return made.returncode, json.loads(made.stdout)


def test_an_upload_shows_its_progress_and_rows_without_a_tag_are_asked_again_later(
    make_alliance: MakeAlliance, tmp_path: Path
) -> None:
    alliance = make_alliance(4, 0)
    alliance.start()
    first, second, *others = alliance.validators
    alliance.report(second, kind="domain", value="early-3.example")
    alliance.until_final(alliance.height(second))
    answers: list[httpx.Response] = []

    def upload() -> None:
        url, key = alliance.node(first).rest_url, alliance.key(first, "analyst")
        headers = {
            "Authorization": f"Bearer {key}",
            "content-type": "application/x-ndjson",
            "x-correlator": "job-7",
        }
        body = rows_of("bulk", 5_000) + '{"kind": "domain"}\n'
        answers.append(
            httpx.post(f"{url}/v1/screenings/batches", content=body, headers=headers, timeout=300.0)
        )

    thread = threading.Thread(target=upload)
    thread.start()
    seen: list[int] = []

    def is_over() -> bool:
        shown = alliance.client(first, "analyst").get("/v1/uploads/job-7")
        if shown.status_code == 200:
            seen.append(shown.json()["done"])
        return shown.status_code == 200 and shown.json()["state"] == "done"

    until(is_over, "the upload is over", 200)
    thread.join()
    assert seen == sorted(seen) and len(set(seen)) > 2, "it moved while it ran"
    shown = alliance.client(first, "analyst").get("/v1/uploads/job-7").json()
    assert (shown["rows"], shown["done"], shown["untagged"]) == (5_001, 5_001, 0)
    summary = answers[0].json()
    assert (summary["answered"], summary["incomplete"], summary["refused"]) == (5_000, 0, 1)

    source, out = tmp_path / "rows.ndjson", tmp_path / "answers.ndjson"
    source.write_text(rows_of("early", 10), "utf-8")
    code, found = screen_file(alliance, first, source, out)
    assert (code, found["hit"], found["no hit"], found["unanswered"]) == (0, 1, 9, [])
    assert out.stat().st_mode & 0o777 == 0o600 and "early" not in out.read_text("utf-8")
    for name in others:
        alliance.devnet.kill(name)
    until(lambda: not alliance.status(first)["peers"][1:], "the others are gone")
    source.write_text(rows_of("early", 10) + rows_of("late", 3), "utf-8")
    code, found = screen_file(alliance, first, source, out)
    assert (code, found["before"], found["unanswered"]) == (1, 10, [11, 12, 13])
    for name in others:
        alliance.devnet.start_node(name)
    until(lambda: alliance.screen(first, kind="domain", value="new.example")["complete"], "back")
    code, found = screen_file(alliance, first, source, out)
    assert (code, found["before"], found["no hit"], found["unanswered"]) == (0, 10, 12, [])

"""Screening jobs at a real alliance: killed in the middle, in three formats, beside other work."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.process.screening_million import (
    BASE,
    BROKEN_EVERY,
    Screening,
    peak_mib,
    play,
    rss_mib,
    value,
    write_input,
)
from tests.process.support import ROOT, WHY, Alliance, until

pytestmark = pytest.mark.process
ROWS = 15_000


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Screening]:
    """A play that went well; its alliance goes on running."""
    folder = tmp_path_factory.mktemp("screening")
    with pytest.MonkeyPatch.context() as patch:
        # Small parts and long pauses: a quick machine must not end a job before it is killed.
        patch.setenv("BULWARK_JOBS__CHUNK_ROWS", "500")
        patch.setenv("BULWARK_JOBS__SHARE_PERCENT", "10")
        alliance = Alliance.create(folder / "alliance", 4, 0)
        try:
            yield play(alliance, folder, ROWS, "csv")
        finally:
            alliance.close()


def bulwark(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "node.cli.main", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )


def verdicts(path: Path) -> list[dict[str, Any]]:
    """Rows of an NDJSON result without what depends on the format of the input."""
    return [orjson.loads(line) | {"line": None} for line in path.read_bytes().splitlines()]


def test_a_job_that_is_killed_in_the_middle_has_the_result_of_one_that_was_not(
    played: Screening,
) -> None:
    assert ROWS // 3 <= played.facts["rows before the kill"] < ROWS
    assert played.facts["outcomes"]["error"] == ROWS // BROKEN_EVERY


def test_the_end_of_each_job_is_an_event_told_once(played: Screening) -> None:
    client = played.alliance.client(played.name, "operator")
    jobs = {job["id"] for job in client.get(BASE).json()["jobs"] if job["state"] == "done"}
    assert len(jobs) == 2
    page = client.get("/v1/events", params={"types": "job_finished"}).raise_for_status().json()
    told = [event["data"] for event in page["events"]]
    assert sorted(each["job"] for each in told) == sorted(jobs)
    assert {(each["state"], each["rows"]) for each in told} == {("done", ROWS)}


def test_csv_ndjson_and_parquet_with_the_same_rows_get_the_same_answers(
    played: Screening,
) -> None:
    found = []
    for form in ("csv", "ndjson", "parquet"):
        it = Screening(played.alliance, played.folder, 3_000, form)
        source = it.folder / f"same.{form}"
        write_input(source, form, it.count)
        job = it.until_over(it.submit(source, at_height="1")["id"])
        assert job["rows"] == it.count and job["result_format"] == form
        own, manifest = it.fetch(job["id"])
        assert it.verify(own, manifest).rows == it.count
        lines, _ = it.fetch(job["id"], "ndjson")
        found.append(verdicts(lines))
    assert found[0] == found[1] == found[2]


def test_the_command_line_sends_waits_fetches_and_verifies(
    played: Screening, tmp_path: Path
) -> None:
    source, out = tmp_path / "customers.csv", tmp_path / "result.parquet"
    phones = [value(number)[1] for number in range(1, 301, 3)]
    source.write_text("msisdn,customer\n" + "".join(f"{p},K{n}\n" for n, p in enumerate(phones)))
    home = str(played.alliance.node(played.name).home)
    sent = bulwark(
        "job", "submit", str(source), "--value-column", "msisdn", "--kind", "phone",
        "--reference", "customer", "--result", "parquet", "--wait", "--out", str(out),
        "--home", home, "--json",
    )  # fmt: skip
    assert sent.returncode == 0, sent.stderr
    job = json.loads(sent.stdout)
    assert job["state"] == "done" and job["outcomes"]["hit"] == 100
    assert out.stat().st_mode & 0o777 == 0o600
    genesis = str(played.alliance.devnet.home / "genesis.json")
    words = ("job", "verify", str(out), f"{out}.manifest.json", "--genesis", genesis)
    good = bulwark(*words)
    assert good.returncode == 0 and good.stdout.startswith("VALID"), good.stdout + good.stderr
    beside = Path(f"{out}.manifest.json")
    beside.write_bytes(beside.read_bytes().replace(b'"values":false', b'"values":true'))
    bad = bulwark(*words)
    assert bad.returncode == 1 and "manifest signature" in bad.stdout
    refused = bulwark("job", "submit", str(source), "--kind", "phone", "--home", home)
    assert refused.returncode == 1
    assert "no column is named value" in refused.stderr
    assert bulwark("job", "delete", job["id"], "--home", home).returncode == 0
    gone = bulwark("job", "status", job["id"], "--home", home)
    assert gone.returncode == 1 and "404" in gone.stderr


def test_questions_of_persons_are_answered_while_a_job_runs(played: Screening) -> None:
    it = Screening(played.alliance, played.folder, ROWS)
    kind, text = value(1)
    job_id = it.submit(played.folder / "input.csv")["id"]
    waits: list[float] = []
    while it.job(job_id)["state"] in ("queued", "running"):
        began = time.perf_counter()
        assert it.alliance.screen(it.name, kind=kind, value=text)["hit"]
        waits.append(time.perf_counter() - began)
    assert it.job(job_id)["state"] == "done" and len(waits) >= 5
    # A job that held the node until its end would answer the first of them after all its rows.
    assert statistics.median(waits) < 1.0


def test_a_paused_job_waits_over_a_restart_and_goes_on_where_it_was(played: Screening) -> None:
    it = Screening(played.alliance, played.folder, ROWS)
    client = it.alliance.client(it.name, "analyst")
    job_id = it.submit(played.folder / "input.csv")["id"]
    until(lambda: it.job(job_id)["rows"] > 0, "the first part")
    paused = client.post(f"{BASE}/{job_id}/pause").raise_for_status().json()
    it.alliance.devnet.kill(it.name)
    it.alliance.devnet.start_node(it.name)
    rows = it.job(job_id)["rows"]
    assert it.job(job_id)["state"] == "paused" and paused["rows"] <= rows < ROWS
    assert client.post(f"{BASE}/{job_id}/resume").json()["state"] in ("queued", "running")
    assert it.until_over(job_id)["rows"] == ROWS


def test_a_file_much_larger_than_a_part_costs_no_more_memory(
    played: Screening, tmp_path: Path
) -> None:
    it = Screening(played.alliance, tmp_path, 40, "csv")
    before = rss_mib(it.pid)
    source = tmp_path / "wide.csv"
    with source.open("w") as file:
        file.write("value,kind,customer," + ",".join(f"c{n}" for n in range(300)) + "\n")
        wide = ",".join("x" * 200 for _ in range(300))
        for number in range(1_500):
            kind, text = value(number)
            file.write(f"{text},{kind},K{number},{wide}\n")
        file.write("y" * (60 << 20) + "\n")  # one row of 60 MiB
        file.write('"never closed,phone,K,' + wide + "\n")
        file.write(f"{value(1)[1]},phone,last,{wide}\n")
    size = source.stat().st_size / (1 << 20)
    assert size > 140
    job = it.until_over(it.submit(source)["id"])
    assert job["rows"] == 1_503 and job["errors"] == {"row.too-long": 1, "row.quotes": 1}
    assert job["outcomes"]["error"] == 2
    assert peak_mib(it.pid) < before + 60, (before, peak_mib(it.pid))


def test_no_value_of_a_job_is_on_the_disk_of_its_node(played: Screening) -> None:
    home = played.alliance.node(played.name).home
    needles = ("@scam-post.net", "bad-host.example", "7911 1001", "79111001")
    words = ["grep", "--recursive", "--files-with-matches", "--text", "--fixed-strings"]
    patterns = [part for needle in needles for part in ("-e", needle)]
    found = subprocess.run([*words, *patterns, str(home)], capture_output=True, text=True)
    assert found.stdout == "" and found.returncode == 1, found.stdout + found.stderr
    answer = played.alliance.client(played.name, "analyst").post(
        "/v1/screenings", json={**WHY, "kind": "phone", "value": value(1)[1]}
    )
    assert answer.json()["hit"]

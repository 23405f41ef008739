"""A member screens a file of many rows as a job, twice: unbroken, and killed in the middle.

`python -m tests.process.screening_million --rows 1000000` runs it at full size on a real alliance
of four nodes and prints rows a second and the node's peak memory. Tags are known: the file repeats
values that the member asked for before, a part of them reported.
"""

from __future__ import annotations

import csv
import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import click
import orjson

from bench.process import _field, _read, cpu_seconds
from bulwark.jobs.manifest import Manifest, read_signed
from bulwark.jobs.verify import Verdict, verify_result
from node.cli.job_results import canonical_lines
from tests.process.support import WHY, Alliance, until

VALUES: Final = 1_500
"""Distinct values; a devnet's quota allows to ask for more."""
REPORTED: Final = 300
BROKEN_EVERY: Final = 997
"""Every so many rows hold something that is no identifier."""
PATIENCE_S: Final = 1_800.0
TYPES: Final = {
    "csv": "text/csv",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}
BASE: Final = "/v1/screening-jobs"


def value(number: int) -> tuple[str, str]:
    """Kind and text of a value, spelt as people do."""
    if number % 3 == 0:
        return "email", f"Mule{number}@scam-post.net"
    if number % 3 == 1:
        return "phone", f"+44 7911 {100000 + number}"
    return "domain", f"shop{number}.bad-host.example"


def rows(count: int) -> Iterator[tuple[str, str, str]]:
    """Customer, kind and value of each row."""
    for number in range(count):
        kind, text = value(number * 7919 % VALUES)
        if number % BROKEN_EVERY == BROKEN_EVERY - 1:
            text = "no such thing"
            kind = "phone"
        yield f"C{number:08d}", kind, text


def write_input(path: Path, form: str, count: int) -> None:
    """The file of a job."""
    if form == "csv":
        with path.open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("customer", "kind", "value", "branch"))
            writer.writerows((*row, "north") for row in rows(count))
    elif form == "ndjson":
        with path.open("wb") as stream:
            for customer, kind, text in rows(count):
                row = {"customer": customer, "kind": kind, "value": text, "branch": "north"}
                stream.write(orjson.dumps(row) + b"\n")
    else:
        import pyarrow
        import pyarrow.parquet

        names = ("customer", "kind", "value")
        with pyarrow.parquet.ParquetWriter(
            path, pyarrow.schema([(name, pyarrow.string()) for name in names])
        ) as writer:
            held: list[tuple[str, str, str]] = []
            for row in rows(count):
                held.append(row)
                if len(held) == 50_000:
                    _group(writer, held, names)
            _group(writer, held, names)


def _group(writer: Any, held: list[tuple[str, str, str]], names: tuple[str, ...]) -> None:
    import pyarrow

    if held:
        columns = dict(zip(names, map(list, zip(*held, strict=True)), strict=True))
        writer.write_table(pyarrow.table(columns))
        held.clear()


@dataclass
class Screening:
    """One play."""

    alliance: Alliance
    folder: Path
    count: int
    form: str = "csv"
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Node that works the jobs."""
        return self.alliance.validators[0]

    @property
    def pid(self) -> int:
        """Its process."""
        pid = self.alliance.node(self.name).pid
        assert pid is not None
        return pid

    def prepare(self) -> None:
        """Report some values, and ask for all of them once, so that their tags are known."""
        reports = []
        for number in range(REPORTED):
            kind, text = value(number)
            reports.append({"kind": kind, "value": text, "fraud_type": "vishing"})
        answer = self.alliance.client(self.name, "reporter").post(
            "/v1/indicators/batches",
            params={"wait": "finalized"},
            content=b"\n".join(map(orjson.dumps, reports)),
            headers={"content-type": "application/x-ndjson"},
            timeout=300.0,
        )
        assert answer.status_code == 200 and answer.json()["refused"] == 0, answer.text[:300]
        asked = [dict(zip(("kind", "value"), value(n), strict=True)) | WHY for n in range(VALUES)]
        answer = self.alliance.client(self.name, "analyst").post(
            "/v1/screenings/batches",
            content=b"\n".join(map(orjson.dumps, asked)),
            headers={"content-type": "application/x-ndjson"},
            timeout=300.0,
        )
        assert answer.status_code == 200, answer.text[:300]
        assert answer.json()["incomplete"] == answer.json()["refused"] == 0, answer.text[:300]

    def submit(self, path: Path, **options: str) -> dict[str, Any]:
        """Send a file."""

        def pieces() -> Iterator[bytes]:
            with path.open("rb") as file:
                while piece := file.read(1 << 20):
                    yield piece

        answer = self.alliance.client(self.name, "analyst").post(
            BASE,
            params={**WHY, "references": "customer", **options},
            content=pieces(),
            headers={"content-type": TYPES[self.form], "x-case-ref": "PORTFOLIO-7"},
            timeout=600.0,
        )
        assert answer.status_code == 201, f"{answer.status_code} {answer.text[:300]}"
        return dict(answer.json())

    def job(self, job_id: str) -> dict[str, Any]:
        """A job as the node shows it."""
        answer = self.alliance.client(self.name, "analyst").get(f"{BASE}/{job_id}")
        return dict(answer.raise_for_status().json())

    def until_over(self, job_id: str) -> dict[str, Any]:
        """Wait until a job is done."""

        def over() -> dict[str, Any] | None:
            time.sleep(0.2)
            job = self.job(job_id)
            assert job["state"] in ("queued", "running", "done"), job
            return job if job["state"] == "done" else None

        found = until(over, "the job is done", PATIENCE_S)
        assert found is not None
        return found

    def kill_in_the_middle(self, job_id: str) -> int:
        """Kill the node when a good part is done, and start it again; rows done before."""

        def far() -> int:
            time.sleep(0.01)
            rows = int(self.job(job_id)["rows"])
            assert rows < self.count, "the job was over before the kill"
            return rows if rows >= self.count // 3 else 0

        done = until(far, "a third of the job", PATIENCE_S)
        self.alliance.devnet.kill(self.name)
        self.alliance.devnet.start_node(self.name)
        return done

    def fetch(self, job_id: str, form: str = "") -> tuple[Path, Manifest]:
        """Result and verified manifest of a job."""
        client = self.alliance.client(self.name, "analyst")
        path = self.folder / f"{job_id}.{form or self.form}"
        query = {"format": form} if form else {}
        with client.stream("GET", f"{BASE}/{job_id}/result", params=query, timeout=600) as answer:
            assert answer.status_code == 200
            with path.open("wb") as file:
                for piece in answer.iter_raw():
                    file.write(piece)
        data = client.get(f"{BASE}/{job_id}/manifest").raise_for_status().content
        path.with_name(f"{path.name}.manifest.json").write_bytes(data)
        return path, read_signed(data, self.alliance.genesis)

    def verify(self, path: Path, manifest: Manifest) -> Verdict:
        """Check a result offline."""
        return verify_result(canonical_lines(path, path.suffix[1:]), manifest)

    def noted(self) -> int:
        """Identifiers of batches of questions that the access log accounts for."""
        after, total = 0, 0
        while True:
            page = self.alliance.client(self.name, "auditor").get(
                "/v1/access-log", params={"after": after}
            )
            entries = page.raise_for_status().json()["entries"]
            if not entries:
                return total
            total += sum(e["count"] for e in entries if e["case_ref"] == "PORTFOLIO-7")
            after = entries[-1]["number"]

    def timed(self, what: str, work: Callable[[], Any]) -> Any:
        """Do a part of the play and note how long it took, in seconds."""
        began = time.monotonic()
        found = work()
        self.facts[what] = round(time.monotonic() - began, 2)
        return found


def peak_mib(pid: int) -> float:
    """Most memory that a process had so far, MiB."""
    return round(_field(_read(pid, "status"), "VmHWM") / 1024, 1)


def rss_mib(pid: int) -> float:
    """Memory that a process has, MiB."""
    return round(_field(_read(pid, "status"), "VmRSS") / 1024, 1)


def play(alliance: Alliance, folder: Path, count: int, form: str) -> Screening:
    """The whole of it; fails by an assertion."""
    it = Screening(alliance, folder, count, form)
    alliance.start()
    it.prepare()
    source = folder / f"input.{form}"
    write_input(source, form, count)
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    it.facts["input bytes"] = source.stat().st_size
    it.facts["MiB before"] = rss_mib(it.pid)

    height = str(alliance.height(it.name))
    before = it.noted()
    job = it.timed("send", lambda: it.submit(source, at_height=height))
    cpu = cpu_seconds(it.pid)
    whole = it.timed("unbroken job", lambda: it.until_over(job["id"]))
    it.facts["node's CPU seconds"] = round(cpu_seconds(it.pid) - cpu, 2)
    it.facts["rows/s, whole job"] = round(count / it.facts["unbroken job"])
    it.facts["rows/s, as the node counts"] = whole["rows_per_second"]
    it.facts["peak MiB"] = peak_mib(it.pid)
    assert whole["rows"] == count and whole["input"]["sha256"] == digest, whole
    assert whole["outcomes"]["unknown"] == 0, whole
    assert whole["outcomes"]["error"] == count // BROKEN_EVERY, whole
    asked_once = it.noted() - before
    assert asked_once == count, f"the access log accounts for {asked_once} of {count} rows"

    broken = it.submit(source, at_height=height)
    it.facts["rows before the kill"] = it.kill_in_the_middle(broken["id"])
    resumed = it.timed("rest of the killed job", lambda: it.until_over(broken["id"]))
    it.facts["peak MiB after restart"] = peak_mib(it.pid)
    assert resumed["outcomes"] == whole["outcomes"] and resumed["bands"] == whole["bands"]
    asked_twice = it.noted() - before
    assert asked_twice == 2 * count, f"{asked_twice} rows noted, {2 * count} asked"

    path, manifest = it.timed("fetch", lambda: it.fetch(job["id"]))
    again, second = it.fetch(broken["id"])
    assert manifest.root == second.root, "the killed job has another result"
    assert path.read_bytes() == again.read_bytes()
    verdict = it.timed("verify offline", lambda: it.verify(path, manifest))
    assert verdict.rows == count and verdict.hits == whole["outcomes"]["hit"] > 0
    it.facts["result root"] = manifest.root.hex()
    it.facts["outcomes"] = whole["outcomes"]
    it.facts["result bytes"] = path.stat().st_size
    return it


@click.command()
@click.option("--rows", "count", default=1_000_000, show_default=True)
@click.option("--format", "form", type=click.Choice(list(TYPES)), default="csv", show_default=True)
@click.option("--keep", type=click.Path(path_type=Path), help="New folder that stays.")
def main(count: int, form: str, keep: Path | None) -> None:
    """Screen a file twice at a real alliance: unbroken, and killed in the middle."""
    with tempfile.TemporaryDirectory(prefix="bulwark-screening-") as place:
        folder = keep or Path(place)
        folder.mkdir(parents=True, exist_ok=True)
        alliance = Alliance.create(folder / "alliance", 4, 0)
        try:
            it = play(alliance, folder, count, form)
        finally:
            alliance.close()
    click.echo(json.dumps({"rows": count, "format": form, **it.facts}, indent=1))


if __name__ == "__main__":
    main()

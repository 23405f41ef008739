"""A desk with webhooks under test: receivers in their own processes, and who asks and reports."""

from __future__ import annotations

import json
import socket
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jsonschema

from tests.process.support import ROOT, Alliance, until

PATIENT = """
[push]
private_receivers = true
timeout_ms = 700
pause_ms = 50
max_pause_ms = 400
tries = 100
"""
HASTY = """
[push]
private_receivers = true
timeout_ms = 700
pause_ms = 20
tries = 3
"""
SCHEMA = json.loads((ROOT / "docs" / "events.json").read_bytes())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Receiver:
    """A receiver process with its database, which outlives it."""

    def __init__(self, folder: Path, name: str) -> None:
        self.port = free_port()
        self.secret = folder / f"{name}.secret"
        self.database = folder / f"{name}.db"
        self.mode_file = folder / f"{name}.mode"
        self.process: subprocess.Popen[bytes] | None = None
        self.mode("ok")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/events"

    def mode(self, name: str) -> None:
        self.mode_file.write_text(name)

    def start(self) -> None:
        words = [sys.executable, "-m", "tests.process.receiver", str(self.port)]
        words += [str(self.secret), str(self.database), str(self.mode_file)]
        self.process = subprocess.Popen(words, cwd=ROOT)
        until(self._listens, "the receiver listens")

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def events(self) -> list[dict[str, Any]]:
        """What it did, in the order of its work."""
        rows = _rows(self.database, "select body from events order by rowid")
        return [json.loads(body) for (body,) in rows]

    def raw(self, mode: str) -> list[tuple[dict[str, str], bytes]]:
        """Posts that came in a mode, done or not."""
        query = f"select headers, body from raw where mode = '{mode}' order by rowid"
        found = _rows(Path(f"{self.database}.raw"), query)
        return [(json.loads(headers), bytes(body)) for headers, body in found]


def _rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(path) as database:
        try:
            return list(database.execute(query))
        except sqlite3.OperationalError:
            return []


@dataclass
class Scene:
    """A running alliance, seen from the desk of one member with receivers."""

    alliance: Alliance
    folder: Path
    desk: str

    @property
    def reporter(self) -> str:
        return self.alliance.validators[0]

    def elsewhere(self) -> Scene:
        """The desk of another member, whose node gives up sooner."""
        return Scene(self.alliance, self.folder, self.alliance.validators[2])

    def command(self, *words: str, code: int = 0) -> str:
        """What a `bulwark` command prints against the desk's node."""
        home = ["--home", str(self.alliance.node(self.desk).home)]
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "node.cli.main",
                *words,
                *([] if words[1] == "verify" else home),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == code, (words, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def subscribe(self, receiver: Receiver, *words: str) -> str:
        """The id of a new subscription."""
        made = self.command(
            "webhook", "add", receiver.url, "--secret-file", str(receiver.secret), "--json", *words
        )
        return str(json.loads(made)["id"])

    def webhook(self, identity: str) -> dict[str, Any]:
        return dict(self.get(f"/v1/webhooks/{identity}", "operator").json())

    def get(self, path: str, role: str) -> httpx.Response:
        return self.alliance.client(self.desk, role).get(path).raise_for_status()

    def numbers(self) -> list[int]:
        """Numbers of all events of the desk's log."""
        events = self.get("/v1/events?most=1000", "analyst").json()["events"]
        for event in events:
            jsonschema.validate(event, SCHEMA)
        return [event["number"] for event in events]

    def ask(self, *values: str) -> None:
        """Questions of the desk that nothing is known about."""
        for value in values:
            case_ref = f"CASE-{value}"
            answer = self.alliance.screen(self.desk, case_ref=case_ref, **indicator(value))
            assert not answer["hit"] and answer["complete"], answer

    def report(self, value: str) -> str:
        """Somebody else reports it."""
        done = self.alliance.report(self.reporter, wait="executed", **indicator(value))
        return str(done["record_id"])


def indicator(value: str) -> dict[str, str]:
    return {"kind": "email", "value": f"{value}@scam-post.net"}

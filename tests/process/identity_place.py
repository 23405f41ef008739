"""One alliance whose first node the tests of identity change, and callers that never stop."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.process.support import ROOT, Alliance, until


@dataclass
class Place:
    """The alliance, and the node of it that the tests change."""

    alliance: Alliance
    folder: Path

    @property
    def name(self) -> str:
        return self.alliance.names[0]

    @property
    def home(self) -> Path:
        return self.alliance.node(self.name).home

    @property
    def url(self) -> str:
        return self.alliance.node(self.name).rest_url

    @property
    def admin(self) -> httpx.Client:
        return self.alliance.client(self.name, "admin")

    def settings(self, text: str) -> str:
        """Put settings behind those that the node has; what was there before."""
        path = self.home / "node.toml"
        before = path.read_text("utf-8")
        path.write_text(f"{before}\n{text}\n", "utf-8")
        return before

    def ask(self, key: str, path: str = "/v1/whoami", **how: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {key}"}
        return httpx.get(self.url + path, headers=headers, timeout=30.0, **how)

    def log(self) -> list[dict[str, Any]]:
        """The whole access log."""
        client = self.alliance.client(self.name, "auditor")
        return list(client.get("/v1/access-log").raise_for_status().json()["entries"])

    def actions(self) -> list[tuple[str, str, str]]:
        return [(e["who"], e["action"], e["subject"]) for e in self.log() if e["action"]]

    def bulwark(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "node.cli.main", *words, "--home", str(self.home)],
            cwd=ROOT, capture_output=True, text=True, timeout=120,
        )  # fmt: skip


class Callers:
    """Threads that ask again and again, each request over a new connection; none may fail."""

    def __init__(self, ask: Callable[[], httpx.Response], threads: int = 3) -> None:
        self.answers = 0
        self.lost: list[str] = []
        self._ask = ask
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]

    def __enter__(self) -> Callers:
        for thread in self._threads:
            thread.start()
        until(lambda: self.answers > 5, "callers are at it")
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def more(self, count: int = 20) -> None:
        """Wait for so many more answers."""
        wanted = self.answers + count
        until(lambda: self.answers >= wanted, f"{count} more answers; lost {self.lost[:3]}")

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                answer = self._ask()
            except httpx.HTTPError as error:
                self.lost.append(repr(error))
                continue
            if answer.status_code != 200:
                self.lost.append(f"{answer.status_code} {answer.text}")
            self.answers += 1


def hs256(head: str, body: str, public: bytes) -> str:
    """A token signed by HMAC with the provider's public key as its secret."""
    fields = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    fields["alg"] = "HS256"
    bent = base64.urlsafe_b64encode(json.dumps(fields).encode()).rstrip(b"=").decode()
    mac = hmac.new(public, f"{bent}.{body}".encode(), hashlib.sha256).digest()
    return f"{bent}.{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def presented(url: str, context: ssl.SSLContext) -> bytes:
    """The certificate that a new connection gets, DER."""
    place = httpx.URL(url)
    with (
        socket.create_connection((place.host, place.port or 443), timeout=30) as raw,
        context.wrap_socket(raw, server_hostname=place.host) as connection,
    ):
        found = connection.getpeercert(binary_form=True)
    assert found is not None
    return found

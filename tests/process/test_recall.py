"""A member whose receiver was down learns, once it is back, that an answer's record was erased."""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from tests.process.conftest import MakeAlliance
from tests.process.support import ROOT, Alliance, until

pytestmark = pytest.mark.process

SECRET = b"what the desk and its node share"
CASE = "CASE-ZEPPELIN-77"


class Receiver:
    """A system of the member that takes recalls."""

    def __init__(self, port: int = 0) -> None:
        got: list[tuple[dict[str, str], bytes]] = []
        self.got = got

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                got.append(({k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def down() -> Iterator[int]:
    """A port at which nobody listens."""
    receiver = Receiver()
    receiver.close()
    yield receiver.port


def with_webhook(alliance: Alliance, name: str, port: int) -> None:
    """Configure a node's webhook before it starts."""
    home = alliance.node(name).home
    secret = home / "webhook.secret"
    secret.write_bytes(SECRET)
    secret.chmod(0o600)
    with (home / "node.toml").open("a") as settings:
        settings.write(
            f'\n[recall]\nwebhook_url = "http://127.0.0.1:{port}/recalls"\n'
            'webhook_secret_file = "webhook.secret"\nwebhook_pause_ms = 200\n'
        )


def recalls(alliance: Alliance, name: str) -> list[dict[str, Any]]:
    answer = alliance.client(name, "analyst").get("/v1/recalls")
    return list(answer.raise_for_status().json()["recalls"])


def command(alliance: Alliance, name: str, *words: str) -> str:
    """What a `bulwark` command prints against a node."""
    home = str(alliance.node(name).home)
    done = subprocess.run(
        [sys.executable, "-m", "node.cli.main", *words, "--home", home],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


def test_a_receiver_that_was_down_is_told_once_it_is_back(
    make_alliance: MakeAlliance, down: int, tmp_path: Any
) -> None:
    alliance = make_alliance(4, 0)
    reporter, asker, other, _ = alliance.validators
    with_webhook(alliance, asker, down)
    alliance.start()
    value = {"kind": "email", "value": "gone@scam-post.net"}
    record_id = alliance.report(reporter, wait="finalized", **value)["record_id"]
    assert alliance.screen(asker, case_ref=CASE, **value)["hit"]
    command(alliance, reporter, "erasure", "order", record_id, "--wait", "finalized")

    def confirmed() -> bool:
        shown = command(alliance, other, "erasure", "status", record_id, "--json")
        orders = json.loads(shown)["orders"]
        return bool(orders) and not orders[0]["batch"]["missing"]

    until(confirmed, "all confirm, the asker too, whose receiver is down")
    (waiting,) = recalls(alliance, asker)
    assert waiting["delivery"] == "waiting" and recalls(alliance, other) == []
    until(lambda: recalls(alliance, asker)[0]["tries"] >= 2, "two posts failed")
    alliance.devnet.kill(asker)
    alliance.devnet.start_node(asker)
    receiver = Receiver(down)
    try:
        until(lambda: recalls(alliance, asker)[0]["delivery"] == "delivered", "delivered")
    finally:
        receiver.close()
    ((headers, body),) = receiver.got
    stamp, mac = (part.split("=")[1] for part in headers["bulwark-signature"].split(","))
    assert mac == hmac.new(SECRET, f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    told = json.loads(body)
    assert (told["record_id"], told["reason"]) == (record_id, "erased")
    assert [question["case_ref"] for question in told["questions"]] == [CASE]
    assert CASE in command(alliance, asker, "recall", "list")
    assert not alliance.screen(asker, **value)["hit"]
    receipts_verify(alliance, other, record_id, tmp_path / "receipts.json")


def receipts_verify(alliance: Alliance, name: str, record_id: str, out: Any) -> None:
    """`bulwark erasure receipts` and `bulwark verify erasure`, sound and bent."""
    command(alliance, name, "erasure", "receipts", record_id, "--out", str(out))
    genesis = str(alliance.devnet.home / "genesis.json")
    words = [sys.executable, "-m", "node.cli.main", "verify", "erasure", str(out)]
    words += ["--genesis", genesis]
    sound = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert sound.returncode == 0 and sound.stdout.startswith("VALID\n"), sound.stdout
    document = json.loads(out.read_text())
    document["confirmations"][1] = document["confirmations"][0]
    out.write_text(json.dumps(document))
    bent = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert bent.returncode == 1
    assert bent.stdout.startswith("INVALID  confirmations[1]: a second receipt"), bent.stdout

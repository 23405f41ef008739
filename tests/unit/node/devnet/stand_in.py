"""Stands in for a node: binds its two ports and answers /healthz and /readyz.

A file in its home changes it: `die` (say why and exit 3), `stubborn` (ignore SIGTERM), `unready`.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HOME = Path(sys.argv[-1])
KEY = json.loads((HOME / "api_keys.clear.json").read_bytes())["operator"]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/v1/node" and self.headers["authorization"] == f"Bearer {KEY}":
            self.answer(200, {"height": {"executed": 7, "finalized": 6}})
            return
        unready = self.path == "/readyz" and (HOME / "unready").exists()
        checks = {"ready": not unready, "checks": {"quorum": not unready}}
        self.answer(503 if unready else 200, checks)

    def answer(self, status: int, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        return


def main() -> None:
    if (HOME / "stubborn").exists():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    given = "BULWARK_KEYSTORE_PASSPHRASE" in os.environ
    sys.stdout.write(f"passphrase in environment: {given}\n")
    if (HOME / "die").exists():
        sys.stdout.write("halt: the disk is full\n")
        sys.exit(3)
    config = tomllib.loads((HOME / "node.toml").read_text())
    with socket.create_server(("127.0.0.1", config["network"]["listen_port"])):
        ThreadingHTTPServer(("127.0.0.1", config["http"]["port"]), Handler).serve_forever()


main()

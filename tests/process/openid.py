"""A real OpenID provider beside an alliance: oidc-provider in a node process, on loopback.

It is installed from the lock file when it is not there; without npm its tests are skipped. The
test holds the provider's signing key, so it can make what an attacker with that key could not:
tokens that are wrong in one claim alone.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from jwt.algorithms import RSAAlgorithm

FOLDER = Path(__file__).resolve().parents[1] / "clients-oidc"
AUDIENCE = "https://node.bank-a.example/api"
INSTALL_S = 300


def install() -> None:
    """Have the provider's package in place; skips where npm is missing."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("npm and node are needed for the OpenID provider, and are not installed")
    if not (FOLDER / "node_modules" / "oidc-provider").is_dir():
        made = subprocess.run(
            ["npm", "ci", "--no-progress"],
            cwd=FOLDER, capture_output=True, text=True, timeout=INSTALL_S,
        )  # fmt: skip
        assert made.returncode == 0, made.stderr[-2000:]


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class OpenId:
    """One provider, with its keys, tools and people."""

    def __init__(self, folder: Path, redirect: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.issuer = f"http://127.0.0.1:{self.port}"
        self.redirect = redirect
        self.kid = "first"
        self.key = new_rsa()
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Serve."""
        install()
        setup = {
            "port": self.port,
            "cookie": "not a secret of anybody",
            "audience": AUDIENCE,
            "keys": [jwk_of(self.key, self.kid)],
            "tools": [
                {"id": "case-tool", "secret": "s" * 32, "roles": ["fraud-desk"]},
                {"id": "admin-tool", "secret": "s" * 32, "roles": ["other", "node-admins"]},
                {"id": "stranger", "secret": "s" * 32, "roles": ["canteen"]},
            ],
            "people": [
                {"id": "ada", "roles": ["supervisors"]},
                {"id": "bob", "roles": ["canteen"]},
            ],
            "console": {"id": "console", "secret": "c" * 32, "redirect": self.redirect},
        }
        path = self.folder / "provider.json"
        path.write_text(json.dumps(setup), "utf-8")
        self._process = subprocess.Popen(
            ["node", "provider.mjs", str(path)],
            cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=(self.folder / "provider.log").open("a"), text=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        log = (self.folder / "provider.log").read_text("utf-8")
        assert line.startswith("serves "), f"{line!r} {log[-2000:]}"

    def stop(self) -> None:
        """End; nothing listens afterwards."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait(20)
            self._process = None

    def turn_keys(self, kid: str) -> None:
        """The same provider with another signing key."""
        self.stop()
        self.kid, self.key = kid, new_rsa()
        self.start()

    def token(self, tool: str) -> str:
        """An access token as a tool gets it from the provider."""
        answer = httpx.post(
            f"{self.issuer}/token",
            data={"grant_type": "client_credentials"},
            auth=(tool, "s" * 32),
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def signed(
        self,
        key: RSAPrivateKey | str | None = None,
        algorithm: str | None = "RS256",
        header: dict[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """A token signed with the provider's own key unless another is given."""
        now = int(time.time())
        body = {
            "iss": self.issuer, "aud": AUDIENCE, "sub": "made", "iat": now, "exp": now + 300,
            "roles": ["fraud-desk"], **claims,
        }  # fmt: skip
        body = {name: value for name, value in body.items() if value is not None}
        head = {"kid": self.kid, "typ": "at+jwt", **(header or {})}
        return jwt.encode(body, self.key if key is None else key, algorithm, headers=head)


def new_rsa() -> RSAPrivateKey:
    """A fresh key."""
    return generate_private_key(65_537, 2_048)


def jwk_of(key: RSAPrivateKey, kid: str) -> dict[str, Any]:
    """A private key as the provider's configuration wants it."""
    made = {**RSAAlgorithm.to_jwk(key, as_dict=True), "kid": kid, "use": "sig", "alg": "RS256"}
    made.pop("key_ops", None)
    return made


def log_in(browser: httpx.Client, start: str, person: str) -> httpx.Response:
    """Log in at the provider as a browser does, form by form; the last answer, of the node."""
    answer = browser.get(start, follow_redirects=True)
    while "/interaction/" in str(answer.url):
        form = re.search(r"<form[^>]*action=\"([^\"]+)\"[^>]*>(.*?)</form>", answer.text, re.S)
        assert form is not None, answer.text
        found = re.findall(r"<input[^>]*>", form[2])
        fields = {}
        for tag in found:
            name = re.search(r"name=\"([^\"]*)\"", tag)
            value = re.search(r"value=\"([^\"]*)\"", tag)
            if name is not None:
                fields[name[1]] = unescape(value[1]) if value is not None else ""
        if "login" in fields:
            fields |= {"login": person, "password": "any"}
        place = urljoin(str(answer.url), unescape(form[1]))
        answer = browser.post(place, data=fields, follow_redirects=True)
    return answer

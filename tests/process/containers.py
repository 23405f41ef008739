"""A Docker engine for tests: the one that runs already, or one of the test's own that ends with it.

It needs root, Debian's docker.io, docker-compose and debootstrap (`make tools`). Nothing is pulled.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.process.support import until

ROOT = Path(__file__).resolve().parents[2]
BASE, NODE_IMAGE = "bulwark-base:bookworm", "bulwark:local"
PROMETHEUS_IMAGE = "bulwark-prometheus:local"
PROJECT = "bulwark-test"
NEEDED = ("docker", "docker-compose", "dockerd", "debootstrap")


def why_not() -> str | None:
    """What this machine lacks for containers; None when it has all."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        return f"{', '.join(missing)} missing: run `make tools`"
    return None if os.geteuid() == 0 else "an engine of the test's own needs root"


class Engine:
    """A Docker engine and the compose project in it."""

    def __init__(self, host: str | None) -> None:
        chosen = {} if host is None else {"DOCKER_HOST": host}
        self._environment = {
            **os.environ,
            **chosen,
            "DOCKER_BUILDKIT": "0",  # its front end would be pulled
            "BASE_IMAGE": BASE,
            "BULWARK_IMAGE": NODE_IMAGE,
            "PROMETHEUS_IMAGE": PROMETHEUS_IMAGE,
        }

    def run(self, *command: str, timeout_s: float = 120.0, check: bool = True) -> str:
        """Standard output of a command; its errors are in the failure."""
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if check and done.returncode != 0:
            tail = (done.stdout + done.stderr)[-4_000:]
            raise AssertionError(f"{' '.join(command)} ended with {done.returncode}:\n{tail}")
        return done.stdout

    def compose(self, *command: str, timeout_s: float = 300.0, check: bool = True) -> str:
        """A docker-compose command on the project's file."""
        fixed = ("docker-compose", "-f", "docker/compose.yaml", "-p", PROJECT)
        return self.run(*fixed, *command, timeout_s=timeout_s, check=check)

    def container(self, service: str) -> str:
        """Id of a service's container."""
        return self.compose("ps", "-q", service).strip()

    def inspect(self, service: str) -> dict[str, Any]:
        """What the engine knows of a service's container."""
        found: list[dict[str, Any]] = json.loads(
            self.run("docker", "inspect", self.container(service))
        )
        return found[0]

    def health(self, service: str) -> str:
        """starting, healthy or unhealthy."""
        return str(self.inspect(service)["State"]["Health"]["Status"])

    def has_image(self, name: str) -> bool:
        """Whether the engine has it already."""
        return bool(self.run("docker", "images", "-q", name).strip())

    def build(self) -> None:
        """All images: base by debootstrap, node by compose, Prometheus from Debian's package."""
        if not self.has_image(BASE):
            self.run("docker/base.sh", BASE, timeout_s=900)
        self.compose("build", "northbank", timeout_s=1_500)
        arguments = ("--build-arg", f"BASE_IMAGE={BASE}", "-t", PROMETHEUS_IMAGE)
        file = ("-f", "tests/docker/prometheus.Dockerfile", "tests/docker")
        self.run("docker", "build", "-q", *arguments, *file, timeout_s=600)


@contextmanager
def engine(folder: Path) -> Iterator[Engine]:
    """The engine that answers, or one that lives as long as the block."""
    running = Engine(None)
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0:
        yield running
        return
    host = f"unix://{folder}/docker.sock"
    options = ("--data-root", str(folder / "data"), "--exec-root", str(folder / "exec"))
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(
            ["dockerd", *options, "--pidfile", str(folder / "pid"), "-H", host],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        own = Engine(host)

        def answers() -> bool:
            if daemon.poll() is not None:
                said = (folder / "log").read_text().strip().splitlines() or ["nothing"]
                pytest.skip(f"no Docker engine starts on this machine; it said: {said[-1]}")
            return own.run("docker", "info", "--format", "{{.ID}}", check=False).strip() != ""

        until(answers, "the Docker engine answers", within_s=90)
        yield own
    finally:
        daemon.terminate()
        try:
            daemon.wait(60)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait(10)
        shutil.rmtree(folder / "data", ignore_errors=True)

"""The quickstart and every tutorial run as they stand: their files are saved, their commands work.

A fence without a word is a script that a reader types; `file NAME` is a file to save; `last` is
what ends the alliance. One alliance serves all pages, as the pages themselves say.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.devnet.ports import free_ports

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = ("quickstart", "analyst", "developer", "operator", "administrator", "regulator")
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.process


def text_of(page: str) -> str:
    path = DOCS / f"{page}.md"
    return (path if path.exists() else DOCS / "tutorials" / f"{page}.md").read_text("utf-8")


def script_of(page: str, *kinds: str) -> str:
    """The commands of a page, as one script."""
    return "\n".join(body for kind, body in FENCE.findall(text_of(page)) if kind in kinds)


class Reader:
    """Somebody who types what the pages say, in a folder of their own."""

    def __init__(self, folder: Path, first_port: int) -> None:
        self.folder = folder
        self._first_port = first_port

    def follow(self, page: str, *kinds: str, timeout_s: float = 300.0) -> str:
        """What the page's commands print; it fails with the first command that fails."""
        for kind, body in FENCE.findall(text_of(page)):
            if kind.startswith("file "):
                (self.folder / kind.removeprefix("file ")).write_text(self._moved(body), "utf-8")
        tools = str(Path(sys.executable).parent)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self._moved(script_of(page, *kinds))],
            cwd=self.folder,
            env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert done.returncode == 0, f"{page}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout + done.stderr

    def _moved(self, text: str) -> str:
        """The pages' ports as this machine has them free."""
        moved = re.sub(
            r"127\.0\.0\.1:170(\d\d)",
            lambda found: f"127.0.0.1:{self._first_port + int(found[1])}",
            text,
        )
        return moved.replace(
            "devnet up --home alliance --detach",
            f"devnet up --home alliance --detach --base-port {self._first_port}",
        )


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A reader that has done the quickstart, up to its last command."""
    made = Reader(tmp_path_factory.mktemp("reader"), free_ports(10)[0])
    try:
        said = made.follow("quickstart", "")
        assert "HIT" in said and "no hit" in said, said
        yield made
    finally:
        made.follow("quickstart", "last")


def test_an_analyst_asks_judges_contests_and_screens_a_file(reader: Reader) -> None:
    said = reader.follow("analyst", "")
    for sign in ("HIT", "c-1003", "agreed", "disputed", "overruled"):
        assert sign in said, said


def test_a_developer_reports_and_asks_by_rest_client_and_ethereum_tools(reader: Reader) -> None:
    said = reader.follow("developer", "")
    for sign in ('"hit":false', '"record_id"', "True True", "evidence"):
        assert sign in said, said


def test_an_operator_looks_backs_up_and_kills_a_node(reader: Reader) -> None:
    said = reader.follow("operator", "")
    for sign in ("bulwark_ready 1.0", "/readyz 200", "network.listen_port"):
        assert sign in said, said


def test_an_administrator_handles_keys_webhooks_and_a_vote(reader: Reader) -> None:
    said = reader.follow("administrator", "")
    for sign in ("case-tool", "revoked", "heartbeat_ms"):
        assert sign in said, said


def test_a_regulator_reads_reports_and_verifies_without_any_node(reader: Reader) -> None:
    said = reader.follow("regulator", "")
    assert said.count("valid") >= 2, said


def test_every_page_is_followed_by_a_test() -> None:
    assert {path.stem for path in (DOCS / "tutorials").glob("*.md")} | {"quickstart"} == set(PAGES)
    assert all(script_of(page, "") for page in PAGES)

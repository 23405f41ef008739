"""`bulwark audit pack` against the real API over HTTP: the file is whole or not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.server import create_app
from tests.unit.api.test_packs import make_desk
from tests.unit.api.world import World
from tests.unit.node.cli_data.conftest import Run
from tests.unit.verifier.scene import scene, verified


@pytest.fixture
def world() -> World:
    """The application with packs of a real chain."""
    made = World()
    made.app = create_app(
        made.node, made.chain, made.keys, made.settings, packs=make_desk(), random_bytes=made.random
    )
    return made


def test_a_pack_arrives_whole_and_for_its_owner_alone(
    bulwark: Run, devnet: Path, tmp_path: Path
) -> None:
    out = tmp_path / "case.pack"
    done = bulwark("audit", "pack", "--out", out, "--devnet", devnet)
    assert done.exit_code == 0, done.output
    found = verified(out.read_bytes())
    assert found.manifest.content_hash.hex() in done.output
    assert out.stat().st_mode & 0o777 == 0o600
    assert not list(tmp_path.glob(".case.pack*"))


def test_a_selection_and_papers_go_with_the_call(
    bulwark: Run, devnet: Path, tmp_path: Path
) -> None:
    out, paper = tmp_path / "one.pack", tmp_path / "Opening 7.json"
    paper.write_text("{}")
    words = ("--records", scene().disputed.hex(), "--document", paper)
    done = bulwark("audit", "pack", "--out", out, *words, "--devnet", devnet)
    assert done.exit_code == 0, done.output
    found = verified(out.read_bytes())
    assert found.manifest.selection.records == (scene().disputed,)
    assert "documents/opening-7.json" in {file.name for file in found.manifest.files}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--reporter", "nobody"), 1, "404"),
        (("--to-height", "999999"), 1, "409"),
        (("--reporter", "a", "--records", "00"), 2, "not both"),
        (("--document", "/nowhere/at/all"), 2, "No such file"),
    ],
)
def test_what_is_refused_leaves_no_file(
    bulwark: Run, devnet: Path, tmp_path: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    out = tmp_path / "case.pack"
    done = bulwark("audit", "pack", "--out", out, *words, "--devnet", devnet)
    assert (done.exit_code, said in done.output) == (code, True), done.output
    assert not list(tmp_path.glob("*.pack*"))


def test_a_file_that_is_there_is_never_overwritten(
    bulwark: Run, devnet: Path, tmp_path: Path
) -> None:
    out = tmp_path / "case.pack"
    out.write_text("mine")
    done = bulwark("audit", "pack", "--out", out, "--devnet", devnet)
    assert (done.exit_code, out.read_text()) == (2, "mine")


def test_a_node_that_can_not_be_reached_leaves_no_file_and_shows_no_key(
    bulwark: Run, tmp_path: Path
) -> None:
    key, out = tmp_path / "key", tmp_path / "case.pack"
    key.write_text("secret-key")
    words = ("--url", "http://127.0.0.1:9", "--key-file", key)
    done = bulwark("audit", "pack", "--out", out, *words)
    assert (done.exit_code, "secret-key" in done.output) == (1, False)
    assert not list(tmp_path.glob("*.pack*"))

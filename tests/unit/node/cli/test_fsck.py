"""`fsck` checks a stopped node's database, names damage, and keeps off a running node."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

import pytest

from bulwark.ledger.genesis import Genesis
from node.chain.store import ChainStore
from node.lock import NodeLock
from node.storage.level import LevelStore


@pytest.fixture
def home(alliance: Path, tmp_path: Path) -> Path:
    """A node that has executed nothing but genesis."""
    folder = tmp_path / "northbank"
    shutil.copytree(alliance / "northbank", folder)
    genesis = Genesis.from_json((folder / "genesis.json").read_bytes())
    with contextlib.closing(LevelStore(folder / "data")) as store:
        ChainStore.open(store, genesis)
    return folder


@pytest.mark.parametrize("full", [False, True])
def test_a_whole_database_is_clean(bulwark, home: Path, full: bool) -> None:
    words = ("fsck", "--home", home, "--json", *(["--full"] if full else []))
    result = bulwark(*words)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["clean"], report["height"], report["problems"]) == (True, 0, [])
    assert report["executed_again"] is full
    assert len(report["hash"]) == 66
    assert "clean" in bulwark("fsck", "--home", home).stdout


def test_damage_is_named_and_code_1(bulwark, home: Path) -> None:
    with contextlib.closing(LevelStore(home / "data")) as store:
        store.write({b"\xffunknown": b"value"}, sync=True)
    result = bulwark("fsck", "--home", home)
    assert result.exit_code == 1
    assert "is of no kind that the node knows" in result.stdout
    assert "problems found" in result.stderr
    report = json.loads(bulwark("fsck", "--home", home, "--json").stdout)
    assert report["clean"] is False
    assert set(report["problems"][0]) == {"where", "reason"}


def test_a_running_node_is_left_alone(bulwark, home: Path) -> None:
    with NodeLock(home):
        result = bulwark("fsck", "--home", home)
    assert result.exit_code == 2
    assert "one home serves one node at a time" in result.stderr


def test_a_home_without_a_database_gets_none(bulwark, alliance: Path) -> None:
    home = alliance / "rivertel"
    result = bulwark("fsck", "--home", home)
    assert result.exit_code == 2
    assert "no database" in result.stderr
    assert not (home / "data").exists()


def test_a_database_that_does_not_open_is_one_line_and_code_1(bulwark, home: Path) -> None:
    (home / "data/CURRENT").write_text("nothing\n")
    result = bulwark("fsck", "--home", home)
    assert result.exit_code in {1, 2}
    assert result.stderr.count("\n") == 1

"""Damaged and full disks: the node stops and says why, the others go on, nothing is lost."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from node.storage.level import LevelStore
from tests.process.conftest import MakeAlliance
from tests.process.support import Alliance, Load, addresses, until

pytestmark = pytest.mark.process

TMPFS_MIB = 48


@pytest.fixture
def alliance(make_alliance: MakeAlliance) -> Alliance:
    return make_alliance()


def last_words(alliance: Alliance, name: str) -> str:
    """The one plain line that a node of which the test expects it left at its end."""
    until(lambda: alliance.ended(name), f"{name} ends: {alliance.tail(name)}")
    (line,) = [x for x in alliance.log(name).splitlines() if x and not x.startswith("{")]
    return line


def fill(alliance: Alliance, name: str, prefix: str, number: int) -> list[str]:
    """Report some records; their ids."""
    taken = []
    for _, value in zip(range(number), addresses(prefix), strict=False):
        taken.append(alliance.report(name, kind="email", value=value)["record_id"])
    return taken


def spoil_log(data: Path) -> str:
    """Flip bytes in the middle of LevelDB's write-ahead log."""
    log = max(data.glob("*.log"), key=lambda path: path.stat().st_size)
    return spoil(log, range(log.stat().st_size // 2, log.stat().st_size // 2 + 8))


def spoil_table(data: Path) -> str:
    """Move everything into tables, then flip a byte in each of their kilobytes."""
    store = LevelStore(data)
    store.compact()
    store.close()
    table = max(data.glob("*.ldb"), key=lambda path: path.stat().st_size)
    return spoil(table, range(100, table.stat().st_size - 200, 1024))


def spoil(path: Path, places: range) -> str:
    content = bytearray(path.read_bytes())
    for place in places:
        content[place] ^= 0xFF
    path.write_bytes(content)
    return path.name


@pytest.mark.parametrize("damage", [spoil_log, spoil_table], ids=["log", "table"])
def test_a_damaged_store_is_refused_and_resynced_from_the_others(
    alliance: Alliance, damage: Callable[[Path], str]
) -> None:
    alliance.start()
    victim, reporter, third = alliance.validators[0], alliance.validators[1], alliance.validators[2]
    ids = fill(alliance, victim, "own", 5) + fill(alliance, reporter, "early", 25)
    alliance.until_final(alliance.height(reporter), [victim])
    alliance.devnet.kill(victim)
    data = alliance.node(victim).home / "data"
    assert damage(data)
    alliance.devnet.start_node(victim, wait=False)
    line = last_words(alliance, victim)
    assert line.startswith("bulwark: ") and str(data) in line, line
    assert "resync" in line, line
    check = alliance.fsck_command(victim)
    assert check.returncode == 1 and str(data) in check.stderr, check.stderr
    ids += fill(alliance, reporter, "meanwhile", 3)
    # Damage is never repaired in place: the operator takes the database away, the peers fill it.
    shutil.move(data, data.with_name("damaged"))
    alliance.devnet.start_node(victim)
    alliance.until_final(alliance.height(reporter), [victim])
    assert all(alliance.has_record(victim, record_id) for record_id in ids)
    # It forgot its votes, so it signs nothing until that can contradict nothing (P6) ...
    for value in addresses("silent"):
        height = alliance.report(reporter, kind="email", value=value, wait="finalized")["height"]
        alliance.until_final(height, [victim])
        if victim in alliance.signers(victim, height):
            break
        assert height < 200, f"{victim} stays silent: {alliance.status(victim)['consensus']}"
    # ... and then counts again: with another validator gone, no quorum is without it.
    alliance.devnet.kill(third)
    seen = alliance.report(reporter, kind="email", value="votes@once-more.net", wait="finalized")
    assert seen["stage"] == "finalized", f"{victim} does not vote: {alliance.tail(victim)}"
    assert victim in alliance.signers(reporter, seen["height"])


@pytest.fixture
def small_disk(alliance: Alliance) -> Iterator[Path]:
    """A small file system under the database of the second validator."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    data = alliance.node(alliance.validators[1]).home / "data"
    data.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={TMPFS_MIB}m", "tmpfs", str(data)]
    done = subprocess.run(mount, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"no small file system here: {done.stderr.strip()}")
    try:
        yield data
    finally:
        alliance.stop()
        subprocess.run(["umount", str(data)], check=True)


def ballast(data: Path) -> Path:
    """Fill what is left of the file system."""
    path = data / "ballast"
    # Unbuffered: a short write leaves nothing behind that closing would try, and fail, to write.
    with path.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(64 * 1024))
        except OSError:
            return path


def test_a_full_disk_halts_the_node_and_loses_nothing(alliance: Alliance, small_disk: Path) -> None:
    victim, other = alliance.validators[1], alliance.validators[0]
    alliance.start()
    ids = set(fill(alliance, victim, "before", 5))
    with Load(alliance, [victim], "accepted", 1) as own, Load(alliance, [other], clients=1) as load:
        until(lambda: len(own.acknowledged) > 10, "load runs")
        filled = ballast(small_disk)
        line = last_words(alliance, victim)
        count = len(load.acknowledged)
        until(lambda: len(load.acknowledged) > count + 10, "the others go on")
    assert line.startswith("bulwark: halted: ") and str(small_disk) in line, line
    assert "no space" in line.lower(), line
    ids |= own.acknowledged.keys() | load.acknowledged.keys()
    filled.unlink()
    alliance.devnet.start_node(victim)
    for record_id in ids:
        until(lambda r=record_id: alliance.has_record(victim, r), f"record {record_id}")
    tip = alliance.height(other)
    alliance.until_final(tip)
    assert alliance.headers(victim, tip) == alliance.headers(other, tip)
    assert alliance.stop() == []
    report = alliance.fsck(victim)
    assert report.is_clean, report.problems[:5]

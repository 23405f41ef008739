"""Pruning in a process that is killed with SIGKILL, on a real database."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bulwark.ledger.ids import Height
from node.fsck import fsck
from node.pruning.bodies import BodyPruning
from node.pruning.states import StateSweep
from node.storage import schema
from node.storage.level import LevelStore
from tests.unit.node.execution.alliance import Node
from tests.unit.node.pruning.test_pruning import fill, is_whole

REPOSITORY = Path(__file__).resolve().parents[4]
FLOOR = Height(110)
BLOCKS = 120
PROGRAM = """
import sys
from pathlib import Path
from node.pruning.bodies import BodyPruning
from node.pruning.states import StateSweep
from node.storage.level import LevelStore
store = LevelStore(Path(sys.argv[1]))
for work in (BodyPruning(store, int(sys.argv[2])), StateSweep(store, int(sys.argv[2]))):
    while not work.step():
        print("step", flush=True)
print("done", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("steps", [2, 5, 9, 14, 30])
def test_a_killed_process_leaves_a_clean_database_and_the_next_one_ends_it(
    tmp_path: Path, steps: int
) -> None:
    store = LevelStore(tmp_path)
    fill(Node(store), BLOCKS)
    store.flush()
    store.close()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path), str(FLOOR)],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for _ in range(steps):
        if process.stdout.readline() == "done\n":
            break
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    store = LevelStore(tmp_path)
    node = Node(store)
    assert fsck(store, node.genesis).problems == ()
    assert is_whole(node, BLOCKS)
    for work in (BodyPruning(store, FLOOR), StateSweep(store, FLOOR)):
        while not work.step():
            pass
    assert store.get(schema.META_STATE_SWEEP) is None
    assert [is_whole(node, height) for height in (FLOOR - 1, FLOOR, BLOCKS)] == [False, True, True]
    fill(node, BLOCKS + 2)
    assert fsck(store, node.genesis).problems == ()
    store.close()

"""The rejoin matrix: {1, f, f+1, all} nodes x what befell them x {idle, loaded}, real processes.

At n = 4 one node and f nodes are the same, so each row has three counts: 1 (= f), 2 (= f + 1), 4.
One net lives through all cells, so a cell also shows that the one before left nothing behind.

Half an hour of freezing is not slept. What such a pause is made of, for the protocol, is: timers at
their cap (the genesis here caps them at 1.5 s, and the freeze lasts longer), messages that wait in
sockets until connections are given up, and a wall clock that is half an hour later at the wake. The
first two last no differently after minutes; the third is done by setting all clocks of the net half
an hour forward at the wake, which for a frozen process can not be told from having slept. The nodes
that were not frozen see a step forward, which is harder than what they would have seen.

Disk full: a node halts by itself with one line, as it should (it can not promise anything), so the
operator makes room and starts it; that start is the only help in the whole matrix.

Wiped f + 1 or all: by design nothing can be ordered, since too few remember what they voted (P6).
Asserted are: no block, no fork, and the nodes say that they were wiped. Then the disks come back
(the same ones, nothing was voted since) and the alliance goes on.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.nets import checks, clocks, disks
from tests.nets.net import Net
from tests.nets.rejoin import FAULTS, Cell, Rejoin, rejoin_manifest

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(bool(clocks.why_not()), reason=clocks.why_not()),
]
COUNTS = {1: "one node, which is f,", 2: "f plus one nodes", 4: "all nodes"}
BEFELL = {
    "killed": "killed with SIGKILL",
    "stopped": "stopped in good order",
    "frozen": "frozen for half an hour",
    "disk full": "halted by a full disk",
    "clock": "an hour ahead by the clock",
    "wiped": "wiped of the database",
}
CELLS = [
    Cell(count, fault, loaded) for fault in FAULTS for count in COUNTS for loaded in (False, True)
]


def sentence(cell: Cell) -> str:
    """The cell in words."""
    load = "under load" if cell.loaded else "while idle"
    return f"{COUNTS[cell.count]} {BEFELL[cell.fault]} {load}"


@pytest.fixture(scope="module")
def rejoin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rejoin]:
    """The one net of all cells."""
    with Net(rejoin_manifest(), tmp_path_factory.mktemp("rejoin") / "net", clocks=True) as net:
        net.start(net.names)
        net.until_ready(net.names)
        yield Rejoin(net)


@pytest.mark.parametrize("cell", [pytest.param(cell, id=sentence(cell)) for cell in CELLS])
def test_the_alliance_is_whole_again_after(rejoin: Rejoin, cell: Cell) -> None:
    if cell.fault == "disk full" and disks.why_not():
        pytest.skip(disks.why_not())
    rejoin.run(cell)


def test_all_blocks_are_the_same_and_all_disks_clean_at_the_end(rejoin: Rejoin) -> None:
    net = rejoin.net
    checks.agree(net.access, net.names)
    checks.memory_bounded(net.access, net.names, net.manifest.expect.memory_mb)
    assert net.terminate(net.names) == []
    for name in net.names:
        checks.fsck(net.homes[name])

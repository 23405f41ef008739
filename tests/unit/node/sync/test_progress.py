"""Progress counts by phase, and rate and time left are those of the phase."""

from __future__ import annotations

from bulwark.ledger.ids import Height
from node.sync.peers import Peers
from node.sync.progress import SAY_EVERY_MS, Meter, Phase
from node.sync.report import SyncReport
from tests.unit.node.sync.support import Mesh


class Clock:
    def __init__(self) -> None:
        self.ms = 1_000

    def __call__(self) -> int:
        return self.ms


def test_blocks_have_a_rate_and_a_time_left() -> None:
    clock = Clock()
    meter = Meter(Height(10), Height(110), clock)
    meter.phase(Phase.BLOCKS)
    clock.ms += 2_000
    meter.block(Height(50))
    seen = meter.read()
    assert (seen.phase, seen.start, seen.at, seen.target) == (Phase.BLOCKS, 10, 50, 110)
    assert (seen.per_second, seen.eta_ms) == (20.0, 3_000)


def test_state_has_a_rate_and_no_time_left() -> None:
    clock = Clock()
    meter = Meter(Height(0), Height(5), clock)
    meter.values(100)
    meter.phase(Phase.STATE)
    clock.ms += 1_000
    meter.values(50)
    seen = meter.read()
    assert (seen.nodes, seen.per_second, seen.eta_ms) == (150, 50.0, None)
    report = SyncReport(meter.read, Peers(Mesh({})))
    assert report.document()["progress"] == {
        "phase": "state",
        "from": 0,
        "at": 0,
        "target": 5,
        "state_nodes": 150,
        "per_second": 50.0,
        "eta_ms": None,
        "peers": [],
    }


def test_the_target_only_moves_up_and_is_never_behind() -> None:
    meter = Meter(Height(0), Height(9), Clock())
    meter.aim(Height(4))
    assert meter.read().target == 9
    meter.block(Height(12))
    assert meter.read().target == 12


def test_a_long_phase_says_now_and_then_where_it_is(caplog) -> None:  # type: ignore[no-untyped-def]
    caplog.set_level("INFO")
    clock = Clock()
    meter = Meter(Height(0), Height(100), clock)
    for height in range(1, 11):
        clock.ms += SAY_EVERY_MS // 4
        meter.block(Height(height))
    said = [record.fields for record in caplog.records if record.message == "syncing"]
    assert [line["block"] for line in said] == [4, 8]

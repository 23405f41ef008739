"""Who helps is asked again, who does not is left out, and only liars lose their connection."""

from __future__ import annotations

import pytest

from bulwark.ledger.errors import DecodeError
from bulwark.ledger.ids import Height, MemberId
from node.chain.errors import BlockContradicts
from node.requests import PeerUnavailable, Topic
from node.sync.faults import Fault, PeerLied, PeerWithholds
from node.sync.peers import BANNED_MS, Peers
from node.sync.report import SyncReport
from tests.unit.node.sync.support import BAD, GOOD, Mesh

LAST = MemberId("last")


def peers() -> tuple[Mesh, Peers]:
    mesh = Mesh({BAD: {}, GOOD: {}, LAST: {}})
    return mesh, Peers(mesh, mesh.drop)


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (PeerLied("x"), Fault.LIED),
        (DecodeError("answer", "x"), Fault.LIED),
        (BlockContradicts(Height(1), "x"), Fault.LIED),
        (PeerWithholds("x"), Fault.WITHHELD),
        (PeerUnavailable(BAD, "x"), Fault.SILENT),
    ],
)
def test_each_error_is_one_fault_and_a_lie_costs_the_connection(
    error: Exception, fault: Fault
) -> None:
    mesh, asked = peers()
    asked.blame(BAD, error)
    assert asked.blamed[BAD].fault is fault
    assert BAD not in asked.usable()
    assert mesh.dropped == ([(BAD, f"lied in sync: {error}")] if fault is Fault.LIED else [])
    assert BANNED_MS >= 10_000


def test_who_failed_is_asked_last_in_the_next_sync_until_it_helps() -> None:
    _, asked = peers()
    asked.blame(BAD, PeerWithholds("x"))
    assert asked.choose(BAD) == GOOD
    asked.begin()
    assert asked.usable()[-1] == BAD
    assert asked.choose(BAD) == GOOD
    asked.helped(BAD)
    assert asked.choose(BAD) == BAD
    assert asked.choose(None, {LAST}) == LAST
    assert asked.choose(None, set()) is None


def test_only_who_lacked_something_is_forgiven_when_the_target_moves() -> None:
    _, asked = peers()
    asked.blame(BAD, PeerUnavailable(BAD, "x"))
    asked.blame(GOOD, PeerWithholds("x"))
    assert asked.left_out == 2
    asked.forgive_lacking()
    assert sorted(asked.usable()) == [GOOD, LAST]


async def test_a_topic_that_a_member_does_not_know_is_unavailable() -> None:
    _, asked = peers()
    with pytest.raises(PeerUnavailable):
        await asked.ask(BAD, Topic.STATE, b"")


def test_the_report_names_the_last_fault_of_each_member() -> None:
    _, asked = peers()
    asked.blame(BAD, PeerWithholds("no block from 7 on"))
    report = SyncReport(lambda: None, asked)
    assert report.document() == {
        "progress": None,
        "blamed": {BAD: {"fault": "withheld", "reason": "no block from 7 on"}},
    }
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in report.families()
        for sample in family.samples
    }
    assert samples["bulwark_sync_peer_faults_total", "withheld"] == 1
    assert samples["bulwark_sync_peer_faults_total", "lied"] == 0
    assert samples["bulwark_sync_phase", "blocks"] == 0

"""A wiped validator and a new member reach the tip past a peer that lies to them, under load.

`python -m tests.nets measure state-sync` is the same run at 5,000 blocks and 100,000 records.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bulwark.ledger.ids import Height, MemberId
from node.requests import Topic
from tests.nets import state_sync
from tests.nets.liar import Lie, bent
from tests.unit.node.execution.alliance import Node
from tests.unit.node.sync.support import BAD, GOOD, Mesh, Server, Syncing, servers, source

SMALL = state_sync.Plan(blocks=300, records=3_000)
"""More blocks than a node executes to catch up."""
LIES = [lie for lie in Lie if lie not in (Lie.NONE, Lie.STALL)]


@pytest.mark.process
def test_a_wiped_validator_and_a_new_member_name_and_drop_a_lying_peer(tmp_path: Path) -> None:
    result = state_sync.run(tmp_path / "net", SMALL, print)
    wiped, new = result.synced
    for one in (wiped, new):
        assert one.dropped and state_sync.LIAR in one.verdict, one
        assert one.headers > SMALL.blocks and one.state_values > 100, one
        # What came while it synced it executes, and on a slow machine that may be much.
        assert one.height - one.executed > SMALL.blocks * 2 // 3, "history was not executed"
    assert result.records >= SMALL.records + result.acknowledged
    assert result.proofs >= 12


@pytest.mark.parametrize("lie", LIES)
async def test_each_lie_of_the_liar_is_found_out(lie: Lie) -> None:
    node = source()
    lying = {topic: _bending(lie, topic, server) for topic, server in servers(node).items()}
    # "bad" is the first by name, so it is asked first.
    syncing = Syncing(Node(), Mesh({BAD: lying, GOOD: servers(node)}))
    await syncing.sync.run(Height(12), BAD)
    assert syncing.node.chain.tip == node.chain.tip
    assert set(syncing.peers.liars) == {BAD}
    assert [member for member, _ in syncing.mesh.dropped] == [BAD]


def _bending(lie: Lie, topic: Topic, honest: Server) -> Server:
    async def answer(member: MemberId, body: bytes) -> bytes:
        return bent(lie, topic, await honest(member, body))

    return answer

"""A member that was caught in a lie is cut off for a while, and comes back by itself."""

from __future__ import annotations

from node.network.bans import Bans
from node.network.errors import Reason
from tests.unit.node.network.harness import A, B, C, D, Mesh, eventually


def test_a_ban_ends_by_itself_and_a_later_one_replaces_it() -> None:
    now = [1_000]
    bans = Bans(lambda: now[0])
    assert bans.reason(A) is None
    bans.add(A, "first", 500)
    bans.add(A, "second", 200)
    assert (bans.reason(A), bans.reason(B)) == ("second", None)
    now[0] += 200
    assert bans.reason(A) is None


async def test_a_dropped_member_is_refused_by_one_and_kept_by_the_others(mesh: Mesh) -> None:
    await mesh.whole()
    network = mesh.nodes[A].network
    network.drop(D, "lied in sync", 1_000)
    await eventually(lambda: D not in network.connected())
    assert network.connected() == {B, C}
    assert mesh.nodes[B].network.connected() == {A, C, D}
    await eventually(lambda: network.counters.refused.get(Reason.MISBEHAVED, 0) > 1)
    await eventually(lambda: D in network.connected())

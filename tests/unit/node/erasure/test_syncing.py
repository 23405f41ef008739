"""A node that syncs past a peer which leaves records out ends with all that nobody ordered away."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from bulwark.ledger.ids import Height, MemberId
from bulwark.ledger.lifecycle import Operation
from bulwark.ledger.record import Record
from bulwark.ledger.sidecar import Sidecar
from node.chain.syncblock import SyncBlock
from node.erasure.bare import PATIENCE_MS, BareLeaves
from node.fsck import fsck
from node.requests import Topic, decode_root, encode_found
from node.sync import wire
from tests.unit.node.erasure.world import ALPHA, World, follow_up
from tests.unit.node.execution.alliance import make_sidecar
from tests.unit.node.sync.support import BAD, GOOD, Mesh, Server, Syncing, grow, servers


async def erased_source() -> tuple[World, Record]:
    """A chain of twelve blocks in which one record was erased by order."""
    world = World()
    records = [e for e in make_sidecar(4, "doomed").entries if isinstance(e, Record)]
    world.anchor(ALPHA, *records)
    grow(world.node, 5)
    world.anchor(ALPHA, follow_up(Operation.ERASE, records[1].record_id))
    grow(world.node, 5)
    await world.follower.follow()
    assert world.is_erased(records[1].record_id)
    return world, records[1]


def serving(world: World) -> dict[Topic, Server]:
    """An honest member, sidecars too."""

    async def sidecar(member: MemberId, body: bytes) -> bytes:
        kept = world.node.chain.sidecar(decode_root(body))
        return encode_found(None if kept is None else kept.encode())

    return {**servers(world.node), Topic.SIDECAR: sidecar}


def bare(sidecar: Sidecar) -> Sidecar:
    """All but the last record left out."""
    for at in range(sidecar.count - 1):
        sidecar = sidecar.erase(at)
    return sidecar


def stripping(honest: Server) -> Server:
    """Blocks whose sidecars lack what nobody ordered to erase."""

    async def answer(member: MemberId, body: bytes) -> bytes:
        data = await honest(member, body)
        blocks = [SyncBlock.decode(one) for one in wire.split_blocks(data)]
        return wire.encode_blocks(
            [replace(b, sidecars=tuple(bare(s) for s in b.sidecars)) for b in blocks]
        )

    return answer


@pytest.mark.parametrize("far", [True, False], ids=["state sync", "execution"])
async def test_what_a_liar_left_out_is_got_back_and_what_was_ordered_away_is_not(
    far: bool,
) -> None:
    source, gone = await erased_source()
    lying = serving(source) | {Topic.BLOCKS: stripping(serving(source)[Topic.BLOCKS])}
    mesh = Mesh({BAD: lying, GOOD: serving(source)})
    world = World()
    syncing = Syncing(world.node, mesh)
    syncing.sync._far_behind = 4 if far else 10_000
    await syncing.sync.run(Height(12), BAD)
    assert world.node.chain.tip == source.node.chain.tip
    assert world.book.bare(), "nothing was left out"
    now_ms = 0
    leaves = BareLeaves(
        world.node.chain,
        world.book,
        world.eraser,
        mesh,
        lambda: syncing.peers,
        lambda: True,
        lambda: now_ms,
    )
    await world.follower.follow()
    await leaves.settle()
    assert leaves.open > 0 and syncing.peers.liars == {}
    now_ms += PATIENCE_MS
    await leaves.settle()
    assert leaves.open == 0 and world.book.bare() == []
    assert set(syncing.peers.liars) == {BAD}
    assert world.is_erased(gone.record_id) and not world.holds(gone.salt)
    for prefix in (b"s", b"g", b"i"):
        own = dict(world.store.iterate(prefix))
        assert own == dict(source.store.iterate(prefix)), prefix
    assert fsck(world.store, world.node.genesis).problems == ()


async def test_a_leaf_that_everybody_erased_by_order_names_nobody() -> None:
    source, gone = await erased_source()
    mesh = Mesh({BAD: serving(source), GOOD: serving(source)})
    world = World()
    syncing = Syncing(world.node, mesh)
    await syncing.sync.run(Height(12), BAD)
    leaves = BareLeaves(
        world.node.chain,
        world.book,
        world.eraser,
        mesh,
        lambda: syncing.peers,
        lambda: True,
        lambda: 10**9,
    )
    await world.follower.follow()
    await leaves.settle()
    assert leaves.open == 0 and world.book.bare() == [] and syncing.peers.liars == {}
    assert world.book.erased(gone.record_id) == source.book.erased(gone.record_id)
    assert not any(topic is Topic.SIDECAR for _, topic in mesh.asked)

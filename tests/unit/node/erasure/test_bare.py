"""A leaf that nobody ordered to erase is got back from another member, and who left it is named."""

from __future__ import annotations

from collections import OrderedDict

from bulwark.ledger.ids import Digest, MemberId
from bulwark.ledger.lifecycle import Operation
from bulwark.ledger.sidecar import Sidecar
from node.erasure.bare import PATIENCE_MS, RETRY_MS, BareLeaves
from node.requests import PeerUnavailable, Topic, decode_root, encode_found
from node.sync.peers import Peers
from tests.unit.node.erasure.world import ALPHA, World, follow_up
from tests.unit.node.execution.alliance import anchor, make_sidecar

LIAR, HONEST, EMPTY = MemberId("bravo"), MemberId("charlie"), MemberId("delta")


class Mesh:
    """Members that serve sidecars."""

    def __init__(self) -> None:
        self.serves: dict[MemberId, Sidecar | None] = {LIAR: None, HONEST: None, EMPTY: None}
        self.asked: list[MemberId] = []

    def connected(self) -> list[MemberId]:
        return list(self.serves)

    async def ask(self, member: MemberId, topic: Topic, body: bytes, timeout_ms: int) -> bytes:
        assert topic is Topic.SIDECAR
        self.asked.append(member)
        sidecar = self.serves[member]
        if sidecar is not None and sidecar.root != decode_root(body):
            raise PeerUnavailable(member, "has another")
        return encode_found(None if sidecar is None else sidecar.encode())


class Scene:
    """A node that got a sidecar of three records from a peer, two of them bare."""

    def __init__(self) -> None:
        self.world = World()
        self.full = make_sidecar(3, "a")
        bare = self.full.erase(0).erase(2)
        node = self.world.node
        node.block(anchor(ALPHA, 0, self.full), sidecars=[bare])
        self.mesh = Mesh()
        self.peers = Peers(self.mesh)
        self.peers.note_bare(LIAR, [bare])
        self.now_ms = 0
        self.in_step = True
        self.bare = BareLeaves(
            node.chain,
            self.world.book,
            self.world.eraser,
            self.mesh,
            lambda: self.peers,
            lambda: self.in_step,
            lambda: self.now_ms,
        )

    async def look(self) -> None:
        await self.world.follower.follow()
        await self.bare.settle()

    async def look_late(self) -> None:
        await self.look()
        self.now_ms += PATIENCE_MS
        await self.look()


async def test_leaves_that_orders_cover_are_believed_and_nobody_is_asked() -> None:
    scene = Scene()
    ids = [scene.full.entries[at].record_id for at in (0, 2)]
    scene.world.anchor(ALPHA, *(follow_up(Operation.ERASE, record_id) for record_id in ids))
    await scene.look_late()
    assert scene.world.book.bare() == [] and scene.bare.open == 0
    assert scene.mesh.asked == [] and scene.peers.liars == {}


async def test_what_nobody_ordered_comes_back_from_another_and_the_giver_is_named() -> None:
    scene = Scene()
    scene.mesh.serves |= {HONEST: scene.full, EMPTY: scene.full.erase(0).erase(2)}
    await scene.look()
    assert scene.mesh.asked == [] and scene.bare.open == 1, "an order may still come"
    scene.now_ms += PATIENCE_MS
    await scene.look()
    kept = scene.world.node.chain.sidecar(scene.full.root)
    assert kept is not None and kept.entries == scene.full.entries
    assert LIAR not in scene.mesh.asked and list(scene.peers.liars) == [LIAR]
    assert "left out 2 records" in scene.peers.liars[LIAR].reason
    assert scene.bare.named == {LIAR: 2} and scene.world.book.bare() == []


async def test_only_the_leaf_without_an_order_comes_back() -> None:
    scene = Scene()
    scene.mesh.serves[HONEST] = scene.full
    erased, hidden = (scene.full.entries[at].record_id for at in (0, 2))
    scene.world.anchor(ALPHA, follow_up(Operation.ERASE, erased))
    await scene.look_late()
    assert scene.world.is_erased(erased) and not scene.world.is_erased(hidden)
    assert scene.bare.named == {LIAR: 1}


async def test_a_sidecar_of_another_root_brings_nothing_back() -> None:
    scene = Scene()
    other = make_sidecar(3, "other")
    scene.mesh.serves[HONEST] = other
    scene.mesh.ask = lambda *asked: _answer(other)  # type: ignore[method-assign,assignment]
    await scene.look_late()
    assert scene.bare.open == 1 and scene.bare.named == {} and scene.peers.liars == {}


async def _answer(sidecar: Sidecar) -> bytes:
    return encode_found(sidecar.encode())


async def test_what_nobody_has_stays_marked_and_is_asked_for_again_later() -> None:
    scene = Scene()
    await scene.look_late()
    asked = len(scene.mesh.asked)
    await scene.look()
    assert asked == 2 and len(scene.mesh.asked) == asked
    scene.now_ms += RETRY_MS
    scene.mesh.serves[HONEST] = scene.full
    await scene.look()
    assert scene.bare.open == 0 and scene.bare.named == {LIAR: 2}


async def test_a_node_that_is_behind_asks_nobody() -> None:
    scene = Scene()
    scene.in_step = False
    scene.mesh.serves[HONEST] = scene.full
    await scene.look_late()
    assert scene.mesh.asked == [] and scene.bare.open == 1


def test_givers_of_bare_leaves_are_remembered_and_bounded() -> None:
    peers = Peers(Mesh())
    full = make_sidecar(2, "x")
    peers.note_bare(LIAR, [full])
    assert peers.bare_from == OrderedDict()
    peers.note_bare(LIAR, [full.erase(1)])
    assert peers.bare_from == {Digest(full.root): LIAR}

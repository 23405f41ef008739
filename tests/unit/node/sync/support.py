"""A chain worth syncing, peers in the same event loop, and a store that dies after some writes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache

from bulwark.ledger.ids import Height, MemberId
from bulwark.ledger.transaction import Transaction
from node.chain.syncblock import SyncBlock
from node.driver.sync import BlockSync
from node.fsck import fsck
from node.requests import PeerUnavailable, Topic
from node.storage import schema
from node.storage.errors import StoreWriteFailed
from node.storage.memory import MemoryStore
from node.sync.peers import Peers
from node.sync.pin import Pin
from node.sync.server import BlockServer, StateServer, TargetServer
from node.sync.statesync import StateSync
from tests.unit.node.execution.alliance import ACCOUNTS, NOWHERE, Node, anchor, call, make_sidecar

GOOD, BAD = MemberId("good"), MemberId("bad")
Server = Callable[[MemberId, bytes], Awaitable[bytes]]
FAR = 4
"""Blocks behind from which these tests sync by state."""


def grow(node: Node, blocks: int, *, interval: int = 1) -> Node:
    """More blocks with records, value transfers, failed and left out transactions."""
    for _ in range(blocks):
        height = node.chain.applied + 1
        nonces = [node.executor.nonce(key.address) for key in ACCOUNTS]
        carried = make_sidecar(1 + height % 3, f"grown {height}")
        node.block(
            anchor(ACCOUNTS[0], nonces[0], carried),
            call(ACCOUNTS[1], nonces[1] + 7, NOWHERE),  # left out: a gap before its nonce
            call(ACCOUNTS[0], nonces[0] + 1, NOWHERE, value=height),
            anchor(ACCOUNTS[3], nonces[3], carried),  # reverts: its root is anchored already
            sidecars=[carried],
            final=height % interval == 0,
        )
    return node


@cache
def source(blocks: int = 12, interval: int = 3) -> Node:
    """A chain that tests only read."""
    return grow(Node(), blocks, interval=interval)


class Watcher:
    """An observer that only listens."""

    def __init__(self) -> None:
        self.executed_heights: list[int] = []
        self.installed_from: list[int] = []

    def ordered(self, height: Height, batch: object) -> None: ...

    def executed(self, height: Height, block: object) -> None:
        self.executed_heights.append(height)

    async def installed(self, chain: object, before: Height) -> None:
        self.installed_from.append(before)

    def finalized(self, height: Height) -> None: ...

    def transactions_of(self, batch: object) -> list[Transaction]:
        return [Transaction.decode(raw) for raw in batch.transactions]  # type: ignore[attr-defined]


def servers(node: Node) -> dict[Topic, Server]:
    """What an honest member answers with."""
    return {
        Topic.BLOCKS: BlockServer(node.chain),
        Topic.STATE: StateServer(node.store),
        Topic.TARGET: TargetServer(node.chain),
    }


class Mesh:
    """Members that answer by topic, and what was done with them."""

    def __init__(self, members: Mapping[MemberId, Mapping[Topic, Server]]) -> None:
        self.members = dict(members)
        self.asked: list[tuple[MemberId, Topic]] = []
        self.dropped: list[tuple[MemberId, str]] = []

    def connected(self) -> list[MemberId]:
        gone = {member for member, _ in self.dropped}
        return sorted(member for member in self.members if member not in gone)

    async def ask(self, member: MemberId, topic: Topic, body: bytes, timeout_ms: int) -> bytes:
        self.asked.append((member, topic))
        server = self.members[member].get(topic)
        if server is None:
            raise PeerUnavailable(member, "does not know the topic")
        return await server(MemberId("me"), body)

    def drop(self, member: MemberId, reason: str, for_ms: int) -> None:
        self.dropped.append((member, reason))


class Syncing:
    """A node that syncs over a mesh."""

    def __init__(
        self, node: Node, mesh: Mesh, *, pin: Pin | None = None, timeout_ms: int = 2_000
    ) -> None:
        self.node, self.mesh = node, mesh
        self.watcher = Watcher()
        self.peers = Peers(mesh, mesh.drop, timeout_ms)
        state = StateSync(
            store=node.store, chain=node.chain, genesis=node.genesis, peers=self.peers, pin=pin
        )
        self.sync = BlockSync(
            chain=node.chain,
            execution=node.executor,
            observer=self.watcher,
            peers=self.peers,
            epochs=node.executor.epochs,
            now_ms=lambda: 0,
            state=state,
            pin=pin,
            far_behind=FAR,
        )


def sync_blocks(node: Node, first: int = 1) -> list[SyncBlock]:
    """All blocks from a height on."""
    return node.chain.sync_blocks(Height(first), 1 << 30)


def contents(node: Node, *without: bytes) -> dict[bytes, bytes]:
    """Every key and value but those of some prefixes."""
    return {k: v for k, v in node.store.iterate(b"") if not k.startswith(without)}


NOT_INSTALLED = (schema.STATE, schema.CODES, schema.COMMIT_CERTIFICATES, schema.META_STATE_FROM)
"""What a synced store may hold otherwise than one that executed everything."""


def clean(node: Node, *, full: bool = True) -> bool:
    """Whether fsck finds nothing."""
    report = fsck(node.store, node.genesis, full=full)
    assert not report.problems, report.problems[:3]
    return report.is_clean


class DyingStore(MemoryStore):
    """Fails every write from the one numbered `lives` on, as a process that is killed there."""

    def __init__(self, pairs: Mapping[bytes, bytes], lives: int) -> None:
        super().__init__(pairs)
        self.lives = lives

    def write(self, puts: Mapping[bytes, bytes | None], *, sync: bool) -> None:
        if self.lives <= 0:
            raise StoreWriteFailed("dying store", "killed")
        self.lives -= 1
        super().write(puts, sync=sync)


def pairs_of(store: MemoryStore) -> dict[bytes, bytes]:
    """Everything in a store."""
    return dict(store.iterate(b""))


def heights(blocks: Sequence[SyncBlock]) -> list[int]:
    """Heights in order."""
    return [block.header.height for block in blocks]

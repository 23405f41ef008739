"""The ground: the parts of a node that its services stand on.

Rules: `node.app` builds it and `node.services` builds on it; what runs below never sees it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec import Struct

from node.assembly import Home
from node.chain.records import RecordReader
from node.chain.store import ChainStore
from node.clock import Clock
from node.directory import Directory
from node.driver.engine import Engine
from node.driver.sync import BlockSync
from node.execution.executor import Executor
from node.guarded.ports import Keys
from node.guarded.querylog import QueryLog
from node.guarded.rings import RingBook
from node.guarded.wiring import GuardedPath
from node.intake import Intake
from node.lifecycle import Lifecycle
from node.mempool import Mempool
from node.mesh import NetworkMesh
from node.network.network import Network
from node.oversight import Oversight
from node.reporting.anchorer import Anchorer
from node.reporting.idempotency import IdempotencyStore
from node.reporting.outbox import Outbox
from node.reporting.tracker import StageTracker
from node.storage.durability import Durability
from node.storage.port import KeyValueStore
from node.tagging.tagger import Tagger


class Ground(Struct, frozen=True, kw_only=True):
    """The parts of a node that the services stand on."""

    home: Home
    store: KeyValueStore
    durability: Durability
    clock: Clock
    chain: ChainStore
    executor: Executor
    records: RecordReader
    directory: Directory
    mempool: Mempool
    intake: Intake
    network: Network
    mesh: NetworkMesh
    tracker: StageTracker
    outbox: Outbox
    idempotency: IdempotencyStore
    anchorer: Anchorer
    lifecycle: Lifecycle
    tagger: Tagger
    guarded: GuardedPath
    keys: Keys
    rings: RingBook
    query_log: QueryLog
    oversight: Oversight
    engine: Engine
    sync: BlockSync
    halted: Callable[[], str | None]
    rekey: Callable[[], Awaitable[list[str]]]
    """Takes over a changed keystore and certificate; what was taken. Raises ReloadRefused."""
    has_keys: Callable[[], bool]
    """Whether the keys that the members share are there."""

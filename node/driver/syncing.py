"""Builds the sync of a node from its home and its parts, as configuration wants it."""

from __future__ import annotations

from node.assembly import Home
from node.chain.store import ChainStore
from node.clock import Clock
from node.driver.ports import Observer
from node.driver.sync import BlockSync
from node.execution.executor import Executor
from node.mesh import NetworkMesh
from node.storage.port import KeyValueStore
from node.sync.peers import Peers
from node.sync.pin import Pin
from node.sync.statesync import StateSync


def block_sync(
    home: Home,
    store: KeyValueStore,
    chain: ChainStore,
    executor: Executor,
    observer: Observer,
    mesh: NetworkMesh,
) -> BlockSync:
    """The sync of one node; raises PinContradicted if the stored chain is not the pinned one."""
    settings = home.config.sync
    pin = Pin.of(settings.trusted_height, settings.trusted_hash)
    if pin is not None:
        pin.check_chain(chain.header)
    peers = Peers(mesh, mesh.drop)
    state = StateSync(store=store, chain=chain, genesis=home.genesis, peers=peers, pin=pin)
    return BlockSync(
        chain=chain,
        execution=executor,
        observer=observer,
        peers=peers,
        epochs=executor.epochs,
        now_ms=Clock().now_ms,
        state=None if settings.execute_all else state,
        pin=pin,
    )

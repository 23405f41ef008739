"""The homecoming of a restored node: what has to be done again before its API answers anybody.

Rules: first the alliance's own certified height is reached and every final order to erase is
carried out, so that nobody is shown what was erased since the backup; then the access log goes on
behind the head that the ledger has, with an entry that names the gap, and the index of own records
is filled from the ledger, so that a report that is repeated is known again. The mark goes in the
write of that entry. Consensus, sync and erasure work as always meanwhile: only the door is shut.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import asdict

from bulwark.ledger.accesslog import AccessKind, Head
from bulwark.ledger.epochs import EpochTerms
from bulwark.ledger.ids import Address, Epoch, Height
from bulwark.ledger.lifecycle import REFERENCE_KIND
from bulwark.ledger.record import Record
from node.backup.restored import Restored, read_restored
from node.chain.store import ChainStore
from node.diagnosis.facts import RestoreFacts
from node.guarded.accesslog import AccessLog
from node.logs import Log
from node.reporting.outbox import Outbox
from node.storage.durability import Durability
from node.storage.port import KeyValueStore
from node.storage.schema import META_RESTORED
from node.sync.peers import Peers
from node.sync.target import Targets

if TYPE_CHECKING:
    from prometheus_client.core import Metric

LOOK_S: Final = 0.3
TURN: Final = 64
"""Blocks looked at in one turn of the event loop."""

log = Log("backup")


class HomecomingParts(Struct, frozen=True, kw_only=True):
    """What the homecoming works with."""

    store: KeyValueStore
    chain: ChainStore
    durability: Durability
    peers: Peers
    """Of its own: what a sync thinks of members is not changed."""
    terms_of: Callable[[Epoch], EpochTerms | None]
    quorum_connected: Callable[[], bool]
    is_syncing: Callable[[], bool]
    followed: Callable[[], Height]
    """Height up to which orders to erase are carried out."""
    outbox: Outbox
    account: Address
    """This member's."""
    access: AccessLog
    anchored: Callable[[], Head | None]
    """The head of this member's access log that the ledger has."""
    now_ms: Callable[[], int]


class Homecoming:
    """Opens the door of a restored node once that is safe."""

    def __init__(self, parts: HomecomingParts) -> None:
        """Raises StoreDamaged."""
        self._parts = parts
        self._restored: Restored | None = read_restored(parts.store)
        self._doing = "it waits for a quorum of the alliance"
        self._since_ms = self._moved_ms = parts.now_ms()
        self._done: tuple[int, int] | None = None
        """Last final block, and up to which orders to erase are carried out."""

    def closed(self) -> str | None:
        """Why the API answers nobody yet, None once it does."""
        if self._restored is None:
            return None
        return f"this node was restored from block {self._restored.height}: {self._doing}"

    def _do(self, what: str) -> None:
        """Say what is done; that it gets further is told by the blocks, not by the words."""
        parts = self._parts
        self._doing = what
        done = parts.chain.finalized, parts.followed()
        if done != self._done:
            self._done, self._moved_ms = done, parts.now_ms()

    def facts(self) -> RestoreFacts | None:
        """How far it is; None for a node that was not restored or is in step."""
        if self._restored is None:
            return None
        return RestoreFacts(self._restored.height, self._doing, self._since_ms, self._moved_ms)

    def document(self) -> dict[str, object] | None:
        """For `GET /v1/node`."""
        found = self.facts()
        return None if found is None else asdict(found)

    def families(self) -> Iterable[Metric]:
        """Metrics."""
        from prometheus_client.core import GaugeMetricFamily

        found = self.facts()
        yield GaugeMetricFamily(
            "bulwark_restore_running",
            "1 from the start of a restored node until it is in step",
            value=float(found is not None),
        )
        idle_ms = 0 if found is None else max(0, self._parts.now_ms() - found.moved_ms)
        yield GaugeMetricFamily(
            "bulwark_restore_idle_seconds",
            "Since a restored node last got further on its way, 0 once it is in step",
            value=idle_ms / 1000,
        )

    async def run(self) -> None:
        """Work until the door is open. Raises StoreDamaged, StoreWriteFailed."""
        restored = self._restored
        if restored is None:
            return
        log.warning("restored from a backup; the API waits", height=restored.height)
        while True:
            if await self._is_in_step():
                break
            await asyncio.sleep(LOOK_S)
        self._do("it fills the index of its own records")
        found = await self._index_own(Height(restored.height + 1))
        lost = self._bridge(restored)
        await self._parts.durability.barrier()
        self._restored = None
        log.info("restored node is in step", own_records=found, access_entries_lost=lost)

    async def _is_in_step(self) -> bool:
        parts = self._parts
        if not parts.quorum_connected():
            return False
        parts.peers.begin()
        targets = Targets(parts.peers)
        await targets.ask(parts.terms_of)
        best = targets.proven(parts.terms_of)
        claimed = targets.claimed(parts.chain.applied, parts.terms_of)
        self._do(f"block {parts.chain.finalized} of {max([best, *claimed.values()])}")
        if claimed or best == 0 or parts.is_syncing() or parts.chain.finalized < best:
            return False
        self._do(f"orders to erase are carried out up to block {parts.followed()}")
        return parts.followed() >= parts.chain.finalized

    async def _index_own(self, first: Height) -> int:
        """Own records of blocks since the backup are known again; how many."""
        parts = self._parts
        found = 0
        for number in range(first, parts.chain.applied + 1):
            block = parts.chain.block(Height(number))
            for anchor in () if block is None else block.anchors:
                if anchor.account != parts.account or not anchor.count:
                    continue
                sidecar = parts.chain.sidecar(anchor.digest)
                for entry in () if sidecar is None else sidecar.entries:
                    if isinstance(entry, Record) and entry.kind != REFERENCE_KIND:
                        parts.store.write(parts.outbox.known_puts(entry), sync=False)
                        found += 1
            if number % TURN == 0:
                await asyncio.sleep(0)
        return found

    def _bridge(self, restored: Restored) -> int:
        """Go on behind the head that the ledger has; entries that nobody can show any more."""
        access, now_ms = self._parts.access, self._parts.now_ms()
        head = self._parts.anchored()
        lost = 0
        if head is not None and head.count > access.head.count:
            first, lost = access.head.count + 1, head.count - access.head.count
            access.bridge(head, now_ms)
            subject = f"entries {first} to {head.count} are lost"
        else:
            subject = "no anchored entry is lost"
        access.record(
            who="bulwark restore",
            role="operator",
            purpose="",
            lawful_basis="",
            case_ref="",
            kind=AccessKind.ADMINISTRATION,
            count=1,
            now_ms=now_ms,
            action="restore",
            subject=f"from block {restored.height}: {subject}",
            also={META_RESTORED: None},
        )
        return lost

"""One member's erasure over a real chain in memory: orders go in with blocks, calls come out."""

from __future__ import annotations

import random
from collections.abc import Sequence

from bulwark.ledger.ids import Digest, Height, MemberId, RecordId
from bulwark.ledger.lifecycle import REFERENCE_KIND, Operation, reference_tag
from bulwark.ledger.record import Record, RecordPayload
from bulwark.ledger.sidecar import Sidecar
from bulwark.ledger.signing import SigningKey
from bulwark.ledger.standing import Step
from node.chain.erasing import Eraser
from node.chain.store import StoredBlock
from node.erasure.book import ErasureBook
from node.erasure.confirmer import Confirmer, Lane
from node.erasure.destroyer import Destroyer
from node.erasure.follower import ErasureFollower
from node.erasure.triggers import Trigger
from node.gossip import Parcel
from node.reporting.anchorer import Anchorer
from node.reporting.outbox import Outbox
from node.reporting.tracker import StageTracker
from node.storage.durability import Durability
from node.storage.memory import MemoryStore
from node.tagging.cache import TagCache
from tests.unit.node.execution.alliance import ACCOUNTS, CHAIN_ID, Node, anchor

ALPHA, BRAVO, CHARLIE, REGULATOR = ACCOUNTS


def follow_up(operation: Operation, subject: RecordId, reason: int = 1) -> Record:
    """A follow-up about a record, with a salt of its own."""
    payload = RecordPayload(
        operation=operation, kind=REFERENCE_KIND, reason=reason, previous_record=subject
    )
    salt = random.Random(f"{operation} {subject.hex()} {reason}").randbytes(32)
    return Record.of(salt, reference_tag(subject), payload)


class Recalls:
    """What recall is told."""

    def __init__(self) -> None:
        self.told: list[Trigger] = []

    async def recall(self, triggers: Sequence[Trigger]) -> int:
        self.told += triggers
        return len(triggers)

    async def withdrawn(self, block: StoredBlock) -> int:
        return 0


class World:
    """A member's node as far as erasure goes; `restarted` is the same disk after a stop."""

    def __init__(self, store: MemoryStore | None = None, key: SigningKey = ALPHA) -> None:
        self.store = MemoryStore() if store is None else store
        self.node = Node(self.store)
        self.sent: list[Parcel] = []
        self.key = key
        self.outbox = Outbox(self.store)
        self.tracker = StageTracker()
        self.anchorer = Anchorer(
            key,
            CHAIN_ID,
            self.outbox,
            self.tracker,
            next_nonce=self.node.executor.nonce,
            submit=self.sent.append,
        )
        self.book = ErasureBook(self.store)
        self.recalls = Recalls()
        self.cache = TagCache(bytes(32), 1_000)
        self.roles = {"reporter"}
        self.eraser = Eraser(self.store, self.node.chain)
        self.confirmer = Confirmer(
            self.store,
            self.node.chain,
            self.node.records,
            self.book,
            Lane(self.anchorer, self.outbox),
            lambda: bool(self.roles & {"reporter", "regulator"}),
            lambda account: account == self.key.address,
            random.Random(5).randbytes,
        )
        self.follower = ErasureFollower(
            self.store,
            self.node.chain,
            self.book,
            Destroyer(self.store, self.eraser, self.book, self.outbox, self.cache),
            Durability(self.store),
            self.history,
            self.recalls,
            self.confirmer.confirmed,
        )

    def history(self, record_id: RecordId) -> Sequence[Step]:
        found = self.node.records.by_id(record_id)
        return () if found is None else self.node.standings.life(found).history

    def restarted(self, keep_unsynced: int = 10**6) -> World:
        """After a stop: what was flushed, and the first writes after that."""
        world = World(self.store.crash(keep_unsynced), self.key)
        world.anchorer.resume(world.node.executor.nonce(self.key.address), lambda transaction: None)
        return world

    def anchor(self, key: SigningKey, *records: Record, final: bool = True) -> Digest:
        """Anchor records as some member, in a block of their own; the root."""
        sidecar = Sidecar(records)
        nonce = self.node.executor.nonce(key.address)
        self.node.block(anchor(key, nonce, sidecar), sidecars=[sidecar], final=final)
        return sidecar.root

    def mine(self) -> int:
        """Put what this member sent into a final block; how many transactions."""
        parcels, self.sent[:] = list(self.sent), []
        sidecars = [parcel.sidecar for parcel in parcels if parcel.sidecar is not None]
        block = self.node.block(*(p.transaction for p in parcels), sidecars=sidecars)
        height = block.header.height
        self.anchorer.executed(block.transactions, block.results, height)
        self.anchorer.finalized(height)
        return len(parcels)

    def is_erased(self, record_id: RecordId) -> bool:
        found = self.node.records.by_id(record_id)
        assert found is not None
        return found.payload is None

    def holds(self, secret: bytes) -> bool:
        """Whether any key or value holds a secret."""
        return any(secret in key or secret in value for key, value in self.store.iterate(b""))

    def confirmations(self, root: Digest) -> list[tuple[MemberId, int]]:
        """Who confirmed a batch, with the bits."""
        return [
            (self.node.standings.member_of(record.reporter), record.payload.reason)
            for record in self.confirmer.of(root)
        ]

    @property
    def tip(self) -> Height:
        return self.node.chain.applied

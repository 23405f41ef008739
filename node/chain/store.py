"""The chain store: the one writer of executed blocks, sidecars and finality certificates.

Rules: it owns `applied`; a block with its state, receipts, indexes and commit certificate is one
atomic write; a certificate is only stored beside the very block that it certifies. Sidecars are
written without a flush, since the synced vote that follows flushes everything before it.
It executes nothing and answers no query language: readers are in the files beside it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import Struct

from bulwark.ledger.anchor import Anchor
from bulwark.ledger.batch import NULL_BATCH, Batch
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.hashing import keccak256
from bulwark.ledger.header import Header
from bulwark.ledger.ids import Digest, Height, RecordId
from bulwark.ledger.receipt import Receipt
from bulwark.ledger.sidecar import ErasedRecord, Sidecar
from bulwark.ledger.votes import Certificate, VoteKind
from node.chain.epochs import EpochBook
from node.chain.errors import CertificateContradicts, ChainError, NotNext, OtherAlliance
from node.chain.startup import check_head
from node.chain.syncblock import NextEpoch, SyncBlock
from node.execution.executor import ExecutedBlock
from node.execution.genesis import genesis_block
from node.execution.indexes import anchors_of
from node.service import HistoryPruned
from node.storage import blocks, schema
from node.storage.migrations import migrate
from node.storage.port import KeyValueStore
from node.storage.seal import seal
from node.storage.values import RecordPlace, decode_number, decode_transaction_place

CACHED_SIDECARS: Final = 32
"""Sidecars kept decoded between vote, execution and the first look-ups."""


class StoredBlock(Struct, frozen=True):
    """An executed block as it is on disk."""

    header: Header
    batch: Batch
    receipts: tuple[Receipt, ...]
    raw_transactions: tuple[bytes, ...]
    """Those of the batch that are in the block, one a receipt."""

    @property
    def transaction_hashes(self) -> tuple[Digest, ...]:
        """Hashes in block order."""
        return tuple(keccak256(raw) for raw in self.raw_transactions)

    @property
    def anchors(self) -> tuple[Anchor, ...]:
        """Leaves that the block added to the record log."""
        return anchors_of(self.header.height, self.receipts)

    @property
    def record_count(self) -> int:
        """Records that the block anchored."""
        return sum(anchor.count for anchor in self.anchors)


class ChainStore:
    """The executed chain of one node."""

    def __init__(self, store: KeyValueStore, genesis: Genesis) -> None:
        """Use `open`, which checks the store first."""
        self._store = store
        self._genesis = genesis
        self._epochs = EpochBook(store, genesis)
        self._tip = blocks.read_tip(store)
        self._finalized = blocks.read_finalized(store)
        self._sidecars: OrderedDict[Digest, Sidecar] = OrderedDict()
        self._roots: OrderedDict[int, tuple[Sidecar, Digest]] = OrderedDict()
        self.erased: set[bytes] = set()
        """Records that an order of the ledger erased, about 100 bytes each; `node.erasure` fills
        it."""

    @classmethod
    def open(cls, store: KeyValueStore, genesis: Genesis) -> ChainStore:
        """The chain of an alliance: block 0 into an empty store, or the stored chain, checked.

        Raises OtherAlliance, LayoutUnknown, StoreDamaged.
        """
        found = store.get(schema.META_FORMAT)
        if found is None:
            if next(store.iterate(schema.HEADERS), None) is not None:
                raise OtherAlliance("layout", "unknown", schema.FORMAT_VERSION.decode())
            store.write(genesis_block(genesis).puts, sync=True)
        stored_genesis = store.get(schema.META_GENESIS) or b""
        if stored_genesis != genesis.hash:
            raise OtherAlliance("genesis hash", stored_genesis.hex(), genesis.hash.hex())
        migrate(store)
        check_head(store, genesis)
        return cls(store, genesis)

    @property
    def applied(self) -> Height:
        """Height of the last executed block."""
        return self._tip.height

    @property
    def tip(self) -> Header:
        """Header of the last executed block."""
        return self._tip

    @property
    def finalized(self) -> Height:
        """Height of the highest checkpoint certificate."""
        return self._finalized

    # Writes

    def commit_block(self, executed: ExecutedBlock, commit: Certificate | None) -> None:
        """Everything of a block in one atomic write; durable with the next flush.

        The CHECKPOINT vote over it waits for that flush (ADR-0009). Raises NotNext,
        StoreWriteFailed.
        """
        header = executed.header
        if header.height != self._tip.height + 1 or header.parent_hash != self._tip.hash():
            raise NotNext(header.height, self._tip.height)
        puts = dict(executed.puts)
        if commit is not None:
            subject = commit.subject
            if (subject.kind, subject.height) != (VoteKind.COMMIT, header.height) or (
                subject.digest != header.batch_digest
            ):
                raise CertificateContradicts(header.height, header.batch_digest, subject.digest)
            key = schema.commit_certificate(header.height)
            puts[key] = seal(key, commit.encode())
        self._store.write(puts, sync=False)
        self._tip = header

    def store_checkpoint(
        self, certificate: Certificate, also: Mapping[bytes, bytes | None] | None = None
    ) -> None:
        """Keep the certificate of an executed block, `also` in the same write.

        Durable with the next flush: a certificate that is lost is with the peers.

        Raises CertificateContradicts, and ChainError for a block that is not executed.
        """
        subject = certificate.subject
        if subject.kind is not VoteKind.CHECKPOINT or subject.height > self.applied:
            raise ChainError(f"no executed block for a {subject.kind.name} of {subject.height}")
        own = blocks.read_header(self._store, subject.height).hash()
        if own != subject.digest:
            raise CertificateContradicts(subject.height, own, subject.digest)
        key = schema.checkpoint(subject.height)
        puts: dict[bytes, bytes | None] = {key: seal(key, certificate.encode()), **(also or {})}
        finalized = max(self._finalized, subject.height)
        meta = schema.META_FINALIZED
        puts[meta] = seal(meta, schema.number8(finalized))
        self._store.write(puts, sync=False)
        self._finalized = finalized

    def refresh(self) -> None:
        """Read tip and finality anew, after state sync wrote them past this object."""
        self._tip = blocks.read_tip(self._store)
        self._finalized = blocks.read_finalized(self._store)

    def put_sidecar(self, sidecar: Sidecar) -> None:
        """Keep a sidecar; the next synced write makes it durable. One that is here stays."""
        root = self._root_of(sidecar)
        key = schema.sidecar(root)
        if root in self._sidecars or self._store.get(key) is not None:
            return
        gone = self.erased.intersection(sidecar.leaves) if self.erased else ()
        if gone:
            # Whoever brings an erased record again brings its leaf and nothing more.
            sidecar = Sidecar(
                tuple(
                    ErasedRecord(e.record_id) if e.record_id in gone else e for e in sidecar.entries
                )
            )
        mark = schema.pending_sidecar(root)
        self._store.write(
            {key: seal(key, sidecar.encode()), mark: schema.number8(self.applied)}, sync=False
        )
        self._cache(root, sidecar)

    def prune_sidecars(self, before: Height) -> int:
        """Delete sidecars that came before this height and were never anchored; how many."""
        puts: dict[bytes, bytes | None] = {}
        for mark, value in self._store.iterate(schema.PENDING_SIDECARS):
            if decode_number(mark, value) < before:
                root = Digest(mark[1:])
                puts[mark] = puts[schema.sidecar(root)] = None
                self._sidecars.pop(root, None)
        if puts:
            self._store.write(puts, sync=True)
        return len(puts) // 2

    def replace_sidecar(
        self, root: Digest, sidecar: Sidecar, also: Mapping[bytes, bytes | None]
    ) -> None:
        """Keep a sidecar with other entries erased than before, `also` in the same write.

        Durable with the next flush. Raises StoreWriteFailed.
        """
        if sidecar.root != root:
            raise ChainError(f"a sidecar with root {sidecar.root.hex()} for {root.hex()}")
        key = schema.sidecar(root)
        self._store.write({**also, key: seal(key, sidecar.encode())}, sync=False)
        self._roots = OrderedDict((i, v) for i, v in self._roots.items() if v[1] != root)
        self._cache(root, sidecar)

    # Reads

    def sidecar(self, root: Digest) -> Sidecar | None:
        """A kept sidecar. Raises StoreDamaged."""
        kept = self._sidecars.get(root)
        if kept is not None:
            self._sidecars.move_to_end(root)
            return kept
        sidecar = blocks.read_sidecar(self._store, root)
        if sidecar is not None:
            self._cache(root, sidecar)
        return sidecar

    def has_sidecar(self, root: Digest) -> bool:
        """Whether a sidecar is kept."""
        return root in self._sidecars or self._store.get(schema.sidecar(root)) is not None

    def _root_of(self, sidecar: Sidecar) -> Digest:
        """Its root, remembered for as long as the object is, as one is kept several times."""
        known = self._roots.get(id(sidecar))
        if known is not None:
            return known[1]
        root = sidecar.root
        self._roots[id(sidecar)] = (sidecar, root)
        if len(self._roots) > CACHED_SIDECARS:
            self._roots.popitem(last=False)
        return root

    def _cache(self, root: Digest, sidecar: Sidecar) -> None:
        self._sidecars[root] = sidecar
        if len(self._sidecars) > CACHED_SIDECARS:
            self._sidecars.popitem(last=False)

    def header(self, height: Height) -> Header | None:
        """Header of an executed block."""
        if not 0 <= height <= self.applied:
            return None
        return self._tip if height == self.applied else blocks.read_header(self._store, height)

    def block(self, height: Height) -> StoredBlock | None:
        """An executed block; the genesis block has an empty batch."""
        header = self.header(height)
        if header is None:
            return None
        if height == 0:
            return StoredBlock(header, NULL_BATCH, (), ())
        batch = blocks.read_batch(self._store, height)
        placed = blocks.read_receipts(self._store, height)
        return StoredBlock(
            header,
            batch,
            tuple(receipt for _, receipt in placed),
            tuple(batch.transactions[position] for position, _ in placed),
        )

    def anchors(self, height: Height) -> tuple[Anchor, ...]:
        """Leaves that a block added to the record log; they outlive its body."""
        header = self.header(height)
        if header is None or height == 0:
            return ()
        first = blocks.read_header(self._store, Height(height - 1)).record_log_size
        found = [blocks.read_anchor(self._store, at) for at in range(first, header.record_log_size)]
        return tuple(anchor for anchor in found if anchor is not None)

    @property
    def pruned_from(self) -> Height:
        """Height below which bodies and sidecars of blocks may be missing; 0 where none is."""
        return blocks.read_pruned_from(self._store)

    def check_kept(self, what: str, height: Height) -> None:
        """Raise HistoryPruned for what is missing at a height where that is no damage."""
        if height < self.pruned_from:
            raise HistoryPruned(what, self.pruned_from)

    def checkpoint(self, height: Height) -> Certificate | None:
        """Finality certificate of exactly this block."""
        return blocks.read_checkpoint(self._store, height)

    def commit_certificate(self, height: Height) -> Certificate | None:
        """Commit certificate of a block's batch; none where sync installed the block."""
        return blocks.read_commit(self._store, height)

    def certified_from(self, height: Height) -> tuple[Header, Certificate] | None:
        """The lowest certified block at or above a height."""
        key = schema.checkpoint(height)
        found = next(self._store.iterate(schema.CHECKPOINTS, start=key), None)
        if found is None:
            return None
        at = Height(decode_number(found[0], found[0][1:]))
        if at > self._finalized:
            return None  # of a block that state sync stored and nobody may see yet
        certificate = blocks.read_checkpoint(self._store, at)
        return None if certificate is None else (blocks.read_header(self._store, at), certificate)

    def height_of_hash(self, block_hash: Digest) -> Height | None:
        """Height of a block hash."""
        key = schema.height_by_hash(block_hash)
        value = self._store.get(key)
        return None if value is None else self._visible(Height(decode_number(key, value)))

    def _visible(self, height: Height) -> Height | None:
        """What lies above `applied` was stored by state sync and is no part of the chain yet."""
        return height if height <= self.applied else None

    def place_of_transaction(self, transaction_hash: Digest) -> tuple[Height, int] | None:
        """Height and position of an executed transaction."""
        key = schema.transaction(transaction_hash)
        value = self._store.get(key)
        if value is None:
            return None
        place = decode_transaction_place(key, value)
        return None if self._visible(place[0]) is None else place

    def height_of_transaction(self, transaction_hash: Digest) -> Height | None:
        """Height of an executed transaction."""
        place = self.place_of_transaction(transaction_hash)
        return None if place is None else place[0]

    def record_place(self, record_id: RecordId) -> RecordPlace | None:
        """Where a record stands: where it was anchored first, whoever anchored a copy later."""
        return next(self.record_places(record_id), None)

    def record_places(self, record_id: RecordId) -> Iterator[RecordPlace]:
        """Where a record and its copies stand, in ledger order."""
        for key, value in self._store.iterate(schema.record(record_id)):
            place = RecordPlace.decode(key, value)
            if self._visible(place.height) is not None:
                yield place

    def sync_blocks(self, first: Height, most_bytes: int) -> list[SyncBlock]:
        """Blocks from `first` on whose encodings fit together in `most_bytes`, at least one."""
        found: list[SyncBlock] = []
        size = 0
        if first < self.pruned_from:
            return []  # who asks finds an archive among the others
        for number in range(max(1, first), self.applied + 1):
            sync_block = self._sync_block(Height(number))
            size += len(sync_block.encode()) + 4
            if found and size > most_bytes:
                break
            found.append(sync_block)
        return found

    def _sync_block(self, height: Height) -> SyncBlock:
        header = blocks.read_header(self._store, height)
        placed = blocks.read_receipts(self._store, height)
        anchors = anchors_of(height, [receipt for _, receipt in placed])
        kept = [self.sidecar(anchor.digest) for anchor in anchors if anchor.count]
        return SyncBlock(
            header=header,
            batch=blocks.read_batch(self._store, height),
            receipts=placed,
            sidecars=tuple(sidecar for sidecar in kept if sidecar is not None),
            checkpoint=self.checkpoint(height),
            next_epoch=self._next_epoch(header),
        )

    def _next_epoch(self, header: Header) -> NextEpoch | None:
        """Who votes after the last block of an epoch."""
        if header.height != header.epoch_end:
            return None
        terms = self._epochs.number(header.epoch + 1).terms
        return NextEpoch(terms.validators, terms.parameters)

    @property
    def state_from(self) -> Height:
        """Every state of this height and above is here; older ones may not be (state sync)."""
        return blocks.read_state_from(self._store)

"""Checks a node's whole store against the genesis document: `bulwark fsck`.

Rules: it reads and never repairs; each problem names a key or a height and a reason, and the check
goes on behind it as far as it can. Quick mode checks structure: seals, links, roots, certificates,
sidecars, record log, indexes, orphans. Full mode also executes every block again from genesis in a
scratch store and compares headers and state. Reads verify LevelDB's own checksums.
"""

from __future__ import annotations

from typing import Final

from bulwark.ledger.anchor import Anchor
from bulwark.ledger.errors import CertificateInvalid, LedgerError
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.hashing import keccak256
from bulwark.ledger.header import Header
from bulwark.ledger.ids import Digest, Height, RecordId
from bulwark.ledger.merkle import Frontier
from bulwark.ledger.record import Record
from bulwark.ledger.sidecar import Sidecar
from bulwark.ledger.votes import Certificate, VoteKind
from node.chain.epochs import EpochBook
from node.chain.install import Edge, read_edge, read_installed_epoch
from node.chain.startup import check_body
from node.erasure.book import read_erased
from node.execution.errors import ExecutionError
from node.execution.executor import Executor
from node.execution.genesis import genesis_block
from node.execution.indexes import anchors_of, event_puts, log_puts, record_puts
from node.fsckreport import FsckReport, Problem, Progress, walk_state
from node.pruning.marks import BODIES_AT, read_number
from node.service import HistoryPruned
from node.storage import blocks, schema
from node.storage.errors import StorageError
from node.storage.memory import MemoryStore
from node.storage.port import KeyValueStore, ReadView
from node.storage.values import (
    RecordPlace,
    decode_transaction_place,
    encode_transaction_place,
)

__all__ = ["FsckReport", "Problem", "fsck"]

MAX_PROBLEMS: Final = 200
"""Problems listed; a store with more is not worth a longer list."""
_DERIVED: Final = (
    schema.TRANSACTIONS,
    schema.EVENTS,
    schema.LOG_NODES,
    schema.LOG_LEAVES,
    schema.LOG_INDEX,
    schema.CONSENT_STATES,
    schema.RECORDS,
    schema.RECORDS_BY_TAG,
    schema.FOLLOW_UPS,
    schema.HEIGHTS_BY_HASH,
)
"""Prefixes whose content follows from blocks and sidecars, key by key."""

_STATE: Final = (schema.STATE, schema.CODES)
"""Prefixes of what execution adds to the state."""


def fsck(
    store: KeyValueStore,
    genesis: Genesis,
    *,
    full: bool = True,
    progress: Progress = lambda height, last: None,
) -> FsckReport:
    """Check a store; the node must not write to it meanwhile."""
    view = store.snapshot(verify=True)
    try:
        return _Check(view, genesis, progress).run(full)
    finally:
        view.close()


class _Check:
    """One run over one view."""

    def __init__(self, view: ReadView, genesis: Genesis, progress: Progress) -> None:
        self._view = view
        self._genesis = genesis
        self._epochs = EpochBook(view, genesis)
        self._progress = progress
        self._problems: list[Problem] = []
        self._expected: dict[bytes, bytes | None] = {}
        self._frontier = Frontier()
        self._roots: set[Digest] = set()
        self._records = 0
        self._erased = 0
        self._bare: set[RecordId] = set()
        """Erased records whose sidecar has no mark that an order is still looked for."""
        self._scratch: MemoryStore | None = None
        self._applied = Height(0)
        self._state_from = Height(0)
        self._pruned_from = Height(0)
        self._gone: set[Height] = set()
        """Blocks whose bodies were pruned."""
        self._gone_roots: set[Digest] = set()
        """Sidecars that were pruned: every record in them was erased."""

    def run(self, full: bool) -> FsckReport:
        applied = finalized = Height(0)
        try:
            applied = self._applied = blocks.read_applied(self._view)
            self._state_from = blocks.read_state_from(self._view)
            finalized = blocks.read_finalized(self._view)
            self._pruned_from = blocks.read_pruned_from(self._view)
            full = full and not self._pruned_from  # nobody can execute what is not there
            self._check_meta()
            if full:
                self._scratch = MemoryStore()
                self._scratch.write(genesis_block(self._genesis).puts, sync=True)
            edge = read_edge(self._view)
            last = applied if edge is None else max(applied, edge.height)
            self._check_chain(applied, last, finalized, edge)
            self._check_indexes()
            self._check_sidecars(applied)
            self._check_erased()
            self._check_beyond(last)
            self._check_state()
        except StorageError as error:
            self._note("store", str(error))
        return FsckReport(
            height=applied,
            finalized=finalized,
            records=self._records,
            erased=self._erased,
            executed_again=full,
            problems=tuple(self._problems[:MAX_PROBLEMS]),
        )

    def _note(self, where: str, reason: str) -> None:
        if len(self._problems) <= MAX_PROBLEMS:
            self._problems.append(Problem(where, reason))

    def _check_meta(self) -> None:
        if self._view.get(schema.META_FORMAT) != schema.FORMAT_VERSION:
            self._note("layout", "another version of the store's layout")
        if self._view.get(schema.META_GENESIS) != self._genesis.hash:
            self._note("genesis", "the store belongs to another genesis document")

    # Blocks, one after another

    def _check_chain(
        self, applied: Height, last: Height, finalized: Height, edge: Edge | None
    ) -> None:
        """Blocks up to `last`; those above `applied` belong to a state sync that goes on."""
        parent = genesis_block(self._genesis).header
        if blocks.read_header(self._view, Height(0)) != parent:
            self._note("block 0", "is not the genesis document's")
        self._expected[schema.height_by_hash(parent.hash())] = schema.number8(0)
        self._check_edge(Height(0), applied, edge)
        for number in range(1, last + 1):
            height = Height(number)
            try:
                header = blocks.read_header(self._view, height)
                self._check_block(header, parent)
            except (StorageError, ExecutionError, LedgerError) as error:
                self._note(f"block {height}", str(error))
                self._scratch = None
                continue
            parent = header
            self._check_edge(height, applied, edge)
            if number % 256 == 0:
                self._progress(height, last)
        self._progress(last, last)
        if finalized and blocks.read_checkpoint(self._view, finalized) is None:
            self._note(f"checkpoint {finalized}", "the certificate is missing")

    def _check_edge(self, height: Height, applied: Height, edge: Edge | None) -> None:
        """The record log's stored edges after the last executed and the last installed block."""
        own = (self._frontier.size, self._frontier.root)
        if height == applied:
            stored = blocks.read_frontier(self._view)
            if (stored.size, stored.root) != own:
                self._note("record log", "its stored edge is not that of the blocks")
        if edge is None or height != edge.height:
            return
        if (edge.frontier.size, edge.frontier.root) != own:
            self._note("record log", "the edge of installed blocks is not theirs")

    def _check_block(self, header: Header, parent: Header) -> None:
        where = f"block {header.height}"
        if header.height != parent.height + 1 or header.parent_hash != parent.hash():
            self._note(where, "does not follow its parent")
        try:
            check_body(self._view, header)
        except HistoryPruned:
            self._check_pruned(header, parent)
            return
        batch = blocks.read_batch(self._view, header.height)
        if header.timestamp_ms != max(batch.timestamp_ms, parent.timestamp_ms + 1):
            self._note(where, "its time is not max(proposer's, parent's + 1)")
        self._check_certificates(header)
        placed = blocks.read_receipts(self._view, header.height)
        receipts = [receipt for _, receipt in placed]
        sidecars = self._check_records(header, anchors_of(header.height, receipts))
        self._expected |= event_puts(header.height, receipts)
        for index, (position, _) in enumerate(placed):
            key = schema.transaction(keccak256(batch.transactions[position]))
            self._expected[key] = encode_transaction_place(header.height, index)
        self._check_log(header)
        self._execute(header, sidecars)

    def _check_pruned(self, header: Header, parent: Header) -> None:
        """What is left of a block without its body: header, certificate, anchors, records."""
        self._gone.add(header.height)
        self._check_certificates(header)
        found = [
            blocks.read_anchor(self._view, at)
            for at in range(parent.record_log_size, header.record_log_size)
        ]
        self._check_records(header, tuple(anchor for anchor in found if anchor is not None))
        self._check_log(header)

    def _check_log(self, header: Header) -> None:
        if (self._frontier.size, self._frontier.root) != (
            header.record_log_size,
            header.record_log_root,
        ):
            self._note(f"block {header.height}", "its record log is not that of its events")

    def _check_records(self, header: Header, anchors: tuple[Anchor, ...]) -> dict[Digest, Sidecar]:
        """Sidecars of a block's anchors, and what they and the log ask of the indexes."""
        where = f"block {header.height}"
        sidecars: dict[Digest, Sidecar] = {}
        for anchor in anchors:
            if anchor.count:
                sidecar = blocks.read_sidecar(self._view, anchor.digest)
                if sidecar is None and header.height < self._pruned_from:
                    self._gone_roots.add(anchor.digest)
                    continue
                if sidecar is None or sidecar.root != anchor.digest:
                    self._note(where, f"sidecar {anchor.digest.hex()} is missing or has changed")
                    continue
                sidecars[anchor.digest] = sidecar
                self._count(sidecar)
        self._expected |= log_puts(self._frontier, anchors)
        kept = [anchor for anchor in anchors if anchor.digest in sidecars]
        self._expected |= record_puts(kept, sidecars, header.timestamp_ms)
        self._expected[schema.height_by_hash(header.hash())] = schema.number8(header.height)
        return sidecars

    def _count(self, sidecar: Sidecar) -> None:
        self._roots.add(sidecar.root)
        self._records += sidecar.count
        bare = [entry.record_id for entry in sidecar.entries if not isinstance(entry, Record)]
        self._erased += len(bare)
        if bare and self._view.get(schema.bare_sidecar(sidecar.root)) is None:
            self._bare.update(bare)

    def _check_certificates(self, header: Header) -> None:
        for certificate, kind, digest in (
            (blocks.read_commit(self._view, header.height), VoteKind.COMMIT, header.batch_digest),
            (
                blocks.read_checkpoint(self._view, header.height),
                VoteKind.CHECKPOINT,
                header.hash(),
            ),
        ):
            if certificate is not None:
                self._check_certificate(certificate, kind, header, digest)

    def _check_certificate(
        self, certificate: Certificate, kind: VoteKind, header: Header, digest: Digest
    ) -> None:
        subject = certificate.subject
        where = f"{kind.name.lower()} certificate {header.height}"
        if (subject.kind, subject.height, subject.digest) != (kind, header.height, digest):
            self._note(where, "is over something else")
            return
        try:
            terms = self._epochs.number(header.epoch).terms
        except LookupError:
            found = read_installed_epoch(self._view, self._genesis, header.epoch)
            if found is None:
                self._note(where, f"epoch {header.epoch} is not known")
                return
            terms = found
        try:
            certificate.verify(terms.validators, terms.domain)
        except CertificateInvalid as error:
            self._note(where, str(error))

    def _execute(self, header: Header, sidecars: dict[Digest, Sidecar]) -> None:
        if self._scratch is None:
            return
        batch = blocks.read_batch(self._view, header.height)
        executor = Executor(self._scratch, self._genesis)
        executed = executor.execute(header.height, batch, sidecars)
        if executed.header != header:
            self._note(
                f"block {header.height}",
                f"executes to 0x{executed.hash.hex()}, stored is 0x{header.hash().hex()}",
            )
            self._scratch = None
            return
        self._scratch.write(executed.puts, sync=True)
        if self._state_from < header.height <= self._applied:
            for key, value in executed.puts.items():
                if key[:1] in _STATE and self._view.get(key) != value:
                    self._note(f"key {key.hex()}", "a state node is missing or has changed")

    # Everything else

    def _check_indexes(self) -> None:
        """Derived entries are exactly those that blocks and sidecars ask for."""
        for prefix in _DERIVED:
            for key, value in self._view.iterate(prefix):
                wanted = self._expected.pop(key, None)
                if wanted is None and not self._is_of_pruned(prefix, key, value):
                    self._note(f"key {key.hex()}", "belongs to nothing on the chain")
                elif wanted is not None and wanted != value:
                    self._note(f"key {key.hex()}", "leads to another place than the chain says")
        for key, wanted in self._expected.items():
            if wanted is not None and key[:1] in _DERIVED:
                self._note(f"key {key.hex()}", "the index entry is missing")

    def _is_of_pruned(self, prefix: bytes, key: bytes, value: bytes) -> bool:
        """Whether an index entry is of a block or a sidecar that pruning took, and may stay."""
        if not self._pruned_from:
            return False
        if prefix == schema.EVENTS:
            return int.from_bytes(key[-8:], "big") in self._gone
        if prefix == schema.RECORDS and self._gone_roots:
            return RecordPlace.decode(key, value).root in self._gone_roots
        if prefix == schema.TRANSACTIONS:  # the rest of a pruning that was stopped
            height = decode_transaction_place(key, value)[0]
            return height in self._gone and height >= read_number(self._view, BODIES_AT)
        return False

    def _check_sidecars(self, applied: Height) -> None:
        """Every sidecar is anchored, or marked as waiting for its anchor."""
        for key, _ in self._view.iterate(schema.SIDECARS):
            root = Digest(key[1:])
            if root not in self._roots and self._view.get(schema.pending_sidecar(root)) is None:
                self._note(f"key {key.hex()}", "a sidecar that nothing anchors")
        for key, _ in self._view.iterate(schema.PENDING_SIDECARS):
            if Digest(key[1:]) in self._roots:
                self._note(f"key {key.hex()}", f"is anchored at or below {applied}, still waits")

    def _check_erased(self) -> None:
        """Every erased record names an order, and the ledger has it."""
        for record_id in self._bare:
            known = read_erased(self._view, record_id)
            if known is None:
                self._note(f"record {record_id.hex()}", "was erased and no order is known")
            elif next(self._view.iterate(schema.record(known.order)), None) is None:
                order = known.order.hex()
                self._note(f"record {record_id.hex()}", f"the ledger has no order {order}")

    def _check_beyond(self, applied: Height) -> None:
        """Nothing stands above the last block, and no key is of an unknown kind."""
        for prefix in (
            schema.HEADERS,
            schema.BATCHES,
            schema.RECEIPTS,
            schema.COMMIT_CERTIFICATES,
            schema.CHECKPOINTS,
        ):
            start = prefix + schema.number8(applied + 1)
            for key, _ in self._view.iterate(prefix, start=start):
                self._note(f"key {key.hex()}", f"stands above the last block {applied}")
        known = {prefix[0] for prefix in schema.ALL_PREFIXES}
        for first in range(256):
            if first not in known:
                for key, _ in self._view.iterate(bytes([first])):
                    self._note(f"key {key.hex()}", "is of no kind that the node knows")

    def _check_state(self) -> None:
        """The oldest kept state is whole; later nodes were held against execution block by block.

        Nodes of older states are optional after a state sync, in which nobody executed them.
        """
        if self._scratch is None:
            return
        try:
            root = blocks.read_header(self._scratch, self._state_from).state_root
            walk_state(self._view, root, self._note)
        except LedgerError as error:
            self._note("state", str(error))
        for key, value in self._view.iterate(schema.EPOCHS):
            if self._scratch.get(key) != value:
                self._note(f"key {key.hex()}", "is not the epoch that the chain decided")

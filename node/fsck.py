"""Checks a node's whole store against the genesis document: `bulwark fsck`.

Rules: it reads and never repairs; each problem names a key or a height and a reason, and the check
goes on behind it as far as it can. Quick mode checks structure: seals, links, roots, certificates,
sidecars, record log, indexes, orphans. Full mode also executes every block again from genesis in a
scratch store and compares headers and state. Reads verify LevelDB's own checksums.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bulwark.ledger.errors import CertificateInvalid, LedgerError
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.hashing import keccak256
from bulwark.ledger.header import Header
from bulwark.ledger.ids import Digest, Height, RecordId
from bulwark.ledger.merkle import Frontier
from bulwark.ledger.record import Record
from bulwark.ledger.sidecar import Sidecar
from bulwark.ledger.trie import EMPTY_TRIE_ROOT
from bulwark.ledger.votes import Certificate, VoteKind
from node.chain.epochs import EpochBook
from node.chain.install import Edge, read_edge, read_installed_epoch
from node.chain.startup import check_body
from node.erasure.book import read_erased
from node.execution.accounts import EMPTY_CODE_HASH
from node.execution.errors import ExecutionError
from node.execution.executor import Executor
from node.execution.genesis import genesis_block
from node.execution.indexes import anchors_of, event_puts, log_puts, record_puts
from node.execution.nodes import decode_node
from node.storage import blocks, schema
from node.storage.errors import StorageError
from node.storage.memory import MemoryStore
from node.storage.port import KeyValueStore, ReadView
from node.storage.values import encode_transaction_place
from node.sync.walk import below

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

Progress = Callable[[Height, Height], None]
"""Told (height, last height) now and then."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is not as it should be."""

    where: str
    reason: str


@dataclass(frozen=True, slots=True)
class FsckReport:
    """What was looked at and what was found."""

    height: Height
    """Last executed block."""
    finalized: Height
    """Highest stored finality certificate."""
    records: int
    """Records on the ledger, erased ones included."""
    erased: int
    executed_again: bool
    """True in full mode."""
    problems: tuple[Problem, ...]

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found."""
        return not self.problems


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

    def run(self, full: bool) -> FsckReport:
        applied = finalized = Height(0)
        try:
            applied = self._applied = blocks.read_applied(self._view)
            self._state_from = blocks.read_state_from(self._view)
            finalized = blocks.read_finalized(self._view)
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
        check_body(self._view, header)
        batch = blocks.read_batch(self._view, header.height)
        if header.timestamp_ms != max(batch.timestamp_ms, parent.timestamp_ms + 1):
            self._note(where, "its time is not max(proposer's, parent's + 1)")
        self._check_certificates(header)
        placed = blocks.read_receipts(self._view, header.height)
        receipts = [receipt for _, receipt in placed]
        anchors = anchors_of(header.height, receipts)
        sidecars: dict[Digest, Sidecar] = {}
        for anchor in anchors:
            if anchor.count:
                sidecar = blocks.read_sidecar(self._view, anchor.digest)
                if sidecar is None or sidecar.root != anchor.digest:
                    self._note(where, f"sidecar {anchor.digest.hex()} is missing or has changed")
                    continue
                sidecars[anchor.digest] = sidecar
                self._count(sidecar)
        self._expected |= log_puts(self._frontier, anchors)
        kept = [anchor for anchor in anchors if anchor.digest in sidecars]
        self._expected |= record_puts(kept, sidecars, header.timestamp_ms)
        self._expected |= event_puts(header.height, receipts)
        self._expected[schema.height_by_hash(header.hash())] = schema.number8(header.height)
        for index, (position, _) in enumerate(placed):
            key = schema.transaction(keccak256(batch.transactions[position]))
            self._expected[key] = encode_transaction_place(header.height, index)
        if (self._frontier.size, self._frontier.root) != (
            header.record_log_size,
            header.record_log_root,
        ):
            self._note(where, "its record log is not that of its events")
        self._execute(header, sidecars)

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
                if wanted is None:
                    self._note(f"key {key.hex()}", "belongs to nothing on the chain")
                elif wanted != value:
                    self._note(f"key {key.hex()}", "leads to another place than the chain says")
        for key, wanted in self._expected.items():
            if wanted is not None and key[:1] in _DERIVED:
                self._note(f"key {key.hex()}", "the index entry is missing")

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
            self._walk(blocks.read_header(self._scratch, self._state_from).state_root)
        except LedgerError as error:
            self._note("state", str(error))
        for key, value in self._view.iterate(schema.EPOCHS):
            if self._scratch.get(key) != value:
                self._note(f"key {key.hex()}", "is not the epoch that the chain decided")

    def _walk(self, root: bytes) -> None:
        """Every value below a state root is there with the content that its hash says."""
        wanted = [(root, True, False)]
        seen: set[bytes] = {EMPTY_TRIE_ROOT, EMPTY_CODE_HASH}
        while wanted:
            value_hash, is_account, is_code = wanted.pop()
            if value_hash in seen:
                continue
            seen.add(value_hash)
            key = schema.state(value_hash)
            value = self._view.get(key)
            if value is None or keccak256(value) != value_hash:
                self._note(f"key {key.hex()}", "a state node is missing or has changed")
            elif is_code and self._view.get(schema.code_mark(value_hash)) is None:
                self._note(f"key {key.hex()}", "a code is not marked as one")
            elif not is_code:
                wanted += below(decode_node(value), is_account)

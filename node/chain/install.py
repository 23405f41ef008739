"""Stores verified blocks without executing them: what state sync writes before the state is here.

Rules: a block is stored only if every part of it fits its header, and the caller has shown that a
quorum certified that header; what is stored is byte for byte what execution would have stored,
besides the state, the commit certificate and `applied`. Blocks above `applied` belong to the chain
only after `finish`, one synced write. An own sidecar goes before a peer's, whose entries may be
erased. It fetches nothing and checks no signature: `node.sync` does.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from bulwark.ledger.anchor import AnchorKind
from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.epochs import EpochTerms, parameters_hash
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.hashing import keccak256
from bulwark.ledger.header import Header
from bulwark.ledger.ids import Digest, Epoch, Height
from bulwark.ledger.merkle import Frontier
from bulwark.ledger.receipt import Receipt, receipts_root
from bulwark.ledger.sidecar import Sidecar
from bulwark.ledger.signing import SigningDomain
from bulwark.ledger.trie import trie_root
from bulwark.ledger.votes import Certificate, VoteKind
from node.chain.epochs import EpochBook, epoch_puts
from node.chain.errors import BlockContradicts, CertificateContradicts, NotNext
from node.chain.store import ChainStore
from node.chain.syncblock import NextEpoch, SyncBlock
from node.execution import indexes
from node.execution.errors import ExecutionError
from node.storage import blocks, schema
from node.storage.port import KeyValueStore
from node.storage.seal import seal

MAX_FRONTIER_BYTES = 8 + 64 * 32


class Edge(Struct, frozen=True):
    """How far blocks are stored, and the record log's right edge there."""

    height: Height
    frontier: Frontier

    def encode(self) -> bytes:
        """Value under META_INSTALLED, unsealed."""
        return Writer().uint(self.height, 8).blob(self.frontier.encode()).done()

    @classmethod
    def decode(cls, data: bytes) -> Edge:
        """Inverse of encode(); raises LedgerError."""
        reader = Reader(data, "installed edge")
        height = Height(reader.uint(8, "height"))
        frontier = Frontier.decode(reader.blob("frontier", MAX_FRONTIER_BYTES))
        reader.end()
        return cls(height, frontier)


def read_edge(store: blocks.Getter) -> Edge | None:
    """The edge of an unfinished installation. Raises StoreDamaged."""
    return blocks.read_sealed(store, schema.META_INSTALLED, Edge.decode)


def block_puts(
    block: SyncBlock,
    parent: Header,
    frontier: Frontier,
    own_sidecar: Callable[[Digest], Sidecar | None],
) -> indexes.Puts:
    """What to store of a block behind `parent`; `frontier` grows, also where this raises.

    Raises NotNext, BlockContradicts.
    """
    header = block.header
    _check_body(block, parent)
    receipts = [receipt for _, receipt in block.receipts]
    anchors = indexes.anchors_of(header.height, receipts)
    puts = indexes.log_puts(frontier, anchors)
    if (frontier.size, frontier.root) != (header.record_log_size, header.record_log_root):
        raise BlockContradicts(header.height, "its record log is not that of its events")
    given = {Digest(sidecar.root): sidecar for sidecar in block.sidecars}
    sidecars: dict[Digest, Sidecar] = {}
    for anchor in anchors:
        root = anchor.digest
        if anchor.kind is not AnchorKind.RECORDS or root in sidecars:
            continue
        own = own_sidecar(root)
        sidecar = given.get(root) if own is None else own
        if sidecar is None:
            raise BlockContradicts(header.height, f"without sidecar {root.hex()}")
        sidecars[root] = sidecar
        if own is None:
            key = schema.sidecar(root)
            puts[key] = seal(key, sidecar.encode())
    try:
        puts |= indexes.record_puts(anchors, sidecars, header.timestamp_ms)
    except ExecutionError as error:
        raise BlockContradicts(header.height, str(error)) from error
    raw = block.batch.transactions
    hashes = [keccak256(raw[position]) for position, _ in block.receipts]
    puts |= indexes.block_puts(header, block.batch, block.receipts, hashes)
    if block.checkpoint is not None:
        key = schema.checkpoint(header.height)
        puts[key] = seal(key, block.checkpoint.encode())
    return puts


def _check_body(block: SyncBlock, parent: Header) -> None:
    """Link, time, batch, transactions, receipts and gas against the header."""
    header, batch = block.header, block.batch
    height = header.height
    if height != parent.height + 1 or header.parent_hash != parent.hash():
        raise NotNext(height, parent.height)
    if batch.digest != header.batch_digest:
        raise BlockContradicts(height, "another batch")
    if header.timestamp_ms != max(batch.timestamp_ms, parent.timestamp_ms + 1):
        raise BlockContradicts(height, "its time is not max(proposer's, parent's + 1)")
    before = -1
    for position, _ in block.receipts:
        if not before < position < len(batch.transactions):
            raise BlockContradicts(height, "its receipts are not in the order of the batch")
        before = position
    if trie_root([batch.transactions[p] for p, _ in block.receipts]) != header.transactions_root:
        raise BlockContradicts(height, "its transactions do not have the header's root")
    receipts = [receipt for _, receipt in block.receipts]
    if receipts_root(receipts) != header.receipts_root:
        raise BlockContradicts(height, "its receipts do not have the header's root")
    if _gas_of(receipts) != header.gas_used or header.gas_used > header.gas_limit:
        raise BlockContradicts(height, f"its receipts do not use {header.gas_used} gas")


def _gas_of(receipts: list[Receipt]) -> int:
    return receipts[-1].cumulative_gas if receipts else 0


def next_terms(block: SyncBlock, terms: EpochTerms) -> EpochTerms | None:
    """The epoch after the last block of one, None for any other block. Raises BlockContradicts."""
    header, given = block.header, block.next_epoch
    if header.epoch != terms.number:
        raise BlockContradicts(header.height, f"epoch {header.epoch}, {terms.number} is voting")
    if header.height != header.epoch_end:
        return None
    if given is None:
        raise BlockContradicts(header.height, "ends its epoch and does not bring the next set")
    if (
        given.validators.epoch != terms.number + 1
        or given.validators.hash() != header.next_validators_hash
        or parameters_hash(given.parameters) != header.next_parameters_hash
    ):
        raise BlockContradicts(header.height, "another next epoch than its header commits to")
    domain = SigningDomain(terms.domain.chain_id, terms.domain.genesis_hash, given.validators.epoch)
    return EpochTerms(given.validators, domain, header.height, given.parameters)


def _encode_epoch(terms: EpochTerms) -> bytes:
    writer = Writer().uint(terms.start, 8)
    return NextEpoch(terms.validators, terms.parameters).write(writer).done()


def _decode_epoch(data: bytes) -> tuple[Height, NextEpoch]:
    reader = Reader(data, "installed epoch")
    start = Height(reader.uint(8, "start"))
    given = NextEpoch.read(reader)
    reader.end()
    return start, given


def read_installed_epoch(
    store: blocks.Getter, genesis: Genesis, number: Epoch
) -> EpochTerms | None:
    """An epoch that begins above `applied`, as installed blocks brought it. Raises StoreDamaged."""
    found = blocks.read_sealed(store, schema.installed_epoch(number), _decode_epoch)
    if found is None:
        return None
    start, given = found
    return EpochTerms(given.validators, genesis.domain(number), start, given.parameters)


class Installation:
    """Blocks that are stored above `applied`, and the one write that makes them the chain.

    A stopped installation goes on where it was; one that execution overtook begins again.
    """

    def __init__(self, store: KeyValueStore, chain: ChainStore, genesis: Genesis) -> None:
        self._store = store
        self._chain = chain
        self._genesis = genesis
        self._book = EpochBook(store, genesis)
        self._learned: list[EpochTerms] = []
        """Epochs that begin above `applied`; their records join those of the book in `finish`."""
        edge = read_edge(store)
        if edge is None or edge.height <= chain.applied:
            self._tip = chain.tip
            self._frontier = blocks.read_frontier(store)
        else:
            self._tip = blocks.read_header(store, edge.height)
            self._frontier = edge.frontier
            self._read_learned()

    def _read_learned(self) -> None:
        number = Epoch(self._book.current.number + 1)
        while (terms := read_installed_epoch(self._store, self._genesis, number)) is not None:
            self._learned.append(terms)
            number = Epoch(number + 1)

    @property
    def height(self) -> Height:
        """The last stored block, executed or installed."""
        return self._tip.height

    @property
    def tip(self) -> Header:
        """Its header."""
        return self._tip

    @property
    def terms(self) -> EpochTerms:
        """The epoch that votes on the next height."""
        return self._learned[-1] if self._learned else self._book.current.terms

    def terms_of(self, epoch: Epoch) -> EpochTerms | None:
        """An epoch, None if it is not known yet."""
        for terms in self._learned:
            if terms.number == epoch:
                return terms
        try:
            return self._book.number(epoch).terms
        except LookupError:
            return None

    @property
    def certificate(self) -> Certificate | None:
        """The stored checkpoint certificate of the last stored block."""
        return blocks.read_checkpoint(self._store, self.height)

    def add(self, block: SyncBlock) -> None:
        """Store the next block, whose header and checkpoint are certified.

        Durable with the next flush, in order. Raises NotNext, BlockContradicts, StoreWriteFailed.
        """
        frontier = self._frontier.copy()
        puts = block_puts(block, self._tip, frontier, self._chain.sidecar)
        following = next_terms(block, self.terms)
        if following is not None:
            key = schema.installed_epoch(following.number)
            puts[key] = seal(key, _encode_epoch(following))
        key = schema.META_INSTALLED
        puts[key] = seal(key, Edge(block.header.height, frontier).encode())
        self._store.write(puts, sync=False)
        self._tip, self._frontier = block.header, frontier
        if following is not None:
            self._learned.append(following)

    def finish(self) -> Certificate:
        """Make the stored blocks the chain: one synced write. The certificate of the last.

        The caller has the whole state of the last block in the store. Raises
        CertificateContradicts without a certificate of it.
        """
        height, certificate = self.height, self.certificate
        if certificate is None or (
            (certificate.subject.kind, certificate.subject.height, certificate.subject.digest)
            != (VoteKind.CHECKPOINT, height, self._tip.hash())
        ):
            given = Digest(bytes(32)) if certificate is None else certificate.subject.digest
            raise CertificateContradicts(height, self._tip.hash(), given)
        if height == self._chain.applied:
            return certificate  # nothing was stored: what is here was executed, with every state
        number = schema.number8(height)
        puts: indexes.Puts = {
            key: seal(key, number)
            for key in (schema.META_APPLIED, schema.META_FINALIZED, schema.META_STATE_FROM)
        }
        puts[schema.META_FRONTIER] = seal(schema.META_FRONTIER, self._frontier.encode())
        puts[schema.META_INSTALLED] = None
        for terms in self._learned:
            puts |= epoch_puts(terms)
            puts[schema.installed_epoch(terms.number)] = None
        self._store.write(puts, sync=True)
        self._learned.clear()
        self._chain.refresh()
        return certificate

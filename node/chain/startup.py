"""What is checked each time a store is opened, before the node says a word to anybody.

Rules: the last block must be whole: header, batch, receipts, state root, record log, hash index;
so must the links of the last headers and the newest finality certificate. It takes milliseconds
whatever the chain's length; `node.fsck` checks the rest. Nothing is repaired.
"""

from __future__ import annotations

from typing import Final

from bulwark.ledger.errors import CertificateInvalid
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.header import Header
from bulwark.ledger.ids import Height
from bulwark.ledger.receipt import receipts_root
from bulwark.ledger.trie import trie_root
from node.chain.epochs import EpochBook
from node.execution.database import StateSource
from node.execution.errors import StateMissing
from node.execution.genesis import genesis_block
from node.execution.patricia import lookup
from node.storage import blocks, schema
from node.storage.errors import StoreDamaged
from node.storage.port import KeyValueStore

HEADERS_CHECKED: Final = 64


def check_head(store: KeyValueStore, genesis: Genesis) -> None:
    """Check the end of the chain. Raises StoreDamaged naming what does not fit."""
    if blocks.read_header(store, Height(0)) != genesis_block(genesis).header:
        raise StoreDamaged("block 0", "is not the genesis document's")
    tip = blocks.read_tip(store)
    child = tip
    for number in range(tip.height - 1, max(-1, tip.height - 1 - HEADERS_CHECKED), -1):
        parent = blocks.read_header(store, Height(number))
        if child.parent_hash != parent.hash():
            raise StoreDamaged(f"header {child.height}", "does not name its parent's hash")
        child = parent
    if tip.height:
        check_body(store, tip)
    frontier = blocks.read_frontier(store)
    if (frontier.size, frontier.root) != (tip.record_log_size, tip.record_log_root):
        raise StoreDamaged("record log", f"its edge is not that of header {tip.height}")
    _check_state(store, tip)
    _check_finality(store, genesis)


def check_body(store: blocks.Getter, header: Header) -> None:
    """Check batch, transactions, receipts and hash index against a header."""
    where = f"block {header.height}"
    batch = blocks.read_batch(store, header.height)
    if batch.digest != header.batch_digest:
        raise StoreDamaged(where, "its batch does not have the header's digest")
    placed = blocks.read_receipts(store, header.height)
    if any(position >= len(batch.transactions) for position, _ in placed):
        raise StoreDamaged(where, "a receipt is of no transaction of the batch")
    if trie_root([batch.transactions[p] for p, _ in placed]) != header.transactions_root:
        raise StoreDamaged(where, "its transactions do not have the header's root")
    if receipts_root([receipt for _, receipt in placed]) != header.receipts_root:
        raise StoreDamaged(where, "its receipts do not have the header's root")
    if store.get(schema.height_by_hash(header.hash())) != schema.number8(header.height):
        raise StoreDamaged(where, "its hash is not in the index")


def _check_state(store: KeyValueStore, tip: Header) -> None:
    """The root node and one path below it are there."""
    try:
        lookup(StateSource(store), tip.state_root, bytes(32))
    except StateMissing as error:
        raise StoreDamaged(f"state of block {tip.height}", str(error)) from error


def _check_finality(store: KeyValueStore, genesis: Genesis) -> None:
    """The newest certificate is over the stored header and its signatures are right."""
    finalized = blocks.read_finalized(store)
    if finalized == 0:
        return
    certificate = blocks.read_checkpoint(store, finalized)
    if certificate is None:
        raise StoreDamaged(f"checkpoint {finalized}", "the certificate is missing")
    if certificate.subject.digest != blocks.read_header(store, finalized).hash():
        raise StoreDamaged(f"checkpoint {finalized}", "the certificate is over another header")
    terms = EpochBook(store, genesis).at(finalized).terms
    try:
        certificate.verify(terms.validators, terms.domain)
    except CertificateInvalid as error:
        raise StoreDamaged(f"checkpoint {finalized}", str(error)) from error

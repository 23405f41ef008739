"""Makes evidence packs from this node's own store: an observer's, a regulator's or a member's.

Rules: everything is read from one snapshot, twice (to measure and to write), and nothing is kept in
memory or on disk: a pack on the node's disk would outlive the erasure of its records. The node's
vote key signs, under a tag of packs. What the ledger fixes comes out alike at every honest node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from bulwark.audit.packbatch import encode_batch
from bulwark.audit.packfiles import (
    ANCHORS,
    BATCHES,
    CERTIFICATES,
    DOCUMENTS,
    EPOCHS,
    EVIDENCE,
    FRONTIER,
    HEADERS,
    POLICIES,
    PROOFS,
)
from bulwark.audit.packwriter import Contents, Maker, Pack, make_pack
from bulwark.audit.packzip import Source
from bulwark.ledger.codec import Writer
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.ids import Address, Digest, Height, RecordId, TimestampMs
from bulwark.ledger.merkle import Frontier, stored_inclusion_path
from bulwark.ledger.proofs import AnchorProof, RecordProof, SealedHeader
from bulwark.ledger.votes import Certificate
from contracts.policies import read_document
from node.audit.packpapers import ACCESS_FILE, access_anchors
from node.audit.packplan import PackPlan, plan_pack, read_anchor, read_sidecar
from node.audit.packport import PackWish
from node.chain.epochs import EpochBook
from node.execution.accounts import read_account, read_slot
from node.execution.database import StateSource
from node.storage import blocks, schema
from node.storage.errors import StoreDamaged
from node.storage.port import ReadView
from node.storage.values import decode_number

PolicyOf = Callable[[Digest], bytes | None]
"""The document of a policy id, None if this node does not hold it."""
CHUNK: Final = 1 << 16
"""Bytes of a piece of a file, about."""


def pack_from(
    view: ReadView,
    maker: Maker,
    wish: PackWish,
    at_ms: TimestampMs,
    *,
    account: Address | None = None,
    policy_of: PolicyOf,
    evidence: Mapping[Digest, bytes],
    note: str = "",
) -> Pack:
    """A pack over a snapshot, which has to stay open until the pack is written.

    `account` is that of the wish's reporter.

    Raises NotFound, Conflict, StoreDamaged, PackInvalid.
    """
    plan = plan_pack(view, wish, account)
    ledger = _LedgerFiles(view, maker.genesis, plan)
    policies = {policy: policy_of(policy) for policy in sorted(plan.policies)}
    named = [
        Source.of(f"{POLICIES}{policy.hex()}.json", document)
        for policy, document in policies.items()
        if document is not None
    ]
    named += [Source.of(f"{DOCUMENTS}{name}", d) for name, d in wish.documents.items()]
    accesses = access_anchors(view, plan.chain_first, plan.chain_last)
    if accesses is not None:
        named.append(Source.of(ACCESS_FILE, accesses))
    named += [Source.of(f"{EVIDENCE}{case.hex()}.json", d) for case, d in evidence.items()]
    contents = Contents(
        chain_first=plan.chain_first,
        tip=blocks.read_header(view, plan.chain_last),
        selection=plan.selection,
        files=(*ledger.sources(), *named),
        missing_policies=tuple(policy for policy, given in policies.items() if given is None),
    )
    return make_pack(maker, contents, at_ms, note)


def policies_on(view: ReadView) -> PolicyOf:
    """Policy documents as the ledger of a snapshot holds them; published ones stay there."""
    source, root = StateSource(view), blocks.read_tip(view).state_root

    def slot(contract: Address, number: int) -> int:
        account = read_account(source, root, contract)
        return 0 if account is None else read_slot(source, account.storage_root, number)

    return lambda policy: read_document(slot, policy)


class _LedgerFiles:
    """The files of a pack that come from the chain."""

    def __init__(self, view: ReadView, genesis: Genesis, plan: PackPlan) -> None:
        self._view = view
        self._plan = plan
        self._epochs = EpochBook(view, genesis)
        self._log_first = blocks.read_header(view, plan.chain_first).record_log_size
        self._log_last = blocks.read_header(view, plan.chain_last).record_log_size

    def sources(self) -> list[Source]:
        """All of them; the big ones are read when they are written."""
        files = [
            Source(HEADERS, lambda: gathered(self._headers())),
            Source(CERTIFICATES, lambda: gathered(self._certificates())),
            Source.of(EPOCHS, b"".join(self._ends())),
            Source(ANCHORS, lambda: gathered(self._anchors())),
            Source(BATCHES, lambda: gathered(self._batches())),
        ]
        if self._plan.chain_first > 0:
            files.append(Source.of(FRONTIER, self._frontier().encode()))
        for record_id, position in self._plan.places.items():
            name = f"{PROOFS}{record_id.hex()}.json"
            files.append(Source.of(name, self._proof(record_id, position).to_json()))
        return files

    def _headers(self) -> Iterator[bytes]:
        for height in range(self._plan.chain_first, self._plan.chain_last + 1):
            yield blocks.read_header(self._view, Height(height)).encode()

    def _certificates(self) -> Iterator[bytes]:
        """Of the ends of earlier epochs and of every certified block of the range."""
        first, last = self._plan.chain_first, self._plan.chain_last
        for start in self._starts():
            if start < first:
                yield _framed(self._certificate(start).encode())
        begin = schema.checkpoint(max(first, Height(1)))
        for key, _ in self._view.iterate(schema.CHECKPOINTS, start=begin):
            height = Height(decode_number(key, key[1:]))
            if height > last:
                return
            yield _framed(self._certificate(height).encode())

    def _starts(self) -> list[Height]:
        """Last heights of the epochs that end in the chain or before it."""
        every = range(1, self._epochs.current.number + 1)
        starts = [self._epochs.number(number).terms.start for number in every]
        return [start for start in starts if start <= self._plan.chain_last]

    def _ends(self) -> Iterator[bytes]:
        for number, start in enumerate(self._starts(), 1):
            header = blocks.read_header(self._view, start)
            validators = self._epochs.number(number).validators
            yield Writer().blob(header.encode()).blob(validators.encode()).done()

    def _anchors(self) -> Iterator[bytes]:
        for position in range(self._log_first, self._log_last):
            yield read_anchor(self._view, position).encode()

    def _batches(self) -> Iterator[bytes]:
        for position, indexes in self._plan.batches.items():
            entries = read_sidecar(self._view, read_anchor(self._view, position).digest).entries
            shown = _all if indexes is None else indexes.__contains__
            yield encode_batch(position, entries, shown)

    def _frontier(self) -> Frontier:
        size, peaks, start = self._log_first, [], 0
        for level in range(size.bit_length() - 1, -1, -1):
            if size >> level & 1:
                peaks.append(self._node_at(level, start >> level))
                start += 1 << level
        return Frontier(size, peaks)

    def _proof(self, record_id: RecordId, position: int) -> RecordProof:
        """The record's own proof, which ends in the last header of the pack."""
        tip = blocks.read_header(self._view, self._plan.chain_last)
        anchor = read_anchor(self._view, position)
        sidecar = read_sidecar(self._view, anchor.digest)
        index = sidecar.leaves.index(Digest(record_id))
        path = stored_inclusion_path(self._node_at, position, tip.record_log_size)
        sealed = SealedHeader(tip, self._certificate(tip.height), self._epochs.changes(tip.epoch))
        return RecordProof(
            sidecar.entries[index],
            index,
            tuple(sidecar.path(index)),
            AnchorProof(anchor, position, tuple(path), sealed),
        )

    def _node_at(self, level: int, place: int) -> Digest:
        return blocks.read_log_node(self._view, level, place)

    def _certificate(self, height: Height) -> Certificate:
        found = blocks.read_checkpoint(self._view, height)
        if found is None:
            raise StoreDamaged(f"checkpoint {height}", "the certificate is gone")
        return found


def gathered(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of at least CHUNK: one write a header would be slow."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= CHUNK:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)


def _framed(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _all(_: int) -> bool:
    return True

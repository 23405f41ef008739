"""The evidence poster: sends a case against a validator to the ledger, once.

Rules: a case is posted at most once by this node (the posting is written with the transaction, so a
crash between them can not repeat it); a double vote goes where the contract verifies it, every
other kind is filed unverified if it fits; what does not verify here is never posted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from msgspec.structs import replace

from bulwark.ledger.ids import Address, Digest
from bulwark.ledger.transaction import Transaction
from consensus.evidence import DoubleVote
from contracts.evidence import (
    EVIDENCE_GAS,
    EVIDENCE_REGISTRY,
    MAX_FILED_BYTES,
    encode_double_vote,
    encode_unverified,
    unverified_gas,
)
from contracts.members import member_id_bytes
from node.evidence import Case, EvidenceEntry
from node.evidence_book import EvidenceBook
from node.ledgercase import double_vote_call
from node.service import Conflict

Puts = Mapping[bytes, bytes | None]


class Lane(Protocol):
    """What this needs of the anchorer: this member's transactions in nonce order."""

    def send(
        self,
        to: Address,
        data: bytes,
        *,
        extra: Callable[[Transaction], Puts] | None = None,
        gas: int = ...,
    ) -> Transaction:
        """Sign, make durable and submit a call. Raises Busy."""
        ...


class EvidencePoster:
    """Posts cases through the anchorer's lane."""

    def __init__(self, book: EvidenceBook, lane: Lane, genesis_hash: Digest) -> None:
        self._book = book
        self._lane = lane
        self._genesis_hash = genesis_hash

    def post(self, entry: EvidenceEntry) -> EvidenceEntry:
        """Post a case; one that was posted is returned as it is. Raises Conflict, Busy."""
        if entry.posted:
            return entry
        if not isinstance(entry.case, Case):
            raise Conflict(
                "whoever files a wrong evaluation shows that it asked; the member that passed the "
                "question on files it (ADR-0016)"
            )
        if not entry.holds:
            raise Conflict("this evidence does not verify here, so it is not posted")
        data, gas = self._call(entry.case, member_id_bytes(entry.culprit))
        identity = entry.case.id
        transaction = self._lane.send(
            Address(EVIDENCE_REGISTRY),
            data,
            extra=lambda sent: self._book.mark_posted(identity, sent.hash),
            gas=gas,
        )
        return replace(entry, posted=f"0x{transaction.hash.hex()}")

    def _call(self, case: Case, culprit: bytes) -> tuple[bytes, int]:
        if isinstance(case.evidence, DoubleVote):
            call = double_vote_call(case, case.evidence, culprit, self._genesis_hash)
            return encode_double_vote(call), EVIDENCE_GAS
        encoded = case.encode()
        if len(encoded) > MAX_FILED_BYTES:
            raise Conflict(
                f"it has {len(encoded)} bytes and the ledger takes {MAX_FILED_BYTES}; "
                "hand over the file instead"
            )
        return encode_unverified(culprit, case.kind, encoded), unverified_gas(encoded)

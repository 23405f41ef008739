"""What a case must be before any key of the opener touches it.

Rules, all checked here and nowhere skipped: the case is the ledger's; the leaf of its statement
hash, nullifier, E1 and E2 leads to a root that the named evaluator anchored; the ring proof holds
for that statement with exactly this nullifier, E1 and E2; chain and genesis are this alliance's;
the statement was made for an opener whose regulator part is on the ledger with that epoch, and
whose sum with the council's key it is; the ring is the ledger's at its height, or where that is not
known any more, every key of it was registered by a member. Who skips one of these decrypts
whatever it is handed.

Whether the case may be opened is not decided here: the ledger's state of the case says that.
"""

from __future__ import annotations

import asyncio

from msgspec import Struct

from bulwark.ledger.ids import Digest
from bulwark.privacy.errors import CaseRefused, EncodingRefused, InputRefused, PrivacyError
from bulwark.privacy.group import Element, decode_element
from bulwark.privacy.openingcase import Anchor, Anchorage, Opener, OpeningCase
from bulwark.privacy.provenquery import ProvenQuery
from bulwark.privacy.threshold import ThresholdKey
from contracts.privacy.keys import read_regulator_keys, read_ring_key_owner
from contracts.privacy.openings import CaseRecord, CaseRequest
from contracts.privacy.query_log import (
    StatementProof,
    read_anchor,
    root_of_proof,
    statement_leaf,
)
from node.guarded.served import ServedStatement
from node.openings.ledger import Ledger


class CaseUnfit(Exception):
    """A case, or the statement that was found for it, does not hold against the ledger."""

    def __init__(self, case_id: bytes, reason: str) -> None:
        self.case_id = case_id
        self.reason = reason
        super().__init__(f"case {case_id.hex()[:16]}: {reason}")


def leaf_of(request: CaseRequest) -> Digest:
    """The leaf of what a case asks to open."""
    return statement_leaf(request.statement_hash, request.nullifier, request.e1, request.e2)


def anchorage_of(ledger: Ledger, request: CaseRequest, place: StatementProof) -> Anchorage:
    """Where on the ledger the statement of a case stands. Raises CaseUnfit."""
    root = root_of_proof(leaf_of(request), place)
    found = read_anchor(ledger.read_slot, request.evaluator, root)
    if found is None:
        raise CaseUnfit(request.case_id, "its statement is under no root of that evaluator")
    anchor = Anchor(request.evaluator, found.epoch, found.interval, root)
    try:
        return Anchorage(anchor, place.lefts, place.siblings)
    except InputRefused as error:
        raise CaseUnfit(request.case_id, str(error)) from error


class CheckedCase(Struct, frozen=True):
    """A case whose statement was checked: what is missing for an opening is a sharing."""

    request: CaseRequest
    query: ProvenQuery
    anchorage: Anchorage
    regulator: Element
    """The regulator's part of the opener that the statement was made for."""

    def under(self, council: ThresholdKey) -> OpeningCase:
        """The case to be opened with this sharing of the council's key. Raises CaseUnfit."""
        case_id = self.request.case_id
        try:
            opener = Opener(self.query.statement.opener_epoch, self.regulator, council)
            return self.query.case(case_id, self.anchorage, opener)
        except (CaseRefused, InputRefused) as error:
            raise CaseUnfit(case_id, str(error)) from error


async def check(
    ledger: Ledger, record: CaseRecord, place: StatementProof, served: ServedStatement
) -> CheckedCase:
    """The case with this copy of its statement, checked; the ring proof on a thread.

    Raises CaseUnfit.
    """
    request = record.request
    proof = served.proof
    said = (request.statement_hash, request.nullifier, request.e1, request.e2)
    held = (proof.nullifier.encoding, proof.e1.encoding, proof.e2.encoding)
    if said != (served.statement_hash, *held):
        raise CaseUnfit(request.case_id, "the copy is not of the case's statement")
    anchorage = anchorage_of(ledger, request, place)
    regulator = check_statement(ledger, request.case_id, served)
    query = await prove(request.case_id, served)
    return CheckedCase(request, query, anchorage, regulator)


async def prove(case_id: bytes, served: ServedStatement) -> ProvenQuery:
    """The statement once its ring proof is verified, on a thread. Raises CaseUnfit."""
    try:
        return await asyncio.to_thread(served.proven)
    except PrivacyError as error:
        raise CaseUnfit(case_id, f"the ring proof does not hold: {error}") from error


def check_statement(ledger: Ledger, case_id: bytes, served: ServedStatement) -> Element:
    """Chain, ring and opener epoch of a statement; the regulator's part. Raises CaseUnfit."""
    statement = served.statement
    if (statement.chain_id, statement.genesis_hash) != (ledger.chain_id, ledger.genesis_hash):
        raise CaseUnfit(case_id, "the statement is of another alliance")
    known = ledger.ring_at(statement.ring_height)
    if known is not None and known.root != statement.ring.root:
        raise CaseUnfit(case_id, f"its ring is not the ledger's of height {statement.ring_height}")
    if known is None:
        for key in statement.ring.keys:
            if read_ring_key_owner(ledger.read_slot, key.encoding) is None:
                raise CaseUnfit(case_id, "its ring holds a key that no member registered")
    for part in read_regulator_keys(ledger.read_slot):
        if part.since == statement.opener_epoch:
            try:
                return decode_element(part.key, what="regulator key")
            except EncodingRefused as error:
                raise CaseUnfit(case_id, str(error)) from error
    raise CaseUnfit(
        case_id, f"the ledger has no regulator key of opener epoch {statement.opener_epoch}"
    )

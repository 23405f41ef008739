"""The court's file: everything that shows, without a node, who asked a question that was opened.

Rules: it trusts the genesis document and nothing else. The header is certified by the validators
that follow from genesis; its state root shows the closed case, the anchor of the statement, the
registration of the ring key that came out; the case holds the hash of the very result that is
shown; the ring proof is verified again, so that the ciphertext is the asker's own; then the parts
are checked and combined anew. Where these disagree nothing is shown.

What it does not show: who held that ring key when the question was asked, or that the legal basis
is a good one (only the hash of it is on the ledger).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from bulwark.ledger.errors import LedgerError
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.ids import MemberId
from bulwark.ledger.proofs import SealedHeader
from bulwark.privacy.errors import PrivacyError
from bulwark.privacy.openingcase import Anchor, statement_leaf
from bulwark.privacy.openingresult import MAX_RESULT_BYTES as MAX_RESULT
from bulwark.privacy.openingresult import OpeningResult, decode_result
from contracts.privacy.keys import read_ring_key_owner
from contracts.privacy.openings import CaseRecord, CaseState, read_case
from contracts.privacy.query_log import StatementAnchor, read_anchor
from contracts.slots import ReadSlot
from node.execution.patricia import NodeSource
from node.guarded.served import MAX_SERVED_BYTES, ServedStatement, decode_served
from node.openings.courtfile import CourtFile, NotShown, member_text, read_file
from node.openings.stateproof import prove_reads

FORMAT: Final = "bulwark-opening/1"
_PARTS: Final = {"result": MAX_RESULT, "served": MAX_SERVED_BYTES}


class Opened(Struct, frozen=True):
    """What a valid file shows."""

    member: MemberId
    """Whose registered ring key asked."""
    place: int
    """Its place in the ring, from 0."""
    ring_size: int
    case: CaseRecord
    regulator: str
    evaluator: str
    served: ServedStatement
    height: int
    """Of the certified header that shows the closed case."""
    timestamp_ms: int


class _Facts(Struct, frozen=True):
    """What is read from the state."""

    case: CaseRecord | None
    anchor: StatementAnchor | None
    owner: bytes | None


def court_record(
    result: OpeningResult, served: ServedStatement, sealed: SealedHeader, source: NodeSource
) -> dict[str, object]:
    """The file as a JSON object; `source` has the state of the sealed header.

    Raises NotShown where that state does not have the case closed; StateMissing, StoreDamaged.
    """
    header = sealed.header
    facts, nodes = prove_reads(
        source, header.state_root, lambda slot: _read(slot, result, header.timestamp_ms)
    )
    _closed(facts, result)
    parts = {"result": result.encode(), "served": served.encode()}
    return CourtFile(FORMAT, parts, sealed, nodes).document()


def verify_court_record(document: bytes | Mapping[str, object], genesis: Genesis) -> Opened:
    """Check a file against the genesis document alone. Raises NotShown."""
    file = read_file(document, FORMAT, _PARTS)
    result, served = _parsed(file)
    header = file.sealed.header
    facts = file.proven(genesis, lambda slot: _read(slot, result, header.timestamp_ms))
    case = _closed(facts, result)
    if (served.statement.chain_id, served.statement.genesis_hash) != (
        genesis.chain_id,
        genesis.hash,
    ):
        raise NotShown("served", "the statement is of another alliance")
    place = _combined(result, served, _anchor(facts, case, result))
    if facts.owner is None:
        raise NotShown("state", "no member registered the ring key that came out")
    return Opened(
        member=MemberId(member_text(facts.owner)),
        place=place,
        ring_size=len(served.statement.ring),
        case=case,
        regulator=member_text(case.regulator),
        evaluator=member_text(case.request.evaluator),
        served=served,
        height=header.height,
        timestamp_ms=header.timestamp_ms,
    )


def _read(read_slot: ReadSlot, result: OpeningResult, timestamp_ms: int) -> _Facts:
    """The reads that maker and checker both do."""
    statement = result.case.statement
    anchor = statement.anchorage.anchor
    return _Facts(
        case=read_case(read_slot, result.case.case_id, timestamp_ms // 1000),
        anchor=read_anchor(read_slot, anchor.evaluator, anchor.root),
        owner=read_ring_key_owner(read_slot, result.member_key.encoding),
    )


def _closed(facts: _Facts, result: OpeningResult) -> CaseRecord:
    """The case of the ledger, which must be the result's."""
    case, statement = facts.case, result.case.statement
    if case is None or case.state is not CaseState.CLOSED:
        raise NotShown("state", "the ledger has not closed this case")
    if case.result_hash != result.result_hash:
        raise NotShown("result", "the ledger closed the case with another result")
    asked = case.request
    said = (asked.statement_hash, asked.nullifier, asked.e1, asked.e2)
    shown = (statement.nullifier.encoding, statement.e1.encoding, statement.e2.encoding)
    if said != (statement.statement_hash, *shown):
        raise NotShown("result", "the ledger's case is about another statement")
    return case


def _anchor(facts: _Facts, case: CaseRecord, result: OpeningResult) -> Anchor:
    """The anchor as the ledger has it."""
    root = result.case.statement.anchorage.anchor.root
    if facts.anchor is None:
        raise NotShown("state", "the statement's root is not anchored")
    evaluator = case.request.evaluator
    return Anchor(evaluator, facts.anchor.epoch, facts.anchor.interval, root)


def _combined(result: OpeningResult, served: ServedStatement, anchor: Anchor) -> int:
    """The place in the ring, after ring proof and parts were checked."""
    try:
        query = served.proven()
    except PrivacyError as error:
        raise NotShown("served", f"the ring proof does not hold: {error}") from error
    case = result.case
    it = case.statement
    if query.leaf != statement_leaf(it.statement_hash, it.nullifier, it.e1, it.e2):
        raise NotShown("served", "the proof is not of the result's statement")
    try:
        return result.verify(query.facts(case.case_id, anchor, case.opener))
    except PrivacyError as error:
        raise NotShown("result", str(error)) from error


def _parsed(file: CourtFile) -> tuple[OpeningResult, ServedStatement]:
    try:
        return decode_result(file.parts["result"]), decode_served(file.parts["served"])
    except (LedgerError, PrivacyError) as error:
        raise NotShown("file", str(error)) from error

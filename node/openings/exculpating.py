"""Exculpation: a member's file that shows that its key did not make the question of a case.

Rules: it is made for the statement of a case that the ledger approved, since others are nobody's
affair; the statement is checked like everywhere before it is used; a node whose key made the
question makes no file. The file holds the statement with its proof, so that T is the author's own,
and the ledger's word on whose ring key it is about; who reads it trusts the genesis document alone.
What it costs the member, and what others can force by it: `bulwark.privacy.exculpation`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from bulwark.ledger.errors import LedgerError
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.ids import MemberId
from bulwark.privacy.errors import ExculpationRefused, PrivacyError
from bulwark.privacy.exculpation import (
    EXCULPATION_BYTES,
    check_exculpation,
    decode_exculpation,
    exculpate,
)
from bulwark.privacy.group import ELEMENT_BYTES, RandomBytes, decode_element
from bulwark.privacy.memberkeys import RingSecret
from contracts.privacy.keys import read_ring_key_owner
from contracts.privacy.openings import CaseRecord, CaseState
from node.guarded.served import MAX_SERVED_BYTES, ServedStatement, decode_served
from node.openings.checking import CaseUnfit, check_statement, prove
from node.openings.courtfile import CourtFile, NotShown, member_text, read_file
from node.openings.ledger import FinalState, Ledger
from node.openings.statements import StatementSource, Wanted
from node.openings.stateproof import prove_reads
from node.service import Conflict, Unavailable

FORMAT: Final = "bulwark-exculpation/1"
_PARTS: Final = {
    "exculpation": EXCULPATION_BYTES,
    "member_key": ELEMENT_BYTES,
    "served": MAX_SERVED_BYTES,
}


class Cleared(Struct, frozen=True):
    """What a valid file shows: this member's key did not make this question."""

    member: MemberId
    member_key: bytes
    served: ServedStatement
    height: int
    """Of the certified header that shows whose key it is."""
    timestamp_ms: int


class Exculpator:
    """Makes exculpations of one member."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        statements: StatementSource,
        ring_keys: Callable[[], Sequence[RingSecret]],
        final_state: Callable[[], FinalState | None],
        random_bytes: RandomBytes,
    ) -> None:
        self._ledger = ledger
        self._statements = statements
        self._ring_keys = ring_keys
        self._final_state = final_state
        self._random_bytes = random_bytes

    async def clear(self, record: CaseRecord) -> dict[str, object]:
        """The file about a case's question. Raises Conflict, Unavailable."""
        if record.state not in (CaseState.APPROVED, CaseState.CLOSED):
            state = record.state.name.lower()
            raise Conflict(f"the case is {state}: the statement is shown once it is approved")
        final = self._final_state()
        if final is None:
            raise Conflict("no block is final yet")
        served = await self._statement(record)
        # A question of an earlier quota epoch is cleared with the ring key of that time.
        listed = served.statement.ring.keys
        secret = next((key for key in self._ring_keys() if key.public in listed), None)
        if secret is None:
            raise Conflict("this node's ring key was not among those that the question is one of")
        try:
            made = exculpate(secret, served.proven().disputed(), self._random_bytes)
        except ExculpationRefused as error:
            raise Conflict(f"there is no exculpation: {error}") from error
        own = secret.public
        owner, nodes = prove_reads(
            final.source,
            final.sealed.header.state_root,
            lambda slot: read_ring_key_owner(slot, own.encoding),
        )
        if owner is None:
            raise Conflict("no final block has this node's ring key yet")
        parts = {
            "exculpation": made.encode(),
            "member_key": own.encoding,
            "served": served.encode(),
        }
        return CourtFile(FORMAT, parts, final.sealed, nodes).document()

    async def _statement(self, record: CaseRecord) -> ServedStatement:
        """The first copy of the case's statement that holds."""
        case_id = record.request.case_id
        wanted, reason = Wanted(record.request.statement_hash, case_id), None
        async for _, copy in self._statements.copies(wanted):
            try:
                if copy.served.proof.nullifier.encoding != record.request.nullifier:
                    raise CaseUnfit(case_id, "the copy is not of the case's statement")
                check_statement(self._ledger, case_id, copy.served)
                await prove(case_id, copy.served)
            except CaseUnfit as error:
                reason = error.reason
            else:
                return copy.served
        if reason is None:
            raise Unavailable("no evaluator that is connected shows the statement of this case")
        raise Conflict(f"the case does not hold: {reason}")


def verify_exculpation(document: bytes | Mapping[str, object], genesis: Genesis) -> Cleared:
    """Check a file against the genesis document alone. Raises NotShown."""
    file = read_file(document, FORMAT, _PARTS)
    key = file.parts["member_key"]
    owner = file.proven(genesis, lambda slot: read_ring_key_owner(slot, key))
    if owner is None:
        raise NotShown("state", "no member registered this ring key")
    try:
        served = decode_served(file.parts["served"])
    except (LedgerError, PrivacyError) as error:
        raise NotShown("served", str(error)) from error
    statement = served.statement
    if (statement.chain_id, statement.genesis_hash) != (genesis.chain_id, genesis.hash):
        raise NotShown("served", "the statement is of another alliance")
    try:
        query = served.proven()
    except PrivacyError as error:
        raise NotShown("served", f"the ring proof does not hold: {error}") from error
    try:
        public = decode_element(key, what="member key")
        if public not in statement.ring.keys:
            raise NotShown("member_key", "it is not among those that the question is one of")
        check_exculpation(public, query.disputed(), decode_exculpation(file.parts["exculpation"]))
    except PrivacyError as error:
        raise NotShown("exculpation", str(error)) from error
    header = file.sealed.header
    return Cleared(MemberId(member_text(owner)), key, served, header.height, header.timestamp_ms)

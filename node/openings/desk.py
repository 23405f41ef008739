"""The openings desk: shows the cases of the ledger, asks, votes and closes for this member.

Rules: everything is read in the state of the last block; a call is asked of the contract first (one
that writes nothing), so that a refusal is told with its reason and no transaction is spent. A
request names a statement whose copy, ring proof and place were checked here: a regulator asks for
nothing that the council would have to refuse. A result is kept, encrypted, with the transaction
that closes its case, and never made anew while that is on its way: the ledger holds its hash.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from bulwark.ledger.ids import Address, Digest, Height, MemberId
from bulwark.ledger.transaction import Transaction
from bulwark.privacy.group import RandomBytes
from bulwark.privacy.openingresult import OpeningResult, decode_result
from contracts.errors import BadMemberId
from contracts.members import member_id_text, read_members
from contracts.privacy.keys import read_ring_key_owner
from contracts.privacy.openings import (
    OPENINGS,
    CaseRecord,
    CaseRequest,
    CaseState,
    encode_close_case,
    encode_open_case,
    encode_vote,
    read_case,
    read_partial,
    read_vote,
)
from contracts.privacy.query_log import StatementProof
from node.guarded.served import decode_served
from node.openings.audit import LogAudit
from node.openings.casebook import CaseBook, Closing
from node.openings.checking import CaseUnfit, anchorage_of, check_statement, prove
from node.openings.council import CouncilMember
from node.openings.courtfile import NotShown
from node.openings.courtrecord import court_record
from node.openings.exculpating import Exculpator
from node.openings.ledger import FinalState, Lane, Ledger, council_session
from node.openings.port import CaseOutcome, CaseView, CaseVote, Finished, StatementPage
from node.openings.regulator import Regulator
from node.openings.statements import MAX_LISTED as MAX_LISTED_STATEMENTS
from node.openings.statements import Copy, StatementSource, Wanted, WantedPage
from node.reporting.idempotency import IdempotencyStore
from node.reporting.tracker import StageTracker
from node.service import Conflict, Forbidden, Idempotency, NotFound, Stage
from node.storage.durability import Durability

OPEN_GAS: Final = 600_000
"""Gas limit of a request: the dearest measured one takes 225,199."""
CALL_GAS: Final = 200_000
"""Gas limit of a vote or a closing: under 70,000 measured."""
MAX_LISTED: Final = 256
_LIVE: Final = (CaseState.OPEN, CaseState.APPROVED)
_ROLES: Final = ("not a voter", "not a regulator", "not a member")


class OpeningsDesk:
    """OpeningsService of one member's node."""

    def __init__(
        self,
        *,
        member: MemberId,
        ledger: Ledger,
        lane: Lane,
        book: CaseBook,
        statements: StatementSource,
        council: CouncilMember | None,
        regulator: Regulator | None,
        exculpator: Exculpator,
        tracker: StageTracker,
        idempotency: IdempotencyStore,
        durability: Durability,
        final_state: Callable[[], FinalState | None],
        now_ms: Callable[[], int],
        random_bytes: RandomBytes,
        wait_timeout_ms: int,
    ) -> None:
        """`now_ms` is the node's clock; `regulator` is None where no regulator's key is."""
        self._member = member
        self._ledger = ledger
        self._lane = lane
        self._book = book
        self._statements = statements
        self._audit = LogAudit(member, ledger, statements)
        self._council = council
        self._regulator = regulator
        self._exculpator = exculpator
        self._tracker = tracker
        self._idempotency = idempotency
        self._durability = durability
        self._final_state = final_state
        self._now_ms = now_ms
        self._random_bytes = random_bytes
        self._wait_timeout_ms = wait_timeout_ms
        self._finishing = asyncio.Lock()

    # Reading

    def cases(self, *, open_only: bool) -> Sequence[CaseView]:
        """See OpeningsService."""
        found: list[CaseView] = []
        for case_id in self._book.cases():
            record = self._record(case_id)
            if record is not None and (record.state in _LIVE or not open_only):
                found.append(self._view(record))
            if len(found) == MAX_LISTED:
                break
        return found

    async def statements(self, evaluator: str, cursor: bytes | None, most: int) -> StatementPage:
        """See OpeningsService."""
        wanted = WantedPage(cursor, max(1, min(most, MAX_LISTED_STATEMENTS)))
        return await self._audit.page(MemberId(evaluator), wanted)

    def case(self, case_id: bytes) -> CaseView:
        """See OpeningsService."""
        record = self._find(case_id)
        read_slot = self._ledger.read_slot
        votes: list[CaseVote] = []
        posted: list[str] = []
        stale: list[str] = []
        session = self._session(record)
        for member in read_members(read_slot):
            vote = read_vote(read_slot, case_id, member.id)
            if vote is not None:
                votes.append(CaseVote(_shown(member.id), vote))
            part = read_partial(read_slot, case_id, member.id)
            if part is not None:
                (posted if part.session == session else stale).append(_shown(member.id))
        return self._view(record, tuple(votes), tuple(posted), tuple(stale))

    def _session(self, record: CaseRecord) -> bytes | None:
        """Whose parts count: of the active sharing, in a closed case of the one it closed with."""
        if record.state is CaseState.CLOSED:
            return record.session
        return council_session(self._ledger.read_slot)

    def _record(self, case_id: bytes) -> CaseRecord | None:
        return read_case(self._ledger.read_slot, case_id, self._ledger.now_ms() // 1000)

    def _find(self, case_id: bytes) -> CaseRecord:
        record = self._record(case_id) if len(case_id) == 32 else None
        if record is None:
            raise NotFound("there is no such case on the ledger")
        return record

    def _view(
        self,
        record: CaseRecord,
        votes: tuple[CaseVote, ...] = (),
        posted: tuple[str, ...] = (),
        stale: tuple[str, ...] = (),
    ) -> CaseView:
        asked = record.request
        unfit = {} if self._council is None else self._council.unfit
        return CaseView(
            case_id=asked.case_id,
            state=record.state.name.lower(),
            regulator=_shown(record.regulator),
            evaluator=_shown(asked.evaluator),
            statement_hash=asked.statement_hash,
            basis_hash=asked.basis_hash,
            needed=record.needed,
            voters=record.voters,
            approvals=record.approvals,
            rejections=record.rejections,
            partials=record.partials if record.session == self._session(record) else 0,
            height=_height(record),
            deadline_ms=record.deadline_s * 1000,
            result_hash=record.result_hash,
            votes=votes,
            posted=posted,
            stale=stale,
            obstacle=unfit.get(asked.case_id),
        )

    # Asking and voting

    async def request(
        self,
        statement_hash: bytes,
        basis_hash: bytes,
        *,
        wait: Stage,
        idempotency: Idempotency | None,
    ) -> CaseOutcome:
        """See OpeningsService."""
        known = self._idempotency.find(idempotency) if idempotency is not None else None
        if known is not None:
            return await self._outcome(Digest(known[0]), known[1], wait)
        case_id = self._random_bytes(32)
        request, place = await self._fitting(case_id, statement_hash, basis_hash)
        data = encode_open_case(request, place)
        return await self._send(data, case_id, wait, idempotency, OPEN_GAS)

    async def _fitting(
        self, case_id: bytes, statement_hash: bytes, basis_hash: bytes
    ) -> tuple[CaseRequest, StatementProof]:
        """A request for a copy that holds. Raises NotFound, Conflict."""
        reason: str | None = None
        async for _, copy in self._statements.copies(Wanted(statement_hash)):
            if copy.anchorage is None:
                reason = reason or "its interval is not anchored yet; ask again in a few minutes"
                continue
            try:
                return await self._checked(case_id, basis_hash, copy)
            except CaseUnfit as error:
                reason = error.reason
        if reason is None:
            raise NotFound("no evaluator that is connected shows a statement of this hash")
        raise Conflict(f"the statement can not be opened: {reason}")

    async def _checked(
        self, case_id: bytes, basis_hash: bytes, copy: Copy
    ) -> tuple[CaseRequest, StatementProof]:
        served, where = copy.served, copy.anchorage
        if where is None:
            raise CaseUnfit(case_id, "the statement is not anchored")
        proof = served.proof
        request = CaseRequest(
            case_id=case_id,
            statement_hash=served.statement_hash,
            nullifier=proof.nullifier.encoding,
            e1=proof.e1.encoding,
            e2=proof.e2.encoding,
            basis_hash=basis_hash,
            evaluator=where.anchor.evaluator,
        )
        place = StatementProof(where.lefts, where.path)
        anchorage_of(self._ledger, request, place)
        check_statement(self._ledger, case_id, served)
        await prove(case_id, served)
        return request, place

    async def vote(
        self, case_id: bytes, *, approve: bool, wait: Stage, idempotency: Idempotency | None
    ) -> CaseOutcome:
        """See OpeningsService."""
        known = self._idempotency.find(idempotency) if idempotency is not None else None
        if known is not None:
            return await self._outcome(Digest(known[0]), case_id, wait)
        self._find(case_id)
        return await self._send(encode_vote(case_id, approve), case_id, wait, idempotency)

    # Finishing

    async def finish(self, case_id: bytes, *, wait: Stage) -> Finished:
        """See OpeningsService."""
        if self._regulator is None:
            raise Forbidden("this node holds no regulator's key")
        async with self._finishing:
            record = self._find(case_id)
            held = self._book.result(case_id)
            if held is not None:
                result, transaction = decode_result(held.result), Digest(held.transaction)
                if record.state is CaseState.APPROVED and not self._ledger.waits(transaction):
                    outcome = await self._close(case_id, result, held.served, held.bad, wait)
                else:
                    outcome = await self._outcome(transaction, case_id, wait)
                return self._finished(outcome, result, held.bad)
            if record.state is not CaseState.APPROVED:
                raise Conflict(f"the case is {record.state.name.lower()}, it must be approved")
            concluded = await self._regulator.conclude(record)
            result = concluded.result
            bad = tuple((part.member, part.reason) for part in concluded.bad)
            outcome = await self._close(case_id, result, concluded.served.encode(), bad, wait)
            return self._finished(outcome, result, bad)

    async def _close(
        self,
        case_id: bytes,
        result: OpeningResult,
        served: bytes,
        bad: tuple[tuple[str, str], ...],
        wait: Stage,
    ) -> CaseOutcome:
        encoded = result.encode()
        return await self._send(
            encode_close_case(case_id, result.result_hash),
            case_id,
            wait,
            None,
            extra=lambda signed: self._book.result_puts(
                case_id, Closing(encoded, served, bad, signed.hash)
            ),
        )

    def _finished(
        self, outcome: CaseOutcome, result: OpeningResult, bad: tuple[tuple[str, str], ...]
    ) -> Finished:
        key = result.member_key.encoding
        owner = read_ring_key_owner(self._ledger.read_slot, key)
        member = None if owner is None else _shown(owner)
        return Finished(outcome, key, member, result.result_hash, bad)

    def record(self, case_id: bytes) -> Mapping[str, object]:
        """See OpeningsService."""
        held = self._book.result(case_id)
        if held is None:
            raise NotFound("this node has no result of such a case")
        result = decode_result(held.result)
        record = self._find(case_id)
        if record.result_hash != result.result_hash:
            raise Conflict("the ledger has not closed the case with this node's result yet")
        final = self._final_state()
        if final is None:
            raise Conflict("no block is final yet")
        try:
            return court_record(result, decode_served(held.served), final.sealed, final.source)
        except NotShown as error:
            raise Conflict(f"no final block shows the closed case yet: {error.reason}") from error

    async def exculpation(self, case_id: bytes) -> Mapping[str, object]:
        """See OpeningsService."""
        return await self._exculpator.clear(self._find(case_id))

    # Sending

    async def _send(
        self,
        data: bytes,
        case_id: bytes,
        wait: Stage,
        wish: Idempotency | None,
        gas: int = CALL_GAS,
        extra: Callable[[Transaction], Mapping[bytes, bytes | None]] | None = None,
    ) -> CaseOutcome:
        contract = Address(OPENINGS)
        reason = self._ledger.refusal(self._lane.address, contract, data)
        if reason is not None and any(role in reason for role in _ROLES):
            raise Forbidden(f"member {self._member}: {reason}")
        if reason is not None:
            raise Conflict(reason)

        def puts(signed: Transaction) -> Mapping[bytes, bytes | None]:
            found = {} if extra is None else dict(extra(signed))
            if wish is not None:
                found |= self._idempotency.entry(wish, [signed.hash, case_id], self._now_ms())
            return found

        limit = min(gas, self._ledger.gas_limit())
        transaction = self._lane.send(contract, data, extra=puts, gas=limit)
        return await self._outcome(transaction.hash, case_id, wait, data)

    async def _outcome(
        self, transaction: Digest, case_id: bytes, wait: Stage, data: bytes = b""
    ) -> CaseOutcome:
        await self._durability.barrier()
        progress = await self._tracker.wait(transaction, wait, self._wait_timeout_ms)
        if not progress.succeeded:
            reason = self._ledger.refusal(self._lane.address, Address(OPENINGS), data)
            raise Conflict(f"the ledger refused it: {reason or 'the state changed'}")
        stage, height = self._ledger.place_of(transaction)
        if height is None:
            stage, height = progress.stage, progress.height
        case = None if stage < Stage.EXECUTED else self.case(case_id)
        return CaseOutcome(transaction, stage, height, case)


def _shown(member: bytes) -> str:
    try:
        return member_id_text(member)
    except BadMemberId:
        return member.hex()


def _height(record: CaseRecord) -> Height:
    return Height(record.block_number)

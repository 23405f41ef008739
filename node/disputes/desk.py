"""The dispute desk: sends follow-ups of records for this member, and tells where they stand.

Rules: what the lifecycle's table refuses now is refused here with its rule id and never sent; own
follow-ups that wait for their block count as taken. The follow-up, its idempotency key and a
person's reference code become durable in one write with the transaction. Nothing of a person
leaves this node: a follow-up says which record, what, and on which ground. That a follow-up is
asked for is in the access log before anything is done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct

from bulwark.ledger.ids import Address, Digest, Height, MemberId, RecordId
from bulwark.ledger.lifecycle import REFERENCE_KIND, STATEMENTS, Operation, reference_tag
from bulwark.ledger.record import SALT_BYTES, Record, RecordPayload
from bulwark.ledger.sidecar import Sidecar
from bulwark.ledger.standing import FollowUp, Life
from bulwark.ledger.transaction import Transaction
from bulwark.privacy.group import RandomBytes
from contracts.bindings import RECORD_REGISTRY, encode_anchor
from node.chain.records import FoundRecord, RecordReader
from node.chain.standings import Standings
from node.chain.store import ChainStore
from node.disputes.casebook import Case, Casebook
from node.disputes.inbox import Inbox
from node.disputes.port import DisputePage, DisputeView, FollowUpOutcome, Whose, Wish
from node.guarded.accessdesk import AccessDesk
from node.reporting.anchorer import Anchorer
from node.reporting.gatherer import NO_POLICY, RECORD_SCHEMA
from node.reporting.idempotency import IdempotencyStore
from node.reporting.recordviews import RecordViews
from node.reporting.tracker import StageTracker
from node.service import (
    Caller,
    Conflict,
    Forbidden,
    Idempotency,
    NotFound,
    RecordView,
    RuleRefused,
    Stage,
)
from node.storage.durability import Durability

NOT_A_STATEMENT: Final = "lifecycle.{}.not_a_statement"
"""Rule id of a follow-up about a follow-up, by operation."""


class DeskParts(Struct, frozen=True):
    """What the desk works with."""

    chain: ChainStore
    records: RecordReader
    standings: Standings
    views: RecordViews
    casebook: Casebook
    inbox: Inbox
    access: AccessDesk
    anchorer: Anchorer
    tracker: StageTracker
    idempotency: IdempotencyStore
    durability: Durability
    member: MemberId
    may_anchor: Callable[[], bool]
    """Whether this member is a reporter or a regulator now."""
    place_of: Callable[[Digest], tuple[Stage, Height | None]]
    """How far an own transaction got."""
    now_ms: Callable[[], int]
    random_bytes: RandomBytes
    wait_timeout_ms: int


class DisputeDesk:
    """Follow-ups of one member."""

    def __init__(self, parts: DeskParts) -> None:
        self._parts = parts
        self._waiting: dict[RecordId, list[tuple[FollowUp, Digest]]] = {}
        """Own follow-ups that no block holds yet, by subject, with their transactions."""

    async def follow(
        self, wish: Wish, *, by: Caller, wait: Stage, idempotency: Idempotency | None
    ) -> FollowUpOutcome:
        """See DisputesService."""
        parts = self._parts
        if not parts.may_anchor():
            raise Forbidden(
                f"member {parts.member} is neither reporter nor regulator on the ledger"
            )
        await parts.access.following(by, wish.case_ref)
        known = None if idempotency is None else parts.idempotency.find(idempotency)
        if known:
            await parts.durability.barrier()
            return self._known(wish, known)
        # No turn of the loop from here to the outbox: two wishes can not both pass the table.
        asked = self._judged(wish)
        record = self._record(wish)
        case = None
        if wish.is_for_person:
            case = Case(parts.casebook.new_code(), record.record_id, wish.subject)
        transaction = self._send(wish, record, case, idempotency)
        waiting = self._waiting.setdefault(wish.subject, [])
        waiting.append((_named(asked, record.record_id), transaction.hash))
        await parts.durability.barrier()
        progress = await parts.tracker.wait(transaction.hash, wait, parts.wait_timeout_ms)
        if not progress.succeeded:
            raise Conflict("the record registry refused this member's anchor")
        return self._outcome(
            wish, record.record_id, transaction.hash, (progress.stage, progress.height)
        )

    def _judged(self, wish: Wish) -> FollowUp:
        """The follow-up if the table takes it now. Raises NotFound, RuleRefused."""
        name = wish.operation.name.lower()
        found = self._found(wish.subject)
        if found.payload is not None and found.payload.operation not in STATEMENTS:
            raise RuleRefused(NOT_A_STATEMENT.format(name), "this record is a follow-up itself")
        life = self._life(found)
        parts = self._parts
        tip = parts.chain.tip
        asked = FollowUp(
            record_id=RecordId(bytes(32)),
            operation=wish.operation,
            reason=wish.reason,
            member=parts.member,
            is_regulator=parts.standings.is_regulator(parts.anchorer.address, tip.height),
            height=Height(tip.height + 1),
            timestamp_ms=tip.timestamp_ms,
        )
        rule = life.refusal(asked)
        if rule is not None:
            raise RuleRefused(rule, f"the record is {life.state.label} and this member may not")
        return asked

    def _life(self, found: FoundRecord) -> Life:
        """A record's life with own follow-ups that wait."""
        parts = self._parts
        life = parts.standings.life(found)
        kept = [
            (follow_up, transaction)
            for follow_up, transaction in self._waiting.get(found.record_id, ())
            if parts.anchorer.waits(transaction)
        ]
        self._waiting.pop(found.record_id, None)
        if kept:
            self._waiting[found.record_id] = kept
        for follow_up, _ in kept:
            life.take(follow_up)
        return life

    def _record(self, wish: Wish) -> Record:
        payload = RecordPayload(
            operation=wish.operation,
            kind=REFERENCE_KIND,
            reason=wish.reason,
            previous_record=wish.subject,
        )
        salt = self._parts.random_bytes(SALT_BYTES)
        return Record.of(salt, reference_tag(wish.subject), payload)

    def _send(
        self, wish: Wish, record: Record, case: Case | None, idempotency: Idempotency | None
    ) -> Transaction:
        parts = self._parts
        sidecar = Sidecar((record,))

        def also(signed: Transaction) -> Mapping[bytes, bytes | None]:
            puts = {} if case is None else parts.casebook.puts(case)
            if idempotency is not None:
                ids = [record.record_id, wish.subject, signed.hash]
                puts |= parts.idempotency.entry(idempotency, ids, parts.now_ms())
            return puts

        call = encode_anchor(sidecar.root, sidecar.count, RECORD_SCHEMA, NO_POLICY)
        return parts.anchorer.send(Address(RECORD_REGISTRY), call, sidecar=sidecar, extra=also)

    def _known(self, wish: Wish, ids: tuple[bytes, ...]) -> FollowUpOutcome:
        """The outcome of an earlier request with the same key."""
        record_id, transaction = RecordId(ids[0]), Digest(ids[2])
        height = self._parts.records.height_of(record_id)
        if height is None:
            place = self._parts.place_of(transaction)
        else:
            is_final = height <= self._parts.chain.finalized
            place = (Stage.FINALIZED if is_final else Stage.EXECUTED), height
        return self._outcome(wish, record_id, None, place)

    def _outcome(
        self,
        wish: Wish,
        record_id: RecordId,
        transaction: Digest | None,
        place: tuple[Stage, Height | None],
    ) -> FollowUpOutcome:
        standing = self._parts.standings.life(self._found(wish.subject)).standing()
        step = next((s for s in standing.history if s.record_id == record_id), None)
        case = self._parts.casebook.of_dispute(record_id)
        return FollowUpOutcome(
            record_id=record_id,
            subject=wish.subject,
            operation=Operation(wish.operation),
            transaction=transaction,
            stage=place[0],
            height=place[1],
            refused=None if step is None else step.refused,
            state=standing.state.label,
            reference=record_id.hex() if case is None else case.code,
        )

    def _found(self, record_id: RecordId) -> FoundRecord:
        found = self._parts.records.by_id(record_id)
        if found is None:
            raise NotFound("this node has no such record")
        return found

    # Reading

    async def disputes(
        self, whose: Whose, *, open_only: bool, cursor: bytes | None, most: int
    ) -> DisputePage:
        """See DisputesService."""
        return await self._parts.inbox.page(whose, open_only=open_only, cursor=cursor, most=most)

    async def dispute(self, reference: str) -> DisputeView:
        """See DisputesService."""
        case = self._parts.casebook.find(reference)
        found = self._parts.inbox.view(case.dispute_id if case else _dispute_id(reference))
        if found is None and case is not None:
            raise NotFound("this dispute is on its way to the ledger")
        if found is None:
            raise NotFound("this node knows no such dispute")
        return found

    async def history(self, record_id: RecordId) -> RecordView:
        """See DisputesService."""
        view = self._parts.views.view(record_id)
        if view.standing is None:
            raise NotFound("this record is a follow-up; a history is of a statement")
        return view


def _named(asked: FollowUp, record_id: RecordId) -> FollowUp:
    return FollowUp(
        record_id,
        asked.operation,
        asked.reason,
        asked.member,
        asked.is_regulator,
        asked.height,
        asked.timestamp_ms,
    )


def _dispute_id(reference: str) -> RecordId:
    """The record id that a reference is, zero for a text that is none."""
    try:
        given = bytes.fromhex(reference.removeprefix("0x"))
    except ValueError:
        given = b""
    return RecordId(given if len(given) == 32 else bytes(32))

"""Readers: what in a block concerns this member, as events.

Rules: only what the lifecycle took is told; a dispute is told to the member whose record it is, to
the one that opened it, and to one whose questions the record answered. Own questions are looked up
here and nowhere else. Events hold ids of records, members and words of the vocabularies, never a
value, a tag, a salt or a person's reference code.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final

from msgspec import Struct

from bulwark.indicators.vocabulary import DisputeGround
from bulwark.indicators.vocabulary import Ruling as RulingTerm
from bulwark.ledger.anchor import Anchor
from bulwark.ledger.ids import Digest, MemberId, RecordId
from bulwark.ledger.lifecycle import STATEMENTS, Operation, Ruling, State
from bulwark.ledger.record import Record
from bulwark.ledger.standing import Step
from contracts.governance_events import ProposalMade, decode_governance_event
from node.chain.records import FoundRecord, RecordReader
from node.chain.standings import Standings
from node.chain.store import ChainStore, StoredBlock
from node.disputes.casebook import Casebook
from node.erasure.port import BatchView
from node.erasure.triggers import DESTROYED, RECALLED
from node.governance.documents import document_of
from node.push.eventlog import Draft
from node.push.port import EventType
from node.push.retro import News, RetroHunt
from node.recall.port import OwnQuestion

TURN: Final = 200
"""Entries of a sidecar between two turns of the event loop."""
MAX_QUESTIONS: Final = 100
MAX_RECORDS: Final = 100
MAX_BATCHES: Final = 64
"""Batches of erasure orders of which it is remembered whom they concern."""
Questions = Callable[[bytes, int], Sequence[OwnQuestion]]
"""The newest own questions that a record answered."""


async def entries_of(chain: ChainStore, block: StoredBlock) -> AsyncIterator[tuple[Anchor, Record]]:
    """Records that a block anchored and that are here in full, in ledger order."""
    for anchor in block.anchors:
        sidecar = chain.sidecar(anchor.digest) if anchor.count else None
        for number, entry in enumerate(() if sidecar is None else sidecar.entries, 1):
            if number % TURN == 0:
                await asyncio.sleep(0)
            if isinstance(entry, Record):
                yield anchor, entry


class Sources(Struct, frozen=True):
    """What readers look things up in."""

    chain: ChainStore
    records: RecordReader
    standings: Standings
    casebook: Casebook
    questions: Questions
    member: MemberId


class StatementReader:
    """Statements and rulings that let one stand again: hunts own questions at once."""

    def __init__(self, sources: Sources, hunt: RetroHunt) -> None:
        self._from = sources
        self._hunt = hunt

    async def read(self, block: StoredBlock) -> list[Draft]:
        """Nothing for the caller: each hit is logged with its change of the book."""
        news, member_of = News(), self._from.standings.member_of
        async for anchor, entry in entries_of(self._from.chain, block):
            if entry.operation in STATEMENTS:
                news.add(entry.tag, entry.record_id, member_of(anchor.account))
            elif (entry.operation, entry.payload.reason) == (Operation.RULE, Ruling.REJECTED):
                self._again(news, entry.payload.previous_record)
        if news.records:
            await self._hunt.hunt(news, block.header)
        return []

    async def late(self) -> list[Draft]:
        """Hunt what was asked as of an older block than the last about it: a job's questions."""
        late = self._hunt.take_late()
        if late:
            source, news = self._from, News()
            for tag, height in late.items():
                for record in source.records.records_of(tag, MAX_RECORDS):
                    if record.height > height:
                        reporter = source.standings.member_of(record.reporter)
                        news.add(tag, record.record_id, reporter)
                await asyncio.sleep(0)
            await self._hunt.hunt(news, source.chain.tip)
        return []

    def _again(self, news: News, subject: RecordId | None) -> None:
        chain = self._from.chain
        place = None if subject is None else chain.record_place(subject)
        sidecar = None if place is None else chain.sidecar(place.root)
        if place is None or sidecar is None or place.position >= sidecar.count:
            return
        entry = sidecar.entries[place.position]
        found = None if subject is None else self._from.records.by_id(subject)
        if isinstance(entry, Record) and entry.operation in STATEMENTS and found is not None:
            news.add(entry.tag, entry.record_id, self._from.standings.member_of(found.reporter))


class DisputeReader:
    """Disputes and rulings."""

    def __init__(self, sources: Sources) -> None:
        self._from = sources

    async def read(self, block: StoredBlock) -> list[Draft]:
        """See node.push.watch.Reader."""
        found: list[Draft] = []
        async for _, entry in entries_of(self._from.chain, block):
            if entry.operation not in (Operation.DISPUTE, Operation.RULE):
                continue
            await asyncio.sleep(0)
            draft = self._draft(entry, block)
            if draft is not None:
                found.append(draft)
        return found

    def _draft(self, entry: Record, block: StoredBlock) -> Draft | None:
        source, subject = self._from, entry.payload.previous_record
        record = None if subject is None else source.records.by_id(subject)
        if record is None or subject is None:
            return None
        steps = source.standings.life(record).history
        height = block.header.height
        step = next(
            (s for s in steps if (s.record_id, s.height) == (entry.record_id, height)), None
        )
        if step is None or step.refused is not None:
            return None
        own = [s for s in steps if _is_own_dispute(s, source.member)]
        questions = source.questions(subject, MAX_QUESTIONS)
        why = self._why(record, own, questions)
        if not why:
            return None
        is_ruling = entry.operation == Operation.RULE
        data: dict[str, object] = {
            "record_id": subject.hex(),
            "follow_up": entry.record_id.hex(),
            "member": step.member,
            "reporter": source.standings.member_of(record.reporter),
            "concerns": why,
            "state": State(step.state).label,
            "for_person": any(source.casebook.of_dispute(s.record_id) for s in own),
            "questions": [question_document(question) for question in questions],
        }
        term = RulingTerm if is_ruling else DisputeGround
        known = term.find(step.reason)
        data["ruling" if is_ruling else "ground"] = "other" if known is None else known.label
        kind = EventType.DISPUTE_RULED if is_ruling else EventType.DISPUTE_OPENED
        return Draft(kind, bytes(entry.record_id), block.header.timestamp_ms, height, data)

    def _why(
        self, record: FoundRecord, own: Sequence[Step], questions: Sequence[OwnQuestion]
    ) -> list[str]:
        source = self._from
        is_reporter = source.standings.member_of(record.reporter) == source.member
        wanted = (("reporter", is_reporter), ("disputer", bool(own)), ("asker", bool(questions)))
        return [name for name, holds in wanted if holds]


def _is_own_dispute(step: Step, member: MemberId) -> bool:
    taken = step.operation == Operation.DISPUTE and step.refused is None
    return taken and step.member == member


def question_document(question: OwnQuestion) -> dict[str, object]:
    """An own question that a record answered."""
    return {
        "id": question.number,
        "time_ms": question.time_ms,
        "asked_by": question.who,
        "case_ref": question.case_ref,
    }


class ErasureReader:
    """Confirmations of erasures that concern this member."""

    def __init__(self, sources: Sources, batch: Callable[[Digest], Awaitable[BatchView]]) -> None:
        """`batch`: who confirmed a batch by now."""
        self._from = sources
        self._batch = batch
        self._known: OrderedDict[Digest, list[RecordId]] = OrderedDict()

    async def read(self, block: StoredBlock) -> list[Draft]:
        """See node.push.watch.Reader."""
        found: list[Draft] = []
        async for anchor, entry in entries_of(self._from.chain, block):
            root = entry.payload.previous_record
            if entry.operation != Operation.CONFIRM or root is None:
                continue
            if not entry.payload.reason & DESTROYED:
                continue
            records = await self._concerned(Digest(root))
            if records:
                found.append(await self._draft(anchor, entry, Digest(root), records, block))
        return found

    async def _draft(
        self,
        anchor: Anchor,
        entry: Record,
        root: Digest,
        records: Sequence[RecordId],
        block: StoredBlock,
    ) -> Draft:
        view = await self._batch(root)
        data: dict[str, object] = {
            "batch": root.hex(),
            "member": self._from.standings.member_of(anchor.account),
            "confirmation": entry.record_id.hex(),
            "recalled": bool(entry.payload.reason & RECALLED),
            "records": [record_id.hex() for record_id in records[:MAX_RECORDS]],
            "count": len(records),
            "missing": list(view.missing),
        }
        header = block.header
        name = bytes(entry.record_id)
        return Draft(EventType.ERASURE_CONFIRMED, name, header.timestamp_ms, header.height, data)

    async def _concerned(self, root: Digest) -> list[RecordId]:
        """Records of a batch of orders that are this member's, or that it ordered."""
        known = self._known.get(root)
        if known is not None:
            return known
        source, found = self._from, []
        sidecar = source.chain.sidecar(root)
        for entry in () if sidecar is None else sidecar.entries:
            if not isinstance(entry, Record) or entry.operation != Operation.ERASE:
                continue
            subject = entry.payload.previous_record
            if subject is None:
                continue
            await asyncio.sleep(0)
            if self._is_own(entry.record_id) or self._is_own(subject):
                found.append(subject)
        self._known[root] = found
        if len(self._known) > MAX_BATCHES:
            self._known.popitem(last=False)
        return found

    def _is_own(self, record_id: RecordId) -> bool:
        record = self._from.records.by_id(record_id)
        standings = self._from.standings
        return record is not None and standings.member_of(record.reporter) == self._from.member


class ProposalReader:
    """Proposals to change the alliance."""

    def __init__(self, member_of: Callable[[bytes], MemberId]) -> None:
        self._member_of = member_of

    async def read(self, block: StoredBlock) -> list[Draft]:
        """See node.push.watch.Reader."""
        found: list[Draft] = []
        for receipt in block.receipts:
            for entry in receipt.logs:
                event = decode_governance_event(entry.address, entry.topics, entry.data)
                if isinstance(event, ProposalMade):
                    found.append(self._draft(event, block))
        return found

    def _draft(self, event: ProposalMade, block: StoredBlock) -> Draft:
        header = block.header
        action = event.action
        data: dict[str, object] = {
            "proposal": event.id,
            "proposer": self._member_of(event.proposer),
            "action": "unreadable" if action is None else str(document_of(action)["kind"]),
            "expires_ms": event.expires_s * 1000,
        }
        name = event.id.to_bytes(32, "big")
        return Draft(EventType.PROPOSAL_OPENED, name, header.timestamp_ms, header.height, data)

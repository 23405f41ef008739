"""The reporter: rows in, durable records out, one outcome a row.

Rules: rows are worked in chunks with a turn of the event loop between, so that a bulk upload does
not delay votes; what this member already reported (same tag, fraud type and role) is a duplicate
and gets the first record's id; a row that can not be normalised or tagged is refused by itself and
the others go on. Clear text stays in this call's frame.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bulwark.indicators.errors import NormalisationError
from bulwark.indicators.model import IndicatorReport
from bulwark.indicators.normalise import normalise
from bulwark.ledger.ids import Digest, Height, RecordId, Tag
from bulwark.ledger.transaction import Transaction
from bulwark.privacy.group import RandomBytes
from node.reporting.gatherer import Gatherer
from node.reporting.idempotency import IdempotencyStore
from node.reporting.outbox import Outbox, own_name
from node.reporting.payload import record_of
from node.reporting.tracker import StageTracker
from node.service import (
    Busy,
    Idempotency,
    Refusal,
    ReportOutcome,
    Stage,
    Unavailable,
)
from node.storage.port import KeyValueStore
from node.tagging.tagger import Tagger, TaggingUnavailable

CHUNK = 2_000
"""Rows whose tags are asked for together."""
TURN = 200
"""Rows between two turns of the event loop: about 5 ms."""


@dataclass(slots=True)
class _Row:
    """One row on its way."""

    report: IndicatorReport
    value: str = ""
    tag: Tag | None = None
    outcome: ReportOutcome | None = None
    transaction: asyncio.Future[Transaction] | None = None
    record_id: RecordId | None = None


class Reporter:
    """This member's reports."""

    def __init__(
        self,
        *,
        tagger: Tagger,
        gatherer: Gatherer,
        outbox: Outbox,
        tracker: StageTracker,
        idempotency: IdempotencyStore,
        store: KeyValueStore,
        stage_of: Callable[[RecordId], tuple[Stage, Height | None]],
        oprf_key_id: int,
        index_key: bytes,
        random_bytes: RandomBytes,
        now_ms: Callable[[], int],
        max_pending: int,
        wait_timeout_ms: int,
    ) -> None:
        """`stage_of` tells how far a known record of this member got, and its height."""
        self._tagger = tagger
        self._gatherer = gatherer
        self._outbox = outbox
        self._tracker = tracker
        self._idempotency = idempotency
        self._store = store
        self._stage_of = stage_of
        self._oprf_key_id = oprf_key_id
        self._index_key = index_key
        self._random_bytes = random_bytes
        self._now_ms = now_ms
        self._max_pending = max_pending
        self._wait_timeout_ms = wait_timeout_ms
        self.pending_records = 0
        """Records accepted or on their way and not yet executed."""
        self.taken = 0
        self.duplicates = 0
        self.refused = 0

    async def report(
        self,
        reports: Sequence[IndicatorReport],
        *,
        wait: Stage,
        idempotency: Idempotency | None = None,
    ) -> list[ReportOutcome]:
        """One outcome a row, in order. Raises Busy, IdempotencyMismatch, Unavailable."""
        if idempotency is not None:
            known = self._idempotency.find(idempotency)
            if known is not None:
                return [self._known_outcome(record_id) for record_id in known]
        if self.pending_records and self.pending_records + len(reports) > self._max_pending:
            raise Busy(f"{self.pending_records} records wait to be executed; try again later")
        rows = [_Row(report) for report in reports]
        self.pending_records += len(rows)
        try:
            for start in range(0, len(rows), CHUNK):
                await self._work(rows[start : start + CHUNK])
            if idempotency is not None:
                await self._keep(idempotency, rows)
            return await self._outcomes(rows, wait)
        finally:
            self.pending_records -= len(rows)

    async def _work(self, rows: list[_Row]) -> None:
        """Normalise, tag and gather one chunk."""
        unknown: list[_Row] = []
        for number, row in enumerate(rows):
            if number % TURN == TURN - 1:
                await asyncio.sleep(0)
            report = row.report
            try:
                region = str(report.region) or None
                row.value = normalise(report.kind, report.value, region).value
            except NormalisationError as error:
                row.outcome = ReportOutcome(None, refusal=Refusal(error.rule, error.message))
                continue
            row.tag = self._tagger.cached(report.kind.label, row.value)
            if row.tag is None:
                unknown.append(row)
        if unknown:
            tags = await self._tagger.tags([(r.report.kind.label, r.value) for r in unknown])
            for row, tag in zip(unknown, tags, strict=True):
                if isinstance(tag, TaggingUnavailable):
                    if len(rows) == 1:
                        raise Unavailable(f"the tag can not be computed now: {tag}")
                    refusal = Refusal("tagging.unavailable", f"{tag}; report it again later")
                    row.outcome = ReportOutcome(None, refusal=refusal)
                else:
                    row.tag = tag
        for number, row in enumerate(rows):
            if number % TURN == TURN - 1:
                await asyncio.sleep(0)
            if row.tag is not None:
                self._gather(row, row.tag)

    def _gather(self, row: _Row, tag: Tag) -> None:
        report = row.report
        name = own_name(tag, report.fraud_type, report.object_role)
        before = self._gatherer.pending_own(name) or self._outbox.own_record(name)
        if before is not None:
            stage, height = self._stage_of(before)
            row.outcome = ReportOutcome(before, stage, height, duplicate=True)
            return
        record = record_of(
            report,
            tag,
            self._random_bytes(32),
            oprf_key_id=self._oprf_key_id,
            index_key=self._index_key,
        )
        row.record_id = record.record_id
        row.transaction = self._gatherer.add(record, name)

    async def _keep(self, wish: Idempotency, rows: list[_Row]) -> None:
        """Make the outcome durable under its key, once every record is."""
        self._gatherer.flush()
        ids: list[bytes] = []
        for row in rows:
            if row.transaction is not None:
                await row.transaction
            if row.record_id is not None:
                ids.append(row.record_id)
            elif row.outcome is not None and row.outcome.record_id is not None:
                ids.append(row.outcome.record_id)
            else:
                ids.append(bytes(32))
        self._store.write(self._idempotency.entry(wish, ids, self._now_ms()), sync=True)

    def _known_outcome(self, record_id: bytes) -> ReportOutcome:
        if not any(record_id):
            return ReportOutcome(
                None, refusal=Refusal("idempotency.refused-before", "refused at the first request")
            )
        stage, height = self._stage_of(RecordId(record_id))
        return ReportOutcome(RecordId(record_id), stage, height)

    async def _outcomes(self, rows: list[_Row], wait: Stage) -> list[ReportOutcome]:
        """Wait once a transaction, then tell each row where it stands."""
        stages: dict[Digest, tuple[Stage, Height | None, bool]] = {}
        answers: list[ReportOutcome] = []
        for row in rows:
            if row.outcome is not None:
                self.duplicates += row.outcome.duplicate
                self.refused += row.outcome.refusal is not None
                answers.append(row.outcome)
                continue
            if row.transaction is None:
                raise RuntimeError("a row has neither an outcome nor a transaction")
            transaction = await row.transaction
            if transaction.hash not in stages:
                progress = await self._tracker.wait(transaction.hash, wait, self._wait_timeout_ms)
                stages[transaction.hash] = (progress.stage, progress.height, progress.succeeded)
            stage, height, succeeded = stages[transaction.hash]
            if not succeeded:
                refusal = Refusal("anchor.reverted", "the record registry refused this member")
                answers.append(ReportOutcome(None, refusal=refusal))
                self.refused += 1
                continue
            self.taken += 1
            answers.append(ReportOutcome(row.record_id, stage, height))
        return answers

"""The reporter: rows in, durable records out, one outcome a row.

Rules: rows are worked in chunks with a turn of the event loop between, so that a bulk upload does
not delay votes; what this member already reported (same tag, fraud type and role) is a duplicate
and gets the first record's id, once that is durable, unless that record is over; a row that can not
be normalised or tagged is refused by itself and the others go on. Two requests under one
idempotency key are worked one after the other, so that the second finds what the first left. Clear
text stays in this call's frame.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bulwark.indicators.errors import NormalisationError
from bulwark.indicators.model import IndicatorReport
from bulwark.indicators.normalise import normalise
from bulwark.indicators.usage import red_refusal
from bulwark.ledger.ids import Digest, Height, RecordId, Tag
from bulwark.ledger.transaction import Transaction
from bulwark.privacy.group import RandomBytes
from node.consents.gate import ConsentGate
from node.reporting.compliance import PolicyGate
from node.reporting.gatherer import NO_POLICY, Gatherer
from node.reporting.idempotency import IdempotencyStore
from node.reporting.outbox import Outbox, own_name
from node.reporting.payload import record_of
from node.reporting.tracker import StageTracker
from node.service import (
    Busy,
    Idempotency,
    IdempotencyMismatch,
    Progress,
    Refusal,
    ReportOutcome,
    Stage,
    Unavailable,
)
from node.storage.durability import Durability
from node.storage.port import KeyValueStore
from node.tagging.effort import TagEffort
from node.tagging.tagger import Tagger, TaggingUnavailable

CHUNK = 2_000
"""Rows whose tags are asked for together."""
TURN = 200
"""Rows between two turns of the event loop: about 5 ms."""
REVERTED = Refusal("anchor.reverted", "the record registry refused this member's anchor")


def _red_refusal(report: IndicatorReport) -> Refusal | None:
    red = red_refusal(report.tlp)
    return None if red is None else Refusal(red[0], red[1], "tlp")


@dataclass(slots=True)
class _Row:
    """One row on its way."""

    report: IndicatorReport
    value: str = ""
    tag: Tag | None = None
    policy: bytes = NO_POLICY
    outcome: ReportOutcome | None = None
    transaction: asyncio.Future[Transaction] | None = None
    record_id: RecordId | None = None
    duplicate: bool = False
    """Another row of the same transaction says this already."""


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
        durability: Durability,
        stage_of: Callable[[RecordId], tuple[Stage, Height | None]],
        is_over: Callable[[RecordId], bool],
        oprf_key_id: int,
        index_key: bytes,
        random_bytes: RandomBytes,
        gate: ConsentGate,
        policies: PolicyGate,
        now_ms: Callable[[], int],
        max_pending: int,
        wait_timeout_ms: int,
    ) -> None:
        """`stage_of` tells how far a known record of this member got, and its height.

        `is_over` tells whether such a record was retracted, expired or outlived: what says the same
        after that is a new statement.
        `gate` refuses what the consent that a row names does not permit, `policies` what its policy
        does not.
        """
        self._tagger = tagger
        self._gatherer = gatherer
        self._outbox = outbox
        self._tracker = tracker
        self._idempotency = idempotency
        self._store = store
        self._durability = durability
        self._stage_of = stage_of
        self._is_over = is_over
        self._oprf_key_id = oprf_key_id
        self._index_key = index_key
        self._random_bytes = random_bytes
        self._gate = gate
        self._policies = policies
        self._now_ms = now_ms
        self._max_pending = max_pending
        self._wait_timeout_ms = wait_timeout_ms
        self._rows = 0
        """Rows of calls under way that are not in the gatherer yet."""
        self._under_way: dict[str, tuple[Digest, asyncio.Future[None]]] = {}
        """Requests by idempotency key; the future is done when the outcome is durable."""
        self.taken = 0
        self.duplicates = 0
        self.refused = 0

    async def report(
        self,
        reports: Sequence[IndicatorReport],
        *,
        wait: Stage,
        idempotency: Idempotency | None = None,
        progress: Progress | None = None,
    ) -> list[ReportOutcome]:
        """One outcome a row, in order; `progress` is told after each part of an upload.

        Raises Busy, IdempotencyMismatch, Unavailable.
        """
        if idempotency is None:
            return await self._outcomes(await self._take(reports, None, progress), wait)
        while (other := self._under_way.get(idempotency.key)) is not None:
            digest, settled = other
            if digest != idempotency.body_digest:
                raise IdempotencyMismatch(
                    "a request with this Idempotency-Key is under way; use a new key"
                )
            await asyncio.wait((settled,))
        known = self._idempotency.rows(idempotency)
        if known is not None:
            # Written by a call that was cut off, perhaps before its flush.
            await self._durability.barrier()
            return [self._known_outcome(*row) for row in known]
        settled = asyncio.get_running_loop().create_future()
        self._under_way[idempotency.key] = (idempotency.body_digest, settled)
        try:
            rows = await self._take(reports, idempotency, progress)
        finally:
            del self._under_way[idempotency.key]
            settled.set_result(None)
        return await self._outcomes(rows, wait)

    @property
    def pending_records(self) -> int:
        """Records accepted or on their way and not yet executed."""
        return self._rows + self._gatherer.backlog

    async def _take(
        self,
        reports: Sequence[IndicatorReport],
        idempotency: Idempotency | None,
        progress: Progress | None,
    ) -> list[_Row]:
        """Gather every row; with a key also make the outcome durable."""
        pending = self.pending_records
        if pending and pending + len(reports) > self._max_pending:
            raise Busy(f"{pending} records wait to be executed; try again later")
        rows = [_Row(report) for report in reports]
        left = len(rows)
        self._rows += left
        effort = TagEffort(self._tagger, is_alone=len(rows) == 1)
        try:
            for start in range(0, len(rows), CHUNK):
                chunk = rows[start : start + CHUNK]
                await self._work(chunk, effort)
                self._rows -= len(chunk)
                left -= len(chunk)
                if progress is not None:
                    progress(len(rows) - left, effort.untagged)
            if idempotency is not None:
                await self._keep(idempotency, rows)
        finally:
            self._rows -= left
        return rows

    async def _work(self, rows: list[_Row], effort: TagEffort) -> None:
        """Normalise, tag and gather one chunk."""
        unknown: list[_Row] = []
        for number, row in enumerate(rows):
            if number % TURN == TURN - 1:
                await asyncio.sleep(0)
            report = row.report
            refusal = self._gate.refusal(report) or self._under_policy(row) or _red_refusal(report)
            if refusal is not None:
                row.outcome = ReportOutcome(None, refusal=refusal)
                continue
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
            tags = await effort.tags([(r.report.kind.label, r.value) for r in unknown])
            for row, tag in zip(unknown, tags, strict=True):
                if isinstance(tag, TaggingUnavailable):
                    if effort.is_alone:
                        raise Unavailable(f"the tag can not be computed now: {tag}")
                    refusal = Refusal("tagging.unavailable", f"{tag}; report it again later")
                    row.outcome = ReportOutcome(None, refusal=refusal)
                else:
                    row.tag = tag
        with self._gatherer.upload():
            for number, row in enumerate(rows):
                if number % TURN == TURN - 1:
                    await asyncio.sleep(0)
                if row.tag is not None:
                    self._gather(row, row.tag)

    def _under_policy(self, row: _Row) -> Refusal | None:
        """Why the row's policy refuses it; else the row knows the policy word of its anchor."""
        judged = self._policies.judge(row.report)
        if isinstance(judged, Refusal):
            return judged
        row.policy = judged
        return None

    def _gather(self, row: _Row, tag: Tag) -> None:
        report = row.report
        name = own_name(tag, report.fraud_type, report.object_role, is_copy=bool(report.source))
        waiting = self._gatherer.pending_own(name)
        if waiting is not None:
            # Not durable yet: this row is answered when the batch is, like the first one.
            row.record_id, row.transaction = waiting
            row.duplicate = True
            return
        before = self._outbox.own_record(name)
        if before is not None and not self._is_over(before):
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
        resting = self._gate.resting(report, record.record_id)
        if resting:
            self._store.write(resting, sync=False)
        row.transaction = self._gatherer.add(record, name, row.policy)

    async def _keep(self, wish: Idempotency, rows: list[_Row]) -> None:
        """Make the outcome durable under its key, once every record is."""
        self._gatherer.flush()
        ids: list[bytes] = []
        duplicates: list[int] = []
        for number, row in enumerate(rows):
            if row.duplicate or (row.outcome is not None and row.outcome.duplicate):
                duplicates.append(number)
            if row.transaction is not None:
                await asyncio.shield(row.transaction)
            if row.record_id is not None:
                ids.append(row.record_id)
            elif row.outcome is not None and row.outcome.record_id is not None:
                ids.append(row.outcome.record_id)
            else:
                ids.append(bytes(32))
        entry = self._idempotency.entry(wish, ids, self._now_ms(), duplicates)
        self._store.write(entry, sync=False)
        await self._durability.barrier()

    def _known_outcome(self, record_id: bytes, is_duplicate: bool) -> ReportOutcome:
        if not any(record_id):
            return ReportOutcome(
                None, refusal=Refusal("idempotency.refused-before", "refused at the first request")
            )
        if self._outbox.failed(record_id):
            return ReportOutcome(None, refusal=REVERTED)
        stage, height = self._stage_of(RecordId(record_id))
        return ReportOutcome(RecordId(record_id), stage, height, duplicate=is_duplicate)

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
            # Shielded: other calls wait for the same future.
            transaction = await asyncio.shield(row.transaction)
            if transaction.hash not in stages:
                progress = await self._tracker.wait(transaction.hash, wait, self._wait_timeout_ms)
                stages[transaction.hash] = (progress.stage, progress.height, progress.succeeded)
            stage, height, succeeded = stages[transaction.hash]
            if not succeeded:
                answers.append(ReportOutcome(None, refusal=REVERTED))
                self.refused += 1
                continue
            self.taken += not row.duplicate
            self.duplicates += row.duplicate
            answers.append(ReportOutcome(row.record_id, stage, height, duplicate=row.duplicate))
        return answers

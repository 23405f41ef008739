"""Importer: a planned file through one node, batch by batch, every row counted.

Rules: a batch is acknowledged before its rows count, and the journal is written before the next
batch is sent; the same first row and run give the same Idempotency-Key, so a batch whose answer was
lost is not reported twice; a node that is asked again no longer tells a duplicate from a taken row,
so the first batch after a restart is counted against the rows before it; rows that the alliance
could not tag for the moment are sent again a few times. It opens no connection of its own.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from bulwark.client.errors import ClientError, FieldRefusal
from bulwark.client.results import ReportBatch, Stage
from node.importing.check import check_row
from node.importing.errors import ImportStopped
from node.importing.journal import FileState, Journal
from node.importing.mapping import Mapping
from node.importing.plan import FilePlan
from node.importing.source import Source, SourceRow, file_digest
from node.importing.summary import FileSummary

BATCH_ROWS: Final = 5_000
BATCH_BYTES: Final = 8 * 1024 * 1024
ROUNDS: Final = 5
"""How often rows are sent that could not be tagged."""
PAUSE_S: Final = 1.0
SETTLE_TRIES: Final = 120
UNAVAILABLE: Final = "tagging.unavailable"
REFUSED_BEFORE: Final = "idempotency.refused-before"
EMPTY: Final = "value.empty"
MAX_REMEMBERED: Final = 2_000_000
"""Earlier indicators of a file that a restart remembers, 32 bytes each."""


class ReporterPort(Protocol):
    """Where rows go."""

    async def send(self, rows: Sequence[bytes], key: str) -> ReportBatch:
        """Report encoded rows under an idempotency key; raises ClientError."""
        ...

    async def settle(self, height: int) -> None:
        """Wait until the block at `height` is final; raises ClientError."""
        ...


Progress = Callable[[FilePlan, int, int, FileSummary], None]
"""Told after each batch: plan, bytes read, bytes in all, counts so far."""


@dataclass(slots=True)
class Batch:
    """Consecutive source rows and what they gave."""

    first_row: int
    """Source rows before it."""
    next_row: int = 0
    rows: list[bytes] = field(default_factory=list, repr=False)
    lines: list[int] = field(default_factory=list)
    """Source line of each row."""
    unreadable: list[tuple[str, int]] = field(default_factory=list)
    """Rule and line of source rows that can not be sent."""
    empty: int = 0
    size: int = 0


@dataclass(slots=True)
class _Outcome:
    """What a batch came to."""

    taken: int = 0
    duplicates: int = 0
    refused: list[tuple[str, int]] = field(default_factory=list)
    height: int = 0


class Importer:
    """Brings planned files to one node."""

    def __init__(
        self,
        port: ReporterPort,
        journal: Journal,
        *,
        now_ms: int,
        sleep: Callable[[float], Awaitable[None]],
        batch_rows: int = BATCH_ROWS,
        progress: Progress | None = None,
    ) -> None:
        self._port = port
        self._journal = journal
        self._now_ms = now_ms
        self._sleep = sleep
        self._batch_rows = batch_rows
        self._progress = progress

    async def run(self, plan: FilePlan) -> FileSummary:
        """Bring a file in, or go on with it.

        Raises ImportStopped, SourceInvalid, JournalInvalid.
        """
        digest, mapping = file_digest(plan.path), plan.mapping.digest()
        state = self._journal.state(plan.name, digest, mapping)
        known: set[bytes] | None = set()
        if state is None:
            known = None
            summary = FileSummary(plan.name, plan.mapping.name, unused_columns=list(plan.unused))
            state = FileState(digest, mapping, 0, summary)
            self._journal.put(plan.name, state)
        if not state.summary.complete:
            await self._work(plan, state, known)
        if state.summary.height and not state.summary.finalized:
            await self._settle(plan, state)
        return state.summary

    async def _work(self, plan: FilePlan, state: FileState, known: set[bytes] | None) -> None:
        """`known` is None for a file that was not begun before."""
        summary = state.summary
        with Source(plan.path, plan.form) as source:
            rows = source if known is None else self._remembering(source, plan, state, known)
            for batch in batches(rows, plan.mapping, state.next_row, self._batch_rows):
                begun = time.monotonic()
                prefix = f"import-{self._journal.run}-{state.sha256[:16]}-{batch.first_row}"
                try:
                    outcome = await self._deliver(batch, prefix, known)
                except ClientError as error:
                    raise ImportStopped(plan.name, state.next_row, str(error)) from error
                known = None
                _count(summary, batch, outcome)
                summary.seconds += time.monotonic() - begun
                state.next_row = batch.next_row
                self._journal.put(plan.name, state)
                if self._progress is not None:
                    self._progress(plan, source.consumed, source.size, summary)
        summary.complete = True
        self._journal.put(plan.name, state)

    def _remembering(
        self, source: Source, plan: FilePlan, state: FileState, known: set[bytes]
    ) -> Iterator[SourceRow]:
        """The same rows; what those before the restart report goes into `known`."""
        for at, row in enumerate(source):
            if at < state.next_row and row.cells is not None and len(known) < MAX_REMEMBERED:
                for encoded in plan.mapping.rows(row.cells):
                    checked = check_row(encoded or b"{}", self._now_ms)
                    if isinstance(checked, bytes):
                        known.add(checked)
            yield row

    async def _settle(self, plan: FilePlan, state: FileState) -> None:
        try:
            await self._port.settle(state.summary.height)
        except ClientError as error:
            raise ImportStopped(plan.name, state.next_row, str(error)) from error
        state.summary.finalized = True
        self._journal.put(plan.name, state)

    async def _deliver(self, batch: Batch, prefix: str, known: set[bytes] | None) -> _Outcome:
        """Send a batch, then what of it could not be tagged again; raises ClientError."""
        outcome = _Outcome()
        pending = list(zip(batch.lines, batch.rows, strict=True))
        for turn in range(ROUNDS):
            if not pending:
                break
            if turn:
                await self._sleep(PAUSE_S * turn)
            key = f"{prefix}-{turn}"
            answer = await self._send([row for _, row in pending], key)
            outcome.height = max(outcome.height, answer.height or 0)
            again = []
            for found, (line, row) in zip(answer.rows, pending, strict=True):
                if found.status == "taken":
                    again_known = self._is_known(row, known)
                    outcome.duplicates += again_known
                    outcome.taken += not again_known
                elif found.status == "duplicate":
                    outcome.duplicates += 1
                else:
                    rule = found.problem.rule if found.problem is not None else "unknown"
                    rule = self._first_rule(row) if rule == REFUSED_BEFORE else rule
                    if rule == UNAVAILABLE and turn < ROUNDS - 1:
                        again.append((line, row))
                    else:
                        outcome.refused.append((rule, line))
            pending = again
        return outcome

    async def _send(self, rows: Sequence[bytes], key: str) -> ReportBatch:
        """The answer, once what was taken is executed."""
        answer = await self._port.send(rows, key)
        if len(answer.rows) != len(rows):
            raise ClientError(f"{len(rows)} rows were sent, {len(answer.rows)} answered")
        tries = 0
        while answer.stage is not None and not answer.stage.includes(Stage.EXECUTED):
            tries += 1
            if tries > SETTLE_TRIES:
                raise ClientError("the node took the rows but the alliance does not execute them")
            await self._sleep(PAUSE_S / 2)
            later = await self._port.send(rows, key)
            answer = replace(answer, stage=later.stage, height=later.height)
        return answer

    def _is_known(self, row: bytes, known: set[bytes] | None) -> bool:
        """Whether an earlier row reported the same; then this row is remembered, too."""
        if known is None:
            return False
        checked = check_row(row, self._now_ms)
        if isinstance(checked, FieldRefusal):
            return False
        before = checked in known
        known.add(checked)
        return before

    def _first_rule(self, row: bytes) -> str:
        """The rule of a row that was refused at a first try whose answer was lost."""
        checked = check_row(row, self._now_ms)
        return checked.name if isinstance(checked, FieldRefusal) else UNAVAILABLE


def batches(
    source: Iterable[SourceRow], mapping: Mapping, start: int, most: int
) -> Iterator[Batch]:
    """Batches of about `most` indicators from source row `start` (from 0) on.

    Where a batch ends depends on the rows alone, so that a restart cuts the same batches.
    """
    batch = Batch(start)
    at = 0
    for row in source:
        at += 1
        if at <= start:
            continue
        batch.next_row = at
        if row.cells is None:
            batch.unreadable.append((row.rule, row.line))
        else:
            _expand(batch, mapping.rows(row.cells), row.line)
        full = len(batch.rows) >= most or batch.size >= BATCH_BYTES
        if full or at - batch.first_row >= 10 * most:
            yield batch
            batch = Batch(at)
    if batch.next_row:
        yield batch


def _expand(batch: Batch, made: Sequence[bytes | None], line: int) -> None:
    for encoded in made:
        if encoded is None:
            batch.unreadable.append((EMPTY, line))
        else:
            batch.rows.append(encoded)
            batch.lines.append(line)
            batch.size += len(encoded)
    batch.empty += not made


def _count(summary: FileSummary, batch: Batch, outcome: _Outcome) -> None:
    summary.rows += batch.next_row - batch.first_row
    summary.empty += batch.empty
    summary.taken += outcome.taken
    summary.duplicates += outcome.duplicates
    summary.indicators += outcome.taken + outcome.duplicates
    for rule, line in sorted(batch.unreadable + outcome.refused, key=lambda entry: entry[1]):
        summary.refuse(rule, line)
    summary.height = max(summary.height, outcome.height)

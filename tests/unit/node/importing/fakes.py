"""A reporter port in memory: takes rows as a node does, and can fail at any point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bulwark.client import ClientError, FieldRefusal, ReportBatch, ReportRow, Stage, Unreachable
from bulwark.client.results import RowProblem
from node.importing.check import check_row

NOW_MS = 1_795_000_000_000


@dataclass
class FakeReporter:
    """Durable state of a node, and when it fails.

    It fails at the calls named in `lost_before` without doing anything, and at those in
    `lost_after` after everything was done, so that only the answer is lost.
    """

    lost_before: set[int] = field(default_factory=set)
    lost_after: set[int] = field(default_factory=set)
    untagged: dict[int, int] = field(default_factory=dict)
    """Position in a first batch to how often it can not be tagged."""
    stage: Stage = Stage.EXECUTED
    calls: int = 0
    keys: list[str] = field(default_factory=list)
    records: list[bytes] = field(default_factory=list)
    known: set[bytes] = field(default_factory=set)
    promises: dict[str, tuple[tuple[bytes, ...], ReportBatch]] = field(default_factory=dict)
    settled: list[int] = field(default_factory=list)

    async def send(self, rows: Sequence[bytes], key: str) -> ReportBatch:
        self.calls += 1
        call = self.calls
        if call in self.lost_before:
            raise Unreachable("http://node", "lost before")
        self.keys.append(key)
        if key in self.promises:
            body, answer = self.promises[key]
            if body != tuple(rows):
                raise ClientError("the key was used with another body")
            self.stage = Stage.EXECUTED
            answer = self._batch([self._again(row) for row in answer.rows])
        else:
            answer = self._batch([self._row(n, row) for n, row in enumerate(rows, 1)])
            self.promises[key] = (tuple(rows), answer)
        if call in self.lost_after:
            raise Unreachable("http://node", "lost after")
        return answer

    async def settle(self, height: int) -> None:
        self.settled.append(height)

    def _batch(self, rows: list[ReportRow]) -> ReportBatch:
        counts = [sum(r.status == s for r in rows) for s in ("taken", "duplicate", "refused")]
        stage = self.stage if counts[0] else None
        height = self.calls if counts[0] and stage is Stage.EXECUTED else None
        return ReportBatch(*counts, stage, height, tuple(rows))

    def _row(self, number: int, row: bytes) -> ReportRow:
        checked = check_row(row, NOW_MS)
        if isinstance(checked, FieldRefusal):
            return self._refused(number, checked)
        left = self.untagged.get(number, 0)
        if left and self.calls <= left:
            return self._refused(number, FieldRefusal("value", "later", "tagging.unavailable"))
        if checked in self.known:
            return ReportRow(number, "duplicate", checked.hex())
        self.known.add(checked)
        self.records.append(row)
        return ReportRow(number, "taken", checked.hex())

    def _refused(self, number: int, refusal: FieldRefusal) -> ReportRow:
        return ReportRow(number, "refused", None, RowProblem("urn:x", refusal.detail, (refusal,)))

    def _again(self, row: ReportRow) -> ReportRow:
        """A node remembers the ids of a repeated request: no reasons, no duplicates."""
        if row.status != "refused":
            return ReportRow(row.line, "taken", row.record_id)
        return self._refused(row.line, FieldRefusal("value", "", "idempotency.refused-before"))


async def no_sleep(seconds: float) -> None:
    """Time passes at once."""

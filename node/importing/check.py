"""Check: what the node would say about a row, asked of the same rules without a node.

Rules: it uses the indicator rules that the node uses, so `--dry-run` refuses what the node would
refuse; duplicates are found among the rows themselves, what is on the ledger is not known here. It
keeps digests of values only, and only while it runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

import orjson

from bulwark.client.errors import FieldRefusal
from bulwark.client.results import ReportBatch, ReportRow, RowProblem
from bulwark.indicators.errors import NormalisationError, RowError
from bulwark.indicators.model import IndicatorReport
from bulwark.indicators.normalise import normalise

MAX_SENT_BYTES: Final = 8 * 1024
"""Longest row that the API reads."""


class LocalCheck:
    """A reporter port that takes nothing anywhere."""

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms
        self._seen: set[bytes] = set()

    async def send(self, rows: Sequence[bytes], key: str) -> ReportBatch:
        """What a node would answer to these rows; nothing is reported."""
        found = tuple(self._row(number, row) for number, row in enumerate(rows, 1))
        taken = sum(row.status == "taken" for row in found)
        refused = sum(row.status == "refused" for row in found)
        duplicates = len(found) - taken - refused
        return ReportBatch(taken, duplicates, refused, None, None, found)

    async def settle(self, height: int) -> None:
        """Nothing was reported, so nothing has to become final."""

    def _row(self, number: int, row: bytes) -> ReportRow:
        checked = check_row(row, self._now_ms)
        if isinstance(checked, FieldRefusal):
            problem = RowProblem("urn:bulwark:problem:invalid", checked.detail, (checked,))
            return ReportRow(number, "refused", None, problem)
        if checked in self._seen:
            return ReportRow(number, "duplicate")
        self._seen.add(checked)
        return ReportRow(number, "taken")


def check_row(row: bytes, now_ms: int) -> bytes | FieldRefusal:
    """A digest of what the row reports, or why a node refuses it."""
    if len(row) > MAX_SENT_BYTES:
        return FieldRefusal("", f"a row has at most {MAX_SENT_BYTES} bytes", "row.too-long")
    try:
        report = IndicatorReport.from_mapping(orjson.loads(row), now_ms=now_ms)
        form = normalise(report.kind, report.value, str(report.region) or None)
    except RowError as error:
        first = error.problems[0]
        return FieldRefusal(first.field, f"allowed: {first.allowed}")
    except NormalisationError as error:
        return FieldRefusal("value", error.message, error.rule)
    name = f"{report.kind.code}\0{report.fraud_type.code}\0{report.object_role.code}\0{form.value}"
    return sha256(name.encode("utf-8")).digest()

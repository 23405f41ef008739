"""Indicators: reporting one, reporting an upload, reading a record and its proof.

Rules: an upload is parsed to its end before anything of it is taken, so one row too many leaves
nothing behind; good rows of an upload are taken and bad ones named by line. A refused single report
is 422, a known one 200, an executed one 201, one on its way 202.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

import orjson

from api.exchange import CSV_TYPE, JSON_TYPE, NDJSON_TYPE, Exchange, Reply, json_reply
from api.json_text import JsonInvalid, decode_object
from api.problems import invalid, malformed, refused
from api.rows import Pace, RefusedRow, RowReader, Rows
from api.settings import ApiSettings
from api.uploads import Upload, Uploads
from api.views import (
    record_document,
    refusal_problem,
    report_document,
    row_problem,
    stage_name,
    with_rows,
)
from api.writes import BodyDigest, write_status
from bulwark.indicators.model import REPORT_FIELDS, IndicatorReport
from bulwark.ledger.ids import RecordId
from node.service import NodeService, ReportOutcome, Stage

T = TypeVar("T")
_RECORD_ID: Final = re.compile(r"(?:0x)?[0-9a-fA-F]{64}\Z")


def record_id_of(exchange: Exchange) -> RecordId:
    """The record id of the path: 64 hexadecimal digits, 0x allowed; Problem 400 otherwise."""
    text = exchange.params["record_id"]
    if _RECORD_ID.match(text) is None:
        raise refused("record_id", "64 hexadecimal digits")
    return RecordId(bytes.fromhex(text[-64:]))


def read_object(raw: bytes) -> dict[str, object]:
    """The JSON object of a body; Problem 400 otherwise."""
    try:
        return decode_object(raw)
    except JsonInvalid as error:
        raise malformed(error.detail) from None


async def read_rows(
    exchange: Exchange,
    settings: ApiSettings,
    parse: Callable[[Mapping[str, object]], T],
    columns: frozenset[str],
    digest: BodyDigest | None = None,
) -> Rows[T]:
    """The rows of an NDJSON or CSV upload; Problem 415, 413, 408 or 400 otherwise."""
    media = exchange.content_type(NDJSON_TYPE, CSV_TYPE)
    exchange.may_upload()
    chunks = exchange.chunks(settings.max_batch_bytes)
    if digest is not None:
        chunks = digest.over(chunks)
    reader = RowReader(parse, settings)
    rows = await (reader.csv(chunks, columns) if media == CSV_TYPE else reader.ndjson(chunks))
    exchange.charge_rows(len(rows))
    if len(rows) == 0:
        raise malformed("the upload has no rows")
    return rows


class IndicatorRoutes:
    """Handlers of /v1/indicators and the proof of a record."""

    def __init__(
        self,
        service: NodeService,
        settings: ApiSettings,
        uploads: Uploads,
        now_ms: Callable[[], int],
    ) -> None:
        self._service = service
        self._uploads = uploads
        self._settings = settings
        self._now_ms = now_ms

    async def report(self, exchange: Exchange) -> Reply:
        """POST /v1/indicators."""
        exchange.content_type(JSON_TYPE)
        wait = exchange.wait()
        digest = BodyDigest(exchange)
        body = await exchange.body(self._settings.max_body_bytes)
        report = IndicatorReport.from_mapping(read_object(body), now_ms=self._now_ms())
        outcomes = await self._service.report(
            [report], by=exchange.caller, wait=wait, idempotency=digest.idempotency(body)
        )
        outcome = outcomes[0]
        if outcome.refusal is not None:
            raise invalid(refusal_problem(outcome.refusal))
        status = 200 if outcome.duplicate else write_status(outcome.stage)
        document = report_document(outcome)
        place = f"/v1/indicators/{document['record_id']}".encode("ascii")
        return json_reply(status, document, (b"location", place))

    async def report_batch(self, exchange: Exchange) -> Reply:
        """POST /v1/indicators/batches."""
        with self._uploads.slot(exchange, "report") as upload:
            return await self._report_batch(exchange, upload)

    async def _report_batch(self, exchange: Exchange, upload: Upload) -> Reply:
        wait = exchange.wait()
        digest = BodyDigest(exchange)
        now_ms = self._now_ms()
        rows = await read_rows(
            exchange,
            self._settings,
            lambda row: IndicatorReport.from_mapping(row, now_ms=now_ms),
            REPORT_FIELDS,
            digest,
        )
        outcomes: Sequence[ReportOutcome] = ()
        if rows.parsed:
            outcomes = await self._service.report(
                rows.parsed,
                by=exchange.caller,
                wait=wait,
                idempotency=digest.idempotency(),
                progress=upload.began(len(rows), len(rows.refused)),
            )
        return await self._summary(rows, outcomes)

    async def _summary(
        self, rows: Rows[IndicatorReport], outcomes: Sequence[ReportOutcome]
    ) -> Reply:
        pace = Pace(self._settings.chunk_ms)
        encoded = [(refused.line, refused_row(refused)) for refused in rows.refused]
        taken = duplicates = 0
        stage: Stage | None = None
        height: int | None = None
        for line, outcome in zip(rows.lines, outcomes, strict=True):
            encoded.append((line, _outcome_row(line, outcome)))
            if outcome.refusal is None and outcome.duplicate:
                duplicates += 1
            elif outcome.refusal is None:
                taken += 1
                stage = _lower(stage, outcome.stage)
                height = max(height or 0, outcome.height) if outcome.height else height
            if pace.due():
                await pace.turn()
        encoded.sort(key=_by_line)
        summary: dict[str, object] = {
            "taken": taken,
            "duplicates": duplicates,
            "refused": len(rows) - taken - duplicates,
            "stage": stage_name(stage),
            "height": height,
        }
        body = with_rows(summary, [row for _, row in encoded])
        status = 202 if taken and write_status(stage) == 202 else 200
        return Reply(status, body)

    async def record(self, exchange: Exchange) -> Reply:
        """GET /v1/indicators/{record_id}."""
        exchange.query()
        view = await self._service.record(record_id_of(exchange))
        return json_reply(200, record_document(view, self._now_ms()))

    async def proof(self, exchange: Exchange) -> Reply:
        """GET /v1/records/{record_id}/proof."""
        exchange.query()
        proof = await self._service.record_proof(record_id_of(exchange))
        return Reply(200, proof.to_json())


def refused_row(refused: RefusedRow) -> bytes:
    """A row that was refused before the node saw it."""
    problem = row_problem(refused.problems)
    return orjson.dumps({"line": refused.line, "status": "refused", "problem": problem})


def _outcome_row(line: int, outcome: ReportOutcome) -> bytes:
    if outcome.refusal is not None:
        return refused_row(RefusedRow(line, (refusal_problem(outcome.refusal),)))
    shown = outcome.record_id.hex() if outcome.record_id is not None else ""
    status = "duplicate" if outcome.duplicate else "taken"
    return f'{{"line":{line},"status":"{status}","record_id":"{shown}"}}'.encode("ascii")


def _by_line(row: tuple[int, bytes]) -> int:
    return row[0]


def _lower(stage: Stage | None, other: Stage | None) -> Stage:
    reached = other if other is not None else Stage.ACCEPTED
    return reached if stage is None else min(stage, reached)

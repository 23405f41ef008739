"""Screenings: asking about one identifier or an upload of them.

Rules: an answer that could not be made in full says `complete: false` and why, with status 200: the
question was understood, the data was not all there. A value that can not be normalised is refused
with the rule it broke. Nothing of a question is kept here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import orjson

from api.advice import Adviser, language_of
from api.exchange import JSON_TYPE, Exchange, Reply, json_reply
from api.indicators import read_object, read_rows, refused_row
from api.problems import FieldProblem, invalid
from api.query import word
from api.rows import Pace, RefusedRow, Rows
from api.settings import ApiSettings
from api.uploads import Upload, Uploads
from api.views import refusal_problem, screening_document, with_rows
from bulwark.indicators.model import SCREENING_FIELDS, ScreeningRequest
from bulwark.ledger.ids import Height
from node.service import NodeService, ScreeningAnswer


class ScreeningRoutes:
    """Handlers of /v1/screenings."""

    def __init__(
        self,
        service: NodeService,
        settings: ApiSettings,
        uploads: Uploads,
        now_ms: Callable[[], int],
        adviser: Adviser,
    ) -> None:
        self._service = service
        self._uploads = uploads
        self._settings = settings
        self._now_ms = now_ms
        self._adviser = adviser

    async def screen(self, exchange: Exchange) -> Reply:
        """POST /v1/screenings."""
        exchange.content_type(JSON_TYPE)
        remember = _remember(exchange)
        body = await exchange.body(self._settings.max_body_bytes)
        document = read_object(body)
        at = _height(document.pop("height", None))
        language = language_of(document.pop("language", None))
        request = ScreeningRequest.from_mapping(document)
        answer = (
            await self._service.screen([request], by=exchange.caller, at=at, remember=remember)
        )[0]
        if answer.refusal is not None:
            raise invalid(refusal_problem(answer.refusal))
        found = screening_document(answer, self._now_ms())
        found["advice"] = self._adviser.full(answer, language)
        return json_reply(200, found)

    async def screen_batch(self, exchange: Exchange) -> Reply:
        """POST /v1/screenings/batches."""
        remember = _remember(exchange)
        with self._uploads.slot(exchange, "screening") as upload:
            return await self._screen_batch(exchange, upload, remember)

    async def _screen_batch(self, exchange: Exchange, upload: Upload, remember: bool) -> Reply:
        rows = await read_rows(
            exchange, self._settings, ScreeningRequest.from_mapping, SCREENING_FIELDS
        )
        answers: Sequence[ScreeningAnswer] = ()
        if rows.parsed:
            moved = upload.began(len(rows), len(rows.refused))
            answers = await self._service.screen(
                rows.parsed, by=exchange.caller, progress=moved, remember=remember
            )
        return await self._summary(rows, answers)

    async def _summary(
        self, rows: Rows[ScreeningRequest], answers: Sequence[ScreeningAnswer]
    ) -> Reply:
        pace = Pace(self._settings.chunk_ms)
        now_ms = self._now_ms()
        encoded = [(refused.line, refused_row(refused)) for refused in rows.refused]
        hits = incomplete = answered = 0
        for line, answer in zip(rows.lines, answers, strict=True):
            if answer.refusal is not None:
                row = refused_row(RefusedRow(line, (refusal_problem(answer.refusal),)))
            else:
                document = screening_document(answer, now_ms)
                document["advice"] = self._adviser.brief(answer)
                row = orjson.dumps({"line": line, "status": "answered", "answer": document})
                answered += 1
                hits += answer.hit
                incomplete += not answer.complete
            encoded.append((line, row))
            if pace.due():
                await pace.turn()
        encoded.sort(key=_by_line)
        summary: dict[str, object] = {
            "answered": answered,
            "hits": hits,
            "incomplete": incomplete,
            "refused": len(rows) - answered,
        }
        return Reply(200, with_rows(summary, [row for _, row in encoded]))


def _remember(exchange: Exchange) -> bool:
    """Whether the retro-hunt may tell of the questions later."""
    return word(exchange.query("remember"), "remember", ("true", "false")) == "true"


def _height(given: object) -> Height | None:
    """The block whose state is asked, None for the last one; Problem 422 for what is none."""
    if given is None:
        return None
    if not isinstance(given, int) or isinstance(given, bool) or not 0 <= given < 2**53:
        raise invalid(FieldProblem("height", "a block height, 0 or more"))
    return Height(given)


def _by_line(row: tuple[int, bytes]) -> int:
    return row[0]

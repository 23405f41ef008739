"""Screening jobs over REST: a file in, progress, the result and its signed manifest out.

Rules: the keys that screen send files and read their results; operators and admins see all jobs
and may stop and delete them, and admins read results where the sender is no more. Each reading of
a result is in the access log. The rows of a job count to its sender's rate of rows. The file is the
body, its format the content type; what to do with it is in the query, the case reference in a
header, so that no reference is in a URL. A body is written as it arrives and answered 201 once it
is on disk and can be worked.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator
from typing import Any, Final

import orjson

from api import documentation as doc
from api import job_schemas as schemas
from api.exchange import (
    CSV_TYPE,
    JSON_TYPE,
    NDJSON_TYPE,
    Exchange,
    Pieces,
    Reply,
    Route,
    json_reply,
)
from api.job_views import job_document, wish_of
from api.problems import refused
from api.query import documented, number, number_given
from api.settings import ApiSettings
from api.writes import BodyDigest
from node.jobs.port import FIELDS, FORMATS, JobsService, JobView
from node.service import Busy, Role

SENDERS: Final = frozenset({Role.REPORTER, Role.ANALYST})
WATCHERS: Final = SENDERS | {Role.OPERATOR, Role.ADMIN}
READERS: Final = SENDERS | {Role.ADMIN}
PARQUET_TYPE: Final = b"application/vnd.apache.parquet"
TYPES: Final = {CSV_TYPE: "csv", NDJSON_TYPE: "ndjson", PARQUET_TYPE: "parquet"}
EVENTS: Final = b"text/event-stream"
MAX_BYTES: Final = 1 << 40
"""The desk has the bound that the operator set."""
UPLOAD_MS: Final = 3_600_000
STREAM_S: Final = 55.0
"""Life of a stream of events: under what proxies and the edge allow."""
LEAST_PAUSE_S: Final = 0.25
"""Between two events of one stream."""
MAX_STREAMS: Final = 32
_BASE: Final = "/v1/screening-jobs"
_ONE: Final = f"{_BASE}/{{job_id}}"
_ID: Final = re.compile(r"[0-9a-f]{32}\Z")
MAX_ROW: Final = 10**15 - 1
OPTIONS: Final = (
    *(f"{name}_column" for name in FIELDS), "references", "kind", "region", "purpose",
    "lawful_basis", "at_height", "values", "result", "name",
)  # fmt: skip


def _parameter(name: str, what: str, place: str = "query", **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": place, "description": what, "schema": {"type": "string", **schema}}


_WISH: Final = (
    *(
        _parameter(f"{n}_column", f"Column that holds {n}, if not named so", maxLength=128)
        for n in FIELDS
    ),
    _parameter("references", "Columns that the result repeats: names with commas between"),
    _parameter("kind", "Sort of identifier of rows that name none"),
    _parameter("region", "Country (ISO 3166-1) of values that name none"),
    _parameter("purpose", "Purpose of rows that name none"),
    _parameter("lawful_basis", "Legal basis of rows that name none"),
    _parameter(
        "at_height",
        "Block as after which to answer; the last one unless given",
        pattern="^(0|[1-9][0-9]{0,15})$",
    ),
    _parameter("values", "Whether the result repeats the values", enum=["true", "false"]),
    _parameter("result", "Format of the result; that of the file unless given", enum=[*FORMATS]),
    _parameter("name", "Your name of the job", maxLength=128),
    _parameter("x-case-ref", "Case reference of rows that name none", "header", maxLength=128),
    doc.IDEMPOTENCY,
)
_ROWS: Final = (
    _parameter("format", "csv, ndjson or parquet; the job's own unless given", enum=[*FORMATS]),
    documented("first", "Number of the first row that is sent", 1, 1, MAX_ROW),
    documented("rows", "Most rows that are sent; all unless given", None, 1, MAX_ROW),
)
_BODY: Final = {
    "required": True,
    "content": {
        media.decode(): {"schema": {"type": "string", "format": "binary"}} for media in TYPES
    },
}


class JobRoutes:
    """Handlers of /v1/screening-jobs."""

    def __init__(self, service: JobsService) -> None:
        self._service = service
        self._streams = 0

    async def submit(self, exchange: Exchange) -> Reply:
        """POST /v1/screening-jobs."""
        exchange.may_upload()
        form = TYPES[exchange.content_type(*TYPES)]
        given = exchange.query(*OPTIONS)
        wish = wish_of(form, given, exchange.headers.get(b"x-case-ref", b""))
        promise = BodyDigest(exchange).idempotency()
        view, is_new = await self._service.submit(
            wish,
            exchange.chunks(MAX_BYTES),
            by=exchange.caller,
            promise="" if promise is None else promise.key,
        )
        place = f"{_BASE}/{view.id}".encode("ascii")
        return json_reply(201 if is_new else 200, job_document(view), (b"location", place))

    async def list(self, exchange: Exchange) -> Reply:
        """GET /v1/screening-jobs."""
        exchange.query()
        views = self._service.jobs(by=exchange.caller)
        return json_reply(200, {"jobs": [job_document(view) for view in views]})

    async def show(self, exchange: Exchange) -> Reply:
        """GET /v1/screening-jobs/{job_id}."""
        exchange.query()
        return json_reply(200, job_document(self._service.job(_id(exchange), by=exchange.caller)))

    async def delete(self, exchange: Exchange) -> Reply:
        """DELETE /v1/screening-jobs/{job_id}."""
        exchange.query()
        await self._service.delete(_id(exchange), by=exchange.caller)
        return Reply(204)

    async def pause(self, exchange: Exchange) -> Reply:
        """POST /v1/screening-jobs/{job_id}/pause."""
        await _no_body(exchange)
        view = await self._service.pause(_id(exchange), by=exchange.caller)
        return json_reply(200, job_document(view))

    async def resume(self, exchange: Exchange) -> Reply:
        """POST /v1/screening-jobs/{job_id}/resume."""
        await _no_body(exchange)
        view = await self._service.resume(_id(exchange), by=exchange.caller)
        return json_reply(200, job_document(view))

    async def cancel(self, exchange: Exchange) -> Reply:
        """POST /v1/screening-jobs/{job_id}/cancel."""
        await _no_body(exchange)
        view = await self._service.cancel(_id(exchange), by=exchange.caller)
        return json_reply(200, job_document(view))

    async def result(self, exchange: Exchange) -> Reply:
        """GET /v1/screening-jobs/{job_id}/result."""
        given = exchange.query("format", "first", "rows")
        form = given.get("format", "")
        if form and form not in FORMATS:
            raise refused("format", f"one of {', '.join(FORMATS)}")
        first = number(given, "first", 1, 1, MAX_ROW)
        most = number_given(given, "rows", 1, MAX_ROW)
        made = await self._service.result(
            _id(exchange), by=exchange.caller, form=form, first=first, most=most
        )
        media = next(media for media, name in TYPES.items() if name == made.format)
        name = f'attachment; filename="result.{made.format}"'.encode("ascii")
        headers = ((b"content-disposition", name),)
        return Reply(200, b"", media, headers, Pieces(made.pieces))

    async def manifest(self, exchange: Exchange) -> Reply:
        """GET /v1/screening-jobs/{job_id}/manifest."""
        exchange.query()
        made = self._service.manifest(_id(exchange), by=exchange.caller)
        return Reply(200, made, JSON_TYPE)

    async def events(self, exchange: Exchange) -> Reply:
        """GET /v1/screening-jobs/{job_id}/events."""
        exchange.query()
        job_id = _id(exchange)
        self._service.job(job_id, by=exchange.caller)
        if self._streams >= MAX_STREAMS:
            raise Busy(f"{MAX_STREAMS} streams are open")
        return Reply(200, content_type=EVENTS, stream=Pieces(self._events(exchange, job_id)))

    async def _events(self, exchange: Exchange, job_id: str) -> AsyncIterator[bytes]:
        """The job whenever it moved, at most every LEAST_PAUSE_S, until it is over."""
        self._streams += 1
        gone = asyncio.ensure_future(_gone(exchange))
        until = time.monotonic() + STREAM_S
        changes = self._service.changes(job_id, by=exchange.caller)
        try:
            yield b"retry: 1000\n\n"
            while not gone.done() and (left := until - time.monotonic()) > 0:
                coming = asyncio.ensure_future(anext(changes))
                await asyncio.wait(
                    (coming, gone), timeout=left, return_when=asyncio.FIRST_COMPLETED
                )
                if not coming.done():
                    coming.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await coming
                    return
                if coming.exception() is not None:  # the job is over, or was deleted
                    return
                view: JobView = coming.result()
                shown = orjson.dumps(job_document(view))
                yield b"event: job\nid: %d\ndata: %s\n\n" % (view.rows, shown)
                await asyncio.wait((gone,), timeout=LEAST_PAUSE_S)
        finally:
            self._streams -= 1
            gone.cancel()


async def _gone(exchange: Exchange) -> None:
    """Done when the client is."""
    while (await exchange.receive())["type"] != "http.disconnect":
        continue


async def _no_body(exchange: Exchange) -> None:
    exchange.query()
    if (await exchange.body(1_024)).strip() not in (b"", b"{}"):
        raise refused("body", "none, or an empty object")


def _id(exchange: Exchange) -> str:
    text = exchange.params["job_id"]
    if _ID.match(text) is None:
        raise refused("job_id", "32 hexadecimal digits")
    return text


def _operation(name: str, summary: str, answers: Any, **more: Any) -> Any:
    return doc.operation(name, "screening jobs", summary, answers, **more)


def job_routes(at: JobRoutes, settings: ApiSettings) -> list[Route]:
    """The routes with who may use them and what the documentation says."""
    limit = settings.request_timeout_ms
    job = {200: schemas.JobOut}
    one: dict[str, Any] = {"path": ["job_id"], "problems": (404,)}
    steer: dict[str, Any] = {"path": ["job_id"], "problems": (404, 408, 409, 413)}
    submit = _operation(
        "submitScreeningJob",
        "Screen a file of any size as a job",
        {201: schemas.JobOut, 200: schemas.JobOut},
        body=_BODY,
        parameters=_WISH,
    )
    every = _operation("listScreeningJobs", "List jobs", {200: schemas.JobsOut})
    show = _operation("showScreeningJob", "Show a job", job, **one)
    events = _operation(
        "followScreeningJob", "Follow a job as server-sent events", {200: EVENTS.decode()}, **one
    )
    result = _operation(
        "readScreeningResult",
        "Read a job's result, or as far as it got",
        {200: NDJSON_TYPE.decode()},
        parameters=_ROWS,
        path=["job_id"],
        problems=(404, 409, 422),
    )
    event = {"type": "object", "properties": {"data": {"type": "string"}}, "required": ["data"]}
    events["responses"]["200"]["content"][EVENTS.decode()]["schema"] = event
    text: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
    result["responses"]["200"]["content"] = {media.decode(): text for media in TYPES}
    manifest = _operation(
        "readScreeningManifest",
        "Read a job's signed manifest, for `bulwark job verify`",
        {200: schemas.ManifestOut},
        path=["job_id"],
        problems=(404, 409),
    )
    delete = _operation("deleteScreeningJob", "Destroy a job that is over", {204: ""}, **steer)
    pause = _operation("pauseScreeningJob", "Stop a job at its next part", job, **steer)
    resume = _operation("resumeScreeningJob", "Let a job go on", job, **steer)
    cancel = _operation("cancelScreeningJob", "Stop a job for good", job, **steer)
    return [
        Route("POST", _BASE, at.submit, SENDERS, submit, UPLOAD_MS),
        Route("GET", _BASE, at.list, WATCHERS, every, limit),
        Route("GET", _ONE, at.show, WATCHERS, show, limit),
        Route("DELETE", _ONE, at.delete, WATCHERS, delete, limit),
        Route("GET", f"{_ONE}/events", at.events, WATCHERS, events, limit),
        Route("GET", f"{_ONE}/result", at.result, READERS, result, limit, audit=True),
        Route("GET", f"{_ONE}/manifest", at.manifest, READERS, manifest, limit),
        Route("POST", f"{_ONE}/pause", at.pause, WATCHERS, pause, limit),
        Route("POST", f"{_ONE}/resume", at.resume, WATCHERS, resume, limit),
        Route("POST", f"{_ONE}/cancel", at.cancel, WATCHERS, cancel, limit),
    ]

"""The front of the status page: /status for people, POST /v1/status for programs, no key needed.

Rules: it is there only where the member turned it on; a strict Content-Security-Policy, no store,
no referrer; one access line a request with the page's name and never a code. Failures are pages in
plain words too. Pages are made in a thread: a visitor must not hold up a vote.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Receive, Scope, Send

from api import documentation as doc
from api import protection_schemas as schemas
from api.advice import LANGUAGE, language_of
from api.bodies import known
from api.console.gate import Door, check_origin
from api.console.visit import HTML_TYPE, read_form
from api.edge import as_problem
from api.exchange import ClientGone, Exchange, Reply, Route, json_reply
from api.interaction_reading import json_body
from api.problems import FieldProblem, Problem, invalid
from api.settings import ApiSettings
from api.statuspage.answering import Answer, Answering, Miss
from api.statuspage.page import STYLE, status_document, status_page
from bulwark.advice.reference import MAX_TYPED
from bulwark.advice.wording import Speaker

PATH: Final = "/status"
STYLE_PATH: Final = "/status/style.css"
JSON_PATH: Final = "/v1/status"
HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; "
        b"frame-ancestors 'none'",
    ),
    (b"referrer-policy", b"same-origin"),  # without one a browser names no origin either
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
_STORE: Final = {
    True: (b"cache-control", b"public, max-age=3600"),
    False: (b"cache-control", b"no-store"),
}
_STATUS: Final = {Miss.MISTYPED: 422, Miss.NOT_FOUND: 404, Miss.TOO_MANY: 429}
_ACCEPTED: Final = re.compile(r"\s*([A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*)\s*(?:;|\Z)")


class StatusRoutes:
    """Handler of POST /v1/status."""

    def __init__(self, answering: Answering, speaker: Speaker, settings: ApiSettings) -> None:
        self._answering = answering
        self._speaker = speaker
        self._settings = settings

    async def look(self, exchange: Exchange) -> Reply:
        """POST /v1/status."""
        exchange.query()
        _, body = await json_body(exchange, self._settings)
        known(body, "code", "language")
        code = body.get("code")
        if not isinstance(code, str) or not 1 <= len(code) <= MAX_TYPED:
            raise invalid(FieldProblem("code", f"text of 1 to {MAX_TYPED} characters"))
        language = language_of(body.get("language")) or self._settings.language
        answer = await self._answering.answer(code, exchange.client)
        if answer.view is None:
            raise _problem(answer)
        return json_reply(200, status_document(self._speaker, answer.view, language))


def _problem(answer: Answer) -> Problem:
    match answer.miss:
        case Miss.TOO_MANY:
            headers = {"retry-after": str(answer.retry_s)}
            return Problem(429, "too-many-attempts", "wait before the next try", headers=headers)
        case Miss.MISTYPED:
            return invalid(FieldProblem("code", "a code with its check character", "code.mistyped"))
        case _:
            return Problem(404, "not-found", "there is no case with this code")


def status_routes(at: StatusRoutes, settings: ApiSettings) -> list[Route]:
    """The route for programs."""
    answers = {200: schemas.StatusOut}
    look = doc.operation(
        "lookUpStatus",
        "status",
        "How a person's case stands, by its code",
        answers,
        body=doc.json_body(schemas.StatusIn),
        problems=(404,),
    )
    return [
        Route(
            "POST", JSON_PATH, at.look, None, look | {"security": []}, settings.request_timeout_ms
        )
    ]


class WithStatusPage:
    """An application with the status page beside it."""

    def __init__(
        self,
        inner: ASGIApp,
        routes: Sequence[Route],
        answering: Answering,
        speaker: Speaker,
        door: Door,
        settings: ApiSettings,
    ) -> None:
        self._inner = inner
        self.routes = routes
        self._answering = answering
        self._speaker = speaker
        self._door = door
        self._settings = settings
        self._style = STYLE.read_bytes()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http" or scope.get("path") not in (PATH, STYLE_PATH):
            await self._inner(scope, receive, send)
            return
        started = time.monotonic()
        exchange = Exchange(scope, receive, self._settings, "")
        exchange.correlator = self._door.correlator(exchange)
        exchange.route = exchange.path
        try:
            async with asyncio.timeout(self._settings.request_timeout_ms / 1000):
                reply = await self._serve(exchange)
        except ClientGone:
            self._door.note(exchange, 499, started, 0)
            return
        except TimeoutError:
            reply = Reply(504, b"", HTML_TYPE)
        except Exception as error:
            reply = await self._refused(as_problem(error, exchange.correlator), exchange)
        is_style = exchange.path == STYLE_PATH
        headers = [
            (b"content-type", reply.content_type),
            (b"content-length", str(len(reply.body)).encode("ascii")),
            (b"x-correlator", exchange.correlator.encode("ascii")),
            *HEADERS,
            _STORE[is_style and reply.status == 200],
            *reply.headers,
        ]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        body = b"" if exchange.method == "HEAD" else reply.body
        await send({"type": "http.response.body", "body": body})
        self._door.note(exchange, reply.status, started, len(body))

    async def _serve(self, exchange: Exchange) -> Reply:
        is_read = exchange.method in ("GET", "HEAD")
        if exchange.path == STYLE_PATH and is_read:
            return Reply(200, self._style, b"text/css; charset=utf-8")
        if exchange.path == PATH and is_read:
            return await self._page(None, self._language(exchange, {}))
        if exchange.path != PATH or exchange.method != "POST":
            allow = "GET, HEAD" if exchange.path == STYLE_PATH else "GET, HEAD, POST"
            detail = "this path does not know that method"
            raise Problem(405, "method-not-allowed", detail, headers={"allow": allow})
        check_origin(exchange)
        form = await read_form(exchange)
        answer = await self._answering.answer(form.get("code", ""), exchange.client)
        return await self._page(answer, self._language(exchange, form))

    def _language(self, exchange: Exchange, form: dict[str, str]) -> str:
        """The form's language, else the address's, else the browser's, else the member's."""
        query = dict(parse_qsl(exchange.scope.get("query_string", b"").decode("latin-1")[:200]))
        wanted = form.get("language") or query.get("language") or ""
        known_one = LANGUAGE.match(wanted) is not None and self._speaker.catalogue.language(wanted)
        if known_one:
            return wanted
        accepted = exchange.headers.get(b"accept-language", b"").decode("latin-1")[:200]
        for part in accepted.split(","):
            match = _ACCEPTED.match(part)
            if match is not None and self._speaker.catalogue.language(match.group(1)):
                return match.group(1)
        return self._settings.language

    async def _page(self, answer: Answer | None, language: str, status: int = 200) -> Reply:
        headers: tuple[tuple[bytes, bytes], ...] = ()
        if answer is not None and answer.miss is not None:
            status = _STATUS[answer.miss]
            if answer.miss is Miss.TOO_MANY:
                headers = ((b"retry-after", str(answer.retry_s).encode("ascii")),)
        body = await asyncio.to_thread(status_page, self._speaker, answer, language)
        return Reply(status, body, HTML_TYPE, headers)

    async def _refused(self, problem: Problem, exchange: Exchange) -> Reply:
        page = await self._page(None, self._language(exchange, {}), problem.status)
        allow = problem.headers.get("allow")
        headers = () if allow is None else ((b"allow", allow.encode("ascii")),)
        return Reply(page.status, page.body, page.content_type, headers)

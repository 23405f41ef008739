"""Edge: the outermost ASGI layer, what every request passes whatever serves it.

Rules: correlator in and out, security headers, authentication before routing (an unknown path tells
a stranger nothing), role check, deadline, problem documents for every failure, metrics and one
access line a request with the route's template, never a path, query, body or key. Hot routes are
served here; a router finds the rest. It holds no business of its own.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from msgspec import Struct
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.auth import ApiKeys, Entrance, Principal, RandomBytes, rate_headers, unauthenticated
from api.exchange import ClientGone, Exchange, Outgoing, Reply, Route
from api.jsonrpc import log_failure
from api.metrics import ApiMetrics
from api.problems import PROBLEM_TYPE, FieldProblem, Problem, field_problems
from api.settings import ApiSettings
from bulwark.indicators.errors import FieldError, NormalisationError, RowError
from node.identity.port import Identities
from node.service import RuleRefused, ServiceError

_CORRELATOR: Final = re.compile(rb"[A-Za-z0-9._:/-]{1,128}\Z")
_METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_SECURITY: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)
_BUSY_RETRY_S: Final = "1"
_LOOK_S: Final = 1.0
"""Between two looks whether an idle WebSocket's principal is still let in."""

_access = logging.getLogger("bulwark.api.access")
_log = logging.getLogger("bulwark.api")

SocketHandler = Callable[[Scope, Receive, Send, Principal], Awaitable[None]]
"""Serves an accepted-to-be WebSocket of a known principal."""


class Clock(Struct, frozen=True):
    """Port: monotonic time for durations and limits."""

    seconds: Callable[[], float] = time.monotonic


class Edge:
    """The ASGI application that uvicorn runs."""

    def __init__(
        self,
        routes: Iterable[Route],
        keys: ApiKeys | Identities,
        settings: ApiSettings,
        metrics: ApiMetrics,
        random_bytes: RandomBytes,
        clock: Clock,
    ) -> None:
        self.routes = tuple(routes)
        self._fast = {(r.method, r.path): r for r in self.routes if r.fast}
        self._open = {r.path for r in self.routes if r.roles is None}
        self._paths = [(compile_path(r.path)[0], r.method) for r in self.routes]
        self._fixed: dict[str, set[str]] = {}
        for route in self.routes:
            if "{" not in route.path:
                self._fixed.setdefault(route.path, set()).add(route.method)
        self.entrance = Entrance(keys, settings, clock.seconds)
        self._settings = settings
        self._metrics = metrics
        metrics.more.append(self.entrance.identities.limiter.expose)
        self._random = random_bytes
        self._clock = clock
        self._router: ASGIApp | None = None
        self._socket: tuple[str, SocketHandler] | None = None

    def attach(self, router: ASGIApp, socket_path: str, socket: SocketHandler) -> None:
        """Give the router for what is not hot, and the handler of WebSockets on one path."""
        self._router = router
        self._socket = (socket_path, socket)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        elif self._router is not None:
            await self._router(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = self._clock.seconds()
        exchange = Exchange(scope, receive, self._settings, "")
        exchange.correlator = self.correlator(exchange)
        try:
            reply = await self._dispatch(exchange)
        except ClientGone:
            self.note(exchange, 499, started, 0)
            return
        except Problem as problem:
            reply = problem_reply(problem, exchange.correlator)
        correlator = exchange.correlator.encode("ascii")
        headers = [
            (b"content-type", reply.content_type),
            (b"content-length", str(reply.length or len(reply.body)).encode("ascii")),
            (b"x-correlator", correlator),
            *_SECURITY,
            *reply.headers,
        ]
        if exchange.quota is not None:
            headers += rate_headers(exchange.quota)
        if reply.status == 204:
            del headers[:2]
        elif reply.stream is not None and not reply.length:
            del headers[1]  # nobody knows how long it gets
        within_s = self._settings.batch_timeout_ms / 1000
        size = await send_reply(exchange, reply, headers, send, within_s)
        self.note(exchange, reply.status, started, size)

    async def _dispatch(self, exchange: Exchange) -> Reply:
        if exchange.path in self._open:
            self.entrance.pay_open(exchange.client)
        else:
            who = self.entrance.known(
                exchange.headers, exchange.scope.get("state"), exchange.client
            )
            if isinstance(who, bytes):
                who = await self.entrance.token(who, exchange.client)
            exchange.principal = who
            exchange.entrance = self.entrance
            exchange.quota = self.entrance.pay(who)
        route = self._fast.get((exchange.method, exchange.path))
        if route is not None:
            return await self.serve(route, exchange)
        if self._router is None:
            raise Problem(404, "not-found", "there is nothing at this path")
        known = self._fixed.get(exchange.path)
        if known is not None and exchange.method not in known:
            raise _wrong_method(known)  # a path that is named is no value of a template
        return await self._through_router(self._router, exchange)

    async def _through_router(self, router: ASGIApp, exchange: Exchange) -> Reply:
        """Let the router match; the endpoint calls serve() and leaves the reply in scope."""
        exchange.scope["bulwark.exchange"] = exchange
        status = 500

        async def caught(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]

        await router(exchange.scope, exchange.receive, caught)
        reply = exchange.scope.get("bulwark.reply")
        if isinstance(reply, Reply):
            return reply
        if status == 405:
            # The router names the methods of one route; a path may have several.
            raise _wrong_method(method for path, method in self._paths if path.match(exchange.path))
        raise Problem(404, "not-found", "there is nothing at this path")

    async def serve(self, route: Route, exchange: Exchange) -> Reply:
        """Check the role, run the handler within its deadline, turn failures into problems."""
        exchange.route = route.path
        try:
            if route.roles is not None:
                principal = exchange.principal
                if principal is None:
                    raise unauthenticated("send Authorization: Bearer KEY")
                if principal.role not in route.roles:
                    raise _wrong_role(principal, route)
                if route.is_audited:
                    subject = " ".join(exchange.params.values())
                    action = f"{route.method} {route.path}"
                    self.entrance.identities.administered(principal, action, subject)
            async with asyncio.timeout(route.timeout_ms / 1000):
                return await route.handler(exchange)
        except ClientGone:
            raise
        except TimeoutError:
            problem = _too_late(exchange)
        except Exception as error:
            problem = as_problem(error, exchange.correlator)
        return (route.refuse or problem_reply)(problem, exchange.correlator)

    def identify(self, key: bytes, client: str) -> Principal:
        """Whose key this is. Raises Problem 401, 403, and 429 past the limit of wrong ones."""
        return self.entrance.identify(key, client)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange_headers: dict[bytes, bytes] = dict(scope["headers"])
        client = scope["client"][0] if scope.get("client") else "unknown"
        await receive()  # websocket.connect
        try:
            who = self.entrance.known(exchange_headers, scope.get("state"), client)
            principal = await self.entrance.token(who, client) if isinstance(who, bytes) else who
            self.entrance.pay(principal)
        except Problem:
            await send({"type": "websocket.close", "code": 1008})
            return
        if self._socket is None or scope["path"] != self._socket[0]:
            await send({"type": "websocket.close", "code": 1008})
            return
        watched = _Watched(self.entrance, principal, receive)
        await self._socket[1](scope, watched.receive, send, principal)

    def correlator(self, exchange: Exchange) -> str:
        """The name of a request: the client's own if it is a plain one, else a random one."""
        given = exchange.headers.get(b"x-correlator")
        if given is not None and _CORRELATOR.match(given) is not None:
            return given.decode("ascii")
        return self._random(16).hex()

    def note(self, exchange: Exchange, status: int, started: float, size: int) -> None:
        """Count a request and write its access line; `started` is monotonic, in seconds."""
        seconds = self._clock.seconds() - started
        method = exchange.method if exchange.method in _METHODS else "OTHER"
        self._metrics.observe(method, exchange.route, status, seconds)
        settings = self._settings
        notable = settings.access_log or status >= 400 or seconds * 1000 > settings.slow_ms
        if notable and _access.isEnabledFor(logging.INFO):
            who = exchange.principal
            fields = {
                "method": method,
                "route": exchange.route,
                "status": status,
                "ms": round(seconds * 1000, 3),
                "bytes": size,
                "client": exchange.client,
                "key": who.key_id if who is not None else None,
                "correlator": exchange.correlator,
            }
            _access.info("request", extra={"fields": fields})


class _Watched:
    """Messages of a WebSocket: paid one by one, and none once its principal is let in no more.

    A message that comes too fast waits; the socket's own flow control slows the client down.
    """

    def __init__(self, entrance: Entrance, who: Principal, receive: Receive) -> None:
        self._entrance = entrance
        self._who = who
        self._receive = receive

    async def receive(self) -> Message:
        """The next message; a disconnect when the principal was revoked or expired."""
        waiting = asyncio.ensure_future(self._receive())
        try:
            while not waiting.done():
                await asyncio.wait((waiting,), timeout=_LOOK_S)
                if not self._entrance.is_current(self._who):
                    return {"type": "websocket.disconnect", "code": 1008}
            if not self._entrance.is_current(self._who):
                return {"type": "websocket.disconnect", "code": 1008}
            await self._paid()
            return waiting.result()
        finally:
            if not waiting.done():
                waiting.cancel()

    async def _paid(self) -> None:
        identities = self._entrance.identities
        while True:
            own = identities.own_limit(self._who)
            quota = identities.limiter.take(self._who, own)
            if quota is None or quota.wait_s <= 0:
                return
            await asyncio.sleep(quota.wait_s)


async def send_reply(
    exchange: Exchange,
    reply: Reply,
    headers: list[tuple[bytes, bytes]],
    send: Send,
    within_s: float,
) -> int:
    """Send a reply under these headers, a stream within a time; bytes of its body."""
    start = {"type": "http.response.start", "status": reply.status, "headers": headers}
    if reply.stream is not None:
        return await _send_stream(reply.stream, start, send, within_s, reply.slow_s)
    await send(start)
    body = b"" if exchange.method == "HEAD" else reply.body
    await send({"type": "http.response.body", "body": body})
    return len(body)


async def _send_stream(
    stream: Outgoing, start: Message, send: Send, within_s: float, slow_s: float
) -> int:
    """Send a body piece by piece; a failure ends the connection short of its announced length."""
    size = 0
    try:
        await send(start)
        async with asyncio.timeout(within_s):
            async for piece in stream:
                message = {"type": "http.response.body", "body": piece, "more_body": True}
                if not await _taken(send, message, slow_s):
                    _log.warning("a client that reads too slowly was let go: %.0f s", slow_s)
                    return size
                size += len(piece)
            await send({"type": "http.response.body", "body": b""})
    finally:
        await stream.aclose()
    return size


async def _taken(send: Send, message: Message, slow_s: float) -> bool:
    """Whether a client took a piece within a time; 0 for any."""
    if not slow_s:
        await send(message)
        return True
    try:
        async with asyncio.timeout(slow_s):
            await send(message)
    except TimeoutError:
        return False
    return True


def as_problem(error: Exception, correlator: str) -> Problem:
    """The problem that an exception of a handler or of the service stands for."""
    match error:
        case Problem():
            return error
        case ServiceError():
            retry = {"retry-after": _BUSY_RETRY_S} if error.status in (429, 503) else None
            return Problem(
                error.status, error.code, error.detail, errors=_rules(error), headers=retry
            )
        case RowError() | FieldError() | NormalisationError():
            problems = field_problems(error)
            return Problem(422, "invalid", _summary(problems), errors=problems)
        case _:
            log_failure(_log, "request failed", error, correlator=correlator)
            detail = "the node failed; its log names this request by its correlator"
            return Problem(500, "internal", detail)


def problem_reply(problem: Problem, correlator: str) -> Reply:
    """A problem as a reply."""
    headers = tuple((k.encode(), v.encode("latin-1")) for k, v in problem.headers.items())
    return Reply(problem.status, problem.encode(correlator), PROBLEM_TYPE, headers)


def _rules(error: ServiceError) -> tuple[FieldProblem, ...]:
    """The rule of the ledger that forbids it, where it is one."""
    if isinstance(error, RuleRefused):
        return (FieldProblem("operation", error.detail, error.rule),)
    return ()


def _summary(problems: tuple[FieldProblem, ...]) -> str:
    return problems[0].detail if len(problems) == 1 else f"{len(problems)} fields were refused"


def _too_late(exchange: Exchange) -> Problem:
    if exchange.reading:
        return Problem(408, "timeout", "the body did not arrive in time")
    detail = "the node did not finish in time; a write may still go on, ask again with"
    return Problem(504, "timeout", f"{detail} the same Idempotency-Key")


def _wrong_method(known: Iterable[str]) -> Problem:
    allow = {"allow": ", ".join(sorted(set(known)))}
    return Problem(405, "method-not-allowed", "this path does not know that method", headers=allow)


def _wrong_role(principal: Principal, route: Route) -> Problem:
    able = ", ".join(sorted(role.value for role in route.roles or ()))
    detail = f"the role {principal.role.value} may not do this; roles that may: {able}"
    return Problem(403, "forbidden", detail)

"""Gate: the ASGI application of the console that every request to it passes.

Rules: session before anything but log-in and files, role by role as over REST, a token with every
form, refusals as pages in the same frame, security headers on all, no page in any cache, one access
line a request with the page's template and never a path, a form or a key. Pages are made in a
thread: a reader must not hold up a vote. It holds no business of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol
from urllib.parse import urlsplit

from starlette.routing import compile_path
from starlette.types import Receive, Scope, Send

from api.auth import Entrance, Principal
from api.console.cookies import SESSION, drop_cookie, read_cookie
from api.console.multipart import read_upload
from api.console.render import Renderer, is_scripted
from api.console.sessions import Sessions
from api.console.visit import HTML_TYPE, Page, View, Visit, read_form, redirect
from api.edge import as_problem, send_reply
from api.exchange import ClientGone, Exchange, Reply
from api.lateconsole import PREFIX
from api.problems import TITLES, Problem
from api.settings import ApiSettings
from node.service import Role

LOGIN_PATH: Final = "/console/login"
HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of every page; one with progress allows its script by hash, too."""
_ADMINS: Final = frozenset({Role.ADMIN})
NO_STORE: Final = (b"cache-control", b"no-store")


class Door(Protocol):
    """What the API's edge lends to the console."""

    entrance: Entrance
    """Who comes in and still may."""

    def identify(self, key: bytes, client: str) -> Principal:
        """Whose key this is. Raises Problem 401, and 429 past the limit of wrong ones."""
        ...

    def correlator(self, exchange: Exchange) -> str:
        """The name of a request."""
        ...

    def note(self, exchange: Exchange, status: int, started: float, size: int) -> None:
        """Count a request and write its access line; `started` is monotonic, in seconds."""
        ...


class Gate:
    """The console's front."""

    def __init__(
        self,
        pages: Iterable[Page],
        sessions: Sessions,
        renderer: Renderer,
        door: Door,
        settings: ApiSettings,
        frame: Callable[[], dict[str, object]],
        clock: Callable[[], int],
    ) -> None:
        """`frame` gives what stands on every page of a session: alliance, member, height, time.

        `clock` is monotonic milliseconds.
        """
        self._clock = clock
        self._frame = frame
        self.pages = tuple(pages)
        self._paths = [(compile_path(page.path)[0], page) for page in self.pages]
        self._sessions = sessions
        self._renderer = renderer
        self._door = door
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request under /console."""
        started = time.monotonic()
        exchange = Exchange(scope, receive, self._settings, "")
        exchange.correlator = self._door.correlator(exchange)
        try:
            reply = await self._serve(Visit(exchange))
        except ClientGone:
            self._door.note(exchange, 499, started, 0)
            return
        names = {name for name, _ in reply.headers}
        headers = [
            (b"content-type", reply.content_type),
            *_length(reply),
            (b"x-correlator", exchange.correlator.encode("ascii")),
            (b"content-security-policy", self._policy(exchange.route).encode("ascii")),
            *HEADERS,
            *(() if NO_STORE[0] in names else (NO_STORE,)),
            *reply.headers,
        ]
        within_s = self._settings.batch_timeout_ms / 1000
        size = await send_reply(exchange, reply, headers, send, within_s)
        self._door.note(exchange, reply.status, started, size)

    async def _serve(self, visit: Visit) -> Reply:
        """The reply to a request; every failure becomes a page."""
        try:
            within_s = self._settings.request_timeout_ms / 1000
            async with asyncio.timeout(within_s) as visit.limit:
                shown = await self._dispatch(visit)
                if isinstance(shown, Reply):
                    return shown
                return await self._page(visit, shown)
        except ClientGone:
            raise
        except TimeoutError:
            problem = _too_late(visit.exchange)
        except Exception as error:
            problem = as_problem(error, visit.exchange.correlator)
        return await self._page(visit, problem_view(problem, visit.exchange.correlator))

    async def _dispatch(self, visit: Visit) -> View | Reply:
        exchange = visit.exchange
        found = self._matches(exchange.path.rstrip("/"))
        page = next((p for p, _ in found if p.method == _method(exchange)), None)
        public = page is not None and page.roles is None
        self._enter(visit)
        self._pay(visit)
        if visit.session is None and not public:
            return self._to_login(visit)
        if page is None:
            raise _no_page({p.method for p, _ in found})
        exchange.route = page.path
        if page.timeout_ms is not None and visit.limit is not None:
            visit.limit.reschedule(asyncio.get_running_loop().time() + page.timeout_ms / 1000)
        visit.params = dict(found)[page]
        if page.roles is not None and visit.role not in page.roles:
            able = ", ".join(sorted(role.value for role in page.roles))
            detail = f"a key with the role {visit.role.value} does not show this page; {able} does"
            raise Problem(403, "forbidden", detail)
        if page.method == "POST":
            check_origin(exchange)
            if page.upload:
                visit.form, visit.upload = await read_upload(exchange)
            else:
                visit.form = await read_form(exchange, large=page.large)
            token = visit.form.get("token", "")
            if page.roles is not None and not (visit.session and visit.session.has_token(token)):
                raise Problem(403, "forbidden", "the form is not of this session; load it anew")
            if page.roles == _ADMINS and page.audited:
                action, subject = f"POST {page.path}", " ".join(visit.params.values())
                identities = self._door.entrance.identities
                identities.administered(visit.principal, action, subject)
        if page.roles is not None and page.is_of_persons:
            action, subject = f"{page.method} {page.path}", " ".join(visit.params.values())
            self._door.entrance.identities.administered(visit.principal, action, subject)
        return await page.handler(visit)

    def _matches(self, path: str) -> list[tuple[Page, Mapping[str, str]]]:
        found: list[tuple[Page, Mapping[str, str]]] = []
        for pattern, page in self._paths:
            match = pattern.match(path)
            if match is not None:
                found.append((page, match.groupdict()))
        return found

    def _enter(self, visit: Visit) -> None:
        """Put the browser's session into the visit, if it has one that lives."""
        identity = read_cookie(visit.exchange, SESSION)
        if identity:
            by_hand = not _is_read_by_script(visit.exchange)
            visit.session = self._sessions.find(identity, self._clock(), by_hand=by_hand)
            if visit.session is None:
                return
            principal = visit.session.principal
            if not self._door.entrance.is_current(principal):  # revoked, or of another role now
                self._sessions.end(identity)
                visit.session = None
                return
            visit.exchange.principal = principal

    def _pay(self, visit: Visit) -> None:
        """Take the request from its bucket. Raises Problem 429."""
        entrance = self._door.entrance
        if visit.session is None:
            entrance.pay_open(visit.exchange.client)
        else:
            entrance.pay(visit.session.principal)

    def _to_login(self, visit: Visit) -> Reply:
        exchange = visit.exchange
        had = bool(read_cookie(exchange, SESSION))
        gone = (drop_cookie(exchange, SESSION),) if had else ()
        wish = exchange.path if _method(exchange) == "GET" else PREFIX
        if not is_own_path(wish):
            wish = PREFIX
        why = "&over=1" if had else ""
        return redirect(f"{LOGIN_PATH}?next={wish}{why}", *gone)

    def _policy(self, route: str) -> str:
        if not is_scripted(self.pages, route):
            return POLICY
        return f"{POLICY}; script-src {self._renderer.script_source}; connect-src 'self'"

    async def _page(self, visit: Visit, view: View) -> Reply:
        # What the thread gets was read before it: nothing of the node is touched in there.
        frame = {} if visit.session is None else self._frame()
        body = await asyncio.to_thread(self._renderer.page, view, visit, self.pages, frame)
        return Reply(view.status, body, HTML_TYPE, view.headers)


def _length(reply: Reply) -> tuple[tuple[bytes, bytes], ...]:
    """Header of the body's length; none for a stream, of which nobody knows it."""
    if reply.stream is not None:
        return ()
    return ((b"content-length", str(len(reply.body)).encode("ascii")),)


def monotonic_ms() -> int:
    """Milliseconds that no change of the wall clock moves; for lifetimes."""
    return time.monotonic_ns() // 1_000_000


def is_own_path(path: str) -> bool:
    """Whether a path is a plain one of this console, safe to be sent to."""
    plain = all(part.replace("-", "").replace("_", "").isalnum() for part in path.split("/")[1:])
    own = path == PREFIX or path.startswith(f"{PREFIX}/")
    return len(path) <= 200 and path.isascii() and own and plain


def check_origin(exchange: Exchange) -> None:
    """Problem 403 for a form that a page of somebody else sent."""
    headers = exchange.headers
    site = headers.get(b"sec-fetch-site", b"same-origin")
    origin = headers.get(b"origin")
    host = headers.get(b"host", b"").decode("latin-1").lower()
    named = origin is None or urlsplit(origin.decode("latin-1")).netloc.lower() == host
    if site not in (b"same-origin", b"none") or not named:
        raise Problem(403, "forbidden", "the form was sent by another site")


def problem_view(problem: Problem, correlator: str) -> View:
    """A refusal as a page."""
    headers = tuple((k.encode(), v.encode("latin-1")) for k, v in problem.headers.items())
    headers = tuple(pair for pair in headers if pair[0] != b"www-authenticate")
    values = {"problem": problem, "correlator": correlator}
    title = TITLES.get(problem.code, problem.code)
    return View("problem.html", title, values, status=problem.status, headers=headers)


def _is_read_by_script(exchange: Exchange) -> bool:
    """Whether a page's script reads, as browsers say: a page left open must not hold a session."""
    return exchange.headers.get(b"sec-fetch-dest") == b"empty" and exchange.method != "POST"


def _too_late(exchange: Exchange) -> Problem:
    if exchange.reading:
        return Problem(408, "timeout", "the form did not arrive in time")
    return Problem(504, "timeout", "the node did not finish this page in time")


def _method(exchange: Exchange) -> str:
    return "GET" if exchange.method == "HEAD" else exchange.method


def _no_page(methods: set[str]) -> Problem:
    if methods:
        allow = {"allow": ", ".join(sorted(methods))}
        return Problem(405, "method-not-allowed", "this path does not know it", headers=allow)
    return Problem(404, "not-found", "the console has no page at this path")

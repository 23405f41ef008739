"""Exchange: one HTTP request as handlers see it, and the reply they give.

Rules: a body is read chunk by chunk against its bound (the edge keeps the deadline), the content
type is checked before the first byte, and headers are looked up in lower case as ASGI gives them.
Handlers return a Reply or raise a Problem; nothing else writes to the connection.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Final, Protocol
from urllib.parse import parse_qsl

import orjson
from msgspec import Struct
from starlette.types import Receive, Scope

from api.auth import Entrance, Principal
from api.problems import Problem, malformed, refused, too_large
from api.settings import ApiSettings
from node.identity.limits import Quota
from node.service import Caller, Role, Stage

JSON_TYPE: Final = b"application/json"
NDJSON_TYPE: Final = b"application/x-ndjson"
CSV_TYPE: Final = b"text/csv"
MAX_QUERY_BYTES: Final = 2_048
_ADMINS: Final = frozenset({Role.ADMIN})
_STAGES: Final = {stage.label: stage for stage in Stage}


class ClientGone(Exception):
    """The client closed the connection before its request was read."""


class Outgoing(Protocol):
    """A body that is made while it is sent; it is closed whatever happens."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces in order."""
        ...

    async def aclose(self) -> None:
        """Let go of what it reads from; also before its end."""
        ...


class Pieces:
    """An asynchronous generator as an Outgoing."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces in order."""
        return self._pieces

    async def aclose(self) -> None:
        """Let go of what it reads from."""
        close = getattr(self._pieces, "aclose", None)
        if close is not None:
            await close()


class Reply(Struct, frozen=True):
    """What goes back: status, body and its type, further headers."""

    status: int
    body: bytes = b""
    content_type: bytes = JSON_TYPE
    headers: tuple[tuple[bytes, bytes], ...] = ()
    stream: Outgoing | None = None
    """Instead of `body`: pieces of `length` bytes together, 0 if nobody knows."""
    length: int = 0
    slow_s: float = 0.0
    """A client that does not take a piece of `stream` for so long is let go; 0: never."""


def json_reply(status: int, document: object, *headers: tuple[bytes, bytes]) -> Reply:
    """A JSON reply."""
    return Reply(status, orjson.dumps(document), JSON_TYPE, headers)


class Exchange:
    """One request: what was asked, by whom, and its body still to be read."""

    __slots__ = (
        "correlator",
        "entrance",
        "headers",
        "method",
        "params",
        "path",
        "principal",
        "quota",
        "reading",
        "receive",
        "route",
        "scope",
        "settings",
    )

    def __init__(
        self, scope: Scope, receive: Receive, settings: ApiSettings, correlator: str
    ) -> None:
        self.scope = scope
        self.receive = receive
        self.settings = settings
        self.correlator = correlator
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.params: Mapping[str, str] = {}
        self.principal: Principal | None = None
        self.quota: Quota | None = None
        """What is left of the caller's rate, for the reply's headers."""
        self.entrance: Entrance | None = None
        self.route: str = "unmatched"
        self.reading = False
        """Whether the body is still to come: a deadline that passes then is the client's."""

    @property
    def client(self) -> str:
        """Address of the client's end of the connection."""
        client = self.scope.get("client")
        return client[0] if client else "unknown"

    @property
    def caller(self) -> Caller:
        """Who asks; only for routes that need a key."""
        if self.principal is None:
            raise RuntimeError(f"{self.route} is served without a key")
        return Caller(self.principal.key_id, self.principal.role)

    def may_upload(self) -> None:
        """Problem 429 while the caller owes for rows of earlier uploads."""
        if self.entrance is not None and self.principal is not None:
            self.entrance.may_upload(self.principal)

    def charge_rows(self, rows: int) -> None:
        """Pay the rows of an upload that was read, from the caller's rate of rows."""
        if self.entrance is not None and self.principal is not None:
            self.entrance.charge_rows(self.principal, rows)

    def content_type(self, *allowed: bytes) -> bytes:
        """The media type of the body, one of `allowed`; Problem 415 otherwise."""
        given = self.headers.get(b"content-type", b"")
        media, _, parameters = given.partition(b";")
        media = media.strip().lower()
        if media not in allowed:
            wanted = " or ".join(kind.decode() for kind in allowed)
            raise Problem(415, "unsupported-media-type", f"send the body as {wanted}")
        charset = parameters.lower().replace(b'"', b"").replace(b" ", b"")
        if b"charset=" in charset and b"charset=utf-8" not in charset:
            raise Problem(415, "unsupported-media-type", "the only charset is UTF-8")
        if self.headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise Problem(415, "unsupported-media-type", "no content encoding is read")
        return media

    async def body(self, most: int) -> bytes:
        """The whole body, at most `most` bytes; Problem 413 otherwise."""
        self._check_declared(most)
        self.reading = True
        message = await self.receive()
        whole: bytes = message.get("body", b"")
        if message["type"] == "http.disconnect":
            raise ClientGone
        if not message.get("more_body", False):  # most often the first message is all
            self.reading = False
            if len(whole) > most:
                raise too_large(f"at most {most} bytes are read")
            return whole
        rest = [chunk async for chunk in self._chunks(most, len(whole))]
        return whole + b"".join(rest)

    def chunks(self, most: int) -> AsyncIterator[bytes]:
        """The body as it arrives, at most `most` bytes together; Problem 413 otherwise."""
        self._check_declared(most)
        self.reading = True
        return self._chunks(most, 0)

    def _check_declared(self, most: int) -> None:
        declared = self.headers.get(b"content-length", b"0")
        if len(declared) > 18 or not declared.isdigit():
            raise malformed("content-length is no number")
        if int(declared) > most:
            raise too_large(f"{int(declared)} bytes announced, at most {most} are read")

    async def _chunks(self, most: int, seen: int) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            chunk: bytes = message.get("body", b"")
            more = message.get("more_body", False)
            seen += len(chunk)
            if seen > most:
                raise too_large(f"at most {most} bytes are read")
            if chunk:
                yield chunk
        self.reading = False

    def query(self, *known: str) -> dict[str, str]:
        """Query parameters by name; Problem 400 on an unknown, repeated or over-long one."""
        raw: bytes = self.scope.get("query_string", b"")
        if not raw:
            return {}
        if len(raw) > MAX_QUERY_BYTES:
            raise malformed(f"the query is over {MAX_QUERY_BYTES} bytes")
        try:
            pairs = parse_qsl(
                raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=32
            )
        except ValueError as error:  # also UnicodeDecodeError
            raise malformed("the query is not percent-encoded UTF-8") from error
        given = dict(pairs)
        if len(given) != len(pairs):
            raise malformed("a query parameter is given twice")
        if not given.keys() <= set(known):
            allowed = ", ".join(known) or "none"
            raise malformed(f"a query parameter is unknown; known here: {allowed}")
        return given

    def wait(self) -> Stage:
        """The stage that `?wait=` names, executed when it names none; Problem 400 otherwise."""
        name = self.query("wait").get("wait", "executed")
        stage = _STAGES.get(name)
        if stage is None:
            allowed = ", ".join(_STAGES)
            raise refused("wait", f"one of {allowed}")
        return stage


Handler = Callable[[Exchange], Awaitable[Reply]]
"""Serves one route; raises Problem, ServiceError or an indicator error."""


class Route(Struct, frozen=True):
    """One path and method with who may use it and what the documentation says."""

    method: str
    path: str
    """Template, as /v1/blocks/{at}; also the route's label in logs and metrics."""
    handler: Handler
    roles: frozenset[Role] | None
    """None: open to all, also without a key."""
    document: Mapping[str, object]
    """OpenAPI operation: summary, description, parameters, requestBody, responses."""
    timeout_ms: int
    fast: bool = False
    """Dispatched before the router (static paths only)."""
    refuse: Callable[[Problem, str], Reply] | None = None
    """How a refusal is written, from the problem and the correlator; a problem document if None."""
    audit: bool | None = None
    """Whether each request gets an entry in the access log; None: if only an admin may, and it is
    no reading."""

    @property
    def is_audited(self) -> bool:
        """Whether a request to this route is entered in the access log before it is served."""
        if self.audit is not None:
            return self.audit
        return self.roles == _ADMINS and self.method not in ("GET", "HEAD")


ALL_ROLES: Final = frozenset(Role)
"""Any valid key."""

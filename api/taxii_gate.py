"""TAXII gate: what TAXII clients expect of HTTP around the edge, for paths under /taxii2/ alone.

Rules: HTTP Basic is read there, its password is the API key and its user name counts for nothing;
a refusal goes out as a TAXII error object with the problem's words, and 401 asks for Basic or
Bearer. Everything else passes as it is. The edge decides who may do what.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any, Final

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.exchange import Route
from api.problems import PROBLEM_TYPE
from api.taxii import MEDIA_TYPE, PREFIX

_BASIC: Final = b"basic "
_ASK: Final = b'Basic realm="bulwark", charset="UTF-8"'
MAX_CREDENTIALS: Final = 1_024


class WithTaxii:
    """An ASGI application that speaks TAXII under its prefix."""

    def __init__(self, inner: ASGIApp, routes: Sequence[Route]) -> None:
        self._inner = inner
        self.routes = routes
        """The API's routes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http" or not str(scope["path"]).startswith(PREFIX):
            await self._inner(scope, receive, send)
            return
        named = {**scope, "headers": [_as_bearer(*header) for header in scope["headers"]]}
        await self._inner(named, receive, _Sender(send).send)


class _Sender:
    """Holds back a problem's start until its body is there."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None
        self._body = b""

    async def send(self, message: Message) -> None:
        """One message of the answer."""
        if message["type"] == "http.response.start":
            headers = dict(message["headers"])
            if headers.get(b"content-type") == PROBLEM_TYPE:
                self._start = message
                return
        elif self._start is not None and message["type"] == "http.response.body":
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._refuse(self._start)
            return
        await self._send(message)

    async def _refuse(self, start: Message) -> None:
        body = orjson.dumps(_error(self._body, start["status"]))
        headers = [
            (name, value)
            for name, value in start["headers"]
            if name not in (b"content-type", b"content-length", b"www-authenticate")
        ]
        headers.append((b"content-type", MEDIA_TYPE))
        headers.append((b"content-length", str(len(body)).encode("ascii")))
        if start["status"] == 401:
            headers.append((b"www-authenticate", _ASK))
            headers.append((b"www-authenticate", b'Bearer realm="bulwark"'))
        await self._send({**start, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})


def _error(problem: bytes, status: int) -> dict[str, Any]:
    """A TAXII error object (section 3.6) of a problem document; a HEAD has none."""
    try:
        told = orjson.loads(problem) if problem else {}
    except orjson.JSONDecodeError:
        told = {}
    found: dict[str, Any] = {
        "title": str(told.get("title", "The request was refused")),
        "description": str(told.get("detail", "")),
        "error_id": str(told.get("instance", "")),
        "error_code": str(told.get("type", "")),
        "http_status": str(status),
    }
    errors = told.get("errors")
    if isinstance(errors, list):
        found["details"] = {str(one.get("field")): str(one.get("detail")) for one in errors}
    return found


def _as_bearer(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    if name != b"authorization" or value[: len(_BASIC)].lower() != _BASIC:
        return name, value
    given = value[len(_BASIC) :].strip()
    try:
        plain = base64.b64decode(given, validate=True) if len(given) <= MAX_CREDENTIALS else b""
    except (binascii.Error, ValueError):
        plain = b""
    return name, b"Bearer " + plain.partition(b":")[2]

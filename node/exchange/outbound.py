"""Calls from the command line to another system's server: a MISP instance, a TAXII collection.

Rules: a key or credentials come from a file that nobody else reads and stand in the Authorization
header alone; TLS is verified, redirects are not followed, proxies of the environment are not asked;
an answer is held up to a bound; what may pass is asked again after a growing pause, or the longer
one that the server wants. An error names the path and the status, never the address as it was
given (somebody may have put a password into it), a key or a value. Which address is called is the
operator's own decision, so private ones are allowed.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Final, Self, TypedDict, Unpack

import httpx

from node.keys import KeystoreError, read_private

TIMEOUT_S: Final = 60.0
"""Seconds for a connection, and for each piece of an answer."""
TRIES: Final = 5
PAUSE_S: Final = 0.5
PAUSE_MAX_S: Final = 60.0
_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
Verify = ssl.SSLContext | bool


class Ports(TypedDict, total=False):
    """How a client reaches its server; what is left out is as in production."""

    verify: Verify
    """Whom to trust; True for the system's authorities."""
    tries: int
    sleep: Callable[[float], Awaitable[None]]
    """Between tries, seconds."""
    transport: httpx.AsyncBaseTransport
    """Replaces the network."""


class ServerFailed(Exception):
    """The other server refused, answered nonsense or could not be reached."""

    server: ClassVar[str] = "server"

    def __init__(self, path: str, detail: str, status: int = 0) -> None:
        self.path = path
        self.status = status
        """HTTP status, 0 where there was none."""
        super().__init__(f"{self.server} {path}: {detail}")


class SecretInvalid(Exception):
    """The file with the key or the credentials can not be used."""


def read_secret(path: Path, most: int, fault: type[SecretInvalid]) -> str:
    """The text in a file of mode 0600 without white space at its ends, up to `most` bytes.

    Raises `fault`.
    """
    try:
        return read_private(path, most).decode("utf-8", "replace").strip()
    except KeystoreError as error:
        raise fault(str(error)) from None


@dataclass(frozen=True, slots=True)
class Answer:
    """A 2xx answer."""

    status: int
    body: bytes = field(repr=False)
    headers: httpx.Headers = field(repr=False)


class OutboundClient:
    """Connections to one server; use it as an async context manager."""

    failed: ClassVar[type[ServerFailed]] = ServerFailed

    def __init__(
        self, url: str, headers: Mapping[str, str], answer_bytes: int, **ports: Unpack[Ports]
    ) -> None:
        """`url` is what paths are under; `answer_bytes` are held of an answer at the most.

        Raises `failed` for an address that can not be called.
        """
        try:
            base = httpx.URL(url)
            is_good = base.scheme in ("http", "https") and base.host and not base.userinfo
        except (httpx.InvalidURL, UnicodeError):
            is_good = False
        if not is_good:
            raise self.failed("address", "wants http(s)://host[:port]/path without user")
        self.url = url
        """As it was given; it has no user and no password."""
        self._answer_bytes = answer_bytes
        self._tries = max(1, ports.get("tries", TRIES))
        self._sleep = ports.get("sleep", asyncio.sleep)
        self._http = httpx.AsyncClient(
            base_url=base,
            headers=dict(headers),
            timeout=TIMEOUT_S,
            verify=ports.get("verify", True),
            transport=ports.get("transport"),
            trust_env=False,
            follow_redirects=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def send(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        query: Mapping[str, str] | None = None,
        tries: int = 0,
    ) -> Answer:
        """A 2xx answer to a JSON body or none; sent up to `tries` times. Raises `failed`."""
        most = tries or self._tries
        number = 1
        while True:
            pause = PAUSE_S * 2 ** (number - 1)
            try:
                answer = await self._once(method, path, body, query)
            except httpx.InvalidURL:
                raise self.failed(path, "a query that is too long") from None
            except httpx.HTTPError as error:
                if number == most:
                    raise self.failed(path, type(error).__name__) from None
            else:
                if 200 <= answer.status < 300:
                    return answer
                if answer.status not in _AGAIN or number == most:
                    raise self.failed(path, self.refusal(answer), answer.status)
                asked = answer.headers.get("Retry-After", "")
                pause = max(pause, float(asked) if asked.isdecimal() else 0.0)
            await self._sleep(min(PAUSE_MAX_S, pause))
            number += 1

    async def _once(
        self, method: str, path: str, body: bytes | None, query: Mapping[str, str] | None
    ) -> Answer:
        headers = {} if body is None else {"Content-Type": "application/json"}
        async with self._http.stream(
            method, path, content=body, params=query, headers=headers
        ) as answer:
            held = bytearray()
            async for piece in answer.aiter_bytes():
                held += piece
                if len(held) > self._answer_bytes:
                    raise self.failed(path, f"an answer over {self._answer_bytes} bytes")
            return Answer(answer.status_code, bytes(held), answer.headers)

    def refusal(self, answer: Answer) -> str:
        """What an error says of an answer that is none."""
        return f"status {answer.status}"

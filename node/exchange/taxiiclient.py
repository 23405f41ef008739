"""A client of TAXII 2.1 collections: pages of objects, bounded, repeated where that is safe.

Rules: credentials come from a file that nobody else reads and stand in the Authorization header
alone; TLS is verified, redirects are not followed, answers are bounded in size and number. Only
GET is ever sent. An error names the path and the status, never credentials or a value.
"""

from __future__ import annotations

import asyncio
import base64
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import httpx

from bulwark.interop.stix.document import MAX_BYTES, DocumentRefused, read_json

MEDIA_TYPE: Final = "application/taxii+json;version=2.1"
CREDENTIALS_MAX: Final = 4_096
PAGES_MAX: Final = 100_000
PAGE: Final = 500
TRIES: Final = 5
PAUSE_S: Final = 0.5
PAUSE_MAX_S: Final = 60.0
_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


class TaxiiFailed(Exception):
    """The TAXII server refused, answered nonsense or could not be reached."""

    def __init__(self, path: str, detail: str) -> None:
        self.path = path
        super().__init__(f"TAXII {path}: {detail}")


class CredentialsInvalid(Exception):
    """The file with the credentials can not be used."""


@dataclass(frozen=True, slots=True)
class TaxiiPage:
    """Some objects, and where the next pull begins once they are in."""

    objects: list[Any] = field(repr=False)
    added_last: str
    """X-TAXII-Date-Added-Last, '' where the server gives none."""


def read_credentials(path: Path) -> str:
    """The Authorization header of a file of mode 0600: `user:password`, or one token.

    Raises CredentialsInvalid.
    """
    try:
        mode = path.stat().st_mode
        with path.open("rb") as stream:
            raw = stream.read(CREDENTIALS_MAX + 2)
    except OSError as error:
        raise CredentialsInvalid(f"{path}: {error.strerror}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise CredentialsInvalid(f"{path}: others may read or write it; set its mode to 0600")
    text = raw.decode("utf-8", "replace").strip()
    if not text or len(text) > CREDENTIALS_MAX or not text.isprintable():
        raise CredentialsInvalid(f"{path}: wants user:password, or one token")
    if ":" in text:
        return "Basic " + base64.b64encode(text.encode("utf-8")).decode("ascii")
    if not text.isascii() or " " in text:
        raise CredentialsInvalid(f"{path}: a token is ASCII without blanks")
    return f"Bearer {text}"


class TaxiiClient:
    """One collection of a TAXII server; use it as an async context manager."""

    def __init__(
        self,
        url: str,
        authorization: str | None,
        *,
        verify: Any = True,
        timeout_s: float = 60.0,
        tries: int = TRIES,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`url` is the collection's, with or without `objects/`; `transport` is a port."""
        base = httpx.URL(url.rstrip("/").removesuffix("/objects") + "/")
        if base.scheme not in ("http", "https") or not base.host or base.userinfo:
            raise TaxiiFailed(url[:64], "wants http(s)://host[:port]/.../collections/ID/")
        self._tries = max(1, tries)
        self._sleep = sleep
        headers = {"Accept": MEDIA_TYPE}
        if authorization is not None:
            headers["Authorization"] = authorization
        self._http = httpx.AsyncClient(
            base_url=base,
            headers=headers,
            timeout=timeout_s,
            verify=verify,
            transport=transport,
            trust_env=False,
            follow_redirects=False,
        )

    async def __aenter__(self) -> TaxiiClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def pages(self, added_after: str, **match: str) -> AsyncIterator[TaxiiPage]:
        """Pages of what was added after a moment ('' for all), oldest first. Raises TaxiiFailed."""
        wish = {"limit": str(PAGE), **{f"match[{name}]": value for name, value in match.items()}}
        if added_after:
            wish["added_after"] = added_after
        for _ in range(PAGES_MAX):
            envelope, last = await self._page(wish)
            objects = envelope.get("objects", [])
            if not isinstance(objects, list):
                raise TaxiiFailed("objects/", "an envelope whose objects are no list")
            yield TaxiiPage(objects, last)
            following = envelope.get("next")
            if envelope.get("more") is not True:
                return
            if isinstance(following, str) and following:
                wish["next"] = following
            elif last and last != wish.get("added_after"):
                wish["added_after"] = last
            else:
                raise TaxiiFailed("objects/", "there is more, but nothing says where")
        raise TaxiiFailed("objects/", f"more than {PAGES_MAX} pages")

    async def _page(self, wish: dict[str, str]) -> tuple[dict[str, Any], str]:
        for attempt in range(1, self._tries + 1):
            try:
                status, body, headers = await self._get(wish)
            except httpx.HTTPError as error:
                if attempt == self._tries:
                    raise TaxiiFailed("objects/", type(error).__name__) from error
            else:
                if status == 200:
                    return _envelope(body), headers.get("x-taxii-date-added-last", "")[:40]
                if status not in _AGAIN or attempt == self._tries:
                    raise TaxiiFailed("objects/", f"status {status}")
            await self._sleep(min(PAUSE_S * 2 ** (attempt - 1), PAUSE_MAX_S))
        raise TaxiiFailed("objects/", "no answer")

    async def _get(self, wish: dict[str, str]) -> tuple[int, bytes, httpx.Headers]:
        async with self._http.stream("GET", "objects/", params=wish) as answer:
            body = b""
            async for piece in answer.aiter_bytes():
                body += piece
                if len(body) > MAX_BYTES:
                    raise TaxiiFailed("objects/", f"a page of over {MAX_BYTES} bytes")
            return answer.status_code, body, answer.headers


def _envelope(body: bytes) -> dict[str, Any]:
    try:
        found = read_json(body) if body.strip() else {}
    except DocumentRefused as refusal:
        raise TaxiiFailed("objects/", str(refusal)) from None
    if not isinstance(found, dict):
        raise TaxiiFailed("objects/", "no envelope")
    return found

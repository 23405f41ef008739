"""A client of a MISP instance's REST API: search, add and edit events, sightings, tags.

Rules: the key is read from a file that nobody else reads and stands in the Authorization header
alone; TLS is verified, redirects are not followed, answers are bounded; what may have worked is
sent again only where MISP does the same thing twice to no effect. An error names the path and the
status, never the key or a value.
"""

from __future__ import annotations

import asyncio
import ssl
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import httpx
import orjson

ANSWER_BYTES_MAX: Final = 64 * 1024 * 1024
KEY_MAX: Final = 256
PAGE: Final = 50
"""Events of one page: MISP builds each of them in memory."""
ATTRIBUTE_PAGE: Final = 5_000
PAGES_MAX: Final = 100_000
TRIES: Final = 5
PAUSE_S: Final = 0.5
PAUSE_MAX_S: Final = 60.0
_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


class MispFailed(Exception):
    """The MISP instance refused, answered nonsense or could not be reached."""

    def __init__(self, path: str, detail: str, status: int = 0) -> None:
        self.path = path
        self.status = status
        """HTTP status, 0 where there was none."""
        super().__init__(f"MISP {path}: {detail}")


class MispKeyInvalid(Exception):
    """The file with the MISP key can not be used."""


def read_misp_key(path: Path) -> str:
    """The key in a file of mode 0600. Raises MispKeyInvalid."""
    try:
        mode = path.stat().st_mode
        with path.open("rb") as stream:
            raw = stream.read(KEY_MAX + 2)
    except OSError as error:
        raise MispKeyInvalid(f"{path}: {error.strerror}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise MispKeyInvalid(f"{path}: others may read or write it; set its mode to 0600")
    key = raw.decode("ascii", "replace").strip()
    if not key or len(key) > KEY_MAX or not key.isalnum():
        raise MispKeyInvalid(f"{path}: wants one MISP API key, letters and digits")
    return key


class MispClient:
    """Connections to one MISP instance; use it as an async context manager."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        verify: ssl.SSLContext | bool = True,
        timeout_s: float = 60.0,
        tries: int = TRIES,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`url` is the instance's root; `verify` its CA; `transport` and `sleep` are ports."""
        base = httpx.URL(url)
        if base.scheme not in ("http", "https") or not base.host or base.userinfo:
            raise MispFailed(url[:64], "wants http(s)://host[:port] without user")
        self._tries = max(1, tries)
        self._sleep = sleep
        headers = {"Authorization": key, "Accept": "application/json"}
        self._http = httpx.AsyncClient(
            base_url=base,
            headers=headers,
            timeout=timeout_s,
            verify=verify,
            transport=transport,
            trust_env=False,
            follow_redirects=False,
        )

    async def __aenter__(self) -> MispClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    # Reading

    async def events(
        self, since: int, filters: Mapping[str, object] | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """`{"Event": ...}` documents changed at or after a Unix second, page by page."""
        wish: dict[str, object] = {
            "returnFormat": "json",
            "limit": PAGE,
            "deleted": [0, 1],
            "includeSightings": 1,
            "includeSightingdb": 0,
            "withAttachments": 0,
            **(filters or {}),
        }
        if since:
            wish["timestamp"] = since
        async for entry in self._pages("/events/restSearch", wish, PAGE):
            if isinstance(entry.get("Event"), dict):
                yield entry

    async def attributes(
        self, types: Sequence[str], since: int, filters: Mapping[str, object] | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """Attributes of these types changed at or after a Unix second, page by page."""
        wish: dict[str, object] = {
            "returnFormat": "json",
            "type": list(types),
            "limit": ATTRIBUTE_PAGE,
            "includeEventTags": 0,
            **(filters or {}),
        }
        if since:
            wish["timestamp"] = since
        async for entry in self._pages("/attributes/restSearch", wish, ATTRIBUTE_PAGE):
            yield entry

    async def _pages(
        self, path: str, wish: Mapping[str, object], size: int
    ) -> AsyncIterator[dict[str, Any]]:
        for page in range(1, PAGES_MAX + 1):
            answer = await self._post(path, {**wish, "page": page})
            found = answer.get("response") if isinstance(answer, dict) else answer
            if isinstance(found, dict):
                found = found.get("Attribute", [])
            if not isinstance(found, list):
                raise MispFailed(path, "the answer has no list of results")
            for entry in found:
                if isinstance(entry, dict):
                    yield entry
            if len(found) < size:
                return
        raise MispFailed(path, f"more than {PAGES_MAX} pages")

    async def event(self, uuid: str) -> dict[str, Any] | None:
        """An event's head and content, None where the instance has none."""
        try:
            answer = await self._send("GET", f"/events/view/{uuid}", None)
        except MispFailed as error:
            if error.status == 404:
                return None
            raise
        found = answer.get("Event") if isinstance(answer, dict) else None
        return found if isinstance(found, dict) else None

    # Writing

    async def put_event(self, document: Mapping[str, Any]) -> str:
        """Add an event or bring it up to date; `added`, `edited` or `unchanged`."""
        event = document["Event"]
        there = await self.event(event["uuid"])
        if there is None:
            await self._post("/events/add", document)
            return "added"
        if str(there.get("timestamp", "")) == str(event["timestamp"]):
            return "unchanged"
        await self._post(f"/events/edit/{event['uuid']}", document)
        return "edited"

    async def sight(self, uuid: str, source: str, kind: int = 0) -> None:
        """Add a sighting to an attribute; sent once, as MISP counts each."""
        wish = {"uuid": uuid, "source": source, "type": str(kind)}
        await self._send("POST", "/sightings/add", wish, tries=1)

    async def attach_tag(self, uuid: str, tag: str, *, local: bool = True) -> None:
        """Attach a tag to an event or attribute."""
        wish = {"uuid": uuid, "tag": tag, "local": local}
        await self._post("/tags/attachTagToObject", wish)

    # Transport

    async def _post(self, path: str, document: Mapping[str, Any]) -> Any:
        return await self._send("POST", path, document)

    async def _send(
        self, method: str, path: str, document: Mapping[str, Any] | None, tries: int = 0
    ) -> Any:
        most = tries or self._tries
        for number in range(1, most + 1):
            pause = min(PAUSE_MAX_S, PAUSE_S * 2 ** (number - 1))
            try:
                status, raw, wanted = await self._once(method, path, document)
            except httpx.HTTPError as error:
                if number == most:
                    raise MispFailed(path, type(error).__name__) from None
            else:
                if status < 300:
                    return self._decoded(path, raw)
                if status not in _AGAIN or number == most:
                    raise MispFailed(path, f"HTTP {status}{_told(raw)}", status)
                pause = min(PAUSE_MAX_S, max(pause, wanted))
            await self._sleep(pause)
        raise MispFailed(path, "no answer")

    async def _once(
        self, method: str, path: str, document: Mapping[str, Any] | None
    ) -> tuple[int, bytes, float]:
        """Status, body and the pause that the answer asks for, in seconds."""
        content = None if document is None else orjson.dumps(document)
        headers = {} if document is None else {"Content-Type": "application/json"}
        async with self._http.stream(method, path, content=content, headers=headers) as answer:
            raw = bytearray()
            async for chunk in answer.aiter_bytes():
                raw += chunk
                if len(raw) > ANSWER_BYTES_MAX:
                    raise MispFailed(path, f"an answer over {ANSWER_BYTES_MAX} bytes")
            wanted = answer.headers.get("Retry-After", "")
            return answer.status_code, bytes(raw), float(wanted) if wanted.isdecimal() else 0.0

    def _decoded(self, path: str, raw: bytes) -> Any:
        try:
            return orjson.loads(raw)
        except orjson.JSONDecodeError:
            raise MispFailed(path, "the answer is no JSON") from None


def _told(raw: bytes) -> str:
    """What a refusal says, as far as it is short text of MISP's own."""
    try:
        document = orjson.loads(raw[:65_536])
    except orjson.JSONDecodeError:
        return ""
    message = document.get("message") if isinstance(document, dict) else None
    if not isinstance(message, str):
        return ""
    return f": {''.join(char if char.isprintable() else ' ' for char in message[:200])}"

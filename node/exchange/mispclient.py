"""A client of a MISP instance's REST API: search, add and edit events, sightings, tags.

Rules: those of `outbound`; what may have worked is sent again only where MISP does the same thing
twice to no effect.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Unpack

import orjson

from node.exchange.outbound import (
    Answer,
    OutboundClient,
    Ports,
    SecretInvalid,
    ServerFailed,
    read_secret,
)

ANSWER_BYTES_MAX: Final = 64 * 1024 * 1024
KEY_MAX: Final = 256
PAGE: Final = 50
"""Events of one page: MISP builds each of them in memory."""
ATTRIBUTE_PAGE: Final = 5_000
PAGES_MAX: Final = 100_000


class MispFailed(ServerFailed):
    """The MISP instance refused, answered nonsense or could not be reached."""

    server = "MISP"


class MispKeyInvalid(SecretInvalid):
    """The file with the MISP key can not be used."""


def read_misp_key(path: Path) -> str:
    """The key in a file of mode 0600. Raises MispKeyInvalid."""
    key = read_secret(path, KEY_MAX + 2, MispKeyInvalid)
    if not key.isascii() or not key.isalnum() or len(key) > KEY_MAX:
        raise MispKeyInvalid(f"{path}: wants one MISP API key, letters and digits")
    return key


class MispClient(OutboundClient):
    """Connections to one MISP instance; use it as an async context manager."""

    failed = MispFailed

    def __init__(self, url: str, key: str, **ports: Unpack[Ports]) -> None:
        """`url` is the instance's root. Raises MispFailed for none."""
        headers = {"Authorization": key, "Accept": "application/json"}
        super().__init__(url, headers, ANSWER_BYTES_MAX, **ports)

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
        path = f"/events/view/{uuid}"
        try:
            answer = _decoded(path, await self.send("GET", path))
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
        await self._post("/sightings/add", wish, tries=1)

    async def attach_tag(self, uuid: str, tag: str, *, local: bool = True) -> None:
        """Attach a tag to an event or attribute."""
        wish = {"uuid": uuid, "tag": tag, "local": local}
        await self._post("/tags/attachTagToObject", wish)

    # Transport

    async def _post(self, path: str, document: Mapping[str, Any], tries: int = 0) -> Any:
        body = orjson.dumps(document)
        return _decoded(path, await self.send("POST", path, body=body, tries=tries))

    def refusal(self, answer: Answer) -> str:
        """With what MISP says of it."""
        return f"HTTP {answer.status}{_told(answer.body)}"


def _decoded(path: str, answer: Answer) -> Any:
    try:
        return orjson.loads(answer.body)
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

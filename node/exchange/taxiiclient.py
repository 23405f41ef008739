"""A client of TAXII 2.1 collections: pages of objects, bounded, repeated where that is safe.

Rules: those of `outbound`. Only GET is ever sent, so all of it may be sent again.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Unpack

from bulwark.interop.stix.document import MAX_BYTES, DocumentRefused, read_json
from node.exchange.outbound import OutboundClient, Ports, SecretInvalid, ServerFailed, read_secret

MEDIA_TYPE: Final = "application/taxii+json;version=2.1"
CREDENTIALS_MAX: Final = 4_096
PAGES_MAX: Final = 100_000
PAGE: Final = 500
_OBJECTS: Final = "objects/"


class TaxiiFailed(ServerFailed):
    """The TAXII server refused, answered nonsense or could not be reached."""

    server = "TAXII"


class CredentialsInvalid(SecretInvalid):
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
    text = read_secret(path, CREDENTIALS_MAX + 2, CredentialsInvalid)
    if not text or len(text) > CREDENTIALS_MAX or not text.isprintable():
        raise CredentialsInvalid(f"{path}: wants user:password, or one token")
    if ":" in text:
        return "Basic " + base64.b64encode(text.encode("utf-8")).decode("ascii")
    if not text.isascii() or " " in text:
        raise CredentialsInvalid(f"{path}: a token is ASCII without blanks")
    return f"Bearer {text}"


class TaxiiClient(OutboundClient):
    """One collection of a TAXII server; use it as an async context manager."""

    failed = TaxiiFailed

    def __init__(self, url: str, authorization: str | None, **ports: Unpack[Ports]) -> None:
        """`url` is the collection's, with or without `objects/`. Raises TaxiiFailed for none."""
        headers = {"Accept": MEDIA_TYPE}
        if authorization is not None:
            headers["Authorization"] = authorization
        collection = url.rstrip("/").removesuffix("/objects") + "/"
        super().__init__(collection, headers, MAX_BYTES, **ports)

    async def pages(self, added_after: str, **match: str) -> AsyncIterator[TaxiiPage]:
        """Pages of what was added after a moment ('' for all), oldest first. Raises TaxiiFailed."""
        wish = {"limit": str(PAGE), **{f"match[{name}]": value for name, value in match.items()}}
        if added_after:
            wish["added_after"] = added_after
        for _ in range(PAGES_MAX):
            envelope, last = await self._page(wish)
            objects = envelope.get("objects", [])
            if not isinstance(objects, list):
                raise TaxiiFailed(_OBJECTS, "an envelope whose objects are no list")
            yield TaxiiPage(objects, last)
            following = envelope.get("next")
            if envelope.get("more") is not True:
                return
            if isinstance(following, str) and following:
                wish["next"] = following
            elif last and last != wish.get("added_after"):
                wish["added_after"] = last
            else:
                raise TaxiiFailed(_OBJECTS, "there is more, but nothing says where")
        raise TaxiiFailed(_OBJECTS, f"more than {PAGES_MAX} pages")

    async def _page(self, wish: dict[str, str]) -> tuple[dict[str, Any], str]:
        answer = await self.send("GET", _OBJECTS, query=wish)
        if answer.status != 200:
            raise TaxiiFailed(_OBJECTS, self.refusal(answer), answer.status)
        return _envelope(answer.body), answer.headers.get("x-taxii-date-added-last", "")[:40]


def _envelope(body: bytes) -> dict[str, Any]:
    try:
        found = read_json(body) if body.strip() else {}
    except DocumentRefused as refusal:
        raise TaxiiFailed(_OBJECTS, str(refusal)) from None
    if not isinstance(found, dict):
        raise TaxiiFailed(_OBJECTS, "no envelope")
    return found

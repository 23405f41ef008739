"""What the outside may ask of a node's TAXII server: a Protocol and its views.

The desk (`node.taxii.desk`) implements it, the API translates it to HTTP. Dates are microseconds
since 1970 UTC, as TAXII writes them; every date of a collection is given once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Protocol

from msgspec import Struct

from bulwark.interop.carried import Item
from node.service import Caller

API_ROOT = "alliance"
"""Path of the one API root below /taxii2/."""


class Collection(StrEnum):
    """The collections of a node, by alias."""

    RECORDS = "records"
    """Every record of the alliance that is not red, as tokens."""
    OWN = "own"
    """This member's own records, in clear where it keeps the value."""
    INBOX = "inbox"
    """What other systems wrote, taken in as far as it can be carried."""


class CollectionView(Struct, frozen=True):
    """A collection as a caller sees it."""

    id: str
    """UUID; `alias` names it too."""
    alias: Collection
    title: str
    description: str
    can_read: bool
    can_write: bool


class Filter(Struct, frozen=True, kw_only=True):
    """Which objects are asked for."""

    added_after: int = -1
    limit: int | None = None
    next: int | None = None
    """Date of the last object of the page before."""
    ids: frozenset[str] | None = None
    types: frozenset[str] | None = None
    versions: frozenset[str] | None = None
    """`first`, `last`, `all` or timestamps; None for the newest."""
    spec_versions: frozenset[str] | None = None


class Dated(Struct, frozen=True):
    """An object with when it came into the collection."""

    added: int
    object: Mapping[str, Any]
    version: str
    """`modified`, else `created`, else when it was added."""


class Page(Struct, frozen=True):
    """Objects in the order in which they were added."""

    objects: tuple[Dated, ...]
    more: bool
    next: int | None = None
    """Where the next page begins, where there is more."""


class StatusEntry(Struct, frozen=True):
    """What became of one object of a request."""

    id: str
    version: str
    message: str


class Status(Struct, frozen=True):
    """What became of a request to add objects."""

    id: str
    requested: int
    successes: tuple[StatusEntry, ...]
    failures: tuple[StatusEntry, ...]
    items: tuple[Item, ...] = ()
    """The report item by item; only right after the request."""


class TaxiiService(Protocol):
    """The TAXII server of one node."""

    @property
    def title(self) -> str:
        """How discovery names the server."""
        ...

    @property
    def contact(self) -> str:
        """Whom discovery names to write to, '' for nobody."""
        ...

    def collections(self, by: Caller) -> Sequence[CollectionView]:
        """The collections, with what the caller may do there."""
        ...

    async def page(self, collection: Collection, wanted: Filter, *, by: Caller) -> Page:
        """Objects of a collection. Raises NotFound, Forbidden."""
        ...

    async def versions(self, collection: Collection, wanted: Filter, *, by: Caller) -> Page:
        """The versions of one object, `wanted.ids`. Raises NotFound, Forbidden."""
        ...

    async def add(self, collection: Collection, raw: bytes, *, by: Caller) -> Status:
        """Add the objects of an envelope. Raises Forbidden, Busy, DocumentRefused.

        That `by` imports is in the access log before anything is taken.
        """
        ...

    async def delete(self, collection: Collection, wanted: Filter, *, by: Caller) -> None:
        """Take versions of an object out of the inbox. Raises NotFound, Forbidden."""
        ...

    async def status(self, status_id: str, *, by: Caller) -> Status:
        """What became of an earlier request. Raises NotFound."""
        ...


def version_of(document: Mapping[str, Any]) -> str:
    """`modified`, else `created`, '' for an object without."""
    return str(document.get("modified") or document.get("created") or "")


def timestamp(date: int) -> str:
    """A TAXII timestamp of microseconds since 1970 UTC."""
    seconds, micros = divmod(date, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{micros:06d}Z"

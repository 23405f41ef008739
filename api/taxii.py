"""TAXII 2.1: discovery, the API root, its collections, objects, manifests and statuses.

Rules: as the OASIS standard writes paths, filters, headers and media types; an unknown filter is
refused and not passed over. Roles decide per collection (`node.taxii.desk`), so every reader's key
gets here. Errors become TAXII error objects in `api.taxii_gate`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from api import taxii_schemas as schemas
from api.exchange import Exchange, Reply, Route
from api.problems import Problem, malformed, refused
from api.query import number_given
from api.settings import ApiSettings
from bulwark.interop.stix.checks import IDENTIFIER, instant
from bulwark.interop.stix.document import MAX_BYTES, DocumentRefused
from bulwark.interop.stix.names import MEDIA_TYPE as STIX_TYPE
from node.service import NotFound, Role
from node.taxii.port import (
    API_ROOT,
    Collection,
    CollectionView,
    Filter,
    Page,
    Status,
    StatusEntry,
    TaxiiService,
    timestamp,
)

PREFIX: Final = "/taxii2/"
ROOT: Final = f"{PREFIX}{API_ROOT}/"
MEDIA_TYPE: Final = b"application/taxii+json;version=2.1"
READERS: Final = frozenset({Role.REPORTER, Role.ANALYST, Role.AUDITOR})
WRITERS: Final = frozenset({Role.REPORTER})
_ACCEPTED: Final = frozenset(
    {"application/taxii+json", "application/taxii+json;version=2.1", "application/*", "*/*"}
)
_FILTERS: Final = (
    "added_after", "limit", "next", "match[id]", "match[type]", "match[version]",
    "match[spec_version]",
)  # fmt: skip
_OF_OBJECT: Final = ("added_after", "limit", "next", "match[version]", "match[spec_version]")
_CURSOR: Final = re.compile(r"[0-9a-f]{16}\Z")
_UUID: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\Z")
_WORD: Final = re.compile(r"[a-z0-9-]{1,250}\Z")
_SPEC: Final = re.compile(r"[0-9]\.[0-9]\Z")
MATCHES_MAX: Final = 100
"""Words of one filter."""


class TaxiiRoutes:
    """Handlers of /taxii2/."""

    def __init__(self, service: TaxiiService, settings: ApiSettings) -> None:
        self._service = service
        self._settings = settings

    async def discovery(self, exchange: Exchange) -> Reply:
        """GET /taxii2/."""
        _accept(exchange)
        exchange.query()
        found: dict[str, Any] = {
            "title": self._service.title,
            "description": "Records of an anti-fraud alliance as its member's node holds them",
            "default": ROOT,
            "api_roots": [ROOT],
        }
        if self._service.contact:
            found["contact"] = self._service.contact
        return _reply(200, found)

    async def root(self, exchange: Exchange) -> Reply:
        """GET /taxii2/alliance/."""
        _accept(exchange)
        exchange.query()
        found = {
            "title": self._service.title,
            "description": "The alliance's records, this member's own, and an inbox",
            "versions": [MEDIA_TYPE.decode()],
            "max_content_length": MAX_BYTES,
        }
        return _reply(200, found)

    async def collections(self, exchange: Exchange) -> Reply:
        """GET /taxii2/alliance/collections/."""
        _accept(exchange)
        exchange.query()
        views = self._service.collections(exchange.caller)
        return _reply(200, {"collections": [_collection(view) for view in views]})

    async def collection(self, exchange: Exchange) -> Reply:
        """GET /taxii2/alliance/collections/{collection}/."""
        _accept(exchange)
        exchange.query()
        return _reply(200, _collection(self._view(exchange)))

    async def objects(self, exchange: Exchange) -> Reply:
        """GET .../objects/."""
        _accept(exchange)
        where, wanted = self._alias(exchange), _filter(exchange, *_FILTERS)
        page = await self._service.page(where, wanted, by=exchange.caller)
        return _page(page, {"objects": [dated.object for dated in page.objects]})

    async def manifest(self, exchange: Exchange) -> Reply:
        """GET .../manifest/."""
        _accept(exchange)
        where, wanted = self._alias(exchange), _filter(exchange, *_FILTERS)
        page = await self._service.page(where, wanted, by=exchange.caller)
        listed = [
            {
                "id": dated.object["id"],
                "date_added": timestamp(dated.added),
                "version": dated.version,
                "media_type": STIX_TYPE,
            }
            for dated in page.objects
        ]
        return _page(page, {"objects": listed})

    async def object(self, exchange: Exchange) -> Reply:
        """GET .../objects/{object}/."""
        _accept(exchange)
        where = self._alias(exchange)
        wanted = _filter(exchange, *_OF_OBJECT, ids=_object_id(exchange))
        page = await self._service.page(where, wanted, by=exchange.caller)
        if not page.objects and wanted.added_after < 0 and wanted.next is None:
            raise NotFound("this collection has no such object")
        return _page(page, {"objects": [dated.object for dated in page.objects]})

    async def versions(self, exchange: Exchange) -> Reply:
        """GET .../objects/{object}/versions/."""
        _accept(exchange)
        names = ("added_after", "limit", "next", "match[spec_version]")
        where = self._alias(exchange)
        wanted = _filter(exchange, *names, ids=_object_id(exchange))
        page = await self._service.versions(where, wanted, by=exchange.caller)
        if not page.objects and wanted.added_after < 0 and wanted.next is None:
            raise NotFound("this collection has no such object")
        return _page(page, {"versions": [dated.version for dated in page.objects]})

    async def add(self, exchange: Exchange) -> Reply:
        """POST .../objects/."""
        _accept(exchange)
        exchange.query()
        exchange.content_type(b"application/taxii+json")
        _check_version(exchange)
        where = self._alias(exchange)
        raw = await exchange.body(MAX_BYTES)
        try:
            status = await self._service.add(where, raw, by=exchange.caller)
        except DocumentRefused as refusal:
            raise _unread(refusal) from None
        return _reply(202, _status(status))

    async def delete(self, exchange: Exchange) -> Reply:
        """DELETE .../objects/{object}/."""
        _accept(exchange)
        where = self._alias(exchange)
        names = ("match[version]", "match[spec_version]")
        wanted = _filter(exchange, *names, ids=_object_id(exchange))
        await self._service.delete(where, wanted, by=exchange.caller)
        return _reply(200, {})

    async def status(self, exchange: Exchange) -> Reply:
        """GET /taxii2/alliance/status/{status}/."""
        _accept(exchange)
        exchange.query()
        name = exchange.params["status"].lower()
        if _UUID.match(name) is None:
            raise NotFound("a status is named by a UUID")
        return _reply(200, _status(await self._service.status(name, by=exchange.caller)))

    def _view(self, exchange: Exchange) -> CollectionView:
        name = exchange.params["collection"].lower()
        for view in self._service.collections(exchange.caller):
            if name in (view.id, view.alias.value):
                return view
        raise NotFound("there is no such collection")

    def _alias(self, exchange: Exchange) -> Collection:
        return self._view(exchange).alias


def _accept(exchange: Exchange) -> None:
    """Problem 406 where the client reads no TAXII 2.1."""
    given = exchange.headers.get(b"accept", b"*/*").decode("latin-1").lower()
    for part in given[:1_000].split(","):
        words = [word.strip() for word in part.split(";")]
        plain = ";".join(word for word in words if not word.startswith("q="))
        if plain in _ACCEPTED:
            return
    raise Problem(406, "not-acceptable", f"this server answers in {MEDIA_TYPE.decode()}")


def _check_version(exchange: Exchange) -> None:
    given = exchange.headers.get(b"content-type", b"").decode("latin-1").lower()
    words = [word.strip() for word in given.split(";")[1:]]
    versions = [word for word in words if word.startswith("version=")]
    if versions and versions != ["version=2.1"]:
        detail = f"send the body as {MEDIA_TYPE.decode()}"
        raise Problem(415, "unsupported-media-type", detail)


def _filter(exchange: Exchange, *names: str, ids: frozenset[str] | None = None) -> Filter:
    query = exchange.query(*names)
    after = -1
    if (given := query.get("added_after")) is not None:
        moment = instant(given)
        if moment is None:
            raise refused("added_after", "a timestamp as 2026-11-22T10:00:00.000000Z")
        after = int(moment.timestamp()) * 1_000_000 + moment.microsecond
    cursor = query.get("next")
    if cursor is not None and _CURSOR.match(cursor) is None:
        raise refused("next", "what the page before gave as next")
    return Filter(
        added_after=after,
        limit=number_given(query, "limit", 1, schemas.MAX_LIMIT),
        next=None if cursor is None else int(cursor, 16),
        ids=ids if ids is not None else _matched(query, "id", IDENTIFIER),
        types=_matched(query, "type", _WORD),
        versions=_versions(query),
        spec_versions=_matched(query, "spec_version", _SPEC),
    )


def _matched(
    query: Mapping[str, str], name: str, pattern: re.Pattern[str]
) -> frozenset[str] | None:
    given = query.get(f"match[{name}]")
    if given is None:
        return None
    words = given.split(",")
    if len(words) > MATCHES_MAX or any(pattern.match(word) is None for word in words):
        raise refused(f"match[{name}]", f"up to {MATCHES_MAX}, separated by commas")
    return frozenset(words)


def _versions(query: Mapping[str, str]) -> frozenset[str] | None:
    given = query.get("match[version]")
    if given is None:
        return None
    words = given.split(",")
    for word in words:
        if word not in ("first", "last", "all") and instant(word) is None:
            raise refused("match[version]", "first, last, all or timestamps")
    return frozenset(words[:MATCHES_MAX])


def _object_id(exchange: Exchange) -> frozenset[str]:
    name = exchange.params["object"]
    if IDENTIFIER.match(name) is None:
        raise NotFound("an object is named by type--UUID")
    return frozenset({name})


def _collection(view: CollectionView) -> dict[str, Any]:
    return {
        "id": view.id,
        "title": view.title,
        "description": view.description,
        "alias": view.alias.value,
        "can_read": view.can_read,
        "can_write": view.can_write,
        "media_types": [STIX_TYPE],
    }


def _page(page: Page, body: dict[str, Any]) -> Reply:
    if not page.objects and not page.more:
        return _reply(200, {})
    found: dict[str, Any] = {"more": page.more, **body}
    if page.next is not None:
        found["next"] = f"{page.next:016x}"
    headers: list[tuple[bytes, bytes]] = []
    if page.objects:
        first, last = page.objects[0].added, page.objects[-1].added
        headers.append((b"x-taxii-date-added-first", timestamp(first).encode()))
        headers.append((b"x-taxii-date-added-last", timestamp(last).encode()))
    return _reply(200, found, *headers)


def _status(status: Status) -> dict[str, Any]:
    return {
        "id": status.id,
        "status": "complete",
        "request_timestamp": timestamp(status.requested),
        "total_count": len(status.successes) + len(status.failures),
        "success_count": len(status.successes),
        "successes": [_entry(one) for one in status.successes],
        "failure_count": len(status.failures),
        "failures": [_entry(one) for one in status.failures],
        "pending_count": 0,
        "pendings": [],
    }


def _entry(one: StatusEntry) -> dict[str, str]:
    return {"id": one.id, "version": one.version, "message": one.message}


def _reply(status: int, document: object, *headers: tuple[bytes, bytes]) -> Reply:
    return Reply(status, orjson.dumps(document), MEDIA_TYPE, headers)


def _unread(refusal: DocumentRefused) -> Problem:
    if refusal.allowed.startswith("at most") and refusal.found.endswith(("bytes", "objects")):
        return Problem(413, "too-large", str(refusal))
    return malformed(str(refusal))


def taxii_routes(at: TaxiiRoutes, settings: ApiSettings) -> list[Route]:
    """The routes with who may use them and what the documentation says."""
    single, batch = settings.request_timeout_ms, settings.batch_timeout_ms
    one = f"{ROOT}collections/{{collection}}/"
    objects = f"{one}objects/"
    named = f"{objects}{{object}}/"
    say, part, whole = schemas.operation, ("collection",), ("collection", "object")
    hello = say("taxiiDiscovery", "The server and its API roots", 200, schemas.TaxiiDiscoveryOut)
    about = say("taxiiRoot", "The API root", 200, schemas.TaxiiRootOut)
    every = say("taxiiCollections", "All collections", 200, schemas.TaxiiCollectionsOut)
    this = say("taxiiCollection", "A collection", 200, schemas.TaxiiCollectionOut, path=part)
    page = say(
        "taxiiObjects", "A page of objects", 200, schemas.TaxiiEnvelopeOut,
        path=part, query=_FILTERS,
    )  # fmt: skip
    add = say("taxiiAdd", "Add objects", 202, schemas.TaxiiStatusOut, path=part, body=True)
    manifest = say(
        "taxiiManifest", "A page of the manifest", 200, schemas.TaxiiManifestOut,
        path=part, query=_FILTERS,
    )  # fmt: skip
    show = say(
        "taxiiObject", "One object", 200, schemas.TaxiiEnvelopeOut, path=whole, query=_OF_OBJECT
    )
    drop = say(
        "taxiiDelete", "Delete an object of the inbox", 200, schemas.TaxiiDeletedOut,
        path=whole, query=_OF_OBJECT[3:],
    )  # fmt: skip
    versions = say(
        "taxiiVersions", "Versions of an object", 200, schemas.TaxiiVersionsOut,
        path=whole, query=(*_OF_OBJECT[:3], _OF_OBJECT[4]),
    )  # fmt: skip
    status = say(
        "taxiiStatus", "What became of a request", 200, schemas.TaxiiStatusOut, path=("status",)
    )
    return [
        Route("GET", PREFIX, at.discovery, READERS, hello, single),
        Route("GET", ROOT, at.root, READERS, about, single),
        Route("GET", f"{ROOT}collections/", at.collections, READERS, every, single),
        Route("GET", one, at.collection, READERS, this, single),
        Route("GET", objects, at.objects, READERS, page, single),
        Route("POST", objects, at.add, WRITERS, add, batch),
        Route("GET", f"{one}manifest/", at.manifest, READERS, manifest, single),
        Route("GET", named, at.object, READERS, show, single),
        Route("DELETE", named, at.delete, WRITERS, drop, single),
        Route("GET", f"{named}versions/", at.versions, READERS, versions, single),
        Route("GET", f"{ROOT}status/{{status}}/", at.status, READERS, status, single),
    ]

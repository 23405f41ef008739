"""Schemas of TAXII 2.1 resources as the standard defines them, and how they are documented."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.schemas import Document

MEDIA_TYPE: Final = "application/taxii+json;version=2.1"
_TEMPLATE: Final = "#/components/schemas/{model}"
_TIME: Final = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{1,6}Z$"


class TaxiiDiscoveryOut(Document):
    """What the server is and which API roots it has."""

    title: str
    description: str
    contact: str | None = None
    default: str
    api_roots: list[str]


class TaxiiRootOut(Document):
    """The API root."""

    title: str
    description: str
    versions: list[str]
    max_content_length: int = Field(ge=0, description="Bytes of one request")


class TaxiiCollectionOut(Document):
    """A collection, and what this key may do there."""

    id: str
    title: str
    description: str
    alias: Literal["records", "own", "inbox"]
    can_read: bool
    can_write: bool
    media_types: list[str]


class TaxiiCollectionsOut(Document):
    """All collections."""

    collections: list[TaxiiCollectionOut]


class TaxiiEnvelopeOut(Document):
    """A page of STIX objects; empty where there is none."""

    more: bool = False
    next: str | None = None
    objects: list[dict[str, Any]] = []


class TaxiiManifestEntry(Document):
    """An object of a collection without its content."""

    id: str
    date_added: str = Field(pattern=_TIME)
    version: str
    media_type: str


class TaxiiManifestOut(Document):
    """A page of a manifest; empty where there is none."""

    more: bool = False
    next: str | None = None
    objects: list[TaxiiManifestEntry] = []


class TaxiiVersionsOut(Document):
    """Versions of one object."""

    more: bool = False
    next: str | None = None
    versions: list[str] = []


class TaxiiEnvelopeIn(BaseModel):
    """STIX objects to add."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"objects": []}]})

    more: bool = False
    next: str = ""
    objects: list[dict[str, Any]] = []


class TaxiiStatusEntry(Document):
    """What became of one object."""

    id: str
    version: str
    message: str = Field(description="Taken, left or refused, with the reasons")


class TaxiiStatusOut(Document):
    """What became of a request to add objects."""

    id: str
    status: Literal["complete"]
    request_timestamp: str = Field(pattern=_TIME)
    total_count: int = Field(ge=0)
    success_count: int = Field(ge=0)
    successes: list[TaxiiStatusEntry]
    failure_count: int = Field(ge=0)
    failures: list[TaxiiStatusEntry]
    pending_count: int = Field(ge=0)
    pendings: list[TaxiiStatusEntry]


class TaxiiDeletedOut(Document):
    """It is gone."""


class TaxiiErrorOut(Document):
    """Why a request was refused."""

    title: str
    description: str
    error_id: str
    error_code: str
    http_status: str
    details: dict[str, str] | None = None


MODELS: Final = (
    TaxiiDiscoveryOut,
    TaxiiRootOut,
    TaxiiCollectionsOut,
    TaxiiEnvelopeOut,
    TaxiiManifestOut,
    TaxiiVersionsOut,
    TaxiiEnvelopeIn,
    TaxiiStatusOut,
    TaxiiDeletedOut,
    TaxiiErrorOut,
)
MAX_LIMIT: Final = 999_999_999
"""Of what a client may ask for; pages have the bound of the settings."""
_ERRORS: Final = (400, 401, 403, 404, 405, 406, 408, 413, 415, 422, 429, 500, 503, 504)
_PATHS: Final = {
    "collection": "^[A-Za-z0-9-]{1,64}$",
    "object": "^[a-z][a-z0-9-]{1,250}--[0-9a-f-]{36}$",
    "status": "^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$",
}
_QUERIES: Final[Mapping[str, tuple[str, dict[str, Any]]]] = {
    "added_after": ("Only what came in after this moment", {"type": "string", "pattern": _TIME}),
    "limit": ("Objects of a page", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT}),
    "next": (
        "What the page before gave as `next`",
        {"type": "string", "pattern": "^[0-9a-f]{16}$"},
    ),
    "match[id]": ("Ids, separated by commas", {"type": "string", "pattern": _PATHS["object"]}),
    "match[type]": ("Types, separated by commas", {"type": "string", "pattern": "^[a-z0-9-]+$"}),
    "match[version]": ("first, last, all or timestamps", {"enum": ["first", "last", "all"]}),
    "match[spec_version]": ("Versions of STIX", {"type": "string", "pattern": "^[0-9]\\.[0-9]$"}),
}


def operation(
    name: str,
    summary: str,
    status: int,
    answer: type[BaseModel],
    *,
    path: Sequence[str] = (),
    query: Sequence[str] = (),
    body: bool = False,
) -> dict[str, Any]:
    """One OpenAPI operation of the TAXII server."""
    responses = {str(status): _content(answer)}
    responses |= {str(code): _content(TaxiiErrorOut) for code in _ERRORS}
    shown: dict[str, Any] = {
        "operationId": name,
        "tags": ["taxii"],
        "summary": summary,
        "parameters": [
            *(
                {"name": one, "in": "path", "required": True,
                 "schema": {"type": "string", "pattern": _PATHS[one]}}
                for one in path
            ),
            *(
                {"name": one, "in": "query", "description": _QUERIES[one][0],
                 "schema": _QUERIES[one][1]}
                for one in query
            ),
        ],
        "responses": dict(sorted(responses.items())),
        "security": [{"key": []}],
    }  # fmt: skip
    if body:
        schema = {"$ref": _TEMPLATE.format(model=TaxiiEnvelopeIn.__name__)}
        shown["requestBody"] = {"required": True, "content": {MEDIA_TYPE: {"schema": schema}}}
    return shown


def _content(model: type[BaseModel]) -> dict[str, Any]:
    schema = {"$ref": _TEMPLATE.format(model=model.__name__)}
    description = (model.__doc__ or model.__name__).strip().splitlines()[0]
    return {"description": description, "content": {MEDIA_TYPE: {"schema": schema}}}

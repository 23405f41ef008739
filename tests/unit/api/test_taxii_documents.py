"""The TAXII routes as the OpenAPI document shows them: every reference leads to a schema."""

from __future__ import annotations

import re
from typing import Any, cast

from api import documentation
from api.settings import ApiSettings
from api.taxii import TaxiiRoutes, taxii_routes
from api.taxii_gate import WithTaxii
from node.taxii.port import TaxiiService


def routes() -> list[Any]:
    nobody = cast(TaxiiService, None)
    return list(taxii_routes(TaxiiRoutes(nobody, ApiSettings()), ApiSettings()))


def references(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [found for item in value.values() for found in references(item)]
    return [f for item in value for f in references(item)] if isinstance(value, list) else []


def test_every_route_is_documented_with_its_path_parameters_and_known_schemas() -> None:
    known = documentation.component_schemas()
    ids = set()
    for route in routes():
        shown = dict(route.document)
        ids.add(shown["operationId"])
        named = {p["name"] for p in shown["parameters"] if p["in"] == "path"}
        assert named == set(re.findall(r"{(\w+)}", route.path)), route.path
        assert ("requestBody" in shown) == (route.method == "POST")
        for reference in references(shown):
            assert reference.rsplit("/", 1)[1] in known
    assert len(ids) == len(routes()) == 11


async def test_the_gate_leaves_other_paths_and_other_headers_as_they_are() -> None:
    seen: list[dict[str, Any]] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    gate = WithTaxii(inner, ())
    basic = (b"authorization", b"Basic dXNlcjprZXk=")
    for path in ("/v1/node", "/taxii2/"):
        scope = {"type": "http", "path": path, "headers": [basic, (b"accept", b"*/*")]}
        await gate(scope, None, None)  # type: ignore[arg-type]
    assert dict(seen[0]["headers"])[b"authorization"] == basic[1]
    assert dict(seen[1]["headers"])[b"authorization"] == b"Bearer key"


async def test_a_broken_basic_header_is_an_empty_key_and_a_problem_a_taxii_error() -> None:
    sent: list[dict[str, Any]] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        assert dict(scope["headers"])[b"authorization"] == b"Bearer "
        headers = [(b"content-type", b"application/problem+json"), (b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"title"', "more_body": True})
        await send({"type": "http.response.body", "body": b':"No","detail":"why"}'})

    async def keep(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "path": "/taxii2/x/", "headers": [(b"authorization", b"Basic ***")]}
    await WithTaxii(inner, ())(scope, None, keep)  # type: ignore[arg-type]
    start, body = sent
    headers = start["headers"]
    assert (b"content-type", b"application/taxii+json;version=2.1") in headers
    assert (b"content-length", str(len(body["body"])).encode()) in headers
    assert next(v for n, v in headers if n == b"www-authenticate").startswith(b"Basic")
    assert b'"title":"No"' in body["body"] and b'"http_status":"401"' in body["body"]

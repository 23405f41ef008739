"""The OpenAPI document: complete, true to the readers, and true to the answers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from jsonschema import Draft202012Validator
from msgspec import structs
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api import consents_schemas, documentation, policies, schemas, screening_schemas
from api.documentation import MODELS, component_schemas
from bulwark.consents.schema import Schema
from bulwark.consents.terms import ConsentTerms
from bulwark.indicators.model import (
    REPORT_DEFAULTS,
    REPORT_FIELDS,
    SCREENING_FIELDS,
    IndicatorReport,
)
from node.service import Role
from tests.architecture.apipage import routes
from tests.consent_terms import TERMS
from tests.unit.api.world import NOW_MS, PHONE, QUESTION, World, ndjson

CONTRACT = {
    ("POST", "/v1/indicators"),
    ("POST", "/v1/indicators/batches"),
    ("GET", "/v1/indicators/{record_id}"),
    ("POST", "/v1/screenings"),
    ("POST", "/v1/screenings/batches"),
    ("GET", "/v1/advice/texts"),
    ("POST", "/v1/consents"),
    ("POST", "/v1/consents/{consent_id}/withdrawal"),
    ("GET", "/v1/consents"),
    ("POST", "/v1/consents/search"),
    ("POST", "/v1/consents/export"),
    ("POST", "/v1/consents/{consent_id}/renewal"),
    ("POST", "/v1/consents/{consent_id}/erasure"),
    ("GET", "/v1/consents/{consent_id}/kantara"),
    ("POST", "/consent-info/v0.2/retrieve"),
    ("GET", "/v1/consents/{consent_id}"),
    ("GET", "/v1/consents/{consent_id}/proof"),
    ("GET", "/v1/records/{record_id}/proof"),
    ("GET", "/v1/blocks/{at}"),
    ("GET", "/v1/members"),
    ("GET", "/v1/node"),
    ("GET", "/v1/node/diagnosis"),
    ("GET", "/v1/evidence"),
    ("GET", "/v1/evidence/{evidence_id}"),
    ("POST", "/v1/evidence/{evidence_id}/post"),
    ("GET", "/v1/uploads"),
    ("GET", "/v1/uploads/{correlator}"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("POST", "/rpc"),
}


async def document_of(world: World) -> dict[str, Any]:
    return (await world.ask("GET", "/v1/openapi.json")).json()


async def test_every_route_of_the_contract_is_documented_with_its_problems(world: World) -> None:
    document = await document_of(world)
    found = {
        (method.upper(), path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert set(found) == CONTRACT
    for (method, path), operation in found.items():
        assert operation["summary"] and operation["operationId"]
        problems = [s for s in operation["responses"] if s[0] in "45" and s != "503"]
        for status in problems:
            assert "application/problem+json" in operation["responses"][status]["content"], path
        is_open = path in ("/healthz", "/readyz")
        assert operation["security"] == ([] if is_open else [{"key": []}])
        assert (method == "POST") == ("requestBody" in operation)


async def test_every_reference_of_the_document_leads_to_a_schema(world: World) -> None:
    document = await document_of(world)
    for name, schema in document["components"]["schemas"].items():
        Draft202012Validator.check_schema(schema)
        assert name
    for reference in references(document):
        _, components, kind, name = reference.split("/")
        assert components == "components" and name in document["components"][kind]


async def test_the_document_tells_who_may_and_which_headers_come_with_a_refusal(
    world: World,
) -> None:
    document = await document_of(world)
    assert document["paths"]["/v1/members"]["get"]["x-roles"] == sorted(r.value for r in Role)
    assert document["paths"]["/v1/node/diagnosis"]["get"]["x-roles"] == ["operator"]
    assert document["paths"]["/healthz"]["get"]["x-roles"] == []
    told = document["paths"]["/v1/indicators"]["post"]["responses"]
    for status, header in (("401", "www-authenticate"), ("405", "allow"), ("429", "retry-after")):
        assert {header, "x-correlator"} == told[status]["headers"].keys(), status
        _, _, name = told[status]["headers"][header]["$ref"].rpartition("/")
        assert document["components"]["headers"][name]["required"]


@pytest.mark.parametrize("kind", ["application/x-ndjson", "text/csv"])
@pytest.mark.parametrize("path", ["/v1/indicators/batches", "/v1/screenings/batches"])
async def test_the_example_of_an_upload_is_taken(world: World, path: str, kind: str) -> None:
    shown = (await document_of(world))["paths"][path]["post"]["requestBody"]["content"][kind]
    answer = await world.upload(path, shown["example"].encode(), kind)
    assert answer.status_code == 200, answer.text
    assert answer.json()["refused"] == 0 and answer.json()["rows"], answer.text


def test_a_cell_that_is_null_or_empty_is_one_that_is_not_given() -> None:
    for model, given in (
        (schemas.IndicatorIn, {"case_ref": None, "tlp": None, "channel": "", "confidence": ""}),
        (screening_schemas.ScreeningIn, {"case_ref": None, "region": None}),
    ):
        whole = {"components": {"schemas": component_schemas()}}
        schema = whole | {"$ref": f"#/components/schemas/{model.__name__}"}
        (example,) = model.model_config["json_schema_extra"]["examples"]
        assert Draft202012Validator(schema).is_valid(example | given)
        assert not Draft202012Validator(schema).is_valid(example | {"kind": None})
    IndicatorReport.from_mapping(PHONE | {"tlp": None, "channel": ""}, now_ms=NOW_MS)


def test_no_reference_of_any_desk_dangles_and_no_two_models_have_one_name() -> None:
    names = [model.__name__ for model in MODELS]
    assert sorted(set(names)) == sorted(names)
    known = component_schemas()
    doubled = [name for name in known if "__" in name]  # pydantic puts the module in front of these
    assert not doubled, "a generated client's class would be named after our module"
    for route in routes():
        for reference in references(route.document):
            assert reference.rpartition("/")[2] in known, (route.path, reference)


def references(value: object) -> list[str]:
    if isinstance(value, Mapping):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [found for item in value.values() for found in references(item)]
    return (
        [found for item in value for found in references(item)] if isinstance(value, list) else []
    )


@pytest.mark.parametrize(
    "name",
    ["6NJK", "ab" * 32, "0x" + "AB" * 32, "0X" + "ab" * 32, "eu-1.0", "-a", "a" * 63, "a" * 64],
)
def test_the_documented_names_of_policies_are_those_that_are_asked_for(name: str) -> None:
    documented = re.search(documentation.PATH_SCHEMAS["policy_id"]["pattern"], name)
    assert bool(documented) == bool(policies.NAME.match(name))


def test_the_documented_fields_are_those_that_are_read() -> None:
    assert set(schemas.IndicatorIn.model_fields) == REPORT_FIELDS
    assert set(screening_schemas.ScreeningIn.model_fields) == SCREENING_FIELDS
    assert set(screening_schemas.ScreeningAtIn.model_fields) == SCREENING_FIELDS | {
        "height",
        "language",
    }
    stated = json.loads(Schema.TERMS.text())
    assert set(consents_schemas.ConsentIn.model_fields) == set(stated["properties"])
    needed = {n for n, f in consents_schemas.ConsentIn.model_fields.items() if f.is_required()}
    assert needed == set(stated["required"])


def test_the_documented_defaults_are_those_that_are_taken() -> None:
    for name, value in structs.asdict(REPORT_DEFAULTS).items():
        documented = schemas.IndicatorIn.model_fields[name].default
        expected = getattr(value, "label", value)
        if value is not None:
            assert documented == expected, name


def test_the_documented_example_is_taken() -> None:
    (example,) = schemas.IndicatorIn.model_config["json_schema_extra"]["examples"]
    assert IndicatorReport.from_mapping(example, now_ms=NOW_MS).confidence == 80
    (example,) = consents_schemas.ConsentIn.model_config["json_schema_extra"]["examples"]
    assert ConsentTerms.from_mapping(example, now_ms=NOW_MS).subject == "c0ffee-1"


@pytest.mark.parametrize(
    ("role", "method", "path", "model", "how"),
    [
        (Role.REPORTER, "POST", "/v1/indicators", schemas.ReportOut, {"json": PHONE}),
        (
            Role.REPORTER,
            "POST",
            "/v1/screenings",
            screening_schemas.ScreeningOut,
            {"json": QUESTION},
        ),
        (Role.REPORTER, "POST", "/v1/consents", consents_schemas.ConsentOut, {"json": TERMS}),
        (Role.AUDITOR, "GET", "/v1/blocks/latest", schemas.BlockOut, {}),
        (Role.AUDITOR, "GET", "/v1/blocks/finalized", schemas.BlockOut, {}),
        (Role.AUDITOR, "GET", "/v1/members", schemas.MembersOut, {}),
        (Role.OPERATOR, "GET", "/v1/node", schemas.NodeOut, {}),
        (None, "GET", "/healthz", schemas.HealthOut, {}),
        (None, "GET", "/readyz", schemas.ReadinessOut, {}),
        (None, "GET", "/v1/node", schemas.ProblemOut, {}),
        (Role.REPORTER, "POST", "/v1/indicators", schemas.ProblemOut, {"json": {}}),
    ],
)
async def test_an_answer_fits_its_model(
    world: World, role: Role | None, method: str, path: str, model: Any, how: dict[str, Any]
) -> None:
    answer = await world.ask(method, path, role, **how)
    model.model_validate_json(answer.content, strict=True)


async def test_batch_answers_and_records_fit_their_models(world: World) -> None:
    rows = [PHONE, PHONE, PHONE | {"value": "1"}, {"kind": "x"}]
    made = await world.upload("/v1/indicators/batches", ndjson(rows))
    report = schemas.ReportBatchOut.model_validate_json(made.content, strict=True)
    shown = await world.ask("GET", f"/v1/indicators/{report.rows[0].record_id}")
    schemas.RecordOut.model_validate_json(shown.content, strict=True)
    asked = await world.upload("/v1/screenings/batches", ndjson([QUESTION, {"kind": "x"}]))
    answers = screening_schemas.ScreeningBatchOut.model_validate_json(asked.content, strict=True)
    assert answers.hits == 1
    proof = await world.ask("GET", f"/v1/records/{'00' * 32}/proof")
    schemas.ProblemOut.model_validate_json(proof.content, strict=True)


class AllRoles:
    """Gives each request the key of a role that its route lets in."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            path = scope["path"]
            operated = path.startswith("/v1/node") or path in ("/metrics", "/rpc")
            role = Role.OPERATOR if operated else Role.REPORTER
            if path.startswith("/v1/governance") or path.endswith("/post"):
                role = Role.ADMIN
            key = self._world.headers(role)["authorization"].encode()
            headers = [(k, v) for k, v in scope["headers"] if k != b"authorization"]
            scope = scope | {"headers": [*headers, (b"authorization", key)]}
        await self._world.app(scope, receive, send)


@schemathesis.serializer("application/x-ndjson", "text/csv")
def text_of(context: Any, value: Any) -> bytes:
    """Uploads are text to schemathesis."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


SCHEMA = schemathesis.openapi.from_asgi("/v1/openapi.json", AllRoles(World()))
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)


@SCHEMA.parametrize()
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_schemathesis_finds_no_answer_outside_the_document(case: Any) -> None:
    response = case.call()
    case.validate_response(response, checks=CHECKS)

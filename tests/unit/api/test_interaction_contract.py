"""No answer about customers and victims is outside the OpenAPI document, whatever is sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.types import Receive, Scope, Send

from api import interaction_schemas, protection_schemas
from node.service import Role
from tests.unit.api.test_interaction import Front
from tests.unit.api.test_statuspage import Book

OWN = r"^/v1/(customer-reports|cooling-offs|protections|feedback|status|advice)"
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)


class WithKey:
    """The application, with a reporter's key on every request."""

    def __init__(self, front: Front) -> None:
        self._front = front

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            key = f"Bearer {self._front.clear[Role.REPORTER]}".encode()
            kept = [(k, v) for k, v in scope["headers"] if k != b"authorization"]
            scope["headers"] = [*kept, (b"authorization", key)]
        await self._front.app(scope, receive, send)


FRONT = Front(Book(), status_floor_ms=0, status_attempts=1 << 30, status_lookups_per_minute=1 << 30)
SCHEMA = schemathesis.openapi.from_asgi("/v1/openapi.json", WithKey(FRONT)).include(path_regex=OWN)


@SCHEMA.parametrize()
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_answer_is_outside_the_document(case: Any) -> None:
    response = case.call()
    case.validate_response(response, checks=CHECKS)


@pytest.mark.parametrize(
    "model",
    [
        model
        for model in (*interaction_schemas.MODELS, *protection_schemas.MODELS)
        if model.__name__.endswith("In")
    ],
    ids=lambda model: model.__name__,
)
def test_every_body_has_an_example_that_its_own_schema_takes(model: Any) -> None:
    examples = model.model_json_schema().get("examples", [{}])
    for example in examples:
        model.model_validate_json(json.dumps(example))


def test_the_page_ships_with_what_it_needs() -> None:
    from api.statuspage.page import FOLDER

    names = {path.name for path in Path(FOLDER).iterdir()}
    assert {"status.html", "status.css"} <= names

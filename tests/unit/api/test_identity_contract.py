"""Whatever is sent to the routes of identity, the answer is one that the OpenAPI document names."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.types import Receive, Scope, Send

from node.service import Role
from tests.unit.api.test_identity import Place

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)
FOLDER = tempfile.TemporaryDirectory()


class WithKey:
    """The application of a fresh home, an administrator's key on each request."""

    def __init__(self) -> None:
        self.place = Place(Path(FOLDER.name))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            key = f"Bearer {self.place.clear[Role.ADMIN]}".encode()
            kept = [(k, v) for k, v in scope["headers"] if k != b"authorization"]
            scope["headers"] = [*kept, (b"authorization", key)]
        await self.place.app(scope, receive, send)


SCHEMA = schemathesis.openapi.from_asgi("/v1/openapi.json", WithKey()).include(
    path_regex=r"^/v1/(api-keys|whoami|node/reload)"
)


@SCHEMA.parametrize()
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_answer_is_outside_the_document(case: Any) -> None:
    response = case.call()
    case.validate_response(response, checks=CHECKS)


@SCHEMA.parametrize()
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_answer_about_a_key_that_is_there_is_outside_the_document(case: Any) -> None:
    if "key_id" in case.path_parameters:
        case.path_parameters["key_id"] = "analyst"
    response = case.call()
    case.validate_response(response, checks=CHECKS)

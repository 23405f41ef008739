"""No answer about screening jobs is outside the OpenAPI document, whatever is sent."""

from __future__ import annotations

import asyncio
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
from tests.unit.api.test_jobs import Counterpart
from tests.unit.node.jobs.office import PHONES, Office, csv_of

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)
FOLDER = tempfile.TemporaryDirectory()


@schemathesis.serializer("application/vnd.apache.parquet", "application/x-ndjson", "text/csv")
def bytes_of(context: Any, value: Any) -> bytes:
    """Files are bytes to schemathesis."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


class WithKey:
    """The application of an office with one job that is done, an analyst's key on each request."""

    def __init__(self) -> None:
        self.front = Counterpart(Path(FOLDER.name) / "jobs")
        self.id = asyncio.run(self._one_done(self.front.office))

    async def _one_done(self, office: Office) -> str:
        return await self.front.done(csv_of(*PHONES[:3]))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            key = f"Bearer {self.front.clear[Role.ANALYST]}".encode()
            kept = [(k, v) for k, v in scope["headers"] if k != b"authorization"]
            scope["headers"] = [*kept, (b"authorization", key)]
        await self.front.app(scope, receive, send)


APP = WithKey()
SCHEMA = schemathesis.openapi.from_asgi("/v1/openapi.json", APP).include(
    path_regex=r"^/v1/screening-jobs"
)


@SCHEMA.parametrize()
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_answer_is_outside_the_document(case: Any) -> None:
    response = case.call()
    case.validate_response(response, checks=CHECKS)


@SCHEMA.parametrize()
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_answer_about_a_job_that_is_there_is_outside_the_document(case: Any) -> None:
    if "job_id" in case.path_parameters and case.method != "DELETE":
        case.path_parameters["job_id"] = APP.id
    response = case.call()
    case.validate_response(response, checks=CHECKS)

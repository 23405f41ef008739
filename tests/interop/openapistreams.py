"""What schemathesis can not read to its end or would not come to: event streams, a whole database,
bodies over the bound, and a caller over its rate.

A stream is asked with the key of every role that may, read as far as its reason below says, and
held to the OpenAPI document; then with the key of one that may not, and without any.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import httpx
import schemathesis
from jsonschema import Draft202012Validator
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.interop.openapirun import ROLES, Key, Ledger, operations_of

RECALLS: Final = "GET /v1/recalls/stream"
JOB_EVENTS: Final = "GET /v1/screening-jobs/{job_id}/events"
DATABASE: Final = "GET /v1/node/database"
LEFT_OUT: Final = {
    RECALLS: "lasts 55 s and tells nothing until a record falls; read until its first piece",
    JOB_EVENTS: "lasts as long as its job; read until a job of three rows is done",
    DATABASE: "sends the whole database; read to its end once",
}
DOCUMENTED: Final = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
OVERSIZED: Final = 3 * 1024 * 1024
"""Bytes; over the bound of one JSON document and of a JSON-RPC batch."""
NO_JOB: Final = "0" * 32
PATIENCE_S: Final = 60.0
JOB: Final = (
    "kind,value\nemail,one@scam-post.net\nemail,two@scam-post.net\nphone,+44 20 7946 0958\n"
)
ASKED: Final = {"purpose": "fraud_prevention", "lawful_basis": "legitimate_interests"}


class Reader:
    """Reads what is left out of the passes."""

    def __init__(self, url: str, document: Mapping[str, Any], key: Key, ledger: Ledger) -> None:
        self._url = url
        self._document = document
        self._key = key
        self._ledger = ledger
        self._schema = schemathesis.openapi.from_dict(dict(document))
        self._schema.config.update(base_url=url)

    def run(self) -> Iterator[str]:
        """Read everything; yields the name of each operation that is done."""
        for name in LEFT_OUT:
            allowed = operations_of(self._document)[name]["x-roles"]
            for role in allowed:
                self._read(name, role)
            others = [role for role in ROLES if role not in allowed]
            self._refusal(name, self._key(others[0]), 403)
            self._refusal(name, None, 401)
            yield name
        self._too_large()
        self._too_fast()
        yield "bodies over the bound, a caller over its rate"

    def _too_large(self) -> None:
        for path in ("/v1/indicators", "/v1/consents", "/v1/disputes", "/rpc"):
            body = {"jsonrpc": "2.0", "method": "x" * OVERSIZED}
            case = self._schema[path]["POST"].Case(body=body, media_type="application/json")
            role = operations_of(self._document)[f"POST {path}"]["x-roles"][-1]
            self._held(f"POST {path}", case, self._key(role), 413)

    def _too_fast(self) -> None:
        """With a key of its own that may ask once in a while."""
        limited = {"id": "slow", "role": "analyst", "limit": {"per_second": 0.01, "burst": 1}}
        headers = {"authorization": f"Bearer {self._key('admin')}"}
        made = httpx.post(f"{self._url}/v1/api-keys", json=limited, headers=headers)
        key = str(made.raise_for_status().json()["key"])
        self._ledger.secrets.append(key)
        for status in (200, 429):
            self._held("GET /v1/whoami", self._schema["/v1/whoami"]["GET"].Case(), key, status)

    def _job(self, role: str) -> str:
        """A job that is made now, so that its events are not over, by who may read it."""
        senders = operations_of(self._document)["POST /v1/screening-jobs"]["x-roles"]
        key = self._key(role if role in senders else senders[0])
        headers = {"authorization": f"Bearer {key}", "content-type": "text/csv"}
        answer = httpx.post(
            f"{self._url}/v1/screening-jobs", params=ASKED, content=JOB, headers=headers
        )
        answer.raise_for_status()
        return str(answer.json()["id"])

    def _read(self, name: str, role: str) -> None:
        headers = {"authorization": f"Bearer {self._key(role)}"}
        seen = self._ledger.of(name)
        seen.cases += 1
        seen.roles.add(role)
        stated = operations_of(self._document)[name]["responses"]["200"]["content"]
        path = name.partition(" ")[2]
        if name == JOB_EVENTS:
            path = path.replace("{job_id}", self._job(role))
        read = b""
        until = time.monotonic() + PATIENCE_S
        with httpx.stream("GET", self._url + path, headers=headers, timeout=PATIENCE_S) as answer:
            seen.statuses[answer.status_code] += 1
            if answer.status_code != 200:
                told = f"{answer.status_code} {answer.read().decode()[:500]}"
                self._fault(name, "status", told, role)
                return
            media = answer.headers["content-type"]
            if media not in stated:
                self._fault(name, "content type", f"{media}, documented: {list(stated)}", role)
            for piece in answer.iter_bytes():
                read = piece if name == DATABASE else read + piece
                if name == RECALLS or time.monotonic() > until:
                    break
        if not read:
            self._fault(name, "body", "nothing came", role)
        if media == "text/event-stream":
            schema = stated[media]["schema"]
            plain = {} if schema.get("type") == "string" else schema
            self._events(name, read.decode(), plain, role)

    def _events(self, name: str, text: str, schema: Mapping[str, Any], role: str) -> None:
        """Events as the fields that a client reads (HTML living standard, section 9.2)."""
        fields = [
            dict(line.partition(":")[::2] for line in event.splitlines() if line[:1] != ":")
            for event in text.split("\n\n")
        ]
        told = [event for event in fields if "data" in event]
        if name == JOB_EVENTS and not told:
            self._fault(name, "events", f"no event came: {text[:200]!r}", role)
        for event in told:
            json.loads(event["data"])
            for error in Draft202012Validator(schema).iter_errors(event):
                self._fault(name, "event schema", error.message, role)

    def _refusal(self, name: str, key: str | None, status: int) -> None:
        method, template = name.split(" ", 1)
        named = {"job_id": NO_JOB} if name == JOB_EVENTS else {}
        case = self._schema[template][method].Case(path_parameters=named)
        self._held(name, case, key, status)

    def _held(self, name: str, case: Any, key: str | None, status: int) -> None:
        """Send one request and hold the answer to the document and to a status."""
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        response = case.call(headers=headers)
        seen = self._ledger.of(name)
        seen.cases += 1
        seen.statuses[response.status_code] += 1
        if response.status_code != status:
            self._fault(name, "status", f"{response.status_code} instead of {status}", "a role")
        try:
            case.validate_response(response, checks=DOCUMENTED)
        except AssertionError as error:
            self._fault(name, "document", str(error), "a role")

    def _fault(self, name: str, check: str, told: str, role: str) -> None:
        path = self._url + name.partition(" ")[2]
        self._ledger.fault(name, check, told, f"curl -H 'Authorization: Bearer [{role}]' '{path}'")

"""The REST API: any path, query, header and body, through the whole application.

An input is readable: a first line `METHOD path?query role media key`, then the body. The service
behind it is the test suite's node in memory, so that what is fuzzed is everything before it.
"""

from __future__ import annotations

import asyncio
import json
import logging
from random import Random
from typing import ClassVar
from urllib.parse import unquote

import orjson
from starlette.types import ASGIApp

from api.consent_info import PATH as CONSENT_INFO
from api.settings import ApiSettings
from node.service import Role
from tests.consent_terms import TERMS
from tests.fuzz.asgi import Headers, request
from tests.fuzz.structure import change_json
from tests.fuzz.target import Finding, Target
from tests.fuzz.targets.rpc import Gathered
from tests.unit.api.world import PHONE, QUESTION, World

SETTINGS = ApiSettings(
    max_batch_bytes=1 << 20, max_batch_rows=200, bad_attempts=1 << 30, access_log=False
)
STATUS = {
    "phoneNumber": "+123456789",
    "scopes": ["indicator:share"],
    "purpose": "dpv:FraudPreventionAndDetection",
    "requestCaptureUrl": False,
}
ROLES = {role.value: role for role in Role}
MEDIA = {
    "json": b"application/json",
    "ndjson": b"application/x-ndjson",
    "csv": b"text/csv; charset=utf-8",
    "none": b"",
}
KINDS = {
    "phone": ("+44 20 7946 0958", "0044 (20) 79460958"),
    "email": ("Mallory.X+tag@googlemail.com", "a@b.example"),
    "domain": ("hxxps://Exa[.]mple.com/", "xn--bcher-kva.example"),
    "url": ("http://user@EXAMPLE.com:80/a/../b?q=1#f",),
    "ip": ("2001:db8::1", "::ffff:10.0.0.1", "192.0.2.1"),
    "iban": ("GB82 WEST 1234 5698 7654 32",),
    "bank_account": ("GB:601613:31926819",),
    "wallet": ("bitcoin:bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "0x" + "ab" * 20),
    "device_id": ("android:9774d56d682e549c",),
    "imei": ("49-015420-323751-8",),
}
NAMES = (
    "kind", "value", "fraud_type", "confidence", "purpose", "lawful_basis", "country", "region",
    "first_seen", "last_seen", "valid_until", "role", "evidence", "amount", "currency", "reason",
    "subject", "personal_data", "wait", "notes", "operation", "references",
)  # fmt: skip
WORDS = (
    b"POST ", b"GET ", b" reporter ", b" auditor ", b" operator ", b" ndjson", b" csv", b" json",
    b"?wait=finalized", b"?wait=accepted", b"%00", b"%ff", b"/../", b"\r\n", b"\n", b'"', b",",
    b"\xef\xbb\xbf", b"kind,value,fraud_type\n", b"1e999", b"\\u0000", b"\xe2\x80\x8b", b"[.]",
    b"/v1/indicators", b"/v1/screenings", b"/v1/consents", b"/v1/blocks/", b"/v1/members",
    "\u0661\u0662".encode(), b"xn--", b"@", b"::", b"+", b"0x",
)  # fmt: skip
UNAVAILABLE = 503
"""A typed answer: the node says that it can not serve this now."""
_PROBLEM = b"application/problem+json"
_TAXII = b"application/taxii+json;version=2.1"


class Rest(Target):
    """One request."""

    name: ClassVar = "rest"
    about: ClassVar = "REST: paths, queries, headers, JSON, NDJSON and CSV through the application"
    seconds: ClassVar = 3.0
    words: ClassVar = WORDS
    trace_every: ClassVar = 20

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._gathered = Gathered()
        logging.getLogger("bulwark.api").addHandler(self._gathered)
        self._world = World(settings=SETTINGS)

    def seeds(self) -> list[bytes]:
        made: list[bytes] = []
        for kind, values in KINDS.items():
            for value in values:
                report = {"kind": kind, "value": value, "fraud_type": "vishing"}
                question = {**QUESTION, "kind": kind, "value": value}
                made.append(b"POST /v1/indicators reporter json\n" + orjson.dumps(report))
                made.append(b"POST /v1/screenings analyst json\n" + orjson.dumps(question))
        rows = b"\n".join(orjson.dumps(row) for row in (PHONE, {**PHONE, "value": "x"}, 7))
        table = b'kind,value,fraud_type\nphone,"+44 20 7946 0958",vishing\r\nip,192.0.2.1,\n'
        made += [
            b"POST /v1/indicators?wait=accepted reporter json key-1\n" + orjson.dumps(PHONE),
            b"POST /v1/indicators/batches?wait=durable reporter ndjson\n" + rows,
            b"POST /v1/indicators/batches reporter csv key-2\n" + table,
            b"POST /v1/screenings/batches reporter ndjson\n" + orjson.dumps(QUESTION) + b"\n",
            b"POST /v1/screenings/batches analyst csv\nkind,value,purpose,lawful_basis\n"
            b"phone,+442079460958,fraud_prevention,legitimate_interests\n",
            b"POST /v1/consents reporter json\n" + orjson.dumps(TERMS),
            b"POST /v1/consents/search reporter json\n" + orjson.dumps({"subject": "pairwise-17"}),
            f"POST {CONSENT_INFO} analyst json\n".encode() + orjson.dumps(STATUS),
            b"POST /v1/consents/consent-0/withdrawal?wait=accepted reporter json\n"
            b'{"reason":"objected"}',
            b"POST /v1/consents/consent-0/withdrawal reporter none\n",
        ]
        for path in (
            "/v1/indicators/" + "ab" * 32, "/v1/records/" + "ab" * 32 + "/proof", "/v1/blocks/1",
            "/v1/blocks/latest", "/v1/members", "/v1/node", "/healthz", "/readyz", "/metrics",
            "/v1/openapi.json", "/v1/consents/consent-0", "/v1/consents/consent-0/proof", "/x",
        ):  # fmt: skip
            for role in ("auditor", "operator"):
                made.append(f"GET {path} {role} none\n".encode())
        return made

    def reshape(self, data: bytes, rng: Random) -> bytes | None:
        head, _, body = data.partition(b"\n")
        changed = change_json(body, rng, NAMES)
        return None if changed is None else head + b"\n" + changed

    def run(self, data: bytes) -> str:
        node = self._world.node
        consents = self._world.consents
        for kept in (node.records, node.tags, node.promises, node.seen):
            kept.clear()
        for held in (consents.consents, consents.persons, consents.promises):
            held.clear()
        self._gathered.lines.clear()
        return self._judge(data, self._world.app)

    def _judge(self, data: bytes, app: ASGIApp) -> str:
        """Send the request and check the form of the answer."""
        head, _, body = data.partition(b"\n")
        method, target, headers = self._head(head.decode("latin-1").split(" "))
        path, _, query = target.partition("?")
        pieces = [body[at : at + 1024] for at in range(0, len(body), 1024)]
        raw_query = query.encode("latin-1")
        answer = self._loop.run_until_complete(
            request(app, method, unquote(path), raw_query, headers, pieces)
        )
        if answer.status >= 500 and answer.status != UNAVAILABLE:
            raise Finding(f"status {answer.status}: {answer.body[:200]!r} {self._gathered.lines}")
        if self._gathered.lines:
            raise Finding(f"failed: {self._gathered.lines}")
        if answer.status < 400 or method == "HEAD" or path == "/readyz":
            return f"{method} {answer.status}"
        document = json.loads(answer.body)
        if path == CONSENT_INFO and set(document) == {"status", "code", "message"}:
            return f"{method} {answer.status} {document['code']}"
        if answer.headers.get(b"content-type") == _TAXII and path.startswith("/taxii2"):
            if not {"title", "http_status"} <= document.keys():
                raise Finding(f"no TAXII error object: {answer.status} {document}")
            return f"{method} {answer.status} taxii"
        if answer.headers.get(b"content-type") != _PROBLEM or "type" not in document:
            raise Finding(f"no problem document: {answer.status} {answer.headers}")
        errors = document.get("errors") or [{}]
        rule = str(errors[0].get("rule", ""))
        rule = rule if rule in NAMES or rule.replace("-", "").isalpha() else ""
        return f"{method} {answer.status} {document['type'][-16:]} {rule}"

    def _bearer(self, role: Role | None) -> dict[str, str]:
        return self._world.headers(role)

    def _head(self, parts: list[str]) -> tuple[str, str, Headers]:
        method = parts[0] if parts[0] in ("GET", "POST", "PUT", "DELETE", "HEAD") else "POST"
        target = parts[1] if len(parts) > 1 else "/v1/indicators"
        role = ROLES.get(parts[2] if len(parts) > 2 else "reporter")
        headers: Headers = [
            (name.encode(), value.encode()) for name, value in self._bearer(role).items()
        ]
        media = MEDIA.get(parts[3] if len(parts) > 3 else "json")
        if media != b"":
            text = parts[3].encode("latin-1") if media is None else media
            headers.append((b"content-type", text))
        if len(parts) > 4:
            headers.append((b"idempotency-key", parts[4].encode("latin-1")))
        if len(parts) > 5:
            headers.append((b"content-length", parts[5].encode("latin-1")))
        return method, target, headers

    def close(self) -> None:
        logging.getLogger("bulwark.api").removeHandler(self._gathered)
        self._loop.close()

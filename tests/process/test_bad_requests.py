"""Bad requests: each gets its documented problem, nothing of it is taken, the node stays up."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.process.support import WHY, Alliance

pytestmark = pytest.mark.process

GOOD = {"kind": "phone", "value": "+44 20 7946 0123", "fraud_type": "vishing"}
NDJSON = {"Content-Type": "application/x-ndjson"}


@pytest.fixture
def member(shared: Alliance) -> str:
    return shared.validators[2]


@pytest.fixture
def reporter(shared: Alliance, member: str) -> httpx.Client:
    return shared.client(member, "reporter")


@pytest.fixture(autouse=True)
def still_serves(shared: Alliance, member: str) -> Any:
    """After each test the node that was spoken to is the same process and still agrees."""
    pid = shared.node(member).pid
    yield
    assert shared.node(member).pid == pid is not None
    assert shared.client(member, "operator").get("/readyz").status_code == 200


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The RFC 9457 document of a refusal."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert document["type"] == f"urn:bulwark:problem:{code}", document
    assert document["status"] == status and document["title"] and document["detail"]
    return dict(document)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b'{"kind": "phone", "kind": "email"}',
        b"[" * 10_000,
    ],
    ids=["empty", "cut", "array", "text", "no-utf8", "twice", "deep"],
)
def test_malformed_json(reporter: httpx.Client, body: bytes) -> None:
    answer = reporter.post(
        "/v1/indicators", content=body, headers={"Content-Type": "application/json"}
    )
    problem(answer, 400, "malformed")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": "shoe_size"}, "kind"),
        ({"fraud_type": "bad mood"}, "fraud_type"),
        ({"confidence": 101}, "confidence"),
        ({"confidence": "high"}, "confidence"),
        ({"first_seen": "yesterday"}, "first_seen"),
        ({"case_ref": "x" * 5_000}, "case_ref"),
        ({"colour": "red"}, "colour"),
        ({"value": "x" * 5_000}, "value"),
        ({"value": ""}, "value"),
        ({"value": "12"}, "value"),
        ({"value": None}, "value"),
        ({"kind": "iban", "value": "DE75512108001245126198"}, "value"),
        ({"kind": "wallet", "value": "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5"}, "value"),
        ({"kind": "wallet", "value": "0x52908400098527886E0F7030069857D2E4169Ee7"}, "value"),
        ({"kind": "imei", "value": "490154203237519"}, "value"),
        ({"kind": "ip", "value": "300.1.2.3"}, "value"),
    ],
)
def test_values_that_are_not_allowed(
    reporter: httpx.Client, change: dict[str, Any], field: str
) -> None:
    sent = {**GOOD, **change}
    answer = reporter.post("/v1/indicators", json=sent)
    document = problem(answer, 422, "invalid")
    assert [error["field"] for error in document["errors"]] == [field]
    given = str(sent["value"])
    assert len(given) < 4 or given not in answer.text, "the refusal repeats the value"


def test_a_body_over_the_bound_is_refused(reporter: httpx.Client) -> None:
    answer = reporter.post("/v1/indicators", json={**GOOD, "case_ref": "x" * 300_000})
    problem(answer, 413, "too-large")


def test_another_content_type_is_refused(reporter: httpx.Client) -> None:
    text = {"Content-Type": "text/plain"}
    answer = reporter.post("/v1/indicators", content=json.dumps(GOOD), headers=text)
    problem(answer, 415, "unsupported-media-type")


def test_100_001_rows_leave_nothing_behind(
    shared: Alliance, member: str, reporter: httpx.Client
) -> None:
    row = '{"kind":"email","value":"row%d@hundred-thousand.net","fraud_type":"phishing"}'
    rows = "\n".join(row % number for number in range(100_001))
    taken = shared.status(member)["reports"]["taken"]
    answer = reporter.post("/v1/indicators/batches", content=rows, headers=NDJSON, timeout=120)
    problem(answer, 413, "too-large")
    assert shared.status(member)["reports"]["taken"] == taken
    first = shared.screen(member, kind="email", value="row0@hundred-thousand.net")
    assert first["complete"] and not first["hit"]


def test_bad_rows_are_named_by_line_and_good_ones_kept(
    shared: Alliance, reporter: httpx.Client
) -> None:
    rows = [
        json.dumps({"kind": "email", "value": "one@kept-rows.net", "fraud_type": "phishing"}),
        "{not json",
        json.dumps({"kind": "iban", "value": "DE00", "fraud_type": "phishing"}),
        json.dumps({"kind": "email", "value": "x" * 9_000, "fraud_type": "phishing"}),
        json.dumps({"kind": "email", "value": "two@kept-rows.net", "fraud_type": "phishing"}),
    ]
    answer = reporter.post("/v1/indicators/batches", content="\n".join(rows), headers=NDJSON)
    assert answer.status_code == 200, answer.text
    summary = answer.json()
    assert (summary["taken"], summary["refused"]) == (2, 3)
    refused = {row["line"]: row["problem"] for row in summary["rows"] if row["status"] == "refused"}
    assert sorted(refused) == [2, 3, 4] and all(p["errors"] for p in refused.values())
    shared.until_final(summary["height"])
    for value in ("one@kept-rows.net", "two@kept-rows.net"):
        assert shared.screen(shared.names[0], kind="email", value=value)["hit"]


def test_wrong_keys_and_roles(shared: Alliance, member: str) -> None:
    url = f"{shared.node(member).rest_url}/v1/indicators"
    problem(httpx.post(url, json=GOOD), 401, "unauthenticated")
    for header in ("Bearer " + "A" * 43, "Bearer", "Basic dTpw", "Bearer " + "x" * 5_000):
        problem(
            httpx.post(url, json=GOOD, headers={"Authorization": header}), 401, "unauthenticated"
        )
    for role in ("analyst", "operator", "auditor"):
        problem(shared.client(member, role).post("/v1/indicators", json=GOOD), 403, "forbidden")
    question = {"kind": "phone", "value": GOOD["value"], **WHY}
    for role in ("operator", "auditor"):
        answer = shared.client(member, role).post("/v1/screenings", json=question)
        problem(answer, 403, "forbidden")
    problem(shared.client(member, "reporter").get("/v1/node"), 403, "forbidden")
    elsewhere = {"Authorization": f"Bearer {shared.key(shared.names[0], 'reporter')}"}
    problem(httpx.post(url, json=GOOD, headers=elsewhere), 401, "unauthenticated")


def test_guessing_keys_is_slowed_down_and_right_keys_still_work(shared: Alliance) -> None:
    name = shared.validators[3]
    url = f"{shared.node(name).rest_url}/v1/members"
    with httpx.Client() as client:
        answers = [
            client.get(url, headers={"Authorization": f"Bearer guess-{number:038d}"}).status_code
            for number in range(30)
        ]
    assert answers[0] == 401 and answers[-1] == 429
    assert shared.client(name, "auditor").get("/v1/members").status_code == 200


def test_a_member_without_the_role_can_not_report(shared: Alliance) -> None:
    observer = shared.names[-1]
    answer = shared.client(observer, "reporter").post("/v1/indicators", json=GOOD)
    problem(answer, 403, "forbidden")


def test_one_idempotency_key_is_one_request(reporter: httpx.Client) -> None:
    key = {"Idempotency-Key": "bad-input-1"}
    report = {**GOOD, "value": "+44 20 7946 0124"}
    first = reporter.post("/v1/indicators", json=report, headers=key).json()
    again = reporter.post("/v1/indicators", json=report, headers=key)
    assert again.status_code in (200, 201)
    assert again.json()["record_id"] == first["record_id"]
    other = reporter.post("/v1/indicators", json=GOOD, headers=key)
    problem(other, 422, "idempotency-key-reused")


def test_unknown_paths_methods_and_ids(shared: Alliance, member: str) -> None:
    client = shared.client(member, "auditor")
    problem(client.get("/v1/nothing"), 404, "not-found")
    problem(client.delete("/v1/members"), 405, "method-not-allowed")
    problem(client.get("/v1/blocks/99999999"), 404, "not-found")
    problem(client.get("/v1/indicators/" + "ab" * 32), 404, "not-found")
    problem(client.get("/v1/indicators/short"), 400, "invalid")
    problem(client.get("/v1/records/" + "ab" * 32 + "/proof"), 404, "not-found")
    slow = shared.client(member, "reporter").post("/v1/indicators?wait=tomorrow", json=GOOD)
    problem(slow, 400, "invalid")

"""Reporting one indicator, reading it and proving it."""

from __future__ import annotations

import pytest

from bulwark.ledger.proofs import RecordProof
from node.service import Busy, Forbidden, Role, Unavailable
from tests.unit.api.world import PHONE, World, problem_of


async def test_a_report_is_created_once_executed_and_can_be_read(world: World) -> None:
    answer = await world.ask("POST", "/v1/indicators", json=PHONE)
    assert answer.status_code == 201
    document = answer.json()
    assert document["stage"] == "executed" and document["height"] == 1
    assert document["duplicate"] is False
    assert answer.headers["location"] == f"/v1/indicators/{document['record_id']}"
    shown = (await world.ask("GET", answer.headers["location"], Role.AUDITOR)).json()
    assert shown["record_id"] == document["record_id"]
    assert shown["reporter"] == "bank-a" and shown["fraud_type"] == "imp_bank"
    assert shown["timestamp"] == "2025-10-09T08:53:20.000Z" and shown["age_ms"] == 60_000
    assert "7946" not in str(shown)


@pytest.mark.parametrize(
    ("stage", "status"),
    [("accepted", 202), ("ordered", 202), ("executed", 201), ("finalized", 201)],
)
async def test_the_status_says_how_far_a_report_got(world: World, stage: str, status: int) -> None:
    answer = await world.ask("POST", f"/v1/indicators?wait={stage}", json=PHONE)
    assert (answer.status_code, answer.json()["stage"]) == (status, stage)


async def test_a_report_made_before_answers_200_with_the_first_record(world: World) -> None:
    first = await world.ask("POST", "/v1/indicators", json=PHONE)
    again = await world.ask(
        "POST", "/v1/indicators", json=PHONE | {"value": "00442079460958", "region": "GB"}
    )
    assert again.status_code == 200
    assert again.json()["duplicate"] is True
    assert again.json()["record_id"] == first.json()["record_id"]


async def test_one_idempotency_key_and_body_give_one_record(world: World) -> None:
    key = {"idempotency-key": "wish-1"}
    first = await world.ask("POST", "/v1/indicators", json=PHONE, headers=key)
    again = await world.ask("POST", "/v1/indicators", json=PHONE, headers=key)
    assert first.json() == again.json() and again.status_code == 201
    other = await world.ask("POST", "/v1/indicators", json=PHONE | {"confidence": 1}, headers=key)
    problem_of(other, 422, "idempotency-key-reused")


@pytest.mark.parametrize("key", ["", "x" * 129, "two words"])
async def test_an_idempotency_key_that_is_no_token_is_refused(world: World, key: str) -> None:
    headers = {"idempotency-key": key}
    problem = problem_of(
        await world.ask("POST", "/v1/indicators", json=PHONE, headers=headers), 400, "invalid"
    )
    assert problem["errors"][0]["field"] == "Idempotency-Key"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": "carrier_pigeon"}, "kind"),
        ({"kind": None}, "kind"),
        ({"value": ""}, "value"),
        ({"value": "9" * 3000}, "value"),
        ({"value": 5}, "value"),
        ({"fraud_type": "x" * 5000}, "fraud_type"),
        ({"confidence": 101}, "confidence"),
        ({"confidence": 10**30}, "confidence"),
        ({"confidence": 1.5}, "confidence"),
        ({"first_seen": "yesterday"}, "first_seen"),
        ({"lawful_basis": "consent"}, "consent_anchor"),
        ({"surprise": 1}, "surprise"),
        ({"case_ref": "c" * 129}, "case_ref"),
        ({"region": "ZZ"}, "region"),
        ({"operation": "erase"}, "operation"),
    ],
)
async def test_a_field_that_is_not_allowed_is_named(
    world: World, change: dict[str, object], field: str
) -> None:
    answer = await world.ask("POST", "/v1/indicators", json=PHONE | change)
    problem = problem_of(answer, 422, "invalid")
    assert field in [error["field"] for error in problem["errors"]]
    assert world.node.seen == []


async def test_a_value_that_can_not_be_normalised_is_refused_with_its_rule(world: World) -> None:
    row = {"kind": "iban", "value": "GB00 WEST 1234 5698 7654 32", "fraud_type": "mule_account"}
    answer = await world.ask("POST", "/v1/indicators", json=row)
    problem = problem_of(answer, 422, "invalid")
    assert problem["errors"][0]["rule"] == "iban.checksum"
    assert "WEST" not in answer.text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b'{"kind": "phone"} x',
        b'{"kind": NaN}',
        b'{"kind": "\xff\xfe"}',
        b'{"kind": "\\ud800"}',
        b'{"kind": "phone", "kind": "email"}',
        b'{"kind": "phone", "k\\u0069nd": "email"}',
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b'{"a":' * 100 + b"1" + b"}" * 100,
        b"\x00",
    ],
)
async def test_a_body_that_is_no_json_object_is_malformed(world: World, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = await world.ask("POST", "/v1/indicators", content=body, headers=headers)
    problem_of(answer, 400, "malformed")


@pytest.mark.parametrize(
    "media", [None, "text/plain", "application/xml", "application/json; charset=latin-1"]
)
async def test_another_content_type_is_refused(world: World, media: str | None) -> None:
    headers = {"content-type": media} if media else {}
    answer = await world.ask("POST", "/v1/indicators", content=b"{}", headers=headers)
    problem_of(answer, 415, "unsupported-media-type")


async def test_a_compressed_body_is_refused(world: World) -> None:
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    answer = await world.ask("POST", "/v1/indicators", content=b"{}", headers=headers)
    problem_of(answer, 415, "unsupported-media-type")


async def test_a_body_over_the_bound_is_refused(world: World) -> None:
    answer = await world.ask("POST", "/v1/indicators", json=PHONE | {"case_ref": "x" * 300_000})
    problem_of(answer, 413, "too-large")


@pytest.mark.parametrize("query", ["wait=soon", "wait=", "speed=1", "wait=accepted&wait=ordered"])
async def test_a_query_that_is_not_known_is_refused(world: World, query: str) -> None:
    answer = await world.ask("POST", f"/v1/indicators?{query}", json=PHONE)
    assert answer.status_code == 400
    assert world.node.seen == []


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (Busy("the outbox is full"), 429, "busy"),
        (Unavailable("no quorum"), 503, "unavailable"),
        (Forbidden("this member is no reporter"), 403, "forbidden"),
    ],
)
async def test_what_the_node_refuses_keeps_its_status(
    world: World, failure: Exception, status: int, code: str
) -> None:
    world.node.failure = failure
    answer = await world.ask("POST", "/v1/indicators", json=PHONE)
    problem_of(answer, status, code)
    assert ("retry-after" in answer.headers) == (status in (429, 503))


async def test_an_unforeseen_failure_is_a_500_that_tells_nothing(world: World) -> None:
    world.node.failure = RuntimeError("secret +442079460958")
    answer = await world.ask("POST", "/v1/indicators", json=PHONE)
    problem_of(answer, 500, "internal")
    assert "secret" not in answer.text and "Traceback" not in answer.text


async def test_an_unknown_record_is_404_and_a_malformed_id_400(world: World) -> None:
    problem_of(await world.ask("GET", f"/v1/indicators/{'ab' * 32}"), 404, "not-found")
    problem_of(await world.ask("GET", "/v1/indicators/xyz"), 400, "invalid")


async def test_the_proof_of_a_final_record_is_a_record_proof(world: World) -> None:
    made = await world.ask("POST", "/v1/indicators?wait=finalized", json=PHONE)
    record_id = made.json()["record_id"]
    answer = await world.ask("GET", f"/v1/records/0x{record_id}/proof", Role.AUDITOR)
    assert answer.status_code == 200
    assert RecordProof.from_json(answer.content).entry.record_id.hex() == record_id


async def test_the_proof_of_a_record_that_is_not_final_is_a_conflict(world: World) -> None:
    made = await world.ask("POST", "/v1/indicators", json=PHONE)
    path = f"/v1/records/{made.json()['record_id']}/proof"
    problem_of(await world.ask("GET", path, Role.AUDITOR), 409, "conflict")
    problem_of(await world.ask("GET", f"/v1/records/{'00' * 32}/proof"), 404, "not-found")

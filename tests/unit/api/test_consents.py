"""Giving, withdrawing, showing and proving consents."""

from __future__ import annotations

import pytest

from api.consents import REASONS
from bulwark.indicators.errors import FieldError
from bulwark.ledger.proofs import AnchorProof
from node.consents.desk import WITHDRAWAL_REASONS
from node.service import Role
from tests.unit.api.world import World, problem_of

CONSENT = {"purpose": "fraud_prevention", "subject": {"id": "pairwise:1"}, "scopes": ["share"]}


async def given(world: World, query: str = "") -> dict[str, object]:
    answer = await world.ask("POST", f"/v1/consents{query}", json=CONSENT)
    return answer.json()


async def test_a_consent_is_given_shown_and_withdrawn(world: World) -> None:
    made = await world.ask("POST", "/v1/consents", json=CONSENT)
    assert made.status_code == 201
    document = made.json()
    place = made.headers["location"]
    assert (document["status"], document["receipt"]) == ("given", CONSENT)
    assert len(document["anchor_id"]) == len(document["commitment"]) == 64
    assert (await world.ask("GET", place, Role.AUDITOR)).json() == document
    gone = await world.ask("POST", f"{place}/withdrawal", json={"reason": "objected"})
    assert gone.status_code == 200
    assert gone.json()["status"] == "withdrawn" and gone.json()["withdrawn_height"] == 3
    again = await world.ask("POST", f"{place}/withdrawal")
    problem_of(again, 409, "conflict")


async def test_a_consent_that_is_only_ordered_answers_202(world: World) -> None:
    answer = await world.ask("POST", "/v1/consents?wait=ordered", json=CONSENT)
    assert answer.status_code == 202
    path = f"/v1/consents/{answer.json()['consent_id']}/withdrawal?wait=accepted"
    assert (await world.ask("POST", path)).status_code == 202


async def test_what_the_receipt_rules_refuse_is_a_422(world: World) -> None:
    world.node.failure = FieldError("purpose", "'x'", "one of fraud_prevention")
    problem = problem_of(await world.ask("POST", "/v1/consents", json=CONSENT), 422, "invalid")
    assert problem["errors"][0]["field"] == "purpose"


async def test_one_key_gives_one_consent(world: World) -> None:
    key = {"idempotency-key": "c1"}
    first = await world.ask("POST", "/v1/consents", json=CONSENT, headers=key)
    again = await world.ask("POST", "/v1/consents", json=CONSENT, headers=key)
    assert first.json() == again.json() and len(world.node.consents) == 1


@pytest.mark.parametrize(
    "body", [{"reason": 5}, {"reason": "x" * 129}, {"reason": "bored"}, {"why": "x"}]
)
async def test_a_withdrawal_with_another_body_is_refused(
    world: World, body: dict[str, object]
) -> None:
    consent_id = (await given(world))["consent_id"]
    answer = await world.ask("POST", f"/v1/consents/{consent_id}/withdrawal", json=body)
    problem_of(answer, 422, "invalid")


async def test_unknown_and_malformed_ids_are_told_apart(world: World) -> None:
    problem_of(await world.ask("GET", "/v1/consents/none"), 404, "not-found")
    problem_of(await world.ask("GET", "/v1/consents/a%20b"), 400, "invalid")
    problem_of(await world.ask("POST", "/v1/consents/none/withdrawal"), 404, "not-found")
    problem_of(await world.ask("GET", "/v1/consents/none/proof"), 404, "not-found")


async def test_the_proof_of_a_consent_is_an_anchor_proof(world: World) -> None:
    consent = await given(world, "?wait=finalized")
    answer = await world.ask("GET", f"/v1/consents/{consent['consent_id']}/proof", Role.AUDITOR)
    assert AnchorProof.from_json(answer.content).anchor.reference.hex() == consent["anchor_id"]


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"a": {"b": 1, "b": 2}}'])
async def test_a_body_that_is_no_object_is_malformed(world: World, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    problem_of(
        await world.ask("POST", "/v1/consents", content=body, headers=headers), 400, "malformed"
    )


def test_the_reasons_of_a_withdrawal_are_those_of_the_node() -> None:
    assert set(REASONS) == set(WITHDRAWAL_REASONS)

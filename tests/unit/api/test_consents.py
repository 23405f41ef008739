"""Giving, renewing, ending, erasing, finding, exporting and proving consents over REST."""

from __future__ import annotations

from typing import Any

import pytest

from bulwark.ledger.proofs import AnchorProof
from node.service import Role
from tests.consent_terms import TERMS, terms
from tests.unit.api.world import World, problem_of


async def given(world: World, query: str = "", **more: Any) -> dict[str, Any]:
    answer = await world.ask("POST", f"/v1/consents{query}", json=terms(**more))
    assert answer.status_code in (201, 202), answer.text
    return answer.json()


async def test_a_consent_is_given_shown_renewed_withdrawn_and_erased(world: World) -> None:
    made = await world.ask("POST", "/v1/consents", json=TERMS)
    assert made.status_code == 201
    document = made.json()
    place = made.headers["location"]
    assert (document["status"], document["version"]) == ("given", 1)
    assert document["receipt"]["@type"] == "dpv:ConsentReceipt"
    assert len(document["anchor_id"]) == len(document["commitment"]) == 64
    assert (await world.ask("GET", place, Role.AUDITOR)).json() == document
    renewed = await world.ask("POST", f"{place}/renewal", json={"valid_until": "2031-01-01"})
    assert (renewed.status_code, renewed.json()["version"]) == (200, 2)
    problem_of(await world.ask("POST", f"{place}/erasure"), 409, "conflict")
    gone = await world.ask("POST", f"{place}/withdrawal", json={"reason": "invalidated"})
    assert gone.status_code == 200
    assert gone.json()["status"] == "invalidated" and gone.json()["withdrawn_height"] == 3
    problem_of(await world.ask("POST", f"{place}/withdrawal"), 409, "conflict")
    problem_of(await world.ask("POST", f"{place}/renewal", json={}), 409, "conflict")
    erased = await world.ask("POST", f"{place}/erasure")
    assert (erased.json()["status"], erased.json()["receipt"]) == ("erased", None)


async def test_a_consent_that_is_only_ordered_answers_202(world: World) -> None:
    place = f"/v1/consents/{(await given(world, '?wait=ordered'))['consent_id']}"
    assert (await world.ask("POST", f"{place}/withdrawal?wait=accepted")).status_code == 202


async def test_every_fault_of_the_terms_is_named_by_its_path_and_without_its_value(
    world: World,
) -> None:
    body = terms(purpose="curiosity", storage=None, personal_data=["someone@example.org"])
    problem = problem_of(await world.ask("POST", "/v1/consents", json=body), 422, "invalid")
    assert [each["field"] for each in problem["errors"]] == [
        "$['personal_data'][0]",
        "$['storage']",
    ]
    assert "someone" not in str(problem)
    problem = problem_of(
        await world.ask("POST", "/v1/consents", json=terms(purpose="curiosity")), 422, "invalid"
    )
    assert problem["errors"][0]["field"] == "$['purpose']"
    assert "fraud_prevention" in problem["errors"][0]["detail"]


async def test_one_key_gives_one_consent(world: World) -> None:
    key = {"idempotency-key": "c1"}
    first = await world.ask("POST", "/v1/consents", json=TERMS, headers=key)
    again = await world.ask("POST", "/v1/consents", json=TERMS, headers=key)
    assert first.json() == again.json() and len(world.consents.consents) == 1


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
    problem_of(await world.ask("POST", "/v1/consents/none/erasure"), 404, "not-found")
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


async def test_a_person_is_found_and_exported_by_subject_or_phone(world: World) -> None:
    one = await given(world, subject="p-1", phone="+442079460958")
    await given(world, subject="p-2")
    for person in ({"subject": "p-1"}, {"phone": "+442079460958"}):
        found = (await world.ask("POST", "/v1/consents/search", json=person)).json()
        assert [each["consent_id"] for each in found["consents"]] == [one["consent_id"]]
        bundle = (await world.ask("POST", "/v1/consents/export", json=person)).json()
        assert bundle["consents"][0]["consent_id"] == one["consent_id"]
    nobody = {"subject": "p-3"}
    assert (await world.ask("POST", "/v1/consents/search", json=nobody)).json()["consents"] == []
    problem_of(await world.ask("POST", "/v1/consents/export", json=nobody), 404, "not-found")


@pytest.mark.parametrize(
    "person",
    [
        {},
        {"subject": "a", "phone": "+442079460958"},
        {"phone": "020 7946 0958"},
        {"subject": 5},
        {"name": "a"},
        {"subject": "x" * 257},
    ],
)
async def test_a_search_names_exactly_one_person(world: World, person: dict[str, object]) -> None:
    problem_of(await world.ask("POST", "/v1/consents/search", json=person), 422, "invalid")


async def test_the_list_is_paged_and_complete(world: World) -> None:
    made = {(await given(world, subject=f"p-{number}"))["consent_id"] for number in range(5)}
    seen: list[str] = []
    query = "?most=2"
    while True:
        page = (await world.ask("GET", f"/v1/consents{query}")).json()
        seen += [each["consent_id"] for each in page["consents"]]
        if page["next"] is None:
            break
        query = f"?most=2&after={page['next']}"
    assert sorted(seen) == sorted(made) and len(seen) == 5


@pytest.mark.parametrize("query", ["?most=0", "?most=101", "?most=x", "?after=zz", "?after="])
async def test_a_page_has_bounds(world: World, query: str) -> None:
    problem_of(await world.ask("GET", f"/v1/consents{query}"), 400, "invalid")


async def test_a_receipt_is_shown_as_a_kantara_receipt(world: World) -> None:
    consent_id = (await given(world))["consent_id"]
    answer = await world.ask("GET", f"/v1/consents/{consent_id}/kantara")
    assert answer.json()["version"] == "KI-CR-v1.1.0"

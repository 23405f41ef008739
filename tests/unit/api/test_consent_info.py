"""CAMARA Consent Info 0.2.0, held to its own OpenAPI document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from api.consent_info import PATH
from node.service import Role
from tests.consent_terms import terms
from tests.unit.api.world import World, problem_of

DOCUMENT: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[2] / "vectors" / "camara" / "consent-info.yaml").read_text()
)
RETRIEVE = DOCUMENT["paths"]["/retrieve"]["post"]
PHONE = "+123456789"
PURPOSE = "dpv:FraudPreventionAndDetection"
SCOPE = "location-verification:verify"


def holds(value: object, name: str) -> bool:
    """Whether a value satisfies a schema of the document."""
    rules = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    return Draft202012Validator(rules).is_valid(value)


async def given(world: World, **more: Any) -> str:
    stated = terms(phone=PHONE, **{"scopes": ["indicator:share", SCOPE], **more})
    answer = await world.ask("POST", "/v1/consents", json=stated)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["consent_id"])


def asked(**more: Any) -> dict[str, Any]:
    body = {"phoneNumber": PHONE, "scopes": [SCOPE], "purpose": PURPOSE, "requestCaptureUrl": True}
    return {name: value for name, value in {**body, **more}.items() if value is not None}


def test_the_path_is_that_of_the_document() -> None:
    server = DOCUMENT["servers"][0]["url"].replace("{apiRoot}", "")
    assert f"{server}/retrieve" == PATH


@pytest.mark.parametrize("name", RETRIEVE["requestBody"]["content"]["application/json"]["examples"])
async def test_every_example_request_is_taken_and_answered_in_form(world: World, name: str) -> None:
    await given(world)
    examples = RETRIEVE["requestBody"]["content"]["application/json"]["examples"]
    headers = {"x-correlator": "b4333c46-49c0-4f62-80d7-f0ef930f1c46"}
    body = examples[name]["value"]
    assert holds(body, "RetrieveStatusRequestBody")
    answer = await world.ask("POST", PATH, Role.ANALYST, json=body, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["x-correlator"] == headers["x-correlator"]
    assert holds(answer.json(), "RetrieveStatusResponseBody"), answer.text
    told = [scope for entry in answer.json()["statusInfo"] for scope in entry["scopes"]]
    assert sorted(told) == sorted(body["scopes"])


@pytest.mark.parametrize(
    ("basis", "reason", "word"),
    [
        ("consent", "withdrawn", "DENIED"),
        ("consent", "expired", "EXPIRED"),
        ("consent", "invalidated", "PENDING"),
        ("legitimate_interests", "objected", "OBJECTED"),
    ],
)
async def test_every_end_has_its_word(world: World, basis: str, reason: str, word: str) -> None:
    consent_id = await given(world, lawful_basis=basis)
    [entry] = (await world.ask("POST", PATH, json=asked())).json()["statusInfo"]
    assert entry == {"scopes": [SCOPE], "purpose": PURPOSE, "statusValidForProcessing": True}
    await world.ask("POST", f"/v1/consents/{consent_id}/withdrawal", json={"reason": reason})
    answer = (await world.ask("POST", PATH, json=asked())).json()
    [entry] = answer["statusInfo"]
    assert (entry["statusValidForProcessing"], entry["statusReason"]) == (False, word)
    assert holds(answer, "RetrieveStatusResponseBody") and "captureUrl" not in answer


async def test_a_last_day_is_told_as_a_moment(world: World) -> None:
    await given(world, valid_until="2030-01-01")
    [entry] = (await world.ask("POST", PATH, json=asked())).json()["statusInfo"]
    assert entry["expirationDate"] == "2030-01-01T23:59:59Z"


async def test_only_who_may_screen_may_ask(world: World) -> None:
    await given(world)
    for role in Role:
        answer = await world.ask("POST", PATH, role, json=asked())
        if role in (Role.REPORTER, Role.ANALYST):
            assert answer.status_code == 200
            continue
        assert (answer.status_code, answer.json()["code"]) == (403, "PERMISSION_DENIED")
        assert holds(answer.json(), "ErrorInfo") and answer.headers["x-correlator"]
    # Who shows no key is told nothing of this path, in the words of every other one.
    stranger = await world.ask("POST", PATH, None, json=asked())
    problem_of(stranger, 401, "unauthenticated")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (asked(phoneNumber=None), 422, "MISSING_IDENTIFIER"),
        (asked(phoneNumber="+999999999"), 404, "IDENTIFIER_NOT_FOUND"),
        (asked(phoneNumber="123"), 400, "INVALID_ARGUMENT"),
        (asked(scopes=None), 400, "INVALID_ARGUMENT"),
        (asked(scopes=[]), 400, "INVALID_ARGUMENT"),
        (asked(scopes=[5]), 400, "INVALID_ARGUMENT"),
        (asked(scopes=["s"] * 33), 400, "INVALID_ARGUMENT"),
        (asked(purpose="fraud"), 400, "INVALID_ARGUMENT"),
        (asked(purpose=None), 400, "INVALID_ARGUMENT"),
        (asked(requestCaptureUrl="yes"), 400, "INVALID_ARGUMENT"),
        (asked(requestCaptureUrl=None), 400, "INVALID_ARGUMENT"),
        (asked(callbackUrl=7), 400, "INVALID_ARGUMENT"),
        (asked(extra=1), 400, "INVALID_ARGUMENT"),
        ([], 400, "INVALID_ARGUMENT"),
    ],
)
async def test_what_is_wrong_is_said_in_the_documents_form(
    world: World, body: object, status: int, code: str
) -> None:
    await given(world)
    answer = await world.ask("POST", PATH, json=body)
    error = answer.json()
    assert (answer.status_code, error["status"], error["code"]) == (status, status, code)
    assert holds(error, "ErrorInfo") and PHONE not in error["message"]
    named = DOCUMENT["components"]["responses"][f"Generic{status}"]["content"]["application/json"]
    assert code in named["schema"]["allOf"][1]["properties"]["code"]["enum"]

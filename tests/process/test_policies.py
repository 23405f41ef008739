"""Members publish, adopt and use a policy; what breaks one is refused with the rule's id."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bulwark.policies.library import shipped
from tests.process.conftest import MakeAlliance
from tests.process.support import Alliance, until
from tests.process.test_governance import bulwark, govern, until_approvals, until_known

pytestmark = pytest.mark.process
IBAN = "DE89370400440532013000"
ROW = {
    "kind": "iban",
    "value": IBAN,
    "fraud_type": "mule_account",
    "object_role": "mule",
    "evidence_level": "confirmed",
    "lawful_basis": "statutory_gateway",
    "country": "DE",
}


def refusal(alliance: Alliance, name: str, **row: Any) -> dict[str, Any]:
    answer = alliance.client(name, "reporter").post("/v1/indicators", json={**ROW, **row})
    assert answer.status_code == 422, answer.text
    return dict(answer.json()["errors"][0])


def state(alliance: Alliance, name: str, title: str) -> str | None:
    found = alliance.client(name, "auditor").get("/v1/policies").raise_for_status().json()
    return next((p["state"] for p in found["policies"] if p["title"] == title), None)


def test_a_policy_goes_from_a_file_over_a_vote_to_records_that_are_held_to_it(
    make_alliance: MakeAlliance, tmp_path: Path
) -> None:
    alliance = make_alliance(4, 1)
    alliance.start()
    a, b, c, _ = alliance.validators
    one = refusal(alliance, a, policy="eu-psr-83", distinct_customers=1)
    assert one["rule"] == "policy.customers-below-threshold"
    assert "2 distinct customers" in one["detail"]
    assert IBAN not in json.dumps(one)
    taken = alliance.report(a, **ROW, policy="eu-psr-83", distinct_customers=2, wait="finalized")
    assert taken["stage"] == "finalized"
    seen = until(lambda: alliance.screen(b, kind="iban", value=IBAN)["hit"], f"{b} answers")
    assert seen

    document = json.loads(shipped("eu-psr-83").document) | {"title": "own", "version": 2}
    file = tmp_path / "own.json"
    file.write_text(json.dumps(document, indent=2))
    home = alliance.node(a).home
    bulwark("policy", "publish", file, "--home", home)
    assert refusal(alliance, a, policy="own", distinct_customers=2)["rule"] == "policy.unknown"
    until(lambda: state(alliance, b, "own") == "published", f"{b} has the document")
    govern(alliance, b, "propose", "policy", "adopt", "own")
    for name, approvals in ((a, 1), (c, 2)):
        until_known(alliance, name, 1)
        until_approvals(alliance, name, 1, approvals)
        govern(alliance, name, "approve", "1")
    for name in alliance.names:
        until(lambda name=name: state(alliance, name, "own") == "adopted", f"{name} adopted it")
    row = {**ROW, "value": "FR1420041010050500013M02606", "country": "FR"}
    under = alliance.report(a, **row, policy="own", distinct_customers=2, wait="finalized")
    assert under["stage"] == "finalized"
    until(lambda: alliance.screen(b, kind="iban", value=row["value"])["hit"], f"{b} answers")

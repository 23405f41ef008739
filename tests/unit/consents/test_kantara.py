"""Kantara v1.1 out and in: held to the official schema and its example."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from jsonschema import Draft4Validator

from bulwark.consents.faults import DocumentRefused
from bulwark.consents.kantara import LACKING, NOT_CARRIED, from_kantara, to_kantara
from bulwark.consents.receipt import renew_receipt
from tests.unit.consents.receipts import NOW_MS, RICH, VECTORS, receipt

OFFICIAL = Draft4Validator(
    json.loads((VECTORS / "kantara-consent-receipt-v1_1-schema.json").read_text())
)
EXAMPLE: dict[str, Any] = json.loads(
    (VECTORS / "kantara-consent-receipt-v1_1-example.json").read_text()
)


@pytest.mark.parametrize(
    "more", [{}, RICH, {"consent_type": "implied"}, {"lawful_basis": "legal_obligation"}]
)
def test_every_receipt_goes_out_as_the_official_schema_wants_it(more: dict[str, Any]) -> None:
    made = receipt(**more)
    assert list(OFFICIAL.iter_errors(to_kantara(made))) == []
    if more is not RICH:
        return
    renewed = to_kantara(renew_receipt(made, valid_until_day=0, method="", now_ms=NOW_MS + 10**6))
    assert renewed == to_kantara(made)


def test_what_goes_out_is_what_the_receipt_says() -> None:
    out = to_kantara(receipt(**RICH))
    assert (out["jurisdiction"], out["language"]) == ("CN, EU", "en")
    assert out["consentTimestamp"] == NOW_MS // 1000
    assert out["piiPrincipalId"] == "pairwise-17"
    assert [c["piiController"] for c in out["piiControllers"]] == ["Bank A plc", "Bank H"]
    [service] = out["services"]
    [purpose] = service["purposes"]
    assert (purpose["consentType"], purpose["termination"]) == ("EXPLICIT", "P1Y6M")
    assert (purpose["thirdPartyName"], purpose["thirdPartyDisclosure"]) == ("Telco B", True)
    assert purpose["piiCategory"] == ["2 - Contact", "7 - Financial"]
    assert (out["sensitive"], out["spiCat"]) == (True, ["7 - Financial"])
    plain = to_kantara(receipt())
    assert (plain["sensitive"], plain["spiCat"]) == (False, [])
    assert (
        to_kantara(receipt(lawful_basis="contract"))["services"][0]["purposes"][0]["consentType"]
        == "N/A"
    )
    assert len(NOT_CARRIED) > 10


def test_the_official_example_is_read_and_nothing_is_guessed() -> None:
    assert list(OFFICIAL.iter_errors(EXAMPLE)) == []
    draft = from_kantara(json.dumps(EXAMPLE).encode())
    assert draft.terms["subject"] == "Bowden Jeffries"
    assert draft.terms["controller"]["address"] == "Gleam Street, DW"
    assert draft.given_at == "2017-11-13T17:00:00Z"
    assert set(LACKING) < set(draft.lacking)
    # Four purposes: which of them a consent here is for, nobody but the member knows.
    assert "purpose" in draft.lacking and "purpose" not in draft.terms
    assert "Bowden" not in repr(draft)


@pytest.mark.parametrize("more", [{}, {**RICH, "joint_controllers": []}])
def test_what_both_sides_carry_survives_out_and_in(more: dict[str, Any]) -> None:
    draft = from_kantara(json.dumps(to_kantara(receipt(**more))).encode())
    again = receipt(
        **{
            **more,
            **{k: v for k, v in draft.terms.items() if k not in ("storage", "jurisdiction")},
            "purpose": "fraud_prevention",
        }
    )
    assert to_kantara(again) == to_kantara(receipt(**more))


@pytest.mark.parametrize("name", OFFICIAL.schema["required"])
def test_a_member_that_the_standard_demands_and_is_missing_is_named(name: str) -> None:
    bent = copy.deepcopy(EXAMPLE)
    del bent[name]
    with pytest.raises(DocumentRefused) as refused:
        from_kantara(json.dumps(bent).encode())
    assert [fault.path for fault in refused.value.faults] == [f"$['{name}']"]


@pytest.mark.parametrize(
    ("bend", "path"),
    [
        (lambda d: d.update(version="KI-CR-v2"), "$['version']"),
        (lambda d: d.update(consentTimestamp="now"), "$['consentTimestamp']"),
        (lambda d: d.update(consentTimestamp=10**15), "$['consentTimestamp']"),
        (lambda d: d.update(piiControllers=[]), "$['piiControllers']"),
        (lambda d: d["piiControllers"][0].pop("address"), "$['piiControllers'][0]['address']"),
        (lambda d: d["services"][0].update(purposes=[]), "$['services'][0]['purposes']"),
        (
            lambda d: d["services"][0]["purposes"][0].pop("thirdPartyName"),
            "$['services'][0]['purposes'][0]['thirdPartyName']",
        ),
        (lambda d: d.update(piiPrincipalId=["Bowden"]), "$['piiPrincipalId']"),
    ],
)
def test_a_bent_receipt_is_refused_with_the_path_and_without_the_value(
    bend: Any, path: str
) -> None:
    bent = copy.deepcopy(EXAMPLE)
    bend(bent)
    with pytest.raises(DocumentRefused) as refused:
        from_kantara(json.dumps(bent).encode())
    assert path in [fault.path for fault in refused.value.faults]
    assert "Bowden" not in str(refused.value)

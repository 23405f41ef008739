"""Receipts and fixtures that the tests of this folder share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bulwark.consents.receipt import Issuer, make_receipt
from bulwark.consents.terms import ConsentTerms
from tests.consent_terms import terms

NOW_MS = 1_790_000_000_000
VECTORS = Path(__file__).parents[2] / "vectors" / "consent"
ISSUER = Issuer("bank-a", "Bank A", "Test Alliance")
CONSENT_ID = "ab" * 32
RICH: dict[str, Any] = {
    "phone": "+442079460958",
    "consent_type": "explicit",
    "personal_data": [
        "pd:TelephoneNumber",
        {"category": "pd:FinancialAccountNumber", "class": "sensitive", "necessity": "optional"},
    ],
    "jurisdiction": ["CN", "loc:EU"],
    "notice": {
        "url": "https://bank-a.example/privacy/7",
        "version": "7",
        "date": "2026-01-31",
        "sha256": "0f" * 32,
    },
    "controller": {
        "name": "Bank A plc",
        "contact": "dpo@bank-a.example",
        "address": "1 High Street, London",
        "email": "dpo@bank-a.example",
        "phone": "+44 20 7946 0000",
        "url": "https://bank-a.example",
    },
    "joint_controllers": [{"name": "Bank H", "contact": "dpo@h.example", "address": "2 Road"}],
    "recipients": [
        {
            "id": "org:telco-b",
            "name": "Telco B",
            "contact": "dpo@telco-b.example",
            "address": "3 Lane",
            "country": "CN",
            "purpose": "to recognise callers",
            "method": "query by tag",
            "personal_data": ["pd:TelephoneNumber"],
        }
    ],
    "storage": {"locations": ["CN", "DE"], "retention": "P1Y6M"},
    "rights": "https://bank-a.example/rights",
    "valid_until": "2030-01-01",
    "method": "app, double tap",
    "scopes": ["indicator:share", "indicator:query"],
    "service": "payments",
    "processing": ["dpv:Collect", "dpv:Share"],
    "data_source": "dpv:DataSubjectDataSource",
    "codes_of_conduct": ["https://alliance.example/code"],
    "authority": "ICO",
    "impact_assessment": "urn:dpia:7",
    "legal_reference": "PIPL 23, 29",
    "separate_consent": True,
}


def checked(**more: Any) -> ConsentTerms:
    return ConsentTerms.from_mapping(terms(**more), now_ms=NOW_MS)


def receipt(**more: Any) -> dict[str, Any]:
    return make_receipt(checked(**more), consent_id=CONSENT_ID, issuer=ISSUER, now_ms=NOW_MS)


def examples() -> list[dict[str, Any]]:
    """The examples of the W3C guide."""
    found: list[dict[str, Any]] = json.loads(
        (VECTORS / "dpv_27560_guide_examples.json").read_text()
    )
    return found


def complete_example() -> dict[str, Any]:
    """The guide's receipt with every required field of a record."""
    [found] = [e for e in examples() if e["title"].startswith("Example of a Consent Receipt with")]
    document: dict[str, Any] = found["jsonld"]
    return document

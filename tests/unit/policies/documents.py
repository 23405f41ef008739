"""A small policy to change, and facts that fit it."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import rfc8785

from bulwark.indicators.vocabulary import (
    EvidenceLevel,
    Kind,
    LawfulBasis,
    Operation,
    Purpose,
    Tlp,
    Usage,
)
from bulwark.policies.document import Policy, parse_policy

TODAY = 20_000
DOCUMENT: dict[str, Any] = {
    "format": "bulwark-policy/1",
    "version": 1,
    "title": "small",
    "text": "A policy for tests.",
    "jurisdictions": ["DE", "FR"],
    "legal_gateways": ["EU PSR art. 83"],
    "grounds": [
        {
            "basis": "statutory_gateway",
            "purposes": ["fraud_prevention"],
            "operations": ["add"],
            "kinds": ["iban"],
        },
        {
            "basis": "consent",
            "purposes": ["fraud_prevention", "consumer_protection"],
            "operations": ["add", "sight"],
            "kinds": ["iban", "phone", "wallet"],
        },
        {
            "basis": "legitimate_interests",
            "purposes": ["fraud_prevention"],
            "operations": ["add", "sight"],
            "kinds": ["phone", "wallet"],
        },
    ],
    "retention_days": {"*": 100, "phone": 30},
    "thresholds": {
        "distinct_customers": {"iban": 2},
        "evidence_level": "reported_by_customer",
        "greatest_tlp": "amber",
    },
    "consent_receipt": ["wallet"],
    "own_assessment": True,
    "dispute_due_days": 30,
    "data_classes": {"*": "personal", "iban": "sensitive"},
}


def changed(path: str, value: object) -> dict[str, Any]:
    """The document with a value at a path as `grounds.0.basis`; None removes the field."""
    document = copy.deepcopy(DOCUMENT)
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    place: Any = document
    for step in steps:
        place = place[step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return document


def policy(document: dict[str, Any] = DOCUMENT) -> Policy:
    return parse_policy(rfc8785.dumps(document))


@dataclass(frozen=True)
class Row:
    """Facts that fit the document: an IBAN that two customers reported."""

    operation: int = Operation.ADD
    kind: int = Kind.IBAN
    evidence_level: int = EvidenceLevel.CONFIRMED
    tlp: int = Tlp.AMBER
    country: bytes = b"DE"
    valid_until_day: int = TODAY + 100
    distinct_customers: int = 2
    lawful_basis: int = LawfulBasis.STATUTORY_GATEWAY
    purpose: int = Purpose.FRAUD_PREVENTION
    usage: int = Usage.NO_SOLE_BASIS
    consent_anchor: bytes | None = None

"""A consent as a bank states it: complete terms that tests change."""

from __future__ import annotations

from typing import Any

TERMS: dict[str, Any] = {
    "subject": "pairwise-17",
    "purpose": "fraud_prevention",
    "lawful_basis": "consent",
    "personal_data": ["pd:TelephoneNumber"],
    "jurisdiction": "GB",
    "language": "en",
    "notice": "https://bank-a.example/privacy/7",
    "controller": {"contact": "dpo@bank-a.example", "address": "1 High Street, London"},
    "storage": {"locations": ["GB"], "retention": "P1Y"},
    "withdrawal": "https://bank-a.example/consent",
}


def terms(**more: Any) -> dict[str, Any]:
    """The same with other fields; a field that is None is left out."""
    changed = {**TERMS, **more}
    return {name: value for name, value in changed.items() if value is not None}

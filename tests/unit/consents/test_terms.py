"""What a member states is checked field by field, and every fault has its path."""

from __future__ import annotations

from typing import Any

import pytest

from bulwark.consents.faults import DocumentRefused
from bulwark.consents.terms import ConsentTerms
from bulwark.indicators.vocabulary import LawfulBasis, Purpose
from tests.consent_terms import TERMS, terms
from tests.unit.consents.receipts import NOW_MS, RICH, checked


def faults(document: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(DocumentRefused) as refused:
        ConsentTerms.from_mapping(document, now_ms=NOW_MS)
    return {fault.path: fault.found for fault in refused.value.faults}


@pytest.mark.parametrize(
    ("field", "value", "path"),
    [
        ("subject", "", "$['subject']"),
        ("subject", "x" * 257, "$['subject']"),
        ("subject", "two\nlines", "$['subject']"),
        ("subject", 5, "$['subject']"),
        ("phone", "020 7946 0958", "$['phone']"),
        ("personal_data", [], "$['personal_data']"),
        ("personal_data", "pd:TelephoneNumber", "$['personal_data']"),
        ("personal_data", ["pd:Name"] * 33, "$['personal_data']"),
        ("personal_data", [7], "$['personal_data'][0]"),
        ("personal_data", ["name"], "$['personal_data'][0]"),
        ("personal_data", [{"class": "special"}], "$['personal_data'][0]['category']"),
        (
            "personal_data",
            [{"category": "pd:Name", "class": "secret"}],
            "$['personal_data'][0]['class']",
        ),
        ("purpose", "curiosity", "$['purpose']"),
        ("purpose", "unknown", "$['purpose']"),
        ("lawful_basis", "because", "$['lawful_basis']"),
        ("valid_until", 5, "$['valid_until']"),
        ("valid_until", "tomorrow", "$['valid_until']"),
        ("valid_until", "1999-01-01", "$['valid_until']"),
        ("jurisdiction", "Germany", "$['jurisdiction']"),
        ("jurisdiction", [], "$['jurisdiction']"),
        ("language", "englisch!", "$['language']"),
        ("notice", {"version": "7"}, "$['notice']['url']"),
        ("controller", {"contact": "a"}, "$['controller']['address']"),
        ("storage", {"locations": ["DE"]}, "$['storage']['retention']"),
        ("storage", {"locations": ["DE"], "retention": "a year"}, "$['storage']['retention']"),
        ("withdrawal", "", "$['withdrawal']"),
        ("recipients", [{"name": "B"}], "$['recipients'][0]['contact']"),
        ("surprise", 1, "$['surprise']"),
        ("consent_type", "tacit", "$['consent_type']"),
    ],
)
def test_a_field_that_breaks_a_rule_is_named_by_its_path(
    field: str, value: object, path: str
) -> None:
    assert path in faults(terms(**{field: value}))


def test_every_field_that_is_missing_is_named_at_once() -> None:
    found = faults({})
    assert set(found) == {
        f"$['{name}']"
        for name in (
            "subject", "personal_data", "jurisdiction", "language", "notice", "controller",
            "storage", "withdrawal",
        )
    }  # fmt: skip
    assert set(found.values()) == {"nothing"}


def test_terms_say_what_was_stated_and_do_not_show_who() -> None:
    found = checked(**RICH)
    assert (found.purpose, found.lawful_basis) == (Purpose.FRAUD_PREVENTION, LawfulBasis.CONSENT)
    assert found.valid_until_day == 21_915
    assert "pairwise" not in repr(found) and "7946" not in repr(found)


@pytest.mark.parametrize("until", ["", None])
def test_a_consent_without_a_last_day_has_none(until: str | None) -> None:
    assert checked(valid_until=until).valid_until_day == 0


def test_another_basis_is_no_consent_and_may_not_look_like_one() -> None:
    found = checked(lawful_basis="legitimate_interests")
    assert not found.rests_on_consent
    for field, value in (("consent_type", "explicit"), ("separate_consent", True)):
        refused = faults(terms(lawful_basis="legal_obligation", **{field: value}))
        assert f"$['{field}']" in refused


@pytest.mark.parametrize("given", [None, False])
def test_chinese_law_asks_for_a_separate_consent(given: bool | None) -> None:
    assert "$['separate_consent']" in faults(terms(jurisdiction="CN", separate_consent=given))
    assert checked(jurisdiction="CN", separate_consent=True).rests_on_consent
    basis = "legal_obligation"
    assert not checked(jurisdiction="CN", lawful_basis=basis).rests_on_consent


def test_sensitive_data_wants_an_explicit_consent() -> None:
    data = [{"category": "pd:FinancialAccountNumber", "class": "sensitive"}]
    assert "$['consent_type']" in faults(terms(personal_data=data, consent_type="implied"))
    assert checked(personal_data=data, consent_type="explicit").rests_on_consent


def test_no_fault_repeats_a_value() -> None:
    secret = "jane.doe@example.org"
    for field in TERMS:
        with pytest.raises(DocumentRefused) as refused:
            ConsentTerms.from_mapping({**TERMS, field: {"x": [secret]}}, now_ms=NOW_MS)
        assert secret not in str(refused.value)

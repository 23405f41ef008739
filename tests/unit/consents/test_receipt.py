"""A receipt is checked, bounded, and says nothing on the ledger without its salt."""

from __future__ import annotations

import pytest

from bulwark.consents.receipt import ConsentTerms, commitment_of, make_receipt, matches
from bulwark.indicators.errors import FieldError

NOW_MS = 1_790_000_000_000
GOOD: dict[str, object] = {"subject": "pairwise-17", "personal_data": ["pd:TelephoneNumber"]}


def receipt_of(**more: object) -> dict[str, object]:
    terms = ConsentTerms.from_mapping({**GOOD, **more}, now_ms=NOW_MS)
    return make_receipt(
        terms, consent_id="00" * 32, controller="bank", controller_name="Bank", now_ms=NOW_MS
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("subject", ""),
        ("subject", "x" * 257),
        ("subject", "two\nlines"),
        ("subject", 5),
        ("personal_data", []),
        ("personal_data", "pd:TelephoneNumber"),
        ("personal_data", ["x"] * 33),
        ("personal_data", [7]),
        ("purpose", "curiosity"),
        ("valid_until", 5),
        ("valid_until", "tomorrow"),
        ("valid_until", "1999-01-01"),
        ("valid_until", "2030-01-01 or so"),
        ("surprise", 1),
    ],
)
def test_a_field_that_breaks_a_rule_is_named(field: str, value: object) -> None:
    with pytest.raises(FieldError) as refused:
        receipt_of(**{field: value})
    assert refused.value.field == field


def test_a_receipt_longer_than_the_vault_keeps_is_refused() -> None:
    texts = [f"{number:03}" + "é" * 250 for number in range(32)]
    with pytest.raises(FieldError, match="receipt"):
        receipt_of(scopes=texts, recipients=texts)


@pytest.mark.parametrize("until", ["", "2030-01-01", "2030-01-01T12:00:00Z"])
def test_an_end_is_a_date_or_none(until: str) -> None:
    status = str(receipt_of(valid_until=until, method="web", notice="n", jurisdiction="DE"))
    assert ("2030-01-01" in status) is bool(until)


def test_only_receipt_and_salt_together_open_the_commitment() -> None:
    receipt, salt = receipt_of(), bytes(range(32))
    commitment = commitment_of(receipt, salt)
    assert matches(receipt, salt, commitment)
    assert not matches(receipt, bytes(32), commitment)
    assert not matches(receipt_of(subject="pairwise-18"), salt, commitment)
    with pytest.raises(ValueError, match="32 bytes"):
        commitment_of(receipt, b"short")


def test_terms_do_not_show_the_subject() -> None:
    assert "pairwise" not in repr(ConsentTerms.from_mapping(GOOD, now_ms=NOW_MS))

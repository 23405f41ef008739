"""The short way of telephone numbers gives exactly what libphonenumber gives."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulwark.indicators.errors import NormalisationError
from bulwark.indicators.normalise import normalise
from bulwark.indicators.normalise.phone import international_form, is_surely_valid
from bulwark.indicators.vocabulary import Kind

_spec = importlib.util.spec_from_file_location(
    "indicator_strategies", Path(__file__).with_name("strategies.py")
)
assert _spec is not None and _spec.loader is not None
made = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(made)

many = settings(deadline=None, max_examples=1500)


def as_the_library_says(text: str, region: str | None) -> str | None:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def as_we_say(text: str, region: str | None) -> str | None:
    try:
        return normalise(Kind.PHONE, text, region).value
    except NormalisationError:
        return None


@many
@given(made.near_number(), st.sampled_from(["", " ", "-", ".", " (", ")-"]))
def test_international_numbers_come_out_as_the_library_has_them(
    case: tuple[str, str], separator: str
) -> None:
    region, digits = case
    code = phonenumbers.country_code_for_region(region)
    text = f"+{code}{separator}{digits[:3]}{separator}{digits[3:]}"
    expected = as_the_library_says(text, None)
    if is_surely_valid(f"+{code}{digits}"):
        assert expected == f"+{code}{digits}"
    assert as_we_say(text, None) == expected


@many
@given(made.near_number(), st.sampled_from(["", "0", "1", "00", "8"]))
def test_national_numbers_come_out_as_the_library_has_them(
    case: tuple[str, str], lead: str
) -> None:
    region, digits = case
    expected = as_the_library_says(lead + digits, region)
    short = international_form(lead + digits, region)
    if short is not None:
        assert short == expected
    if expected is None or as_the_library_says(expected, None) == expected:
        assert as_we_say(lead + digits, region) == expected


@pytest.mark.parametrize("region", made.REGIONS)
def test_example_number_of_every_region_is_accepted_unchanged(region: str) -> None:
    example = phonenumbers.example_number(region)
    text = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
    assert normalise(Kind.PHONE, text).value == text


@pytest.mark.parametrize(
    "junk", ["+", "+1", "+44", "+٤٤٢٠٧٩٤٦٠٩٥٨", "+0442079460958", "++442079460958"]
)
def test_short_way_takes_only_ascii_e164(junk: str) -> None:
    assert not is_surely_valid(junk)


def test_area_code_that_looks_like_a_valid_plan_but_is_unassigned_is_refused() -> None:
    with pytest.raises(NormalisationError, match=r"phone\.not-a-valid-number"):
        normalise(Kind.PHONE, "+17108479257")

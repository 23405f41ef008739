"""IBAN structures and check digits agree with another implementation (schwifty)."""

from __future__ import annotations

import random

import pytest
import schwifty
from hypothesis import given, settings
from hypothesis import strategies as st
from schwifty.exceptions import SchwiftyException

from bulwark.indicators.errors import NormalisationError
from bulwark.indicators.normalise import normalise
from bulwark.indicators.normalise.iban_registry import PARTIAL, REGISTRY, structures
from bulwark.indicators.vocabulary import Kind

RUNS = {"n": "0123456789", "a": "ABCXYZ", "c": "ABZ019"}


def valid_here(text: str) -> bool:
    try:
        normalise(Kind.IBAN, text)
    except NormalisationError:
        return False
    return True


def valid_there(text: str) -> bool:
    try:
        schwifty.IBAN(text)
    except SchwiftyException:
        return False
    return True


def sample(structure: str, choose: random.Random) -> str:
    text, count = "", ""
    for character in structure:
        if character.isdigit():
            count += character
        else:
            text += "".join(choose.choices(RUNS[character], k=int(count)))
            count = ""
    return text


def with_check_digits(country: str, bban: str) -> str:
    digits = "".join(str(int(character, 36)) for character in bban + country + "00")
    return f"{country}{98 - int(digits) % 97:02}{bban}"


@pytest.mark.parametrize("country", sorted(structures()))
def test_structure_of_the_country_is_the_other_implementations(country: str) -> None:
    choose = random.Random(country)
    for _ in range(20):
        iban = with_check_digits(country, sample(structures()[country], choose))
        assert valid_here(iban) and valid_there(iban)
        for wrong in (iban[:-1], iban + "0"):
            assert not valid_here(wrong) and not valid_there(wrong)


@given(st.sampled_from(sorted(structures())), st.randoms(use_true_random=False), st.data())
@settings(deadline=None, max_examples=300)
def test_changed_ibans_are_judged_alike(
    country: str, choose: random.Random, data: st.DataObject
) -> None:
    iban = with_check_digits(country, sample(structures()[country], choose))
    place = data.draw(st.integers(2, len(iban) - 1))
    changed = iban[:place] + data.draw(st.sampled_from("0189AZ")) + iban[place + 1 :]
    if changed[2:4] not in ("00", "01", "99"):
        assert valid_here(changed) == valid_there(changed)


def test_no_country_is_listed_twice() -> None:
    assert len(structures()) == len((REGISTRY + PARTIAL).split())

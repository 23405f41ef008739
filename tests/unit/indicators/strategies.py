"""Hypothesis strategies that make plausible and implausible spellings of indicators."""

from __future__ import annotations

import phonenumbers
from hypothesis import strategies as st

from bulwark.indicators.vocabulary import Kind

PIECES: dict[Kind, str] = {
    Kind.PHONE: "+0123456789 -.()/x",
    Kind.EMAIL: "abcZ019.+-_@äß[]()\u0345 ",
    Kind.DOMAIN: "abcZ019.-_xnäßĳ۱\u200d。☕[]()",
    Kind.URL: "abcZ019.-_/:?&=%~#@[]xptuh\\;äß ",
    Kind.IP: "0123456789abcdef:.[]%/ x",
    Kind.IBAN: "DEGBFR0123456789 -abß",
    Kind.BANK_ACCOUNT: "USGB0123456789: -abß",
    Kind.WALLET: "0x1bcqp3456789abcdefABCDEFtrGhkmnz:",
    Kind.DEVICE_ID: "iosandrweb:-{}0123456789abcdefİß",
    Kind.IMEI: "0123456789- ",
}
REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)


def spelling(kind: Kind) -> st.SearchStrategy[str]:
    """Text out of the characters that matter to a kind, or any text at all."""
    return st.text(PIECES[kind], max_size=60) | st.text(max_size=60)


def kind_and_spelling() -> st.SearchStrategy[tuple[Kind, str]]:
    """A kind together with a text for it."""
    return st.sampled_from(list(Kind)).flatmap(
        lambda kind: st.tuples(st.just(kind), spelling(kind))
    )


@st.composite
def near_number(draw: st.DrawFn) -> tuple[str, str]:
    """A region and national digits that begin like an example number of it and end anyhow."""
    region = draw(st.sampled_from(REGIONS))
    types = sorted(phonenumbers.supported_types_for_region(region))
    example = phonenumbers.example_number_for_type(region, draw(st.sampled_from(types)))
    digits = phonenumbers.national_significant_number(example) if example else "123456789"
    kept = digits[: draw(st.integers(0, len(digits)))]
    missing = len(digits) - len(kept)
    tail = draw(
        st.text("0123456789", min_size=max(0, missing - 1), max_size=missing + 1)
        if draw(st.booleans())
        else st.text("0123456789", min_size=missing, max_size=missing)
    )
    return region, kept + tail


def label() -> st.SearchStrategy[str]:
    """A DNS label, sometimes internationalised, sometimes not allowed."""
    return st.text("abcxyz019-_", min_size=1, max_size=12) | st.text(
        st.characters(categories=["Ll", "Lo", "Nd", "Mn"]), min_size=1, max_size=6
    )


def host_name() -> st.SearchStrategy[str]:
    """Labels joined by dots."""
    return st.lists(label(), min_size=1, max_size=4).map(".".join)

"""Telephone numbers: every spelling to E.164, as libphonenumber reads and validates it.

Rules: phonenumbers decides what is valid. Numbers written with + and country code, and plain
national digits of a default region, take a short way: one regular expression for each calling code,
built from the library's own metadata, that accepts only what the library accepts and leaves as it
is (property-tested); whatever it does not match goes through the library. Extensions are dropped.
Short codes have no E.164 form and are refused.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from phonenumbers import (
    COUNTRY_CODE_TO_REGION_CODE,
    NumberParseException,
    PhoneMetadata,
    PhoneNumberDesc,
    PhoneNumberFormat,
    format_number,
    is_valid_number,
    parse,
)

from bulwark.indicators.normalise.outcome import refuse
from bulwark.indicators.normalise.text import clean
from bulwark.indicators.vocabulary import Kind

_SEPARATORS: Final = str.maketrans("", "", " -.()\u00a0")
_E164: Final = re.compile(r"\+[1-9][0-9]{5,14}")
_STARTS_LIKE_NUMBER: Final = re.compile(r"[+＋(\[\d]|tel:|phone:|call:", re.IGNORECASE)
_DIALLED_00: Final = re.compile(r"00(?=[1-9])")
_NON_GEOGRAPHIC: Final = "001"
_PASSES_MAX: Final = 4
_NEVER: Final = "(?!)"
_DESC_NAMES: Final = (
    "fixed_line",
    "mobile",
    "toll_free",
    "premium_rate",
    "shared_cost",
    "voip",
    "personal_number",
    "pager",
    "uan",
    "voicemail",
)


def normalise_phone(given: str, region: str | None) -> str:
    """``+44 (0)20 7946 0958 ext 3`` -> ``+442079460958``; rules phone.*.

    ``region`` (ISO 3166 alpha-2) is used for numbers without country code; ``00`` in front of a
    country code is also understood without a region.
    """
    if given[:1] == "+" and len(given) <= 32:
        short = given.translate(_SEPARATORS)
        if is_surely_valid(short):
            return short
    elif region is not None and len(given) <= 32 and given.isascii():
        national = international_form(given.translate(_SEPARATORS), region)
        if national is not None:
            return national
    return by_library(clean(Kind.PHONE, given), region)


def is_surely_valid(number: str) -> bool:
    """Whether libphonenumber is known to accept ``+<digits>`` and to give it back unchanged."""
    if not number.isascii() or _E164.fullmatch(number) is None:
        return False
    for end in (2, 3, 4):
        pattern = _patterns().get(number[1:end])
        if pattern is not None:
            return pattern is not _NEVER and _compiled(pattern).fullmatch(number, end) is not None
    return False


def international_form(digits: str, region: str) -> str | None:
    """E.164 of national digits that libphonenumber surely reads that way; None where unsure.

    Unsure are digits that could start with a national prefix, an international prefix or the
    country's own calling code, and regions that are not the main one of their calling code.
    """
    lead = _national_lead(region)
    if lead is None or not digits.isdigit() or lead[1].match(digits):
        return None
    number = lead[0] + digits
    return number if is_surely_valid(number) else None


def by_library(text: str, region: str | None) -> str:
    """The canonical form of a cleaned text as the library alone gives it."""
    if not _STARTS_LIKE_NUMBER.match(text):
        refuse(Kind.PHONE, "phone.not-a-number")
    if region is None:
        text = _DIALLED_00.sub("+", text, count=1) if text.startswith("00") else text
    try:
        number = parse(text, region)
        canonical = format_number(number, PhoneNumberFormat.E164)
        if is_surely_valid(canonical):
            return canonical
        if is_valid_number(number):
            return _settled(canonical)
        refuse(Kind.PHONE, "phone.not-a-valid-number")
    except NumberParseException as error:
        missing_region = error.error_type == NumberParseException.INVALID_COUNTRY_CODE
    if missing_region and "+" not in text and "＋" not in text:
        refuse(Kind.PHONE, "phone.region-needed")
    refuse(Kind.PHONE, "phone.not-a-number")


def _settled(canonical: str) -> str:
    """The form that reading once more leaves alone: some plans strip a prefix at each reading."""
    for _ in range(_PASSES_MAX):
        number = parse(canonical, None)
        again = format_number(number, PhoneNumberFormat.E164)
        if again == canonical:
            return canonical
        if not is_valid_number(number):
            break
        canonical = again
    refuse(Kind.PHONE, "phone.not-a-valid-number")


@cache
def _patterns() -> dict[str, str]:
    """Calling code to its regions, joined by a comma; _NEVER where the library must decide."""
    return {
        str(code): _NEVER if _NON_GEOGRAPHIC in regions else ",".join(regions)
        for code, regions in COUNTRY_CODE_TO_REGION_CODE.items()
    }


@cache
def _national_lead(region: str) -> tuple[str, re.Pattern[str]] | None:
    """``+`` and calling code of a main region, and what its own digits must not start with."""
    for code, regions in COUNTRY_CODE_TO_REGION_CODE.items():
        if regions[0] == region and region != _NON_GEOGRAPHIC:
            metadata = PhoneMetadata.metadata_for_region(region, None)
            if metadata is None:
                return None
            return f"+{code}", re.compile(f"{code}|(?:{metadata.international_prefix or _NEVER})")
    return None


@cache
def _compiled(regions: str) -> re.Pattern[str]:
    """The national numbers, of all regions that share a calling code, that stay as they are."""
    accepted = ""
    for region in reversed(regions.split(",")):
        metadata = PhoneMetadata.metadata_for_region(region, None)
        if metadata is None:
            return re.compile(_NEVER)
        own = _region_pattern(metadata)
        if metadata.leading_digits is None:
            accepted = f"{own}|{accepted}" if accepted else own
        else:
            # libphonenumber takes the first region whose leading digits match, right or wrong.
            lead = f"(?:{metadata.leading_digits})"
            rest = f"|(?!{lead})(?:{accepted})" if accepted else ""
            accepted = f"(?={lead}){own}{rest}"
    main = PhoneMetadata.metadata_for_region(regions.split(",")[0], None)
    prefix = main.national_prefix_for_parsing if main is not None else None
    guard = f"(?!{prefix})" if prefix else ""
    return re.compile(f"{guard}(?:{accepted})")


def _region_pattern(metadata: PhoneMetadata) -> str:
    descs = [getattr(metadata, name) for name in _DESC_NAMES]
    own = "|".join(filter(None, map(_desc_pattern, descs)))
    general = _desc_pattern(metadata.general_desc) or _NEVER
    return f"(?={general}\\Z)(?:{own or _NEVER})"


def _desc_pattern(desc: PhoneNumberDesc | None) -> str:
    if desc is None or not desc.national_number_pattern:
        return ""
    lengths = "|".join(
        f"[0-9]{{{length}}}\\Z" for length in sorted(desc.possible_length) if length > 0
    )
    guard = f"(?={lengths})" if lengths else ""
    return f"{guard}(?:{desc.national_number_pattern})"

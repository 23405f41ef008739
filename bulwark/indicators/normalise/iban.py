"""IBANs: upper case, no separators, right length, pattern and mod-97 check (ISO 13616, ISO 7064).

Rules: the country must be in the registry table; check digits 00, 01 and 99 satisfy mod 97 for some
numbers but are never issued, and would give one account two spellings, so they are refused.
Whether the account exists is not known here.
"""

from __future__ import annotations

import re
from typing import Final

from bulwark.indicators.normalise.iban_registry import patterns
from bulwark.indicators.normalise.outcome import refuse
from bulwark.indicators.normalise.text import clean
from bulwark.indicators.vocabulary import Kind

_PATTERNS: Final = patterns()
_TO_DIGITS: Final = {ord("A") + i: str(10 + i) for i in range(26)}
_SEPARATORS: Final = str.maketrans("", "", " -.\u00a0\u2009\u202f/_")
_SHAPE: Final = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
_LEAD: Final = re.compile(r"\s*(?:iban)\s*[:#]?\s*", re.IGNORECASE)
_NEVER_ISSUED: Final = frozenset({"00", "01", "99"})


def normalise_iban(given: str, _region: str | None) -> str:
    """``IBAN de89 3704 0044 0532 0130 00`` -> ``DE89370400440532013000``; rules iban.*."""
    pattern = _PATTERNS.get(given[:2])
    if pattern is None or pattern.fullmatch(given) is None:
        return _carefully(clean(Kind.IBAN, given))
    return _checked(given)


def _carefully(text: str) -> str:
    text = _LEAD.sub("", text, count=1) if text[:1] in "iI" and _LEAD.match(text) else text
    text = text.translate(_SEPARATORS)
    if not text.isascii():
        refuse(Kind.IBAN, "iban.syntax")
    text = text.upper()
    if _SHAPE.fullmatch(text) is None:
        refuse(Kind.IBAN, "iban.syntax")
    pattern = _PATTERNS.get(text[:2])
    if pattern is None:
        refuse(Kind.IBAN, "iban.country")
    if pattern.fullmatch(text) is None:
        refuse(Kind.IBAN, "iban.structure")
    return _checked(text)


def _checked(iban: str) -> str:
    if int((iban[4:] + iban[:4]).translate(_TO_DIGITS)) % 97 != 1 or iban[2:4] in _NEVER_ISSUED:
        refuse(Kind.IBAN, "iban.checksum")
    return iban

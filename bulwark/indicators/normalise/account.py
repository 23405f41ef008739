"""Domestic bank accounts: ``CC:bank:branch:account``, for places and lists without IBANs.

Rules: capital letters and digits only, separators inside a part dropped, leading zeros kept (they
matter); the branch may be empty; ``CC:bank:account`` is read with an empty branch, and without CC
the default region is taken. For a few schemes the lengths and the bank's check digit are verified.
An IBAN is another kind: nothing is derived from one here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from bulwark.indicators.country import COUNTRIES
from bulwark.indicators.normalise.outcome import refuse
from bulwark.indicators.normalise.text import clean
from bulwark.indicators.vocabulary import Kind

_SEPARATORS: Final = str.maketrans("", "", " -./\u00a0")
_PARTS: Final = (
    re.compile(r"[A-Z0-9]{1,16}"),
    re.compile(r"[A-Z0-9]{0,16}"),
    re.compile(r"[A-Z0-9]{1,34}"),
)


@dataclass(frozen=True, slots=True)
class Scheme:
    """The parts that one country's scheme prescribes, as expressions, and its bank check."""

    bank: str
    branch: str
    account: str
    account_width: int = 0
    aba_check: bool = False
    meaning: str = ""


SCHEMES: Final[dict[str, Scheme]] = {
    "US": Scheme("[0-9]{9}", "", "[0-9A-Z]{4,17}", aba_check=True, meaning="ABA routing number"),
    "GB": Scheme("[0-9]{6}", "", "[0-9]{8}", account_width=8, meaning="sort code"),
    "AU": Scheme("[0-9]{6}", "", "[0-9]{5,9}", meaning="BSB number"),
    "CA": Scheme("[0-9]{3}", "[0-9]{5}", "[0-9]{5,12}", meaning="institution and transit number"),
    "IN": Scheme("[A-Z]{4}0[A-Z0-9]{6}", "", "[0-9]{9,18}", meaning="IFSC"),
    "CN": Scheme("[0-9]{12}|[A-Z0-9]{3,11}", "", "[0-9]{9,30}", meaning="CNAPS or bank code"),
}


def normalise_bank_account(given: str, region: str | None) -> str:
    """``gb:20-00-00::5577 9911`` -> ``GB:200000::55779911``; rules bank_account.*."""
    text = clean(Kind.BANK_ACCOUNT, given)
    parts = [part.translate(_SEPARATORS) for part in text.split(":")]
    if not text.isascii():
        refuse(Kind.BANK_ACCOUNT, "bank_account.syntax")
    parts = [part.upper() for part in parts]
    if region is not None and parts[0] not in COUNTRIES:
        parts.insert(0, region.upper())
    if len(parts) == 3:
        parts.insert(2, "")
    if len(parts) != 4:
        refuse(Kind.BANK_ACCOUNT, "bank_account.syntax")
    country, bank, branch, account = parts
    if country not in COUNTRIES:
        refuse(Kind.BANK_ACCOUNT, "bank_account.country")
    if not all(p.fullmatch(part) for p, part in zip(_PARTS, parts[1:], strict=True)):
        refuse(Kind.BANK_ACCOUNT, "bank_account.syntax")
    scheme = SCHEMES.get(country)
    if scheme is not None:
        account = _by_scheme(scheme, bank, branch, account)
    return f"{country}:{bank}:{branch}:{account}"


def _by_scheme(scheme: Scheme, bank: str, branch: str, account: str) -> str:
    if scheme.account_width and account.isdigit() and len(account) == scheme.account_width - 1:
        # Short old account numbers are filled with a zero in front when they are used.
        account = account.zfill(scheme.account_width)
    expressions = (scheme.bank, scheme.branch, scheme.account)
    if not all(
        re.fullmatch(expression, part)
        for expression, part in zip(expressions, (bank, branch, account), strict=True)
    ):
        refuse(Kind.BANK_ACCOUNT, "bank_account.structure")
    if scheme.aba_check and sum(int(d) * w for d, w in zip(bank, (3, 7, 1) * 3, strict=True)) % 10:
        refuse(Kind.BANK_ACCOUNT, "bank_account.checksum")
    return account

"""normalise(): one identifier in any spelling to the one canonical form of its kind.

Rules: the result of normalising a canonical form is the form itself; nothing but NormalisationError
is raised for text; the same input gives the same result everywhere under one profile. The forms
themselves are in one module for each family of kinds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bulwark.indicators.country import COUNTRIES
from bulwark.indicators.normalise.account import normalise_bank_account
from bulwark.indicators.normalise.device import normalise_device_id, normalise_imei
from bulwark.indicators.normalise.host import normalise_domain
from bulwark.indicators.normalise.iban import normalise_iban
from bulwark.indicators.normalise.ip import normalise_ip
from bulwark.indicators.normalise.mailbox import normalise_email
from bulwark.indicators.normalise.outcome import PROFILES, Normalised, refuse
from bulwark.indicators.normalise.phone import normalise_phone
from bulwark.indicators.normalise.url import normalise_url
from bulwark.indicators.normalise.wallet import normalise_wallet
from bulwark.indicators.vocabulary import Kind

_BY_KIND: Final[dict[Kind, tuple[Callable[[str, str | None], str], str]]] = {
    Kind.PHONE: (normalise_phone, PROFILES[Kind.PHONE]),
    Kind.EMAIL: (normalise_email, PROFILES[Kind.EMAIL]),
    Kind.DOMAIN: (normalise_domain, PROFILES[Kind.DOMAIN]),
    Kind.URL: (normalise_url, PROFILES[Kind.URL]),
    Kind.IP: (normalise_ip, PROFILES[Kind.IP]),
    Kind.IBAN: (normalise_iban, PROFILES[Kind.IBAN]),
    Kind.BANK_ACCOUNT: (normalise_bank_account, PROFILES[Kind.BANK_ACCOUNT]),
    Kind.WALLET: (normalise_wallet, PROFILES[Kind.WALLET]),
    Kind.DEVICE_ID: (normalise_device_id, PROFILES[Kind.DEVICE_ID]),
    Kind.IMEI: (normalise_imei, PROFILES[Kind.IMEI]),
}


_REGIONS: Final = COUNTRIES | {"AC", "TA"}
"""ISO 3166-1 and the two exceptionally reserved codes that have telephone plans of their own."""


def normalise(kind: Kind, value: str, region: str | None = None) -> Normalised:
    """The canonical form of a value; NormalisationError(kind, rule, message) where it has none.

    ``region`` is the ISO 3166-1 alpha-2 country that national spellings belong to, or None.
    """
    form, profile = _BY_KIND[kind]
    if region is not None and region not in _REGIONS:
        region = region.upper() if len(region) == 2 else "?"
        if region not in _REGIONS:
            refuse(kind, "value.region")
    return Normalised(kind, form(value, region), profile)

"""normalise(): one identifier in any spelling to the one canonical form of its kind.

Rules: the result of normalising a canonical form is the form itself; nothing but NormalisationError
is raised for text; the same input gives the same result everywhere under one profile. The forms
themselves are in one module for each family of kinds, loaded when a value of it comes: a node must
not wait for plans of telephone numbers before it votes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final, assert_never

from bulwark.indicators.country import COUNTRIES
from bulwark.indicators.normalise.outcome import PROFILES, Normalised, refuse
from bulwark.indicators.vocabulary import Kind

_REGIONS: Final = COUNTRIES | {"AC", "TA"}
"""ISO 3166-1 and the two exceptionally reserved codes that have telephone plans of their own."""


def normalise(kind: Kind, value: str, region: str | None = None) -> Normalised:
    """The canonical form of a value; NormalisationError(kind, rule, message) where it has none.

    ``region`` is the ISO 3166-1 alpha-2 country that national spellings belong to, or None.
    """
    if region is not None and region not in _REGIONS:
        region = region.upper() if len(region) == 2 else "?"
        if region not in _REGIONS:
            refuse(kind, "value.region")
    return Normalised(kind, _form_of(kind)(value, region), PROFILES[kind])


@cache
def _form_of(kind: Kind) -> Callable[[str, str | None], str]:
    """What makes the canonical form of a kind; its tables are loaded with the first value."""
    match kind:
        case Kind.PHONE:
            from bulwark.indicators.normalise.phone import normalise_phone

            return normalise_phone
        case Kind.EMAIL:
            from bulwark.indicators.normalise.mailbox import normalise_email

            return normalise_email
        case Kind.DOMAIN:
            from bulwark.indicators.normalise.host import normalise_domain

            return normalise_domain
        case Kind.URL:
            from bulwark.indicators.normalise.url import normalise_url

            return normalise_url
        case Kind.IP:
            from bulwark.indicators.normalise.ip import normalise_ip

            return normalise_ip
        case Kind.IBAN:
            from bulwark.indicators.normalise.iban import normalise_iban

            return normalise_iban
        case Kind.BANK_ACCOUNT:
            from bulwark.indicators.normalise.account import normalise_bank_account

            return normalise_bank_account
        case Kind.WALLET:
            from bulwark.indicators.normalise.wallet import normalise_wallet

            return normalise_wallet
        case Kind.DEVICE_ID:
            from bulwark.indicators.normalise.device import normalise_device_id

            return normalise_device_id
        case Kind.IMEI:
            from bulwark.indicators.normalise.device import normalise_imei

            return normalise_imei
        case _:
            assert_never(kind)

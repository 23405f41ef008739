"""Country: ISO 3166-1 alpha-2 codes, closed, with a stable number for ledger records.

Rules: the number is the two ASCII letters read as a big-endian 16-bit integer, so it needs no table
to be read and never changes; 0 means "not stated". UK and EL are read as GB and GR. XK (Kosovo) is
a user-assigned code that telephone plans and the IBAN registry use. It knows no names of countries.
"""

from __future__ import annotations

from typing import Final, NewType

from bulwark.indicators.errors import FieldError
from bulwark.indicators.terms import shown

Country = NewType("Country", str)
"""Two upper-case letters, or '' where not stated."""

NOT_STATED: Final = Country("")

COUNTRIES: Final[frozenset[str]] = frozenset(
    """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS
    BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE
    EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM
    HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC
    LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA
    NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW
    SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO
    TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW
    """.split()  # noqa: SIM905 - a block of codes reads better than 250 strings
)

_SYNONYMS: Final = {"UK": "GB", "EL": "GR"}
_ALLOWED: Final = "an ISO 3166-1 alpha-2 code such as GB, CN or DE"


def parse_country(given: object, field: str) -> Country:
    """The country that a client's text names; FieldError(field, given, allowed) otherwise."""
    if isinstance(given, str):
        if given in COUNTRIES:
            return Country(given)
        if len(given) <= 8:
            upper = given.strip().upper()
            upper = _SYNONYMS.get(upper, upper)
            if upper in COUNTRIES:
                return Country(upper)
    raise FieldError(field, shown(given), _ALLOWED)


def country_code(country: Country) -> int:
    """The number stored in ledger records: 0, or the two ASCII letters as a 16-bit integer."""
    return int.from_bytes(country.encode("ascii"), "big")


def country_from_code(code: int) -> Country:
    """The country of a stored number; FieldError where it is none of COUNTRIES."""
    if code == 0:
        return NOT_STATED
    letters = code.to_bytes(2, "big").decode("latin-1") if 0 < code < 1 << 16 else ""
    if letters not in COUNTRIES:
        raise FieldError("country", shown(code), _ALLOWED)
    return Country(letters)

"""IBAN registry: the BBAN structure of every country, as one compact table.

Rules: a structure is a run of counts and classes (n digits, a capital letters, c either), with
neighbouring fields of one class joined, since only the pattern matters for reading. REGISTRY holds
the countries of the SWIFT registry (ISO 13616) and the territories that use their country's form;
PARTIAL holds countries that use IBAN-like numbers without being in it. Tests compare the table with
another implementation. It does not know banks or branches.
"""

from __future__ import annotations

import re
from typing import Final

REGISTRY: Final = """
AD8n12c AE19n AL8n16c AT16n AX14n AZ4a20c BA16n BE12n BG4a6n8c BH4a14c BI23n BL10n11c2n BR8c15n2c
BY4c4n16c CH5n12c CR18n CY8n16c CZ20n DE18n DJ23n DK14n DO4c20n EE16n EG25n ES20n FI14n FK2a12n
FO14n FR10n11c2n GB4a14n GE2a16n GF10n11c2n GG4a14n GI4a15c GL14n GP10n11c2n GR7n16c GT24c HN4a20n
HR17n HU24n IE4a14n IL19n IM4a14n IQ4a15n IS22n IT1a10n12c JE4a14n JO4a4n18c KW4a22c KZ3n13c
LB4n20c LC4a24c LI5n12c LT16n LU3n13c LV4a13c LY21n MC10n11c2n MD20c ME18n MF10n11c2n MK3n10c2n
MN16n MQ10n11c2n MR23n MT4a5n18c MU4a19n3a NC10n11c2n NI4a20n NL4a10n NO11n OM3n16c PF10n11c2n
PK4a16c PL24n PM10n11c2n PS4a21c PT21n QA4a21c RE10n11c2n RO4a16c RS18n RU14n15c SA2n18c SC4a20n3a
SD14n SE20n SI15n SK20n SM1a10n12c SO19n ST21n SV4a20n TF10n11c2n TL19n TN20n TR6n16c UA6n19c
VA18n VG4a16n WF10n11c2n XK16n YE4a4n18c YT10n11c2n
"""

PARTIAL: Final = """
AO21n BF2c22n BJ2c22n CF23n CG23n CI2a22n CM23n CV21n DZ22n GA23n GQ23n GW2c19n IR22n KM23n MA24n
MG23n ML2c22n MZ21n NE2a22n SN2a22n TD23n TG2a22n
"""

_CLASSES: Final = {"n": "[0-9]", "a": "[A-Z]", "c": "[A-Z0-9]"}
_RUN: Final = re.compile(r"([0-9]+)([nac])")


def structures() -> dict[str, str]:
    """Country code to compact structure, e.g. ``GB`` to ``4a14n``."""
    return {entry[:2]: entry[2:] for entry in (REGISTRY + PARTIAL).split()}


def patterns() -> dict[str, re.Pattern[str]]:
    """Country code to the expression of its whole IBAN."""
    return {
        country: re.compile(f"{country}[0-9]{{2}}{_expression(structure)}")
        for country, structure in structures().items()
    }


def _expression(structure: str) -> str:
    return "".join(f"{_CLASSES[kind]}{{{count}}}" for count, kind in _RUN.findall(structure))

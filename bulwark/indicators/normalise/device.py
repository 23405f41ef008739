"""Devices: handset identities (IMEI) and identifiers of apps or browsers (device_id).

Rules: an IMEI is its first 14 digits; the check digit is verified when given, the software version
of an IMEISV dropped. A device id is ``platform:namespace:id`` in lower case; UUIDs get dashes.
Identifiers that a blocked or broken device reports for everyone (all zeros) are refused. Device ids
can be reset and handsets change hands: nothing here says how long an identifier stays the same.
"""

from __future__ import annotations

import re
from typing import Final

from bulwark.indicators.normalise.outcome import refuse
from bulwark.indicators.normalise.text import clean
from bulwark.indicators.vocabulary import Kind

PLATFORMS: Final = ("android", "ios", "harmony", "windows", "macos", "linux", "web", "other")

_SEPARATORS: Final = str.maketrans("", "", " -./\u00a0")
_LUHN_DOUBLED: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_NAMESPACE: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_ID: Final = re.compile(r"[!-~]{4,256}")
_UUID: Final = re.compile(
    r"\{?([0-9a-f]{8})(-?)([0-9a-f]{4})\2([0-9a-f]{4})\2([0-9a-f]{4})\2([0-9a-f]{12})\}?"
)


def normalise_imei(given: str, _region: str | None) -> str:
    """``35-209900-176148-1`` -> ``35209900176148``; rules imei.*."""
    digits = clean(Kind.IMEI, given).translate(_SEPARATORS)
    if not digits.isascii() or not digits.isdigit() or not 14 <= len(digits) <= 16:
        refuse(Kind.IMEI, "imei.syntax")
    if len(digits) == 15 and not _luhn(digits):
        refuse(Kind.IMEI, "imei.checksum")
    if len(set(digits[:14])) == 1:
        refuse(Kind.IMEI, "imei.placeholder")
    return digits[:14]


def normalise_device_id(given: str, _region: str | None) -> str:
    """``iOS:IDFV:{6BA7B810-...}`` -> ``ios:idfv:6ba7b810-...``; rules device_id.*."""
    text = clean(Kind.DEVICE_ID, given).lower()
    platform, _, rest = text.partition(":")
    namespace, colon, identifier = rest.partition(":")
    platform, namespace, identifier = platform.strip(), namespace.strip(), identifier.strip()
    if not colon or not _NAMESPACE.fullmatch(namespace) or not _ID.fullmatch(identifier):
        refuse(Kind.DEVICE_ID, "device_id.syntax")
    if platform not in PLATFORMS:
        refuse(Kind.DEVICE_ID, "device_id.platform")
    uuid = _UUID.fullmatch(identifier)
    if uuid is not None:
        identifier = "-".join(uuid.group(1, 3, 4, 5, 6))
    if len(set(identifier) - set("-:{}.")) < 2:
        refuse(Kind.DEVICE_ID, "device_id.placeholder")
    return f"{platform}:{namespace}:{identifier}"


def _luhn(digits: str) -> bool:
    total = sum(map(int, digits[-1::-2])) + sum(_LUHN_DOUBLED[int(d)] for d in digits[-2::-2])
    return total % 10 == 0

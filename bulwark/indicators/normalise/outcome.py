"""Normalised and the refusal rules: what normalising a value can come to.

Rules: every refusal has an id in RULES with a fixed text that says what is allowed. The text never
depends on the value, so that a value cannot leak through an error. Ids are stable: clients and
import statistics key on them. PROFILES names the canonical form of each kind; the profile changes
whenever the same input could come out differently, because the form is what gets hashed.
"""

from __future__ import annotations

from typing import Final, NoReturn

from msgspec import Struct

from bulwark.indicators.errors import NormalisationError
from bulwark.indicators.vocabulary import Kind


class Normalised(Struct, frozen=True):
    """A value in the canonical form of its kind; ``profile`` says which form, e.g. phone/e164/1."""

    kind: Kind
    value: str
    profile: str


PROFILES: Final[dict[Kind, str]] = {
    Kind.PHONE: "phone/e164/1",
    Kind.EMAIL: "email/mailbox/1",
    Kind.DOMAIN: "domain/a-label/1",
    Kind.URL: "url/whatwg/1",
    Kind.IP: "ip/rfc5952/1",
    Kind.IBAN: "iban/iso13616/1",
    Kind.BANK_ACCOUNT: "bank_account/cc-bank-branch-account/1",
    Kind.WALLET: "wallet/chain-address/1",
    Kind.DEVICE_ID: "device_id/platform-namespace-id/1",
    Kind.IMEI: "imei/14-digits/1",
}

MAX_LENGTH: Final[dict[Kind, int]] = {
    Kind.PHONE: 64,
    Kind.EMAIL: 320,
    Kind.DOMAIN: 512,
    Kind.URL: 2048,
    Kind.IP: 128,
    Kind.IBAN: 64,
    Kind.BANK_ACCOUNT: 96,
    Kind.WALLET: 512,
    Kind.DEVICE_ID: 384,
    Kind.IMEI: 32,
}
"""Longest given value of a kind, in characters; the canonical form keeps the same bound."""

RULES: Final[dict[str, str]] = {
    "value.empty": "a value that is not blank",
    "value.too-long": "a value within the length limit of its kind",
    "value.region": "an ISO 3166-1 alpha-2 country code as default region, or none",
    "value.control-character": "text without control characters or unpaired surrogates",
    "value.ambiguous-unicode": "text whose letters have one stable lower-case form",
    "phone.region-needed": "an international number with + and country code, or a default region",
    "phone.not-a-number": "digits with the usual separators, optionally + in front",
    "phone.not-a-valid-number": "a number that exists in the numbering plan of its country",
    "email.syntax": "local-part@domain as of RFC 5321, without quotes or comments",
    "email.domain": "a mail domain with at least two labels, in Unicode or punycode",
    "email.empty-mailbox": "a local part that is not only dots, dashes or a tag",
    "email.length": "at most 64 octets before the @ and 254 in all",
    "domain.syntax": "labels of letters, digits, '-' and '_', 1 to 63 octets, 253 in all",
    "domain.idna": "a Unicode or punycode name that UTS 46 accepts",
    "domain.single-label": "a name with at least two labels",
    "domain.numeric-suffix": "a name whose last label is not a number (use kind ip for addresses)",
    "domain.not-a-domain": "a bare host name, without scheme, path, port, user or wildcard",
    "url.syntax": "a web address that the WHATWG URL rules accept",
    "url.scheme": "scheme http, https, ftp, ws or wss (hxxp and missing are read as http)",
    "url.host": "a host that is a domain with at least two labels or an IP address",
    "ip.syntax": "one IPv4 or IPv6 address without port, prefix length or zone",
    "ip.not-global": "an address that is unique on the internet, not private, local or shared",
    "iban.syntax": "two letters, two check digits and 11 to 30 letters or digits",
    "iban.country": "a country of the IBAN registry",
    "iban.structure": "the length and the letter/digit pattern of its country",
    "iban.checksum": "check digits 02 to 98 that satisfy mod 97",
    "bank_account.syntax": "CC:bank:branch:account (branch may be empty), letters and digits",
    "bank_account.country": "an ISO 3166-1 alpha-2 country code in front",
    "bank_account.structure": "the lengths that the country's scheme prescribes",
    "bank_account.checksum": "a bank number whose check digit is right",
    "wallet.unknown-format": "an address of a supported chain, optionally with the chain in front",
    "wallet.chain-mismatch": "an address that belongs to the chain named in front of it",
    "wallet.checksum": "an address whose checksum is right",
    "wallet.length": "an address whose payload has the length its chain prescribes",
    "wallet.testnet": "an address of a main network",
    "device_id.syntax": "platform:namespace:id, printable ASCII without blanks",
    "device_id.platform": "platform android, ios, harmony, windows, macos, linux, web or other",
    "device_id.placeholder": "an identifier that tells devices apart, not zeros or ones only",
    "imei.syntax": "14 digits, 15 with check digit or 16 with software version",
    "imei.checksum": "a 15th digit that satisfies Luhn",
    "imei.placeholder": "an IMEI that is not one digit repeated",
}
"""Rule id to what is allowed."""


def refuse(kind: Kind, rule: str) -> NoReturn:
    """Raise the NormalisationError of a rule, cut off from any cause that could hold the value."""
    raise NormalisationError(kind.label, rule, RULES[rule]) from None

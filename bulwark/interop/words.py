"""Words: how the ledger's kinds and vocabularies are said in MISP and STIX, and what that loses.

Rules: a map from foreign words to ours says what of the foreign meaning has no place (`loss`, ''
for nothing). Foreign words are compared in lower case. Two markings on one thing: the stricter one
holds. What is in no table is left with a reason, never guessed. docs/misp.md and docs/stix.md print
the tables from here, tests hold them to it.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from bulwark.indicators.terms import Term
from bulwark.indicators.vocabulary import (
    Channel,
    EvidenceLevel,
    FraudType,
    Kind,
    LawfulBasis,
    LossBand,
    ObjectRole,
    Purpose,
    Tlp,
)

NAMESPACE: Final = "fraud-alliance"
"""Of the machine tags that carry the ledger's own words out and back in."""


class Place(Struct, frozen=True):
    """What a foreign value is on the ledger."""

    kind: Kind
    part: int = 0
    """Which part of a composite `a|b` value holds it."""
    prefix: str = ""
    """Put before the value: the chain of a wallet."""
    role: ObjectRole = ObjectRole.UNKNOWN
    """Role that the foreign word implies."""
    loss: str = ""


_PHONE: Final = (Place(Kind.PHONE),)
_TO: Final = "that it is the recipient"
_FROM: Final = "that it is the sender"
_PORT: Final = "the port"

MISP_TYPES: Final[dict[str, tuple[Place, ...]]] = {
    "phone-number": _PHONE,
    "prtn": (Place(Kind.PHONE, loss="that it is a premium-rate number"),),
    "whois-registrant-phone": (Place(Kind.PHONE, loss="that a registrant gave it"),),
    "email": (Place(Kind.EMAIL),),
    "email-src": (Place(Kind.EMAIL, loss=_FROM),),
    "email-dst": (Place(Kind.EMAIL, loss=_TO),),
    "email-reply-to": (Place(Kind.EMAIL, loss="that replies go to it"),),
    "whois-registrant-email": (Place(Kind.EMAIL, loss="that a registrant gave it"),),
    "dns-soa-email": (Place(Kind.EMAIL, loss="that a zone names it"),),
    "target-email": (Place(Kind.EMAIL, role=ObjectRole.TARGET),),
    "domain": (Place(Kind.DOMAIN),),
    "hostname": (Place(Kind.DOMAIN, loss="that it names a host and not a zone"),),
    "domain|ip": (Place(Kind.DOMAIN, loss="that the two belong together, but for link_group"),
                  Place(Kind.IP, 1)),
    "hostname|port": (Place(Kind.DOMAIN, loss=_PORT),),
    "url": (Place(Kind.URL),),
    "uri": (Place(Kind.URL, loss="schemes that are not of the web are refused"),),
    "ip-src": (Place(Kind.IP, loss=_FROM),),
    "ip-dst": (Place(Kind.IP, loss=_TO),),
    "ip-src|port": (Place(Kind.IP, loss=f"{_FROM}, {_PORT}"),),
    "ip-dst|port": (Place(Kind.IP, loss=f"{_TO}, {_PORT}"),),
    "iban": (Place(Kind.IBAN),),
    "bank-account-nr": (Place(Kind.BANK_ACCOUNT),),
    "btc": (Place(Kind.WALLET, prefix="btc"),),
    "dash": (Place(Kind.WALLET, prefix="dash"),),
    "xmr": (Place(Kind.WALLET, prefix="xmr"),),
}  # fmt: skip
"""MISP attribute types to identifiers."""

MISP_RELATIONS: Final[dict[tuple[str, str], tuple[Place, ...]]] = {
    ("phone", "msisdn"): _PHONE,
    ("phone", "imei"): (Place(Kind.IMEI),),
    ("phone-number", "phone-number"): _PHONE,
    ("short-message-service", "from"): (Place(Kind.PHONE, loss=_FROM),),
    ("coin-address", "address-crypto"): (Place(Kind.WALLET),),
    ("btc-wallet", "wallet-address"): (Place(Kind.WALLET, prefix="btc"),),
    ("victim", "email"): (Place(Kind.EMAIL, role=ObjectRole.COMPROMISED_VICTIM),),
}
"""(object, relation) to identifiers, for attributes whose type does not say it; () = context."""

MISP_EXCLUDED: Final[dict[str, str]] = {
    "cc-number": "the ledger has no kind for payment cards: a PAN may not be shared even as a tag",
    "bin": "names a card issuer and not a card",
    "bic": "names a bank and not an account",
    "aba-rtn": "names a bank and not an account",
    "link": "MISP's links are references for people, not indicators",
}
"""Financial and other types that look like identifiers of fraud and are left, and why."""

MISP_OUT: Final[dict[Kind, tuple[str, str]]] = {
    Kind.PHONE: ("phone-number", "Financial fraud"),
    Kind.EMAIL: ("email", "Network activity"),
    Kind.DOMAIN: ("domain", "Network activity"),
    Kind.URL: ("url", "Network activity"),
    Kind.IP: ("ip-dst", "Network activity"),
    Kind.IBAN: ("iban", "Financial fraud"),
    Kind.BANK_ACCOUNT: ("bank-account-nr", "Financial fraud"),
    Kind.WALLET: ("text", "Financial fraud"),
    Kind.DEVICE_ID: ("text", "Other"),
    Kind.IMEI: ("text", "Other"),
}
"""Kinds to the MISP type and category in which a kept clear value goes out."""

OBJECT_ROLES: Final[dict[tuple[str, str], ObjectRole]] = {
    ("person", "suspect"): ObjectRole.OFFENDER_CONTROLLED,
    ("person", "accused"): ObjectRole.OFFENDER_CONTROLLED,
    ("person", "accomplice"): ObjectRole.OFFENDER_CONTROLLED,
    ("person", "victim"): ObjectRole.COMPROMISED_VICTIM,
    ("person", "protected person"): ObjectRole.TARGET,
    ("person", "impersonated"): ObjectRole.IMPERSONATED,
    ("person", "target"): ObjectRole.TARGET,
    ("victim", ""): ObjectRole.COMPROMISED_VICTIM,
}
"""(MISP object, its `role`; '' for any) to the role of the identifiers in it."""

_TLP: Final[dict[str, Tlp]] = {
    "tlp:clear": Tlp.CLEAR,
    "tlp:white": Tlp.CLEAR,
    "tlp:green": Tlp.GREEN,
    "tlp:amber": Tlp.AMBER,
    "tlp:amber+strict": Tlp.AMBER_STRICT,
    "tlp:red": Tlp.RED,
}
TLP_UNCLEAR: Final = "tlp:unclear"
"""A marking that says that nobody knows the marking: refused."""

_CONFIDENCE: Final[dict[str, int]] = {
    'misp:confidence-level="completely-confident"': 100,
    'misp:confidence-level="usually-confident"': 75,
    'misp:confidence-level="fairly-confident"': 50,
    'misp:confidence-level="rarely-confident"': 25,
    'misp:confidence-level="unconfident"': 0,
    'misp:confidence-level="confidence-cannot-be-evalued"': 50,
    'estimative-language:likelihood-probability="almost-no-chance"': 0,
    'estimative-language:likelihood-probability="very-unlikely"': 5,
    'estimative-language:likelihood-probability="unlikely"': 20,
    'estimative-language:likelihood-probability="roughly-even-chance"': 45,
    'estimative-language:likelihood-probability="likely"': 55,
    'estimative-language:likelihood-probability="very-likely"': 80,
    'estimative-language:likelihood-probability="almost-certain"': 95,
    'estimative-language:confidence-in-analytic-judgment="low"': 0,
    'estimative-language:confidence-in-analytic-judgment="moderate"': 55,
    'estimative-language:confidence-in-analytic-judgment="high"': 95,
    'admiralty-scale:information-credibility="1"': 100,
    'admiralty-scale:information-credibility="2"': 75,
    'admiralty-scale:information-credibility="3"': 50,
    'admiralty-scale:information-credibility="4"': 25,
    'admiralty-scale:information-credibility="5"': 0,
    'admiralty-scale:information-credibility="6"': 50,
}
"""Numbers are those of the taxonomies. The admiralty scale's source grade has no place."""
_CERTAINTY: Final = re.compile(r'(?:osint:certainty|fraud-alliance:confidence)="([0-9]{1,3})"')

_FRAUD: Final[dict[str, FraudType]] = {
    'gsma-fraud:technical="mailbox-hacking"': FraudType.ACCOUNT_TAKEOVER,
    'gsma-fraud:technical="call-forwarding-fraud"': FraudType.CALL_FORWARDING,
    'gsma-fraud:technical="sim-card-cloning"': FraudType.SIM_SWAP,
    'gsma-fraud:technical="phishing-pharming"': FraudType.PHISHING,
    'gsma-fraud:technical="mobile-malware"': FraudType.MALWARE,
    'gsma-fraud:subscription="subscription-fraud"': FraudType.SUBSCRIPTION_FRAUD,
    'gsma-fraud:subscription="proxy-fraud"': FraudType.APPLICATION_FRAUD,
    'gsma-fraud:subscription="account-takeover"': FraudType.ACCOUNT_TAKEOVER,
    'gsma-fraud:subscription="direct-debit-fraud"': FraudType.FIRST_PARTY,
    'gsma-fraud:subscription="credit-card-fraud"': FraudType.CARD_PRESENT,
    'gsma-fraud:subscription="credit-card-not-present-transactions"': FraudType.CARD_NOT_PRESENT,
    'gsma-fraud:distribution="dealer-fraud"': FraudType.DEALER,
    'gsma-fraud:distribution="false-agent"': FraudType.DEALER,
    'gsma-fraud:business="premium-rate"': FraudType.PRS,
    'gsma-fraud:business="m-commerce-provider-prs-fraud"': FraudType.PRS,
    'gsma-fraud:business="international-revenue-share-fraud"': FraudType.IRSF,
    'gsma-fraud:business="refiling"': FraudType.SIMBOX,
    'gsma-fraud:business="mobile-to-fixed-network-gateway-abuse"': FraudType.SIMBOX,
    'gsma-fraud:business="wangiri"': FraudType.WANGIRI,
    'phishing:techniques="fake-website"': FraudType.PHISHING,
    'phishing:techniques="email-spoofing"': FraudType.PHISHING,
    'phishing:techniques="clone-phishing"': FraudType.PHISHING,
    'phishing:techniques="search-engines-abuse"': FraudType.PHISHING,
    'phishing:techniques="voice-phishing"': FraudType.VISHING,
    'phishing:techniques="sms-phishing"': FraudType.SMISHING,
    'phishing:techniques="business email compromise"': FraudType.IMP_BOSS_ACQUAINTANCE,
    'phishing:distribution="spear-phishing"': FraudType.PHISHING,
    'phishing:distribution="bulk-phishing"': FraudType.PHISHING,
    'phishing:distribution="whaling"': FraudType.IMP_BOSS_ACQUAINTANCE,
    'rsit:fraud="phishing"': FraudType.PHISHING,
    'rsit:fraud="masquerade"': FraudType.IDENTITY_THEFT,
    'rsit:fraud="copyright"': FraudType.CONTENT_ABUSE,
    'rsit:fraud="unauthorised-use-of-resources"': FraudType.OTHER,
    'rsit:abusive-content="harmful-speech"': FraudType.CONTENT_ABUSE,
    'rsit:malicious-code="c2-server"': FraudType.MALWARE,
    'rsit:malicious-code="malware-distribution"': FraudType.MALWARE,
    'rsit:malicious-code="malware-configuration"': FraudType.MALWARE,
    'rsit:malicious-code="infected-system"': FraudType.MALWARE,
    'circl:incident-classification="phishing"': FraudType.PHISHING,
    'circl:incident-classification="malware"': FraudType.MALWARE,
    'circl:incident-classification="scam"': FraudType.OTHER,
    'ecsirt:fraud="phishing"': FraudType.PHISHING,
    'ecsirt:malicious-code="ransomware"': FraudType.EXTORTION,
    'ecsirt:malicious-code="malware"': FraudType.MALWARE,
    'malware_classification:malware-category="ransomware"': FraudType.EXTORTION,
    'ms-caro-malware:malware-type="ransom"': FraudType.EXTORTION,
    "cryptocurrency-threat:sim swapping": FraudType.SIM_SWAP,
    "cryptocurrency-threat:email extortion and bomb threats": FraudType.EXTORTION,
    "cryptocurrency-threat:crypto robbing ransomware": FraudType.EXTORTION,
    "cryptocurrency-threat:next-generation crypto mixers": FraudType.MONEY_LAUNDERING,
    "cryptocurrency-threat:rag pull": FraudType.CRYPTO_INVESTMENT,
    'carding:product-service="credit-card-data"': FraudType.CARD_NOT_PRESENT,
}

TECHNIQUES: Final[dict[str, FraudType]] = {
    "phishing": FraudType.PHISHING,
    "phishing for information": FraudType.PHISHING,
    "spear phishing": FraudType.PHISHING,
    "email spoofing": FraudType.PHISHING,
    "vishing": FraudType.VISHING,
    "smishing": FraudType.SMISHING,
    "malware": FraudType.MALWARE,
    "adversary-in-the-browser": FraudType.MALWARE,
    "business email compromise": FraudType.IMP_BOSS_ACQUAINTANCE,
    "cxo fraud": FraudType.IMP_BOSS_ACQUAINTANCE,
    "ceo fraud": FraudType.IMP_BOSS_ACQUAINTANCE,
    "new vendor setup": FraudType.INVOICE_REDIRECT,
    "change payroll details": FraudType.INVOICE_REDIRECT,
    "money mules": FraudType.MULE_ACCOUNT,
    "money mule": FraudType.MULE_ACCOUNT,
    "structuring": FraudType.STRUCTURING,
    "account takeover": FraudType.ACCOUNT_TAKEOVER,
    "account manipulation": FraudType.ACCOUNT_TAKEOVER,
    "compromised account credentials": FraudType.ACCOUNT_TAKEOVER,
    "impersonate account holder": FraudType.IDENTITY_THEFT,
    "impersonate official": FraudType.IMP_AUTHORITY,
    "sim card swap": FraudType.SIM_SWAP,
    "remote access tools": FraudType.REMOTE_ACCESS,
    "card testing": FraudType.CARD_TESTING,
    "test payment thresholds": FraudType.CARD_TESTING,
    "pan/cvv generation": FraudType.CARD_NOT_PRESENT,
    "3ds bypass": FraudType.CARD_NOT_PRESENT,
    "compromised payment cards": FraudType.CARD_NOT_PRESENT,
    "atm skimming": FraudType.CARD_PRESENT,
    "atm shimming": FraudType.CARD_PRESENT,
    "pos skimming": FraudType.CARD_PRESENT,
    "create counterfeit card": FraudType.CARD_PRESENT,
    "card dump capture": FraudType.CARD_PRESENT,
    "dispute legitimate transaction": FraudType.CHARGEBACK_ABUSE,
    "exploitation of gambling platforms": FraudType.GAMBLING,
    "romance scam": FraudType.ROMANCE,
    "investment fraud": FraudType.INVESTMENT,
    "scam": FraudType.OTHER,
    "social media scams": FraudType.OTHER,
}
"""Techniques of MITRE F3 and attck4fraud by name, without number and sub-technique."""
_GALAXIES: Final = ("financial-fraud", "mitre-fraud-framework", "mitre-f3", "interpol-dwva")
_NUMBERED: Final = re.compile(r"\s+-\s+[A-Z]{1,2}[0-9]{4}(?:\.[0-9]{3})?$", re.IGNORECASE)

OWN_WORDS: Final[dict[str, type[Term]]] = {
    "kind": Kind,
    "fraud_type": FraudType,
    "object_role": ObjectRole,
    "evidence_level": EvidenceLevel,
    "channel": Channel,
    "loss_band": LossBand,
    "lawful_basis": LawfulBasis,
    "purpose": Purpose,
}
"""Fields of a row that `fraud-alliance:<field>="<label>"` tags carry out and back in."""
_OWN: Final = re.compile(r'fraud-alliance:([a-z_]{1,32})="([^"]{0,64})"')

FRAUD_OUT: Final[dict[FraudType, str]] = {
    FraudType.PHISHING: 'rsit:fraud="phishing"',
    FraudType.SMISHING: 'phishing:techniques="sms-phishing"',
    FraudType.VISHING: 'phishing:techniques="voice-phishing"',
    FraudType.IMP_BOSS_ACQUAINTANCE: 'phishing:techniques="business email compromise"',
    FraudType.CALL_FORWARDING: 'gsma-fraud:technical="call-forwarding-fraud"',
    FraudType.SUBSCRIPTION_FRAUD: 'gsma-fraud:subscription="subscription-fraud"',
    FraudType.DEALER: 'gsma-fraud:distribution="dealer-fraud"',
    FraudType.PRS: 'gsma-fraud:business="premium-rate"',
    FraudType.IRSF: 'gsma-fraud:business="international-revenue-share-fraud"',
    FraudType.WANGIRI: 'gsma-fraud:business="wangiri"',
    FraudType.MULE_ACCOUNT: 'misp-galaxy:financial-fraud="Money Mules"',
}
"""Fraud types that a public taxonomy names exactly; an own tag states every type."""

FALSE_POSITIVE_TAG: Final = 'false-positive:risk="high"'
CONFIRMED_FALSE_TAG: Final = 'false-positive:confirmed="true"'


def tlp_of(tag: str) -> Tlp | None:
    """The marking that a tag or a name such as `TLP:AMBER+STRICT` is; None for other words."""
    return _TLP.get(tag.strip().lower())


def tlp_tag(marking: int) -> str:
    """The TLP 2.0 tag of a ledger marking; not stated counts as amber+strict."""
    found = Tlp.find(marking) or Tlp.UNKNOWN
    strict = found in (Tlp.UNKNOWN, Tlp.AMBER_STRICT)
    return "tlp:amber+strict" if strict else f"tlp:{found.label}"


def stricter(left: Tlp | None, right: Tlp | None) -> Tlp | None:
    """The stricter of two markings."""
    return max((left, right), key=lambda marking: -1 if marking is None else marking.code)


def confidence_of(tag: str) -> int | None:
    """Confidence 0 to 100 that a tag states; None for other tags."""
    folded = tag.strip().lower()
    found = _CERTAINTY.fullmatch(folded)
    if found is not None:
        return int(found[1]) if int(found[1]) <= 100 else None
    return _CONFIDENCE.get(folded)


def confidence_tag(confidence: int) -> str:
    """The nearest step of misp:confidence-level; the exact number goes into an own tag."""
    steps = ("unconfident", "rarely-confident", "fairly-confident", "usually-confident",
             "completely-confident")  # fmt: skip
    return f'misp:confidence-level="{steps[min(4, max(0, (confidence + 12) // 25))]}"'


def fraud_of(tag: str) -> FraudType | None:
    """The fraud type that a taxonomy or galaxy tag names; None for tags that name none."""
    folded = tag.strip().lower()
    found = _FRAUD.get(folded)
    if found is not None or not folded.startswith("misp-galaxy:"):
        return found
    galaxy, _, cluster = folded.removeprefix("misp-galaxy:").partition("=")
    return technique(cluster.strip('"')) if galaxy in _GALAXIES else None


def technique(name: str) -> FraudType | None:
    """The fraud type of a technique of F3 or attck4fraud by its name; None if it names none."""
    plain = _NUMBERED.sub("", name.strip()).lower()
    return TECHNIQUES.get(plain) or TECHNIQUES.get(plain.partition(":")[0])


def own_tag(field: str, word: str) -> str:
    """The machine tag of one of our own words."""
    return f'{NAMESPACE}:{field}="{word}"'


def own_word(tag: str) -> tuple[str, str] | None:
    """Field and word of one of our own tags; None for other tags."""
    found = _OWN.fullmatch(tag.strip().lower())
    return None if found is None else (found[1], found[2])

"""Words of receipts: how the ledger's purposes, bases and kinds are said in the W3C vocabulary.

Rules: terms are those of DPV 2.3, DPV-PD 2 and EU-GDPR 2; a purpose or basis for which DPV has no
term is said in this project's own namespace and never as a near miss. A personal data category
covers a kind of indicator if it is the category of such identifiers or one that DPV-PD puts above.
"""

from __future__ import annotations

from typing import Final

from bulwark.indicators.vocabulary import Kind, LawfulBasis, Purpose

CONTEXT: Final = {
    "dpv": "https://w3id.org/dpv#",
    "pd": "https://w3id.org/dpv/pd#",
    "loc": "https://w3id.org/dpv/loc#",
    "eu-gdpr": "https://w3id.org/dpv/legal/eu/gdpr#",
    "dct": "http://purl.org/dc/terms/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "schema": "https://schema.org/",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "bulwark": "urn:bulwark:consent#",
}
"""Prefixes of every receipt that is issued."""

RECEIPT_PROFILE: Final = "https://w3id.org/dpv/schema/dpv-27560#receipt"
RECORD_PROFILE: Final = "https://w3id.org/dpv/schema/dpv-27560#record"
CONSENT_RECEIPT: Final = "urn:bulwark:consent-receipt:1"
PROCESSING_RECEIPT: Final = "urn:bulwark:processing-receipt:1"
PROCESSING_RECORD: Final = "urn:bulwark:processing-record:1"

_PURPOSES: Final = {
    Purpose.FRAUD_PREVENTION: "dpv:FraudPreventionAndDetection",
    Purpose.COUNTER_MONEY_LAUNDERING: "dpv:CounterMoneyLaundering",
    Purpose.MAINTAIN_FRAUD_DATABASE: "dpv:MaintainFraudDatabase",
    Purpose.FRAUD_INVESTIGATION: "bulwark:FraudInvestigation",
    Purpose.CONSUMER_PROTECTION: "bulwark:ConsumerProtection",
    Purpose.LEGAL_CLAIMS: "bulwark:LegalClaims",
    Purpose.SUPERVISION: "bulwark:Supervision",
}
_BASES: Final = {
    LawfulBasis.CONTRACT: "dpv:Contract",
    LawfulBasis.LEGAL_OBLIGATION: "dpv:LegalObligation",
    LawfulBasis.VITAL_INTERESTS: "dpv:VitalInterest",
    LawfulBasis.PUBLIC_INTEREST: "dpv:PublicInterest",
    LawfulBasis.LEGITIMATE_INTERESTS: "dpv:LegitimateInterest",
    LawfulBasis.STATUTORY_GATEWAY: "bulwark:StatutoryGateway",
    LawfulBasis.PUBLISHED_DATA: "bulwark:PublishedData",
    LawfulBasis.LAW_ENFORCEMENT: "bulwark:LawEnforcement",
}
CONSENT_TYPES: Final = {
    "explicit": "dpv:ExplicitlyExpressedConsent",
    "expressed": "dpv:ExpressedConsent",
    "implied": "dpv:ImpliedConsent",
}
DATA_CLASSES: Final = {
    "ordinary": "dpv:PersonalData",
    "sensitive": "dpv:SensitivePersonalData",
    "special": "dpv:SpecialCategoryPersonalData",
}

_CONTACT: Final = ("pd:Contact", "pd:Tracking")
_FINANCIAL: Final = (
    "pd:FinancialAccountNumber",
    "pd:AccountIdentifier",
    "pd:FinancialAccount",
    "pd:Financial",
)
_UNIQUE: Final = ("pd:UID", "pd:Identifying")
_DEVICE: Final = ("pd:DeviceBased", "pd:Tracking", *_UNIQUE)
_COVERING: Final = {
    Kind.PHONE: ("pd:TelephoneNumber", *_CONTACT),
    Kind.EMAIL: (
        "pd:EmailAddress",
        "pd:EmailAddressPersonal",
        "pd:EmailAddressWork",
        "pd:Email",
        *_CONTACT,
    ),
    Kind.DOMAIN: _UNIQUE,
    Kind.URL: _UNIQUE,
    Kind.IP: ("pd:IPAddress", *_DEVICE),
    Kind.IBAN: _FINANCIAL,
    Kind.BANK_ACCOUNT: _FINANCIAL,
    Kind.WALLET: _FINANCIAL,
    Kind.DEVICE_ID: _DEVICE,
    Kind.IMEI: _DEVICE,
}


def purpose_term(purpose: Purpose) -> str:
    """The term of a stated purpose."""
    return _PURPOSES[purpose]


def purpose_of(term: str) -> Purpose | None:
    """The purpose that a term says, None for a term of no purpose of the alliance."""
    return next((purpose for purpose, known in _PURPOSES.items() if known == term), None)


def basis_term(basis: LawfulBasis) -> str:
    """The term of a lawful basis that is not consent."""
    return _BASES[basis]


def basis_of(term: str) -> LawfulBasis | None:
    """The lawful basis that a term says; every type of consent is CONSENT."""
    if term in CONSENT_TYPES.values():
        return LawfulBasis.CONSENT
    return next((basis for basis, known in _BASES.items() if known == term), None)


def covering(kind: Kind) -> tuple[str, ...]:
    """Personal data categories of which any one covers identifiers of this kind."""
    return _COVERING[kind]

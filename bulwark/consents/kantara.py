"""Kantara Consent Receipt v1.1: what of a receipt it can carry, out and in.

Rules: out, every field that v1.1 knows is filled from the receipt; fields that v1.1 demands and the
receipt does not state are empty texts, never invented. In, a receipt is read into a draft of terms
with a list of what v1.1 does not say and the member must add; nothing is guessed, so an import is
never a consent by itself. `NOT_CARRIED` names what is lost on the way out.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import Struct

from bulwark.consents.parsing import parse
from bulwark.consents.schema import Schema, check

VERSION: Final = "KI-CR-v1.1.0"
NOT_CARRIED: Final = (
    "record of renewals: only the first event's time goes out",
    "withdrawal method and state",
    "storage locations",
    "rights and where they are exercised",
    "lawful basis other than consent (consentType is N/A)",
    "notice version, date and hash",
    "necessity of each personal data category",
    "scopes",
    "purpose, method and contact of each recipient",
    "separate consent and legal reference of the PIPL",
    "impact assessment, codes of conduct, authority, data source, processing operations",
    "last day of validity (termination says the retention period)",
    "version of the receipt and all JSON-LD identifiers",
)
"""What an exported Kantara receipt leaves out."""

LACKING: Final = ("storage.locations", "withdrawal", "valid_until", "separate_consent")
"""What a Kantara receipt never says and terms need or may need."""

_PURPOSES: Final = {
    "dpv:FraudPreventionAndDetection": "15 - Protecting Our Interests",
    "dpv:CounterMoneyLaundering": "12 - Legally Required Data Retention",
    "dpv:MaintainFraudDatabase": "11 - Third Party Sharing for Others",
    "bulwark:FraudInvestigation": "15 - Protecting Our Interests",
    "bulwark:ConsumerProtection": "11 - Third Party Sharing for Others",
    "bulwark:LegalClaims": "15 - Protecting Our Interests",
    "bulwark:Supervision": "13 - Required by Law Enforcement or Government",
}
_CATEGORIES: Final = {
    "2 - Contact": ("pd:TelephoneNumber", "pd:EmailAddress", "pd:Email", "pd:Contact"),
    "7 - Financial": (
        "pd:FinancialAccountNumber",
        "pd:AccountIdentifier",
        "pd:FinancialAccount",
        "pd:Financial",
    ),
    "15 - Network/Service": ("pd:IPAddress", "pd:DeviceBased", "pd:Tracking"),
    "1 - Biographical": ("pd:Name", "pd:OfficialID"),
}
_OTHER: Final = "16 - Other"
_KINDS: Final = {
    "dpv:ExplicitlyExpressedConsent": "EXPLICIT",
    "dpv:ExpressedConsent": "EXPLICIT",
    "dpv:ImpliedConsent": "IMPLICIT",
}


class Draft(Struct, frozen=True):
    """What an imported receipt says, as terms that are not complete yet."""

    terms: dict[str, Any]
    lacking: tuple[str, ...]
    """Fields of the terms that it does not state."""
    given_at: str
    """Time of the consent, UTC."""

    def __repr__(self) -> str:
        return f"Draft(lacking={', '.join(self.lacking)})"


def to_kantara(receipt: Mapping[str, Any]) -> dict[str, Any]:
    """An issued receipt as a Kantara receipt v1.1."""
    record = receipt["dpv:hasRecordOfActivity"]
    process = record["dpv:hasProcess"][0]
    data = process["dpv:hasPersonalData"]
    first = (record.get("dpv:hasConsentStatus") or record["dpv:hasActivityStatus"])[0]
    sensitive = [e["skos:broader"] for e in data if e["@type"] != "dpv:PersonalData"]
    recipients = [each["dpv:hasName"] for each in process["dpv:hasRecipient"]]
    term = process["dpv:hasPurpose"][0]
    purpose = {
        "purpose": term,
        "purposeCategory": [_PURPOSES.get(term, "16 - Improve Performance")],
        "consentType": _KINDS.get(record["dpv:hasLegalBasis"], "N/A"),
        "piiCategory": _categories([each["skos:broader"] for each in data]),
        "primaryPurpose": True,
        "termination": process["dpv:hasStorageCondition"][1]["dpv:hasDuration"]["rdf:value"],
        "thirdPartyDisclosure": True,
        "thirdPartyName": "; ".join(recipients),
    }
    controllers = record["dpv:hasDataController"]
    return {
        "version": VERSION,
        "jurisdiction": ", ".join(e.removeprefix("loc:") for e in record["dpv:hasJurisdiction"]),
        "consentTimestamp": _seconds(first["dpv:isIndicatedAtTime"]),
        "collectionMethod": first.get("dpv:hasIndicationMethod", ""),
        "consentReceiptID": receipt["dct:identifier"],
        "language": record["dpv:hasNotice"]["dct:language"],
        "piiPrincipalId": record["dpv:hasDataSubject"]["@id"].removeprefix("pairwise:"),
        "piiControllers": [_controller(each) for each in controllers],
        "policyUrl": record["dpv:hasNotice"]["@id"],
        "services": [
            {
                "service": process.get("dpv:hasService", controllers[0]["dpv:hasName"]),
                "purposes": [purpose],
            }
        ],
        "sensitive": bool(sensitive),
        "spiCat": _categories(sensitive),
    }


def from_kantara(raw: bytes) -> Draft:
    """The draft terms of a Kantara receipt; raises DocumentRefused naming every fault."""
    document: dict[str, Any] = parse(raw)
    check(document, Schema.KANTARA)
    controller = document["piiControllers"][0]
    address = controller["address"]
    terms: dict[str, Any] = {
        "subject": document["piiPrincipalId"],
        "jurisdiction": document["jurisdiction"],
        "language": document.get("language", ""),
        "notice": document["policyUrl"],
        "method": document["collectionMethod"],
        "controller": {
            "name": controller["piiController"],
            "contact": controller["contact"],
            "address": ", ".join(str(v) for v in address.values() if isinstance(v, str)),
            "email": controller["email"],
            "phone": controller["phone"],
            "url": controller.get("piiControllerUrl", ""),
        },
    }
    lacking = list(LACKING)
    services = document["services"]
    purposes = [p for service in services for p in service["purposes"]]
    if len(services) == 1 and len(purposes) == 1:
        only = purposes[0]
        terms["service"] = services[0]["service"]
        terms["storage"] = {"retention": only["termination"]}
        if only.get("purpose"):
            terms["purpose"] = only["purpose"]
        known = {"EXPLICIT": "explicit", "IMPLICIT": "implied"}.get(only["consentType"])
        terms |= {"consent_type": known} if known else {}
        lacking += [] if known else ["lawful_basis"]
        if only["thirdPartyDisclosure"]:
            lacking.append("recipients")
    else:
        # One receipt of ours is for one purpose; which one, the member must say.
        lacking += ["purpose", "service", "storage.retention", "consent_type", "recipients"]
    lacking.append("personal_data")
    terms["controller"] = {name: text for name, text in terms["controller"].items() if text}
    stated = {name: value for name, value in terms.items() if value not in ("", {})}
    lacking += [name for name in ("language", "method") if name not in stated]
    return Draft(stated, tuple(sorted(lacking)), _utc(document["consentTimestamp"]))


def _controller(party: Mapping[str, Any]) -> dict[str, Any]:
    found = {
        "piiController": party["dpv:hasName"],
        "contact": party["dpv:hasContact"],
        "address": {"streetAddress": party["dpv:hasAddress"]},
        "email": party.get("schema:email", ""),
        "phone": party.get("schema:telephone", ""),
    }
    if "schema:url" in party:
        found["piiControllerUrl"] = party["schema:url"]
    return found


def _categories(terms: list[str]) -> list[str]:
    found = {
        next((name for name, known in _CATEGORIES.items() if term in known), _OTHER)
        for term in terms
    }
    return sorted(found)


def _seconds(moment: str) -> int:
    return int(datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp())


def _utc(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

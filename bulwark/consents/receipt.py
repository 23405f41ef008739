"""The receipt: a consent or processing record in DPV JSON-LD, as a member issues it.

Rules: ISO/IEC TS 27560:2023 in the W3C vocabulary (fields and cardinalities of the DPV guide),
held to `schemas/receipt.schema.json`, every version of it; a document that rests on another basis
than consent is a processing receipt and claims no consent profile. A renewal makes a new version
with one more event. Recipients are the alliance's members unless the terms name others. Times are
UTC with seconds; nothing here reads a clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from bulwark.consents.parsing import check_bounds
from bulwark.consents.schema import Schema, check
from bulwark.consents.terms import DEFAULT_SCOPES, ConsentTerms, is_sensitive, jurisdictions, place
from bulwark.consents.vocabulary import (
    CONSENT_RECEIPT,
    CONSENT_TYPES,
    CONTEXT,
    DATA_CLASSES,
    PROCESSING_RECEIPT,
    PROCESSING_RECORD,
    RECEIPT_PROFILE,
    RECORD_PROFILE,
    basis_term,
    purpose_term,
)

Document = dict[str, Any]


class Issuer(Struct, frozen=True):
    """The member that issues a receipt, and the alliance it shares in."""

    member: str
    name: str
    alliance: str


def make_receipt(terms: ConsentTerms, *, consent_id: str, issuer: Issuer, now_ms: int) -> Document:
    """Version 1 of the receipt of these terms; `consent_id` is 64 hex digits.

    Raises DocumentRefused if it would be longer than what is read.
    """
    stated = terms.stated
    record: Document = {
        "dct:identifier": consent_id,
        "dpv:hasDataSubject": {"@id": f"pairwise:{terms.subject}", "@type": "dpv:DataSubject"},
        "dpv:hasDataController": _controllers(stated, issuer),
        "dpv:hasJurisdiction": jurisdictions(stated),
        "dpv:hasNotice": _notice(stated, terms.rests_on_consent),
        "dpv:hasProcess": [_process(terms, issuer)],
        "dpv:hasRight": _rights(stated, terms.rests_on_consent),
        "bulwark:pipl": _pipl(stated),
    }
    for name, property_ in (
        ("codes_of_conduct", "dpv:hasOrganisationalMeasure"),
        ("authority", "dpv:hasAuthority"),
        ("impact_assessment", "dpv:hasAssessment"),
    ):
        if stated.get(name):
            record[property_] = stated[name]
    record |= (
        _of_consent(terms, now_ms)
        if terms.rests_on_consent
        else _of_processing(terms, issuer, now_ms)
    )
    receipt: Document = {
        "@context": dict(CONTEXT),
        "dct:identifier": consent_id,
        "bulwark:version": 1,
        "dct:created": moment(now_ms),
        "dct:publisher": f"org:{issuer.member}",
        "dpv:hasRecordOfActivity": record,
    }
    if terms.rests_on_consent:
        receipt["@type"] = "dpv:ConsentReceipt"
        receipt["dct:conformsTo"] = [RECEIPT_PROFILE, CONSENT_RECEIPT]
    else:
        receipt["@type"] = "bulwark:ProcessingReceipt"
        receipt["dct:conformsTo"] = [PROCESSING_RECEIPT]
    return _checked(receipt)


def renew_receipt(
    receipt: Mapping[str, Any], *, valid_until_day: int, method: str, now_ms: int
) -> Document:
    """The next version: one more event, another last day (0 without end), all else as it was."""
    version = receipt["bulwark:version"] + 1
    record = dict(receipt["dpv:hasRecordOfActivity"])
    if "dpv:hasConsentStatus" in record:
        before = record["dpv:hasConsentStatus"]
        event = _event(before[-1]["@type"][1], valid_until_day, method, now_ms)
        event["@type"][0] = "dpv:RenewedConsentGiven"
        record["dpv:hasConsentStatus"] = [*before, event]
    else:
        before = record["dpv:hasActivityStatus"]
        event = {
            "@type": "dpv:ActivityOngoing",
            "dpv:isIndicatedAtTime": moment(now_ms),
            "dpv:isIndicatedBy": before[-1]["dpv:isIndicatedBy"],
            "dpv:hasDuration": _duration(valid_until_day),
        }
        record["dpv:hasActivityStatus"] = [*before, event]
    return _checked(
        {
            **receipt,
            "bulwark:version": version,
            "dct:created": moment(now_ms),
            "dpv:hasRecordOfActivity": record,
        }
    )


def moment(at_ms: int) -> str:
    """A time in UTC with seconds."""
    return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def iso_day(day: int) -> str:
    """ISO date of a day since 1970-01-01."""
    return datetime.fromtimestamp(day * 86_400, UTC).date().isoformat()


def _checked(receipt: Document) -> Document:
    check_bounds(receipt)
    check(receipt, Schema.RECEIPT)
    return receipt


def _of_consent(terms: ConsentTerms, now_ms: int) -> Document:
    stated = terms.stated
    consent_type = CONSENT_TYPES[stated.get("consent_type", "explicit")]
    method = stated.get("method", "")
    return {
        "@type": "dpv:ConsentRecord",
        "dct:conformsTo": RECORD_PROFILE,
        "dpv:hasLegalBasis": consent_type,
        "dpv:hasConsentControl": {
            "@type": "dpv:WithdrawConsent",
            "dpv:isExercisedAt": stated["withdrawal"],
        },
        "dpv:hasConsentStatus": [_event(consent_type, terms.valid_until_day, method, now_ms)],
    }


def _of_processing(terms: ConsentTerms, issuer: Issuer, now_ms: int) -> Document:
    return {
        "@type": "dpv:DataProcessingRecord",
        "dct:conformsTo": PROCESSING_RECORD,
        "dpv:hasLegalBasis": basis_term(terms.lawful_basis),
        "bulwark:hasObjectionControl": {"dpv:isExercisedAt": terms.stated["withdrawal"]},
        "dpv:hasActivityStatus": [
            {
                "@type": "dpv:ActivityOngoing",
                "dpv:isIndicatedAtTime": moment(now_ms),
                "dpv:isIndicatedBy": f"org:{issuer.member}",
                "dpv:hasDuration": _duration(terms.valid_until_day),
            }
        ],
    }


def _event(consent_type: str, valid_until_day: int, method: str, now_ms: int) -> Document:
    event: Document = {
        "@type": ["dpv:ConsentGiven", consent_type],
        "dpv:isIndicatedAtTime": moment(now_ms),
        "dpv:isIndicatedBy": "dpv:DataSubject",
        "dpv:hasDuration": _duration(valid_until_day),
    }
    if method:
        event["dpv:hasIndicationMethod"] = method
    return event


def _duration(valid_until_day: int) -> Document:
    if not valid_until_day:
        return {"@type": "dpv:EndlessDuration"}
    return {"@type": "dpv:UntilTimeDuration", "rdf:value": iso_day(valid_until_day)}


def _controllers(stated: Mapping[str, Any], issuer: Issuer) -> list[Document]:
    own = {"id": f"org:{issuer.member}", "name": issuer.name, **stated["controller"]}
    return [_party(each) for each in (own, *stated.get("joint_controllers", ()))]


def _party(stated: Mapping[str, Any]) -> Document:
    party: Document = {
        "@id": stated.get("id") or f"org:{stated['name']}",
        "@type": "dpv:DataController",
        "dpv:hasName": stated["name"],
        "dpv:hasContact": stated["contact"],
        "dpv:hasAddress": stated["address"],
    }
    for name, property_ in (
        ("email", "schema:email"),
        ("phone", "schema:telephone"),
        ("url", "schema:url"),
    ):
        if stated.get(name):
            party[property_] = stated[name]
    return party


def _process(terms: ConsentTerms, issuer: Issuer) -> Document:
    stated = terms.stated
    storage = stated["storage"]
    process: Document = {
        "@type": "dpv:Process",
        "dpv:hasPurpose": [purpose_term(terms.purpose)],
        "dpv:hasPersonalData": [_category(each) for each in stated["personal_data"]],
        "dpv:hasStorageCondition": [
            {
                "@type": "dpv:StorageLocation",
                "dpv:hasLocation": [place(each) for each in storage["locations"]],
            },
            {
                "@type": "dpv:StorageDuration",
                "dpv:hasDuration": {
                    "@type": "dpv:TemporalDuration",
                    "rdf:value": storage["retention"],
                },
            },
        ],
        "dpv:hasRecipient": _recipients(stated, issuer),
        "bulwark:scopes": list(stated.get("scopes", DEFAULT_SCOPES)),
    }
    for name, property_ in (
        ("processing", "dpv:hasProcessing"),
        ("data_source", "dpv:hasDataSource"),
        ("service", "dpv:hasService"),
    ):
        if stated.get(name):
            process[property_] = stated[name]
    return process


def _category(stated: str | Mapping[str, Any]) -> Document:
    given = {"category": stated} if isinstance(stated, str) else stated
    necessity = given.get("necessity", "required")
    return {
        "@type": DATA_CLASSES[given.get("class", "ordinary")],
        "skos:broader": given["category"],
        "dpv:hasNecessity": "dpv:Optional" if necessity == "optional" else "dpv:Required",
    }


def _recipients(stated: Mapping[str, Any], issuer: Issuer) -> list[Document]:
    given = stated.get("recipients")
    if not given:
        given = [
            {
                "id": f"alliance:{issuer.alliance}",
                "name": f"members of {issuer.alliance}",
                "contact": stated["controller"]["contact"],
                "purpose": "to recognise identifiers used in fraud",
                "method": "keyed tags on the alliance's ledger",
                "personal_data": [
                    _category(each)["skos:broader"] for each in stated["personal_data"]
                ],
            }
        ]
    return [_recipient(each) for each in given]


def _recipient(stated: Mapping[str, Any]) -> Document:
    recipient: Document = {
        "@id": stated.get("id") or f"org:{stated['name']}",
        "@type": "dpv:ThirdParty",
        "dpv:hasName": stated["name"],
        "dpv:hasContact": stated["contact"],
        "dct:description": stated["purpose"],
        "bulwark:method": stated["method"],
        "dpv:hasPersonalData": list(stated["personal_data"]),
    }
    if stated.get("address"):
        recipient["dpv:hasAddress"] = stated["address"]
    if stated.get("country"):
        recipient["dpv:hasLocation"] = place(stated["country"])
    return recipient


def _notice(stated: Mapping[str, Any], rests_on_consent: bool) -> Document:
    given = stated["notice"]
    if isinstance(given, str):
        given = {"url": given}
    notice: Document = {
        "@id": given["url"],
        "@type": "dpv:ConsentNotice" if rests_on_consent else "dpv:PrivacyNotice",
        "dct:language": stated["language"],
    }
    for name, property_ in (
        ("version", "dct:hasVersion"),
        ("date", "dct:date"),
        ("sha256", "bulwark:sha256"),
    ):
        if given.get(name):
            notice[property_] = given[name]
    return notice


def _rights(stated: Mapping[str, Any], rests_on_consent: bool) -> list[Document]:
    first = (
        ("A7-3", "Right to withdraw consent") if rests_on_consent else ("A21", "Right to object")
    )
    at = stated.get("rights", stated["withdrawal"])
    rights = [(*first, stated["withdrawal"]), ("A15", "Right of access", at)]
    rights.append(("A17", "Right to erasure", at))
    return [
        {
            "@type": ["dpv:DataSubjectRight", f"eu-gdpr:{article}"],
            "dct:title": title,
            "dpv:isExercisedAt": where,
        }
        for article, title, where in rights
    ]


def _pipl(stated: Mapping[str, Any]) -> Document:
    pipl: Document = {
        "bulwark:separateConsent": stated.get("separate_consent") is True,
        "bulwark:sensitive": is_sensitive(stated),
    }
    if stated.get("legal_reference"):
        pipl["dct:references"] = stated["legal_reference"]
    return pipl

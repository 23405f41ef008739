"""A customer's report as a document of the shelf: made, changed, shown, exported, stripped.

Rules: plain dictionaries in, plain dictionaries and views out; no disk and no clock. The customer
is in it as a keyed name alone. What is left after an erasure holds no text, no identifier and no
customer: the state, the times, and which records of the ledger came of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from bulwark.indicators.country import Country
from bulwark.indicators.model import IndicatorReport, ReportDefaults
from bulwark.indicators.vocabulary import (
    Channel,
    EvidenceLevel,
    FraudType,
    Kind,
    LawfulBasis,
    LossBand,
    ObjectRole,
    Purpose,
)
from node.interaction.reportport import (
    Choice,
    Identifier,
    IdentifierView,
    NewReport,
    ReportState,
    ReportView,
)
from node.reporting.payload import day_text
from node.service import ReportOutcome

DAY_MS: Final = 86_400_000
MAX_CUSTOMERS: Final = 65_535
_DATA_TYPES: Final = {
    Kind.EMAIL: "mail",
    Kind.DOMAIN: "domain",
    Kind.URL: "url",
    Kind.IP: "ip",
}
"""Names that case tools have for observables; others are `other` with the kind as a tag."""
Document = dict[str, Any]
Customers = Callable[[str], int]
"""Distinct customers behind the keyed name (hex) of an identifier."""


def new_document(
    report: NewReport, code: str, customer: bytes, names: list[bytes], now_ms: int
) -> Document:
    """The document of a report that comes in; `names`: keyed names of its identifiers."""
    identifiers = [
        {"kind": i.kind.label, "value": i.value, "region": str(i.region), "name": name.hex()}
        for i, name in zip(report.identifiers, names, strict=True)
    ]
    return {
        "state": ReportState.RECEIVED.value,
        "code": code,
        "received_ms": now_ms,
        "changed_ms": now_ms,
        "reported_ms": None,
        "customer": customer.hex(),
        "channel": report.channel.label,
        "language": report.language,
        "text": report.text,
        "happened_day": report.happened_day,
        "loss_band": report.loss_band.label,
        "fraud_types": [each.label for each in report.fraud_types],
        "case_ref": report.case_ref,
        "identifiers": identifiers,
        "note": "",
        "choices": [],
        "outcomes": [],
    }


def triaged(document: Document, choices: tuple[Choice, ...], note: str, who: str) -> Document:
    """The document after an analyst's choice."""
    chosen = [
        {
            "number": choice.number,
            "fraud_type": choice.fraud_type.label,
            "object_role": choice.object_role.label,
            "confidence": choice.confidence,
            "lawful_basis": choice.lawful_basis.label,
            "policy": choice.policy,
        }
        for choice in choices
    ]
    return document | {
        "state": ReportState.TRIAGED.value,
        "choices": chosen,
        "note": note,
        "analyst": who,
    }


def indicator_report(
    identity: str, document: Document, choice: Mapping[str, Any], customers: int, now_ms: int
) -> IndicatorReport:
    """The statement that a choice makes: reported by a customer, for the member's own count."""
    identifier = identifier_of(document["identifiers"][choice["number"]])
    last = document["happened_day"]
    row: dict[str, object] = {
        "kind": identifier.kind.label,
        "value": identifier.value,
        "region": str(identifier.region),
        "fraud_type": choice["fraud_type"],
        "object_role": choice["object_role"],
        "evidence_level": EvidenceLevel.REPORTED_BY_CUSTOMER.label,
        "confidence": choice["confidence"],
        "lawful_basis": choice["lawful_basis"],
        "purpose": Purpose.FRAUD_PREVENTION.label,
        "channel": document["channel"],
        "loss_band": document["loss_band"],
        "distinct_customers": min(customers, MAX_CUSTOMERS),
        "case_ref": f"customer-report {identity}",
        "policy": choice["policy"],
    }
    if last is not None:
        row |= {"first_seen": day_text(last), "last_seen": day_text(last)}
    return IndicatorReport.from_mapping(row, defaults=ReportDefaults(), now_ms=now_ms)


def outcome_entry(number: int, outcome: ReportOutcome) -> Document:
    """What became of one choice, as it is kept."""
    refusal = outcome.refusal
    return {
        "number": number,
        "record_id": outcome.record_id.hex() if outcome.record_id else None,
        "duplicate": outcome.duplicate,
        "rule": refusal.rule if refusal else None,
        "detail": refusal.detail if refusal else None,
    }


def identifier_of(entry: Mapping[str, Any]) -> Identifier:
    """An identifier as it was typed."""
    kind = Kind.parse(entry["kind"], "kind")
    return Identifier(kind, entry["value"], Country(entry["region"]))


def stripped(document: Document, now_ms: int) -> Document:
    """What is left after an erasure."""
    records = [entry["record_id"] for entry in document.get("outcomes", ()) if entry["record_id"]]
    return {
        "state": ReportState.ERASED.value,
        "received_ms": document["received_ms"],
        "changed_ms": now_ms,
        "reported_ms": document.get("reported_ms"),
        "language": document["language"],
        "records": records or document.get("records", []),
        "code_name": document.get("code_name"),
    }


def view_of(
    identity: str,
    document: Document,
    customers: Customers,
    *,
    due_days: int,
    keep_days: int,
    in_full: bool,
) -> ReportView:
    """A document as the staff sees it; lists leave out what the person said."""
    return ReportView(
        report_id=identity,
        code=document.get("code") if in_full else None,
        state=ReportState(document["state"]),
        received_ms=document["received_ms"],
        changed_ms=document["changed_ms"],
        due_ms=document["received_ms"] + due_days * DAY_MS,
        reported_ms=document.get("reported_ms"),
        channel=document.get("channel", Channel.UNKNOWN.label),
        language=document["language"],
        happened_day=document.get("happened_day"),
        loss_band=document.get("loss_band", LossBand.UNKNOWN.label),
        fraud_types=tuple(document.get("fraud_types", ())),
        text=document.get("text") if in_full else None,
        case_ref=document.get("case_ref", ""),
        identifiers=_identifiers(document, customers, in_full=in_full),
        note=document.get("note", "") if in_full else "",
        decline_reason=document.get("decline_reason"),
        merged_into=document.get("merged_into"),
        kept_until_ms=document["changed_ms"] + keep_days * DAY_MS,
    )


def _identifiers(
    document: Document, customers: Customers, *, in_full: bool
) -> tuple[IdentifierView, ...]:
    chosen = {choice["number"]: choice for choice in document.get("choices", ())}
    outcomes = {entry["number"]: entry for entry in document.get("outcomes", ())}
    shown = []
    for number, entry in enumerate(document.get("identifiers", ())):
        outcome = outcomes.get(number, {})
        shown.append(
            IdentifierView(
                number=number,
                kind=entry["kind"],
                value=entry["value"] if in_full else None,
                customers=customers(entry["name"]),
                chosen=chosen.get(number),
                record_id=outcome.get("record_id"),
                duplicate=outcome.get("duplicate", False),
                rule=outcome.get("rule"),
                detail=outcome.get("detail"),
            )
        )
    return tuple(shown)


def alert_of(member: str, view: ReportView) -> Document:
    """A report as an alert in the form that case tools take (type, source, observables, tags)."""
    observables = [
        {
            "dataType": _DATA_TYPES.get(Kind.parse(each.kind, "kind"), "other"),
            "data": each.value,
            "tags": [f"bulwark:kind={each.kind}", f"bulwark:customers={each.customers}"],
            "message": "" if each.record_id is None else f"record {each.record_id}",
        }
        for each in view.identifiers
    ]
    tags = [f"bulwark:fraud-type={name}" for name in view.fraud_types]
    tags += [f"bulwark:channel={view.channel}", f"bulwark:loss={view.loss_band}"]
    return {
        "type": "customer-report",
        "source": f"bulwark:{member}",
        "sourceRef": view.report_id,
        "title": f"Customer report {view.report_id[:8]}",
        "description": view.text or "",
        "date": view.received_ms,
        "tags": tags,
        "status": view.state.value,
        "tlp": 3,
        "pap": 2,
        "observables": observables,
    }


def choice_of(entry: Mapping[str, Any]) -> Choice:
    """A kept choice, in the words of the vocabulary."""
    return Choice(
        entry["number"],
        FraudType.parse(entry["fraud_type"], "fraud_type"),
        ObjectRole.parse(entry["object_role"], "object_role"),
        entry["confidence"],
        LawfulBasis.parse(entry["lawful_basis"], "lawful_basis"),
        entry["policy"],
    )

"""From a checked report to the record that goes on the ledger, and back to words for a reader.

Rules: clear text ends here: the value became a tag, `case_ref` and `link_group` become commitments
under keys of this member, so that only it can open them; everything else is a code or a day.
"""

from __future__ import annotations

import hmac
from datetime import date, timedelta
from hashlib import sha256

from bulwark.indicators.country import NOT_STATED, Country
from bulwark.indicators.errors import FieldError
from bulwark.indicators.model import IndicatorReport
from bulwark.indicators.terms import Term
from bulwark.indicators.vocabulary import (
    Channel,
    EvidenceLevel,
    FraudType,
    Kind,
    LawfulBasis,
    LossBand,
    ObjectRole,
    Operation,
    Purpose,
    Tlp,
)
from bulwark.ledger.ids import Tag
from bulwark.ledger.record import Record, RecordPayload

_EPOCH = date(1970, 1, 1)


def record_of(
    report: IndicatorReport, tag: Tag, salt: bytes, *, oprf_key_id: int, index_key: bytes
) -> Record:
    """The ledger record of a report; `salt` is 32 fresh random bytes."""
    payload = RecordPayload(
        operation=report.operation,
        kind=report.kind,
        fraud_type=report.fraud_type,
        object_role=report.object_role,
        evidence_level=report.evidence_level,
        confidence=report.confidence,
        tlp=report.tlp,
        channel=report.channel,
        country=country_bytes(report.country),
        first_seen_day=report.first_seen_day,
        last_seen_day=report.last_seen_day,
        valid_until_day=report.valid_until_day,
        distinct_customers=report.distinct_customers,
        loss_band=report.loss_band,
        lawful_basis=report.lawful_basis,
        purpose=report.purpose,
        oprf_key_id=oprf_key_id,
        case_commitment=_commitment(index_key, b"case", salt, report.case_ref),
        consent_anchor=report.consent_anchor or None,
        # One group has one id in all its records, so the salt of the record stays out of it.
        link_group=_commitment(index_key, b"link", b"", report.link_group),
    )
    return Record(salt, tag, payload.encode())


def country_bytes(country: Country) -> bytes:
    """The two letters as the ledger stores them, empty for not stated."""
    return b"" if country == NOT_STATED else str(country).encode("ascii")


def _commitment(index_key: bytes, use: bytes, salt: bytes, text: str) -> bytes | None:
    """Keyed commitment that only the holder of the index key can make or open."""
    if not text:
        return None
    key = hmac.digest(index_key, b"bulwark/" + use + b"\x00" + salt, sha256)
    return hmac.digest(key, text.encode("utf-8"), sha256)


def fields_of(payload: RecordPayload) -> dict[str, str | int | None]:
    """A record's fields in words: labels, ISO dates, hex references; None where not stated."""
    return {
        "operation": _label(Operation, payload.operation),
        "kind": _label(Kind, payload.kind),
        "fraud_type": _label(FraudType, payload.fraud_type),
        "object_role": _label(ObjectRole, payload.object_role),
        "evidence_level": _label(EvidenceLevel, payload.evidence_level),
        "confidence": payload.confidence,
        "tlp": _label(Tlp, payload.tlp),
        "channel": _label(Channel, payload.channel),
        "country": payload.country.decode("ascii") or None,
        "first_seen": day_text(payload.first_seen_day),
        "last_seen": day_text(payload.last_seen_day),
        "valid_until": day_text(payload.valid_until_day),
        "distinct_customers": payload.distinct_customers,
        "loss_band": _label(LossBand, payload.loss_band),
        "lawful_basis": _label(LawfulBasis, payload.lawful_basis),
        "purpose": _label(Purpose, payload.purpose),
        "consent_anchor": _hex(payload.consent_anchor),
        "previous_record": _hex(payload.previous_record),
        "link_group": _hex(payload.link_group),
    }


def _label(vocabulary: type[Term], code: int) -> str:
    """The label of a code; a code of a newer version is shown as its number."""
    try:
        return vocabulary.from_code(code).label
    except FieldError:
        return f"code-{code}"


def day_text(day: int) -> str | None:
    """ISO date of a day number, None for 0."""
    return (_EPOCH + timedelta(days=day)).isoformat() if day else None


def _hex(value: bytes | None) -> str | None:
    return None if value is None else value.hex()

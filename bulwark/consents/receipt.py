"""The consent receipt: a DPV-27560 shaped JSON document and its hiding commitment.

Rules: the receipt follows ISO/IEC TS 27560 in the W3C DPV vocabulary (core fields; exports and
schema checks are a later part); only SHA-256(tag | salt32 | RFC 8785 form) goes on the ledger, so
without the salt the ledger says nothing about the receipt, and with it anyone can check it offline.
A salt serves one receipt: equal salts would link anchors.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from hashlib import sha256
from typing import Final

import rfc8785

from bulwark.indicators.errors import FieldError
from bulwark.indicators.vocabulary import LawfulBasis, Purpose
from bulwark.ledger.ids import Digest

SALT_BYTES: Final = 32
MAX_RECEIPT_BYTES: Final = 16 * 1024
MAX_TEXT: Final = 256
MAX_LIST: Final = 32
_TAG: Final = b"bulwark/consent/1\x00"
_FIELDS: Final = frozenset(
    {
        "subject",
        "purpose",
        "lawful_basis",
        "personal_data",
        "scopes",
        "recipients",
        "valid_until",
        "language",
        "jurisdiction",
        "notice",
        "method",
    }
)


@dataclass(frozen=True, slots=True)
class ConsentTerms:
    """What a member states when a person consents, checked."""

    subject: str
    """Pairwise identifier of the person; stays in the vault."""
    purpose: Purpose
    lawful_basis: LawfulBasis
    personal_data: tuple[str, ...]
    """DPV personal data categories, as `pd:TelephoneNumber`."""
    scopes: tuple[str, ...]
    recipients: tuple[str, ...]
    valid_until_day: int
    """Last day, days since 1970-01-01; 0 without end."""
    language: str
    jurisdiction: str
    notice: str
    method: str

    def __repr__(self) -> str:
        return f"ConsentTerms({self.purpose.label}, {self.lawful_basis.label})"

    @classmethod
    def from_mapping(cls, document: Mapping[str, object], *, now_ms: int) -> ConsentTerms:
        """Check a client's document; raises FieldError for the first field that is wrong."""
        unknown = sorted(str(name) for name in document if name not in _FIELDS)
        if unknown:
            raise FieldError(unknown[0][:64], "present", f"one of {', '.join(sorted(_FIELDS))}")
        return cls(
            subject=_text(document, "subject", needed=True),
            purpose=Purpose.parse(document.get("purpose", "fraud_prevention"), "purpose"),
            lawful_basis=LawfulBasis.parse(document.get("lawful_basis", "consent"), "lawful_basis"),
            personal_data=_texts(document, "personal_data", needed=True),
            scopes=_texts(document, "scopes") or ("indicator:share", "indicator:query"),
            recipients=_texts(document, "recipients"),
            valid_until_day=_day(document.get("valid_until"), now_ms),
            language=_text(document, "language") or "en",
            jurisdiction=_text(document, "jurisdiction"),
            notice=_text(document, "notice"),
            method=_text(document, "method"),
        )


def make_receipt(
    terms: ConsentTerms, *, consent_id: str, controller: str, controller_name: str, now_ms: int
) -> dict[str, object]:
    """The receipt document of these terms, issued by `controller` at `now_ms`.

    Raises FieldError if it would be longer than MAX_RECEIPT_BYTES.
    """
    at = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    status: dict[str, object] = {"@type": "dpv:ConsentGiven", "dpv:isIndicatedAtTime": at}
    if terms.method:
        status["dpv:hasIndicationMethod"] = terms.method
    if terms.valid_until_day:
        status["valid_until"] = _iso(terms.valid_until_day)
    record: dict[str, object] = {
        "@type": "dpv:ConsentRecord",
        "dct:identifier": consent_id,
        "dpv:hasDataSubject": {"@id": f"pairwise:{terms.subject}"},
        "dpv:hasDataController": {"@id": f"org:{controller}", "dpv:hasName": controller_name},
        "dpv:hasRecipient": [{"@id": f"org:{name}"} for name in terms.recipients],
        "dpv:hasProcess": {
            "dpv:hasPurpose": terms.purpose.label,
            "dpv:hasPersonalData": list(terms.personal_data),
            "scopes": list(terms.scopes),
        },
        "dpv:hasLegalBasis": terms.lawful_basis.label,
        "dpv:hasConsentStatus": [status],
    }
    if terms.notice:
        record["dpv:hasNotice"] = {"@id": terms.notice}
    receipt: dict[str, object] = {
        "@context": {
            "dpv": "https://w3id.org/dpv#",
            "pd": "https://w3id.org/dpv/pd#",
            "dct": "http://purl.org/dc/terms/",
        },
        "@type": "dpv:ConsentReceipt",
        "dct:conformsTo": ["https://w3id.org/dpv/schema/dpv-27560#receipt"],
        "dct:identifier": consent_id,
        "dct:created": at,
        "dct:language": terms.language,
        "dpv:hasRecordOfActivity": record,
    }
    if terms.jurisdiction:
        receipt["dpv:hasJurisdiction"] = terms.jurisdiction
    size = len(_canonical(receipt))
    if size > MAX_RECEIPT_BYTES:
        raise FieldError("receipt", f"{size} bytes", f"at most {MAX_RECEIPT_BYTES} bytes in all")
    return receipt


def commitment_of(receipt: Mapping[str, object], salt: bytes) -> Digest:
    """The 32 bytes that the ledger keeps of a receipt; raises ValueError for a bad salt."""
    if len(salt) != SALT_BYTES:
        raise ValueError(f"a salt has {SALT_BYTES} bytes, {len(salt)} given")
    return Digest(sha256(_TAG + salt + _canonical(receipt)).digest())


def _canonical(receipt: Mapping[str, object]) -> bytes:
    """RFC 8785 form."""
    return rfc8785.dumps(dict(receipt))  # type: ignore[arg-type]


def matches(receipt: Mapping[str, object], salt: bytes, commitment: bytes) -> bool:
    """Whether a receipt and its salt are what was anchored."""
    return hmac.compare_digest(commitment_of(receipt, salt), commitment)


def _text(document: Mapping[str, object], field: str, *, needed: bool = False) -> str:
    value = document.get(field, "")
    allowed = f"{'1' if needed else '0'} to {MAX_TEXT} printable characters"
    if not isinstance(value, str):
        raise FieldError(field, type(value).__name__, allowed)
    value = value.strip()
    if len(value) > MAX_TEXT or not value.isprintable() or (needed and not value):
        raise FieldError(field, f"{len(value)} characters", allowed)
    return value


def _texts(document: Mapping[str, object], field: str, *, needed: bool = False) -> tuple[str, ...]:
    value = document.get(field, [])
    allowed = f"a list of {'1' if needed else '0'} to {MAX_LIST} texts"
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise FieldError(field, type(value).__name__, allowed)
    if len(value) > MAX_LIST or (needed and not value):
        raise FieldError(field, f"{len(value)} entries", allowed)
    return tuple(_text({field: item}, field, needed=True) for item in value)


def _day(value: object, now_ms: int) -> int:
    if value is None or value == "":
        return 0
    allowed = "an ISO date from today on, or absent for no end"
    if not isinstance(value, str):
        raise FieldError("valid_until", type(value).__name__, allowed)
    try:
        parsed = datetime.combine(datetime.fromisoformat(value).date(), time(), UTC)
    except ValueError:
        raise FieldError("valid_until", "not a date", allowed) from None
    day = int(parsed.timestamp()) // 86_400
    if not now_ms // 86_400_000 <= day <= 0xFFFFFFFF:
        raise FieldError("valid_until", "in the past", allowed)
    return day


def _iso(day: int) -> str:
    return datetime.fromtimestamp(day * 86_400, UTC).date().isoformat()

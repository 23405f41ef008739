"""Records: between typed indicator words and the plain integers of a ledger payload.

Rules: the ledger stores codes it does not understand, this module is the only place that gives them
words; a code of a newer version is shown by number and never refused, so that an old node can read
what a newer member wrote: an unknown role raises no score, an unknown evidence level counts as not
stated. Salting and commitments are made by the caller.
"""

from __future__ import annotations

from typing import Final, TypeVar

from bulwark.indicators.country import country_from_code
from bulwark.indicators.errors import FieldError
from bulwark.indicators.model import IndicatorReport
from bulwark.indicators.scoring import RecordView
from bulwark.indicators.terms import Term
from bulwark.indicators.vocabulary import (
    Channel,
    DisputeGround,
    EvidenceLevel,
    FraudType,
    Kind,
    LawfulBasis,
    LossBand,
    ObjectRole,
    Operation,
    Purpose,
    Ruling,
    Tlp,
    Usage,
)
from bulwark.ledger.lifecycle import REFERENCE_KIND, STATEMENTS
from bulwark.ledger.record import RecordPayload
from bulwark.ledger.standing import PLAIN, Standing

T = TypeVar("T", bound=Term)

_TERMS: Final[tuple[tuple[str, type[Term]], ...]] = (
    ("operation", Operation),
    ("kind", Kind),
    ("fraud_type", FraudType),
    ("object_role", ObjectRole),
    ("evidence_level", EvidenceLevel),
    ("tlp", Tlp),
    ("channel", Channel),
    ("loss_band", LossBand),
    ("lawful_basis", LawfulBasis),
    ("purpose", Purpose),
)
_NUMBERS: Final = ("confidence", "distinct_customers", "oprf_key_id")
_NO_SOURCE: Final = b"unknown"
"""A copy that commits to nothing: all of them count as one source."""
_DAYS: Final = ("first_seen_day", "last_seen_day", "valid_until_day")


def payload_of(
    report: IndicatorReport,
    *,
    oprf_key_id: int,
    case_commitment: bytes | None = None,
    link_group: bytes | None = None,
    usage: Usage = Usage.NO_SOLE_BASIS,
) -> RecordPayload:
    """The ledger payload of a report; case number and link group only as 32-byte commitments.

    That of a copy commits to its source where others commit to their case number.
    """
    return RecordPayload(
        operation=report.operation,
        kind=report.kind,
        fraud_type=report.fraud_type,
        object_role=report.object_role,
        evidence_level=report.evidence_level,
        confidence=report.confidence,
        tlp=report.tlp,
        channel=report.channel,
        country=report.country.encode("ascii"),
        first_seen_day=report.first_seen_day,
        last_seen_day=report.last_seen_day,
        valid_until_day=report.valid_until_day,
        distinct_customers=report.distinct_customers,
        loss_band=report.loss_band,
        lawful_basis=report.lawful_basis,
        purpose=report.purpose,
        oprf_key_id=oprf_key_id,
        usage=usage,
        case_commitment=case_commitment,
        consent_anchor=report.consent_anchor or None,
        link_group=link_group,
    )


def labels_of(payload: RecordPayload) -> dict[str, str | int | None]:
    """The payload in words: labels, days since 1970-01-01, country letters, hex references."""
    shown: dict[str, str | int | None] = {
        name: _label(vocabulary, getattr(payload, name)) for name, vocabulary in _TERMS
    }
    shown |= {name: getattr(payload, name) for name in _NUMBERS}
    shown |= {name: getattr(payload, name) or None for name in _DAYS}
    if payload.kind == REFERENCE_KIND:
        shown["kind"] = "reference"
    shown["country"] = _country(payload.country)
    shown["usage"] = ",".join(str(flag.name).lower() for flag in Usage if flag & payload.usage)
    shown["reason"] = _reason(payload)
    for name in ("case_commitment", "consent_anchor", "previous_record", "link_group"):
        reference: bytes | None = getattr(payload, name)
        shown[name] = reference.hex() if reference else None
    return shown


def view_of(
    payload: RecordPayload,
    reporter: str,
    standing: Standing = PLAIN,
    breach: str | None = None,
) -> RecordView | None:
    """What scoring needs of a statement; None for a follow-up and for a kind or operation that
    this version does not know."""
    kind = Kind.find(payload.kind)
    if kind is None or payload.operation not in STATEMENTS:
        return None
    return RecordView(
        kind=kind,
        fraud_type=_known(FraudType, payload.fraud_type, FraudType.OTHER),
        object_role=_known(ObjectRole, payload.object_role, ObjectRole.TARGET),
        evidence_level=_known(EvidenceLevel, payload.evidence_level, EvidenceLevel.UNKNOWN),
        confidence=payload.confidence,
        first_seen_day=payload.first_seen_day,
        last_seen_day=payload.last_seen_day or payload.first_seen_day,
        valid_until_day=payload.valid_until_day,
        reporter=reporter,
        distinct_customers=payload.distinct_customers,
        standing=standing,
        breach=breach or "",
        tlp=_known(Tlp, payload.tlp, Tlp.RED),
        usage=payload.usage,
        source=source_of(payload),
    )


def source_of(payload: RecordPayload) -> bytes | None:
    """Which source a record is a copy of, None for what its reporter says by itself.

    Copies of one source about one indicator have the same bytes here, whoever made them.
    """
    if not payload.usage & Usage.COPIED:
        return None
    return payload.case_commitment or _NO_SOURCE


def _known(vocabulary: type[T], code: int, otherwise: T) -> T:
    entry = vocabulary.find(code)
    return otherwise if entry is None else entry


def _label(vocabulary: type[Term], code: int) -> str:
    entry = vocabulary.find(code)
    return f"code {code}" if entry is None else entry.label


def _country(letters: bytes) -> str | None:
    try:
        return country_from_code(int.from_bytes(letters, "big")) or None
    except FieldError:
        return letters.decode("ascii", "replace")


def _reason(payload: RecordPayload) -> str | int | None:
    if payload.operation == Operation.DISPUTE:
        return _label(DisputeGround, payload.reason)
    if payload.operation == Operation.RULE:
        return _label(Ruling, payload.reason)
    return payload.reason or None

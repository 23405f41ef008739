"""From a checked report to the record that goes on the ledger, and back to words for a reader.

Rules: clear text ends here: the value became a tag, `case_ref` and `link_group` become commitments
under keys of this member, so that only it can open them. A copy commits to its `source` instead,
under the tag, so that all members' copies of one source about one indicator are known for such and
nothing else about it is; who knows source and indicator can tell too (ADR-0040). Codes get their
words from `bulwark.indicators.records`; days become ISO dates.
"""

from __future__ import annotations

import hmac
from datetime import date, timedelta
from hashlib import sha256

from bulwark.indicators.model import IndicatorReport
from bulwark.indicators.records import labels_of, payload_of
from bulwark.indicators.vocabulary import Usage
from bulwark.ledger.ids import Tag
from bulwark.ledger.record import Record, RecordPayload

_EPOCH = date(1970, 1, 1)
_DAYS = ("first_seen", "last_seen", "valid_until")


def record_of(
    report: IndicatorReport, tag: Tag, salt: bytes, *, oprf_key_id: int, index_key: bytes
) -> Record:
    """The ledger record of a report; `salt` is 32 fresh random bytes."""
    is_copy = bool(report.source)
    case = commitment(index_key, b"case", salt, report.case_ref)
    payload = payload_of(
        report,
        oprf_key_id=oprf_key_id,
        usage=Usage.NO_SOLE_BASIS | Usage.COPIED if is_copy else Usage.NO_SOLE_BASIS,
        case_commitment=source_commitment(tag, report.source) if is_copy else case,
        # One group has one id in all its records, so the salt of the record stays out of it.
        link_group=commitment(index_key, b"link", b"", report.link_group),
    )
    return Record(salt, tag, payload.encode())


def commitment(index_key: bytes, use: bytes, salt: bytes, text: str) -> bytes | None:
    """Keyed commitment that only the holder of the index key can make or open; None for no text."""
    if not text:
        return None
    key = opening_key(index_key, use, salt)
    return hmac.digest(key, text.encode("utf-8"), sha256)


def source_commitment(tag: Tag, source: str) -> bytes:
    """What all members' copies of a source about one indicator commit to, 32 bytes."""
    return hmac.digest(source_key(tag), source.encode("utf-8"), sha256)


def source_key(tag: Tag) -> bytes:
    """The key of commitments to sources of what is said about one indicator, 32 bytes."""
    return hmac.digest(tag, b"bulwark/source/1", sha256)


def opening_key(index_key: bytes, use: bytes, salt: bytes) -> bytes:
    """The key of one commitment, 32 bytes: shown with the text it opens that one and no other."""
    return hmac.digest(index_key, b"bulwark/" + use + b"\x00" + salt, sha256)


def fields_of(payload: RecordPayload) -> dict[str, str | int | None]:
    """A record's fields in words: labels, ISO dates, hex references; None where not stated."""
    fields = labels_of(payload)
    for name in _DAYS:
        day = fields.pop(f"{name}_day")
        fields[name] = day_text(int(day)) if day else None
    return fields


def day_text(day: int) -> str:
    """ISO date of a number of days since 1970-01-01."""
    try:
        return (_EPOCH + timedelta(days=day)).isoformat()
    except OverflowError:
        return f"day {day}"

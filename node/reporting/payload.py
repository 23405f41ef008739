"""From a checked report to the record that goes on the ledger, and back to words for a reader.

Rules: clear text ends here: the value became a tag, `case_ref` and `link_group` become commitments
under keys of this member, so that only it can open them. Codes get their words from
`bulwark.indicators.records`; days become ISO dates.
"""

from __future__ import annotations

import hmac
from datetime import date, timedelta
from hashlib import sha256

from bulwark.indicators.model import IndicatorReport
from bulwark.indicators.records import labels_of, payload_of
from bulwark.ledger.ids import Tag
from bulwark.ledger.record import Record, RecordPayload

_EPOCH = date(1970, 1, 1)
_DAYS = ("first_seen", "last_seen", "valid_until")


def record_of(
    report: IndicatorReport, tag: Tag, salt: bytes, *, oprf_key_id: int, index_key: bytes
) -> Record:
    """The ledger record of a report; `salt` is 32 fresh random bytes."""
    payload = payload_of(
        report,
        oprf_key_id=oprf_key_id,
        case_commitment=commitment(index_key, b"case", salt, report.case_ref),
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

"""Status words of CAMARA Consent Info 0.2.0: may data of this person be processed for a purpose?

Rules: the words are those of the API's OpenAPI document. PENDING: nothing was ever given, or what
was given was never valid; DENIED: given and withdrawn; EXPIRED: its time is over; OBJECTED: the
person opted out of a processing that needs no consent. REQUESTED is not used: a node captures no
consents. Of several receipts one that permits the processing counts; where none does, the one that
was given last, so that who withdrew is not asked again for an older one that merely ran out. Scopes
with one answer are answered together.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from msgspec import Struct

from bulwark.consents.ending import Ending


class StatusReason(StrEnum):
    """Why a processing is not permitted."""

    PENDING = "PENDING"
    REQUESTED = "REQUESTED"
    DENIED = "DENIED"
    EXPIRED = "EXPIRED"
    OBJECTED = "OBJECTED"


class Status(Struct, frozen=True):
    """The answer for some scopes."""

    valid: bool
    reason: StatusReason | None = None
    expires: str = ""
    """RFC 3339 time at which it ends or ended, empty for none."""


class Held(Struct, frozen=True):
    """One receipt of the person, as far as a status depends on it."""

    scopes: tuple[str, ...]
    purpose: str
    """DPV term."""
    valid_until: str
    """ISO date of the last day, empty without end."""
    is_expired: bool
    ending: int
    """Reason code of its end, 0 while it stands."""
    given_at: str = ""
    """RFC 3339 time in UTC at which it was given."""


PENDING: Final = Status(False, StatusReason.PENDING)


def status_of(held: Held) -> Status:
    """What one receipt says."""
    expires = f"{held.valid_until}T23:59:59Z" if held.valid_until else ""
    match held.ending:
        case 0 if not held.is_expired:
            return Status(True, None, expires)
        case 0 | Ending.EXPIRED:
            return Status(False, StatusReason.EXPIRED, expires)
        case Ending.OBJECTED:
            return Status(False, StatusReason.OBJECTED)
        case Ending.INVALIDATED:
            return PENDING
        case _:
            return Status(False, StatusReason.DENIED)


def statuses(
    held: Sequence[Held], scopes: Sequence[str], purpose: str
) -> list[tuple[tuple[str, ...], Status]]:
    """The answer for every asked scope, scopes with one answer together, in the order asked."""
    grouped: dict[Status, list[str]] = {}
    for scope in dict.fromkeys(scopes):
        fitting = [h for h in held if h.purpose == purpose and scope in h.scopes]
        grouped.setdefault(_best(fitting), []).append(scope)
    return [(tuple(names), status) for status, names in grouped.items()]


def document(
    answers: Sequence[tuple[tuple[str, ...], Status]], purpose: str
) -> dict[str, list[dict[str, object]]]:
    """The response body."""
    info: list[dict[str, object]] = []
    for scopes, status in answers:
        entry: dict[str, object] = {
            "scopes": list(scopes),
            "purpose": purpose,
            "statusValidForProcessing": status.valid,
        }
        if status.reason is not None:
            entry["statusReason"] = status.reason.value
        if status.expires:
            entry["expirationDate"] = status.expires
        info.append(entry)
    return {"statusInfo": info}


def _best(held: Sequence[Held]) -> Status:
    found = [status_of(each) for each in held]
    valid = [status for status in found if status.valid]
    if valid:
        # Without an end beats with one, a later end beats an earlier.
        return max(valid, key=lambda status: status.expires or "9999")
    last = max(held, key=lambda each: each.given_at, default=None)
    return PENDING if last is None else status_of(last)

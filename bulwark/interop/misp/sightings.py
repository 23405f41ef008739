"""Sightings of MISP: seen again, false positive, no longer in use.

Rules: type 0 beside its attribute raises `last_seen` of what the attribute states; types 1 and 2,
and sightings that come without their attribute, are actions on an earlier statement, named by the
attribute's UUID. A sighting without a date or with an unknown type is refused. What the alliance
itself said in MISP is not taken for somebody else's word when it comes back.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import Struct

from bulwark.interop.carried import NO_ROW, Action, Fate, Gathering, Reason, Statement, pointer
from bulwark.interop.misp.extras import uuid_of
from bulwark.interop.misp.options import ImportOptions, OnFalsePositive
from bulwark.interop.words import NAMESPACE

SEEN, FALSE, EXPIRED = "0", "1", "2"
_ACTIONS: Final = {
    SEEN: Action.SIGHTING,
    FALSE: Action.FALSE_POSITIVE,
    EXPIRED: Action.EXPIRE,
}
_NAMES: Final = {SEEN: "sighting", FALSE: "false positive", EXPIRED: "expiration"}
MAX: Final = 10_000
"""Sightings read of one attribute."""


class Seen(Struct, frozen=True):
    """What the sightings beside an attribute say."""

    last: str = ""
    """ISO date of the newest sighting, '' for none."""


def read_sightings(
    where: tuple[str | int, ...],
    attribute: Mapping[str, Any],
    ref: str,
    event: str,
    record: str,
    options: ImportOptions,
    out: Gathering,
) -> Seen:
    """The sightings beside an attribute; `record`: id of the record that it says it is, or ''."""
    listed = attribute.get("Sighting")
    if not isinstance(listed, list):
        return Seen()
    last = ""
    for at, entry in enumerate(listed[:MAX]):
        place = pointer(*where, "Sighting", at)
        kind, day = _read(entry)
        if _is_own(entry):
            _note_own(place, entry, out)
        elif kind not in _ACTIONS or not day:
            _refuse(place, out)
        elif kind == SEEN:
            last = max(last, day)
            out.note(place, "sighting", Fate.TAKEN, Reason.FIELD, "last_seen", uuid_of(entry))
        else:
            _act(place, kind, day, (ref, event, uuid_of(entry), record), options, out)
    if len(listed) > MAX:
        place = pointer(*where, "Sighting", MAX)
        out.note(place, "sighting", Fate.REFUSED, Reason.TOO_MANY, f"only {MAX} are read")
    return Seen(last)


def free_sighting(
    where: tuple[str | int, ...],
    entry: Any,
    event: str,
    options: ImportOptions,
    out: Gathering,
) -> None:
    """A sighting that comes without its attribute."""
    place = pointer(*where)
    kind, day = _read(entry)
    ref = uuid_of({"uuid": entry.get("attribute_uuid")}) if isinstance(entry, dict) else ""
    if _is_own(entry):
        _note_own(place, entry, out)
    elif kind not in _ACTIONS or not day or not ref:
        _refuse(place, out)
    else:
        _act(place, kind, day, (ref, event, uuid_of(entry), ""), options, out)


def _act(
    place: str,
    kind: str,
    day: str,
    refs: tuple[str, str, str, str],
    options: ImportOptions,
    out: Gathering,
) -> None:
    """Note an action; `refs`: attribute, event, sighting and record."""
    attribute, event, sighting, record = refs
    if kind == FALSE and options.on_false_positive is OnFalsePositive.LEAVE:
        detail = "on_false_positive is leave"
        out.note(place, _NAMES[kind], Fate.LEFT, Reason.NO_PLACE, detail, sighting)
        return
    row = {"last_seen": day} if kind == SEEN else NO_ROW
    version = sighting or day
    action = _ACTIONS[kind]
    out.state(Statement(action, row, attribute, place, 0, event, version, record))
    out.note(place, _NAMES[kind], Fate.TAKEN, Reason.ACTED, "", sighting)


def _is_own(entry: Any) -> bool:
    """Whether a sighting came out of the alliance: an answer or another record of it."""
    source = entry.get("source") if isinstance(entry, dict) else None
    return isinstance(source, str) and source.partition(":")[0] == NAMESPACE


def _note_own(place: str, entry: Any, out: Gathering) -> None:
    detail = "the alliance's own word, which must not count as another one's"
    out.note(place, "sighting", Fate.LEFT, Reason.KEPT_ELSEWHERE, detail, uuid_of(entry))


def _refuse(place: str, out: Gathering) -> None:
    detail = "a sighting wants type 0, 1 or 2, a date and the UUID of its attribute"
    out.note(place, "sighting", Fate.REFUSED, Reason.MALFORMED, detail)


def _read(entry: Any) -> tuple[str, str]:
    """Type and ISO date of a sighting; '' for what it does not have."""
    if not isinstance(entry, dict):
        return "", ""
    kind = str(entry.get("type", SEEN))[:2]
    moment = entry.get("date_sighting")
    text = str(moment)[:12] if isinstance(moment, int | str) else ""
    if not text.isascii() or not text.isdecimal():
        return kind, ""
    try:
        return kind, datetime.fromtimestamp(int(text), UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        return kind, ""

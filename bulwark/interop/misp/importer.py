"""MISP events to statements: what of an event the alliance can be told, and why not the rest.

Rules: every attribute, object, tag, sighting, proposal, relation and report of a document gets an
item; a row is checked here with the rules of the ledger before it is a statement, so a dry run says
what a real one will. Sightings raise `last_seen`; false positives and expirations become actions on
what the attribute stated. The case reference is the event's UUID, the link group the object's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import Struct

from bulwark.indicators.model import UNKNOWN_SOURCE
from bulwark.indicators.vocabulary import Kind, ObjectRole
from bulwark.interop.carried import (
    NO_ROW,
    Action,
    Carried,
    Fate,
    Gathering,
    Reason,
    Statement,
    pointer,
)
from bulwark.interop.misp.extras import note_extras, uuid_of
from bulwark.interop.misp.forms import EventForm, events_of
from bulwark.interop.misp.marks import Marks, read_marks
from bulwark.interop.misp.options import ImportOptions
from bulwark.interop.misp.sightings import Seen, free_sighting, read_sightings
from bulwark.interop.misp.values import (
    ALONE,
    Identifier,
    Surroundings,
    identifiers,
    is_broken,
    left_because,
)
from bulwark.interop.misp.warninglists import Warninglist
from bulwark.interop.rowcheck import RowCheck

VALUE_MAX: Final = 4_096
"""Characters of a value that is looked at."""
Where = tuple[str | int, ...]


@dataclass(slots=True)
class Conversion:
    """One document under conversion."""

    options: ImportOptions
    check: RowCheck
    out: Gathering = field(default_factory=Gathering)


class Frame(Struct, frozen=True):
    """What an attribute inherits: event, object and their marks."""

    event: str
    date: str
    marks: Marks
    around: Surroundings = ALONE
    object_ref: str = ""
    is_deleted: bool = False


def convert(
    document: Any,
    options: ImportOptions,
    *,
    now_ms: int,
    lists: Sequence[Warninglist] = (),
) -> Carried:
    """Statements and items of a parsed MISP document; never raises on its content.

    `now_ms` is milliseconds since 1970 UTC: dates in the future are refused.
    """
    work = Conversion(options, RowCheck(now_ms, lists))
    for event in events_of(document, work.out):
        _event(event, work)
    return work.out.done()


def _event(form: EventForm, work: Conversion) -> None:
    before = len(work.out.statements)
    head, where = form.head, form.where
    marks = read_marks(head, where, work.out, work.options) if head else Marks()
    frame = Frame(uuid_of(head), _date(head.get("date")), marks, is_deleted=_yes(head, "deleted"))
    for place, entry in form.entries("Attribute"):
        _attribute(place, entry, frame, work)
    for place, entry in form.entries("Object"):
        _object(place, entry, frame, work)
    for place, entry in form.entries("Sighting"):
        free_sighting(place, entry, frame.event, work.options, work.out)
    for place, entry in form.entries("ShadowAttribute"):
        what = f"proposal {entry.get('type')}" if isinstance(entry, dict) else "proposal"
        work.out.note(pointer(*place), what, Fate.LEFT, Reason.PROPOSAL)
    if head:
        note_extras(head, where, work.out)
        made = len(work.out.statements) - before
        fate, reason = (Fate.TAKEN, Reason.STATED) if made else (Fate.LEFT, Reason.CONTEXT)
        detail = f"{made} statements; its title, analysis and threat level have no place"
        work.out.note(pointer(*where), "event", fate, reason, detail, ref=frame.event)


def _object(where: Where, entry: Any, frame: Frame, work: Conversion) -> None:
    if not isinstance(entry, dict) or not isinstance(entry.get("Attribute"), list | None):
        detail = "no object with a list of attributes"
        work.out.note(pointer(*where), "object", Fate.REFUSED, Reason.MALFORMED, detail)
        return
    around = Surroundings.of(entry)
    inner = Frame(
        event=frame.event or uuid_of(entry.get("Event")),
        date=frame.date,
        marks=read_marks(entry, where, work.out, work.options).under(frame.marks),
        around=around,
        object_ref=uuid_of(entry),
        is_deleted=frame.is_deleted or _yes(entry, "deleted"),
    )
    before = len(work.out.statements)
    for at, attribute in enumerate(entry.get("Attribute") or ()):
        _attribute((*where, "Attribute", at), attribute, inner, work)
    note_extras(entry, where, work.out)
    made = len(work.out.statements) - before
    fate, reason = (Fate.TAKEN, Reason.STATED) if made else (Fate.LEFT, Reason.CONTEXT)
    what = f"object {around.name}".strip()
    work.out.note(pointer(*where), what, fate, reason, f"{made} statements", ref=inner.object_ref)


def _attribute(where: Where, entry: Any, frame: Frame, work: Conversion) -> None:
    out, place = work.out, pointer(*where)
    if out.is_full:
        return
    kind = entry.get("type") if isinstance(entry, dict) else None
    value = entry.get("value") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(kind, str) or not isinstance(value, str):
        detail = "an attribute wants a type and a value as text"
        out.note(place, "attribute", Fate.REFUSED, Reason.MALFORMED, detail)
        return
    what, ref = f"attribute {kind}", uuid_of(entry)
    marks = read_marks(entry, where, out, work.options).under(frame.marks)
    note_extras(entry, where, out)
    seen = read_sightings(where, entry, ref, frame.event, marks.record, work.options, out)
    if frame.is_deleted or _yes(entry, "deleted"):
        out.state(Statement(Action.RETRACT, NO_ROW, ref, place, group=frame.event))
        out.note(
            place, what, Fate.TAKEN, Reason.ACTED, "deleted: what it stated is taken back", ref
        )
        return
    relation = entry.get("object_relation")
    relation = relation if isinstance(relation, str) else ""
    found = identifiers(kind, relation, value, frame.around) if len(value) <= VALUE_MAX else []
    named = marks.words.get("kind", "")
    if named and not found and kind == "text":  # an export of ours of a kind that MISP has not
        found = [Identifier(Kind.parse(named, "kind"), value, ObjectRole.UNKNOWN, "")]
    stop = _stop(kind, value, found, entry, marks, work.options)
    if stop is not None:
        out.note(place, what, *stop, ref)
        return
    losses: list[str] = []
    made = duplicates = 0
    for part, identifier in enumerate(found):
        row = _row(identifier, entry, frame, marks, seen, work, ref)
        refusal = work.check.judge(row, kind)
        if isinstance(refusal, tuple):
            out.note(place, what, Fate.REFUSED, *refusal, ref=ref)
            continue
        duplicates += not refusal
        made += 1
        losses += [identifier.loss] if identifier.loss else []
        origin = {"type": kind, "category": str(entry.get("category", ""))[:64]}
        origin |= {"relation": relation[:64], "object": frame.around.name[:64]}
        version = str(entry.get("timestamp", ""))[:32]
        statement = Statement(
            Action.REPORT, row, ref, place, part, frame.event, version, marks.record, origin
        )
        out.state(statement)
    if made:
        reason = Reason.DUPLICATE if duplicates == made else Reason.STATED
        lost = "; ".join(dict.fromkeys(losses))
        detail = f"without {lost}" if lost else ""
        out.note(place, what, Fate.TAKEN, reason, detail, ref)


def _stop(
    kind: str,
    value: str,
    found: list[Identifier],
    entry: Mapping[str, Any],
    marks: Marks,
    options: ImportOptions,
) -> tuple[Fate, Reason, str] | None:
    """Why an attribute states nothing, whatever its identifiers are."""
    if len(value) > VALUE_MAX:
        return Fate.REFUSED, Reason.TOO_LARGE, f"at most {VALUE_MAX} characters are read"
    if is_broken(kind, value):
        return Fate.REFUSED, Reason.MALFORMED, "a composite type wants two values with | between"
    if not found:
        because = left_because(kind)
        texts = ("text", "comment", "other", "link", "attachment")
        reason = Reason.CONTEXT if kind in texts else Reason.NO_KIND
        return Fate.LEFT, reason, because
    refusal = marks.refusal(options)
    if refusal is not None:
        return Fate.REFUSED, *refusal
    if marks.is_false:
        return Fate.REFUSED, Reason.DISPUTED_THERE, 'false-positive:confirmed="true"'
    if _no(entry, "to_ids") and not options.take_context:
        return Fate.LEFT, Reason.NOT_DETECTION, "to_ids is false; take_context takes it"
    return None


def _row(
    identifier: Identifier,
    entry: Mapping[str, Any],
    frame: Frame,
    marks: Marks,
    seen: Seen,
    work: Conversion,
    ref: str,
) -> dict[str, object]:
    options = work.options
    first = _date(entry.get("first_seen")) or frame.date or _date(entry.get("timestamp"))
    last = max(_date(entry.get("last_seen")) or first, seen.last)
    fraud = marks.fraud_type or options.fraud_type
    role = identifier.role or options.object_role
    row: dict[str, object] = {
        "kind": identifier.kind.label,
        "value": identifier.value,
        "fraud_type": "" if fraud is None else fraud.label,
        "object_role": role.label,
        "evidence_level": options.evidence_level.label,
        "confidence": options.confidence if marks.confidence is None else marks.confidence,
        "first_seen": min(first, last) if first else "",
        "last_seen": last,
        "tlp": marks.marking(options).label,
        "lawful_basis": options.lawful_basis.label,
        "purpose": options.purpose.label,
        "region": options.region,
        "policy": options.policy,
        "case_ref": f"misp:{frame.event}" if frame.event else "",
        "link_group": _group(frame.object_ref or ref),
        # The event and not the attribute: all that one event says is said by one source.
        "source": frame.event or uuid_of(entry.get("Event")) or ref or UNKNOWN_SOURCE,
    }
    row |= marks.words
    return {name: value for name, value in row.items() if value != ""}


def _group(ref: str) -> str:
    return f"misp:{ref}" if ref else ""


def _yes(entry: Mapping[str, Any], name: str) -> bool:
    return entry.get(name) in (True, 1, "1", "true")


def _no(entry: Mapping[str, Any], name: str) -> bool:
    return entry.get(name) in (False, 0, "0", "false")


def _date(value: object) -> str:
    """ISO date of a MISP date, date-time or epoch second; '' where there is none that is read."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    text = str(value).strip()[:40]
    try:
        if text.isascii() and text.isdecimal():
            seconds = int(text) // (1_000_000 if len(text) > 12 else 1)
            return datetime.fromtimestamp(seconds, UTC).date().isoformat() if seconds else ""
        return datetime.fromisoformat(text).date().isoformat() if text else ""
    except (ValueError, OverflowError, OSError):
        return ""

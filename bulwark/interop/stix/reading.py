"""STIX 2.1 to statements: what of a document the alliance can be told, and why not the rest.

Rules: every object of a document gets an item, and so does every part of a pattern that is not
carried. Indicators come first, then observables, then what acts on earlier statements. An indicator
that the same document disagrees with is not stated. Red stays with its named recipients; revoked
takes back; a `valid_until` that is over ends what was stated. No value is ever in an item.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from bulwark.indicators.vocabulary import Tlp
from bulwark.interop import words
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
from bulwark.interop.misp.options import ImportOptions, OnFalsePositive
from bulwark.interop.misp.warninglists import Warninglist
from bulwark.interop.rowcheck import RowCheck
from bulwark.interop.stix.context import DENIALS, Context, Entry, listed, read_context
from bulwark.interop.stix.document import (
    Document,
    DocumentRefused,
    read_document,
    split_document,
)
from bulwark.interop.stix.markings import marked, uncarried
from bulwark.interop.stix.names import EXTENSION
from bulwark.interop.stix.objects import fault_of, is_defined, is_observable
from bulwark.interop.stix.patterns import PatternInvalid, read_pattern
from bulwark.interop.stix.rows import Rows, Said, day, said_by
from bulwark.interop.stix.selection import TAG_TYPE, Selection, observed, select, why_not

STATING: Final = ("indicator", "observed-data")
"""Types besides observables on which actions may be."""
STATEMENTS_MAX: Final = 100_000
TOLD: Final = 10
"""Properties that one item names."""
_WITHOUT: Final = {
    "identity": "records name members alone",
    "relationship": "records link by link_group only",
    "language-content": "translations have no place",
    "extension-definition": "definitions of other extensions have no place",
}


@dataclass(slots=True)
class _Work:
    """One document under conversion."""

    context: Context
    rows: Rows
    out: Gathering
    options: ImportOptions
    stated: set[str] = field(default_factory=set)
    """Ids of objects that gave a statement."""


def convert(
    raw: object, options: ImportOptions, *, now_ms: int, lists: Sequence[Warninglist] = ()
) -> Carried:
    """Statements and items of a document; one that can not be read is one refused item.

    `raw` is bytes, or JSON that was read within the bounds of `document`.
    """
    try:
        document = read_document(raw) if isinstance(raw, bytes) else split_document(raw)
    except DocumentRefused as refusal:
        out = Gathering()
        detail = f"found {refusal.found}, allowed: {refusal.allowed}"
        out.note(refusal.where, "document", Fate.REFUSED, Reason.MALFORMED, detail)
        return out.done()
    return convert_objects(document, options, now_ms=now_ms, lists=lists)


def convert_objects(
    document: Document,
    options: ImportOptions,
    *,
    now_ms: int,
    lists: Sequence[Warninglist] = (),
) -> Carried:
    """Statements and items of objects; `now_ms` is milliseconds since 1970 UTC. Never raises."""
    out = Gathering()
    context = read_context(document, out)
    work = _Work(context, Rows(options, RowCheck(now_ms, lists)), out, options)
    later: list[tuple[str, Entry]] = []
    acting: list[tuple[str, Entry]] = []
    rest: list[tuple[str, Entry]] = []
    for where, entry in context.entries.values():
        if entry["type"] == "indicator":
            _indicator(where, entry, work)
        elif is_observable(entry) or entry["type"] == "observed-data":
            later.append((where, entry))
        elif entry["type"] in ("sighting", "opinion"):
            acting.append((where, entry))
        else:
            rest.append((where, entry))
    for where, entry in later:
        if entry["type"] == "observed-data":
            _observed_data(where, entry, work)
        else:
            _observable(where, entry, work)
    for where, entry in acting:
        _opinion(where, entry, work) if entry["type"] == "opinion" else _sighting(
            where, entry, work
        )
    for where, entry in rest:
        _other(where, entry, work)
    if not document.objects:
        out.note("", "bundle", Fate.LEFT, Reason.CONTEXT, "no objects", document.bundle)
    return out.done()


def _indicator(where: str, entry: Entry, work: _Work) -> None:
    name = str(entry["id"])
    if _is_over(where, entry, work):
        return
    types = set(listed(entry.get("indicator_types")))
    if types and types <= {"benign"} and not said_by(entry).record:
        detail = "indicator_types says benign"
        _note(work, where, entry, Fate.LEFT, Reason.NOT_DETECTION, detail)
        return
    if entry["pattern_type"] != "stix":
        detail = "only patterns of STIX are read; pattern_type says another language"
        _note(work, where + "/pattern_type", entry, Fate.LEFT, Reason.NO_PLACE, detail)
        return
    try:
        selection = select(read_pattern(str(entry["pattern"])))
    except PatternInvalid as fault:
        detail = f"no STIX pattern at character {fault.at}, allowed: {fault.allowed}"
        _note(work, where + "/pattern", entry, Fate.REFUSED, Reason.MALFORMED, detail)
        return
    if not selection.identifiers and _is_token(entry):
        detail = "a token of an alliance: it is on that alliance's ledger and says nothing here"
        _note(work, where, entry, Fate.LEFT, Reason.KEPT_ELSEWHERE, detail)
        return
    if name in work.context.denied and selection.identifiers:
        detail = "an opinion in this document disagrees"
        _note(work, where, entry, Fate.REFUSED, Reason.DISPUTED_THERE, detail)
        return
    _state(where, entry, selection, work, "/pattern")


def _observable(where: str, entry: Entry, work: _Work) -> None:
    name = str(entry["id"])
    if not is_defined(str(entry["type"])):
        _note(work, where, entry, Fate.LEFT, Reason.NO_PLACE, "a type that STIX 2.1 has not")
        return
    selection = observed(entry)
    said = said_by(entry)
    if not selection.identifiers:
        _note(work, where, entry, Fate.LEFT, Reason.NO_KIND, _told(selection, entry))
    elif "fraud_type" not in said.words and not work.options.take_context:
        detail = "an observable alone states no fraud; take_context takes it"
        _note(work, where, entry, Fate.LEFT, Reason.NOT_DETECTION, detail)
    elif name in work.context.denied:
        detail = "an opinion in this document disagrees"
        _note(work, where, entry, Fate.REFUSED, Reason.DISPUTED_THERE, detail)
    else:
        _state(where, entry, selection, work, "")


def _observed_data(where: str, entry: Entry, work: _Work) -> None:
    if _is_over(where, entry, work):
        return
    inside = entry.get("objects")
    for key, value in inside.items() if isinstance(inside, dict) else ():
        _embedded(f"{where}{pointer('objects', key)}", value, entry, work)
    known = [name for name in listed(entry.get("object_refs")) if name in work.context.entries]
    if work.options.take_context and known:
        detail = "first and last seen of its observables"
        _note(work, where, entry, Fate.TAKEN, Reason.FIELD, detail)
    else:
        detail = "an observation states no fraud; its observables are items of their own"
        _note(work, where, entry, Fate.LEFT, Reason.NOT_DETECTION, detail)


def _embedded(where: str, value: object, around: Entry, work: _Work) -> None:
    """An observable in the deprecated `objects` of observed-data: it has no id of its own."""
    kind = str(value.get("type")) if isinstance(value, dict) else "object"
    if not isinstance(value, dict) or ("id" in value and fault_of(value) is not None):
        detail = "no sound observable"
        work.out.note(where, kind, Fate.REFUSED, Reason.MALFORMED, detail)
        return
    inner = {**value, "id": str(value.get("id", f"{around['id']}"))}
    for name in ("object_marking_refs", "granular_markings"):
        if name in around:
            inner.setdefault(name, around[name])
    work.context.observed.setdefault(str(inner["id"]), around)
    _observable(where, inner, work)


def _state(where: str, entry: Entry, selection: Selection, work: _Work, part: str) -> None:
    """State the identifiers of a selection; note what of it is not carried."""
    said = said_by(entry)
    if not selection.identifiers:
        _note(work, where, entry, Fate.LEFT, Reason.NO_KIND, _told(selection, entry))
        return
    refusal, tlp = _shared(entry, said, work)
    if refusal is not None:
        _note(work, where, entry, Fate.REFUSED, *refusal)
        return
    if len(work.out.statements) + len(selection.identifiers) > STATEMENTS_MAX:
        detail = f"at most {STATEMENTS_MAX} statements are made of one document; split it"
        _note(work, where, entry, Fate.REFUSED, Reason.TOO_MANY, detail)
        return
    made = repeated = 0
    for named in dict.fromkeys(selection.identifiers):
        row = work.rows.row(entry, named, said, tlp, work.context)
        judged = work.rows.check.judge(row)
        if isinstance(judged, tuple):
            _note(work, where + part, entry, Fate.REFUSED, *judged)
            continue
        work.out.state(
            Statement(
                Action.REPORT,
                row,
                str(entry["id"]),
                where,
                made,
                work.context.group.get(str(entry["id"]), ""),
                str(entry.get("modified", "")),
                said.record,
                {"type": str(entry["type"])},
            )
        )
        made += 1
        repeated += not judged
    if made:
        work.stated.add(str(entry["id"]))
        reason = Reason.DUPLICATE if repeated == made else Reason.STATED
        detail = f"without {'; '.join(selection.losses)}" if selection.losses else ""
        _note(work, where, entry, Fate.TAKEN, reason, detail)
        if said.left:
            detail = f"{said.left} labels have no place"
            _note(work, where + "/labels", entry, Fate.LEFT, Reason.NO_PLACE, detail)
        _note_rest(where, entry, work)
    for told in selection.left:
        _note(work, where + part, entry, Fate.LEFT, Reason.NO_KIND, told)


def _note_rest(where: str, entry: Entry, work: _Work) -> None:
    """Tell which properties and extensions of a stated object are not carried."""
    rest = uncarried(entry)
    if rest:
        more = f" and {len(rest) - TOLD} more" if len(rest) > TOLD else ""
        detail = f"{', '.join(rest[:TOLD])}{more}: records have no place for it"
        _note(work, where + pointer(rest[0]), entry, Fate.LEFT, Reason.NO_PLACE, detail)


def _shared(entry: Entry, said: Said, work: _Work) -> tuple[tuple[Reason, str] | None, Tlp | None]:
    """Why an object may not be shared, and its marking."""
    marks = marked(entry, work.context.markings)
    tlp = words.stricter(marks.tlp, said.tlp)
    if marks.unknown:
        detail = f"{marks.unknown} is not in this document, or is of no known type"
        return (Reason.MARKING_UNKNOWN, detail), tlp
    if tlp is Tlp.RED and work.options.red_as is None:
        detail = "red names recipients; ask its owner, then set red_as"
        return (Reason.MARKED_RED, detail), tlp
    if said.is_false:
        return (Reason.DISPUTED_THERE, words.CONFIRMED_FALSE_TAG), tlp
    return None, tlp


def _is_over(where: str, entry: Entry, work: _Work) -> bool:
    """Whether an object no longer holds; then what it stated earlier ends."""
    if entry.get("revoked") is True:
        _act(Action.RETRACT, where, entry, work, str(entry["id"]))
        detail = "revoked: what it stated is taken back"
        _note(work, where, entry, Fate.TAKEN, Reason.ACTED, detail)
        return True
    until = day(entry.get("valid_until"))
    if until and until < work.rows.today:
        _act(Action.EXPIRE, where, entry, work, str(entry["id"]))
        detail = "valid_until is over: what it stated ends"
        _note(work, where, entry, Fate.TAKEN, Reason.ACTED, detail)
        return True
    return False


def _sighting(where: str, entry: Entry, work: _Work) -> None:
    target = str(entry["sighting_of_ref"])
    seen = day(entry.get("last_seen")) or day(entry.get("first_seen")) or day(entry.get("created"))
    if entry.get("revoked") is True or entry.get("count") == 0:
        detail = "withdrawn" if entry.get("revoked") is True else "count is 0: it was not seen"
        _note(work, where, entry, Fate.LEFT, Reason.NO_PLACE, detail)
    elif not _can_act_on(target):
        _note(work, where, entry, Fate.LEFT, Reason.CONTEXT, "of something that is no identifier")
    elif target in work.stated:
        _note(work, where, entry, Fate.TAKEN, Reason.FIELD, "last seen of what it sights")
    elif target in work.context.entries or _is_token(entry):
        detail = "what it sights is not stated, or is on another alliance's ledger"
        _note(work, where, entry, Fate.LEFT, Reason.KEPT_ELSEWHERE, detail)
    else:
        _act(Action.SIGHTING, where, entry, work, target, {"last_seen": seen})
        _note(work, where, entry, Fate.TAKEN, Reason.ACTED, "")


def _opinion(where: str, entry: Entry, work: _Work) -> None:
    said = str(entry["opinion"])
    targets = [target for target in listed(entry.get("object_refs")) if _can_act_on(target)]
    if entry.get("revoked") is True:
        _note(work, where, entry, Fate.LEFT, Reason.NO_PLACE, "a withdrawn opinion")
    elif _is_token(entry):
        detail = "a dispute on an alliance's ledger"
        _note(work, where, entry, Fate.LEFT, Reason.KEPT_ELSEWHERE, detail)
    elif said not in DENIALS:
        detail = f"an opinion of {said} has no place; a sighting would"
        _note(work, where, entry, Fate.LEFT, Reason.NO_PLACE, detail)
    elif not targets:
        _note(work, where, entry, Fate.LEFT, Reason.CONTEXT, "about nothing that is an identifier")
    elif work.options.on_false_positive is OnFalsePositive.LEAVE:
        _note(work, where, entry, Fate.LEFT, Reason.NO_PLACE, "on_false_positive is leave")
    else:
        for number, target in enumerate(targets):
            _act(Action.FALSE_POSITIVE, where, entry, work, target, part=number)
        _note(work, where, entry, Fate.TAKEN, Reason.ACTED, f"{len(targets)} denied")


def _act(
    action: Action,
    where: str,
    entry: Entry,
    work: _Work,
    target: str,
    row: Mapping[str, object] = NO_ROW,
    part: int = 0,
) -> None:
    version = str(entry.get("modified", ""))
    group = work.context.group.get(target, "")
    work.out.state(Statement(action, row, target, where, part, group, f"{entry['id']} {version}"))


def _can_act_on(target: str) -> bool:
    kind = target.partition("--")[0]
    return kind in STATING or is_observable({"type": kind, "created": ""})


def _other(where: str, entry: Entry, work: _Work) -> None:
    """What states nothing: whether it gave a field, and why it has no place."""
    kind, name = str(entry["type"]), str(entry["id"])
    if kind == "relationship":
        link = f"{entry['source_ref']} {entry['target_ref']}"
        if link in work.context.used:
            _note(work, where, entry, Fate.TAKEN, Reason.FIELD, "leads to the fraud type")
        else:
            _note(work, where, entry, Fate.LEFT, Reason.RELATION, _WITHOUT[kind])
    elif kind == "marking-definition":
        found = work.context.markings[name]
        if found.tlp is not None:
            _note(work, where, entry, Fate.TAKEN, Reason.FIELD, "marking")
        else:
            _note(work, where, entry, Fate.LEFT, Reason.NO_PLACE, "says nothing about sharing")
    elif name in work.context.used:
        _note(work, where, entry, Fate.TAKEN, Reason.FIELD, "fraud type")
    elif kind == "extension-definition" and name == EXTENSION:
        _note(work, where, entry, Fate.TAKEN, Reason.FIELD, "the extension of this product")
    elif kind in ("report", "grouping") and name in work.context.group.values():
        detail = "case reference and link group; its texts have no place"
        _note(work, where, entry, Fate.TAKEN, Reason.FIELD, detail)
    elif not is_defined(kind):
        _note(work, where, entry, Fate.LEFT, Reason.NO_PLACE, "a type that STIX 2.1 has not")
    else:
        detail = _WITHOUT.get(kind, "describes actors, tools or cases")
        _note(work, where, entry, Fate.LEFT, Reason.CONTEXT, detail)


def _is_token(entry: Entry) -> bool:
    extensions = entry.get("extensions")
    own = isinstance(extensions, dict) and EXTENSION in extensions
    return own or f"[{TAG_TYPE}:" in str(entry.get("pattern", ""))


def _told(selection: Selection, entry: Entry) -> str:
    return "; ".join(selection.left) or why_not(str(entry["type"]))


def _note(
    work: _Work, where: str, entry: Entry, fate: Fate, reason: Reason, detail: str = ""
) -> None:
    work.out.note(where, str(entry["type"]), fate, reason, detail, str(entry["id"]))

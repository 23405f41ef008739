"""What stands around an object in its document: relations, reports, sightings, opinions, markings.

Rules: of two versions of one object the newest counts; the others are items. Relations are read in
the direction in which the standard defines them. Nothing here decides what becomes of an object.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from bulwark.indicators.vocabulary import FraudType
from bulwark.interop import words
from bulwark.interop.carried import Fate, Gathering, Reason
from bulwark.interop.stix.checks import instant
from bulwark.interop.stix.document import Document, kind_of
from bulwark.interop.stix.markings import Marking, definition
from bulwark.interop.stix.objects import fault_of

Entry = Mapping[str, object]
GROUPS: Final = ("report", "grouping")
DENIALS: Final = ("strongly-disagree", "disagree")


@dataclass(slots=True)
class Context:
    """The sound objects of a document, and what they say about each other."""

    entries: dict[str, tuple[str, Entry]] = field(default_factory=dict)
    """Id to JSON pointer and object, in the order of the document."""
    markings: dict[str, Marking] = field(default_factory=dict)
    named: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Id of an indicator or observable to the ids of what it indicates."""
    group: dict[str, str] = field(default_factory=dict)
    """Id to the report or grouping that refers to it."""
    seen: dict[str, datetime] = field(default_factory=dict)
    """Id of an object to when the document last saw it."""
    denied: set[str] = field(default_factory=set)
    """Ids that an opinion of the document disagrees with."""
    observed: dict[str, Entry] = field(default_factory=dict)
    """Id of an observable to the observed-data that refers to it."""
    used: set[str] = field(default_factory=set)
    """Ids that gave a field of a statement."""

    def entry(self, name: str) -> Entry | None:
        """An object of the document by its id."""
        found = self.entries.get(name)
        return None if found is None else found[1]

    def fraud_of(self, name: str) -> FraudType | None:
        """The fraud type of what an object indicates; the first that is known."""
        for target in self.named.get(name, ()):
            entry = self.entry(target)
            fraud = None if entry is None else _fraud(entry)
            if fraud is not None:
                self.used.add(target)
                self.used.add(f"{name} {target}")
                return fraud
        return None


def read_context(document: Document, out: Gathering) -> Context:
    """Check every object, note those that are not sound, and index the others."""
    context = Context()
    for where, entry in document.objects:
        if not isinstance(entry, dict):
            detail = f"found {kind_of(entry)}, allowed: an object"
            out.note(where, "object", Fate.REFUSED, Reason.MALFORMED, detail)
            continue
        name, kind = str(entry.get("id", "")), str(entry.get("type", "object"))
        fault = fault_of(entry)
        if fault is not None:
            detail = f"{where}{fault.where}: found {fault.found}, allowed: {fault.allowed}"
            out.note(where, kind, Fate.REFUSED, Reason.MALFORMED, detail, name)
            continue
        _keep(context, where, entry, out)
    for name, (_, entry) in context.entries.items():
        _index(context, name, entry)
    return context


def listed(value: object) -> Iterable[str]:
    """The texts of a list; nothing for anything else."""
    return (str(each) for each in value) if isinstance(value, list) else ()


def _keep(context: Context, where: str, entry: Entry, out: Gathering) -> None:
    name, kind = str(entry["id"]), str(entry["type"])
    before = context.entries.get(name)
    if before is not None:
        earlier, later = instant(before[1].get("modified")), instant(entry.get("modified"))
        is_newer = earlier is not None and later is not None and later > earlier
        place = before[0] if is_newer else where
        detail = "an older or equal version of an object that is here too"
        out.note(place, kind, Fate.TAKEN, Reason.DUPLICATE, detail, name)
        if not is_newer:
            return
    context.entries[name] = (where, entry)


def _index(context: Context, name: str, entry: Entry) -> None:
    match entry["type"]:
        case "marking-definition":
            context.markings[name] = definition(entry)
        case "relationship" if entry.get("revoked") is not True:
            if entry["relationship_type"] == "indicates":
                context.named[str(entry["source_ref"])].append(str(entry["target_ref"]))
        case "report" | "grouping":
            for target in listed(entry.get("object_refs")):
                context.group.setdefault(target, name)
        case "sighting" if entry.get("revoked") is not True and entry.get("count") != 0:
            moment = instant(entry.get("last_seen")) or instant(entry.get("first_seen"))
            moment = moment or instant(entry.get("created"))
            if moment is not None:
                target = str(entry["sighting_of_ref"])
                context.seen[target] = max(moment, context.seen.get(target, moment))
        case "opinion" if entry.get("revoked") is not True:
            if entry["opinion"] in DENIALS:
                context.denied.update(listed(entry.get("object_refs")))
        case "observed-data":
            for target in listed(entry.get("object_refs")):
                context.observed.setdefault(target, entry)


def _fraud(entry: Entry) -> FraudType | None:
    if entry["type"] == "attack-pattern":
        return words.technique(str(entry.get("name", ""))[:200])
    return FraudType.MALWARE if entry["type"] == "malware" else None

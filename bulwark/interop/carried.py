"""What a conversion gives: the statements that could be carried, and the fate of every item.

Rules: nothing is dropped silently; whatever a document holds and a statement does not carry is an
item with a reason. An item never repeats a clear value: it says where the value stands. Reasons are
stable codes (`Reason`), clients and reports key on them. One item may give several statements.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec import Struct

NO_ROW: Final[Mapping[str, object]] = MappingProxyType({})
"""The row of an action on an earlier statement."""

ITEMS_MAX: Final = 200_000
"""Items of one conversion; whoever reads a larger document splits it."""
DETAIL_MAX: Final = 300
"""Characters of an item's detail."""
NAME_MAX: Final = 128
"""Characters of an item's `ref` and `what`: both can come from a stranger."""


class Fate(StrEnum):
    """What became of an item."""

    TAKEN = "taken"
    """It is carried: as a statement, or as a field of one."""
    LEFT = "left"
    """Sound, but nothing that this ledger (or the foreign format) has a place for."""
    REFUSED = "refused"
    """Broken, or forbidden by its marking or by the member's own rules."""


class Reason(StrEnum):
    """Why an item has its fate; codes are never renamed."""

    meaning: str

    def __new__(cls, code: str, meaning: str) -> Reason:
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    # Taken.
    STATED = "stated", "gives one statement or more"
    FIELD = "field", "gives a field of statements: fraud type, marking, confidence, dates"
    ACTED = "acted", "acts on an earlier statement: sighting, false positive, retraction"
    UNCHANGED = "unchanged", "the same version was taken before; nothing is sent again"
    DUPLICATE = "duplicate", "says what another item or an earlier document says already"
    REPLACED = "replaced", "an edited version: the record of the old one ends, a new one is made"
    # Left.
    NO_KIND = "no_kind", "the ledger knows no such kind of identifier, e.g. a file hash"
    NOT_DETECTION = "not_detection", "marked as context and not for detection (to_ids is false)"
    CONTEXT = "context", "describes the case and is no identifier: text, links, names, files"
    NO_PLACE = "no_place", "a tag, marking or field that records have no place for"
    PROPOSAL = "proposal", "a proposal that its owner has not accepted"
    RELATION = "relation", "a relation between objects; records link by link_group only"
    UNKNOWN_SUBJECT = "unknown_subject", "acts on something that this node never took in"
    EXPIRY = "expiry", "says that the identifier is no longer in use; it expires by its own date"
    LESS_PRECISE = "less_precise", "carried, but part of it has no place, e.g. a port or direction"
    KEPT_ELSEWHERE = "kept_elsewhere", "an own record of the alliance that came back; not repeated"
    # Refused.
    MALFORMED = "malformed", "not in the form that its format prescribes"
    VALUE_INVALID = "value_invalid", "the value breaks the rule of its kind that is named"
    FIELD_INVALID = "field_invalid", "a field of the statement is out of range"
    NO_FRAUD_TYPE = "no_fraud_type", "nothing says which fraud it is and no default is given"
    MARKED_RED = "marked_red", "tlp:red stays with its named recipients"
    OWN_ORG_ONLY = "own_org_only", "distribution is limited to the organisation that holds it"
    SHARING_GROUP = "sharing_group", "its sharing group is not known to cover the alliance"
    MARKING_UNKNOWN = "marking_unknown", "a marking that may forbid sharing and is not understood"
    DISPUTED_THERE = "disputed_there", "somebody in the source says that it is a false positive"
    WARNINGLIST = "warninglist", "on a list of values that must not be taken for fraud"
    TOO_LARGE = "too_large", "longer than what is read of such a field"
    TOO_MANY = "too_many", "more of them than one document may hold"
    NOT_ALLOWED = "not_allowed", "the node refused the statement; the detail names its rule"


class Action(StrEnum):
    """What a statement asks the node to do."""

    REPORT = "report"
    SIGHTING = "sighting"
    """The same identifier was met again."""
    FALSE_POSITIVE = "false_positive"
    """Somebody says that the identifier is not fraud."""
    RETRACT = "retract"
    """The source took its statement back."""
    EXPIRE = "expire"
    """The source says that the identifier is no longer in use."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that the document holds, and what became of it."""

    where: str
    """JSON pointer into the document."""
    ref: str
    """Its id in the foreign system; '' where it has none."""
    what: str
    """e.g. `attribute domain|ip`, `tag`, `marking-definition`."""
    fate: Fate
    reason: str
    """A code of `Reason`."""
    detail: str = ""
    """Plain text for people, never a clear value."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "ref", plain(self.ref, NAME_MAX))
        object.__setattr__(self, "what", plain(self.what, NAME_MAX))
        object.__setattr__(self, "detail", plain(self.detail, DETAIL_MAX))

    def document(self) -> dict[str, str]:
        """As JSON."""
        return {
            "where": self.where,
            "ref": self.ref,
            "what": self.what,
            "fate": self.fate.value,
            "reason": self.reason,
            "detail": self.detail,
        }


class Statement(Struct, frozen=True):
    """One thing to tell the alliance."""

    action: Action
    row: Mapping[str, object]
    """A client's row as POST /v1/indicators takes it; NO_ROW for actions on earlier statements."""
    ref: str
    """Foreign id of what it was made from; of what it acts on, for actions on earlier ones."""
    where: str
    part: int = 0
    """Which statement of the same `ref`: a `domain|ip` has two."""
    group: str = ""
    """Foreign id of the event, bundle or report it stands in."""
    version: str = ""
    """Version of what it was made from, as its format writes it: a timestamp."""
    record: str = ""
    """Record id in hex that its source says it is: an own export that came back."""
    origin: Mapping[str, str] = msgspec.field(default_factory=dict)
    """What an export needs to write it as it was: the foreign type, category, relation."""

    def __repr__(self) -> str:  # a row holds clear text, which must not get into logs
        return f"Statement({self.action.value}, {self.where!r}, part={self.part})"


class Carried(Struct, frozen=True):
    """The result of a conversion."""

    statements: tuple[Statement, ...] = ()
    items: tuple[Item, ...] = ()

    def counts(self) -> dict[str, dict[str, int]]:
        """Number of items by fate and reason; every fate is a key."""
        return counts(self.items)


@dataclass(slots=True)
class Gathering:
    """Statements and items while a document is read. Bounded: `is_full` says when to stop."""

    statements: list[Statement] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        """Whether nothing more is taken; the last item then says so."""
        return len(self.items) >= ITEMS_MAX

    def note(
        self, where: str, what: str, fate: Fate, reason: Reason, detail: str = "", ref: str = ""
    ) -> None:
        """Add an item."""
        if len(self.items) < ITEMS_MAX - 1:
            self.items.append(Item(where, ref, what, fate, reason.value, detail))
        elif len(self.items) == ITEMS_MAX - 1:
            limit = f"only {ITEMS_MAX} items are read of one document; the rest is not looked at"
            self.items.append(Item(where, "", what, Fate.REFUSED, Reason.TOO_MANY.value, limit))

    def state(self, statement: Statement) -> None:
        """Add a statement."""
        self.statements.append(statement)

    def done(self) -> Carried:
        """The result."""
        return Carried(tuple(self.statements), tuple(self.items))


def counts(items: Iterable[Item]) -> dict[str, dict[str, int]]:
    """Number of items by fate and reason; every fate is a key."""
    found: dict[str, Counter[str]] = {fate.value: Counter() for fate in Fate}
    for item in items:
        found[item.fate.value][item.reason] += 1
    return {fate: dict(sorted(reasons.items())) for fate, reasons in found.items()}


def pointer(*parts: str | int) -> str:
    """A JSON pointer (RFC 6901) of these parts."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in parts)


def plain(text: str, longest: int) -> str:
    """Text for reports: without control characters, and no longer than that."""
    if len(text) <= longest and text.isprintable():
        return text
    kept = "".join(char if char.isprintable() else "?" for char in text[: longest + 1])
    return kept if len(kept) <= longest else kept[: longest - 1] + "…"

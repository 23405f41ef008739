"""Tags, markings and distribution of MISP, read into what a row says and what forbids it.

Rules: a tag nearer to the attribute goes before one farther away (attribute, object, event), but of
markings the strictest holds wherever it stands; each tag is one item. Distribution 5 means that of
what it stands in. tlp:red, own-organisation-only and sharing groups that are not named as covering
the alliance are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct, field
from msgspec.structs import replace

from bulwark.indicators.vocabulary import FraudType, Tlp
from bulwark.interop import words
from bulwark.interop.carried import Fate, Gathering, Reason, pointer
from bulwark.interop.misp.options import ImportOptions

TAGS_MAX: Final = 1_000
"""Tags read of one thing."""
GUARDED: Final = frozenset({"evidence_level", "distinct_customers", "lawful_basis", "purpose"})
"""Own words that the member answers for: taken from tags only where it says so."""
OWN_ORG, SHARING_GROUP, INHERIT = "0", "4", "5"
_NUMBERS: Final = ("confidence", "distinct_customers")
_COUNTRIES: Final = ("country",)


class Marks(Struct, frozen=True):
    """What tags and distribution say so far."""

    fraud_type: FraudType | None = None
    confidence: int | None = None
    tlp: Tlp | None = None
    is_unclear: bool = False
    """A marking that says that nobody knows the marking."""
    is_local: bool = False
    """Not to be passed on by its own tag."""
    is_false: bool = False
    """Confirmed false positive."""
    record: str = ""
    """Record id that it says it is."""
    words: Mapping[str, str] = field(default_factory=dict)
    """Fields of a row by our own tags."""
    distribution: str = ""
    group: str = ""
    """UUID of its sharing group; '' where it names none."""

    def under(self, outer: Marks) -> Marks:
        """These marks inside a thing with outer marks."""
        is_inherited = self.distribution in ("", INHERIT)
        return replace(
            self,
            fraud_type=self.fraud_type or outer.fraud_type,
            confidence=outer.confidence if self.confidence is None else self.confidence,
            tlp=words.stricter(self.tlp, outer.tlp),
            is_unclear=self.is_unclear or outer.is_unclear,
            is_local=self.is_local or outer.is_local,
            is_false=self.is_false or outer.is_false,
            words={**outer.words, **self.words},
            distribution=outer.distribution if is_inherited else self.distribution,
            group=outer.group if is_inherited else self.group,
        )

    def refusal(self, options: ImportOptions) -> tuple[Reason, str] | None:
        """Why nothing marked so may be shared with the alliance; None where it may."""
        if self.is_unclear:
            return Reason.MARKING_UNKNOWN, "tlp:unclear: its owner has to say how it may be shared"
        if self.tlp is Tlp.RED and options.red_as is None:
            return Reason.MARKED_RED, "red names recipients; ask its owner, then set red_as"
        if (self.distribution == OWN_ORG or self.is_local) and not options.take_own_org:
            return Reason.OWN_ORG_ONLY, "distribution 0 or misp:should-not-sync"
        if self.distribution == SHARING_GROUP and self.group not in options.sharing_groups:
            named = self.group or "without a UUID"
            return Reason.SHARING_GROUP, f"sharing group {named} is not in sharing_groups"
        if self.distribution not in ("", "0", "1", "2", "3", "4", "5"):
            return Reason.MARKING_UNKNOWN, "its distribution is none of 0 to 5"
        return None

    def marking(self, options: ImportOptions) -> Tlp:
        """The marking of a record."""
        if self.tlp is Tlp.RED and options.red_as is not None:
            return options.red_as
        return options.tlp if self.tlp is None else self.tlp


def read_marks(
    entry: Mapping[str, Any],
    where: tuple[str | int, ...],
    out: Gathering,
    options: ImportOptions,
) -> Marks:
    """The marks of one event, object or attribute; every tag becomes an item."""
    marks = Marks(distribution=_distribution(entry), group=_group(entry))
    tags = entry.get("Tag")
    if tags is None:
        return marks
    place = (*where, "Tag")
    if not isinstance(tags, list):
        out.note(pointer(*place), "tag", Fate.REFUSED, Reason.MALFORMED, "no list of tags")
        return marks
    for at, tag in enumerate(tags[:TAGS_MAX]):
        name = tag.get("name") if isinstance(tag, dict) else tag
        if isinstance(name, str) and 0 < len(name) <= 512:
            marks = _with_tag(marks, name, pointer(*place, at), out, options)
        else:
            detail = "a tag wants a name of 1 to 512 characters"
            out.note(pointer(*place, at), "tag", Fate.REFUSED, Reason.MALFORMED, detail)
    if len(tags) > TAGS_MAX:
        detail = f"only {TAGS_MAX} tags are read of one thing"
        out.note(pointer(*place, TAGS_MAX), "tag", Fate.REFUSED, Reason.TOO_MANY, detail)
    return marks


def _with_tag(marks: Marks, name: str, where: str, out: Gathering, options: ImportOptions) -> Marks:
    found, detail = _meaning(marks, name, options)
    if found is None:
        out.note(where, f"tag {name}", Fate.LEFT, Reason.NO_PLACE, detail)
        return marks
    out.note(where, f"tag {name}", Fate.TAKEN, Reason.FIELD, detail)
    return found


def _meaning(marks: Marks, name: str, options: ImportOptions) -> tuple[Marks | None, str]:
    """Marks with what a tag adds and a word on it; None where it adds nothing."""
    folded = name.strip().lower()
    tlp = words.tlp_of(folded)
    if tlp is not None:
        return replace(marks, tlp=words.stricter(marks.tlp, tlp)), "marking"
    if folded == words.TLP_UNCLEAR:
        return replace(marks, is_unclear=True), "marking"
    if folded in ("misp:should-not-sync", 'misp:api="hide"'):
        return replace(marks, is_local=True), "not to be passed on"
    if folded == words.CONFIRMED_FALSE_TAG:
        return replace(marks, is_false=True), "confirmed false positive"
    confidence = words.confidence_of(folded)
    if confidence is not None:
        if marks.confidence is not None and not folded.startswith(words.NAMESPACE):
            return None, "another tag states the confidence already"
        return replace(marks, confidence=confidence), "confidence"
    own = words.own_word(folded)
    if own is not None:
        if own[0] in GUARDED and not options.trust_tags:
            return None, "only with trust_tags: whoever may tag in MISP would state it"
        return _own(marks, *own)
    fraud = words.fraud_of(folded)
    if fraud is None:
        return None, "records have no place for it"
    if marks.fraud_type is not None and marks.fraud_type is not fraud:
        return None, "a record has one fraud type and another tag here states it"
    return replace(marks, fraud_type=fraud), "fraud type"


def _own(marks: Marks, name: str, word: str) -> tuple[Marks | None, str]:
    if name == "record":
        return replace(marks, record=word), "an own record that came back"
    vocabulary = words.OWN_WORDS.get(name)
    known = name in _NUMBERS or name in _COUNTRIES or name == "valid_until"
    if vocabulary is not None:
        known = any(term.label == word for term in vocabulary)
    if not known:
        return None, "no word of a row"
    return replace(marks, words={**marks.words, name: word}), name


def _distribution(entry: Mapping[str, Any]) -> str:
    value = entry.get("distribution")
    if value is None or isinstance(value, bool):
        return ""
    return str(value) if isinstance(value, int | str) and len(str(value)) <= 2 else "?"


def _group(entry: Mapping[str, Any]) -> str:
    group = entry.get("SharingGroup")
    uuid = group.get("uuid") if isinstance(group, dict) else entry.get("sharing_group_uuid")
    return uuid.lower() if isinstance(uuid, str) and len(uuid) == 36 else ""

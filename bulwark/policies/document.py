"""The policy document: canonical JSON whose SHA-256 names it on the ledger for ever.

Rules: a policy is the RFC 8785 form of its JSON, at most 8 KiB; every field is needed, unknown ones
are refused, and each fault is named by its JSON path; words are those of the indicator vocabulary;
a list names no entry twice; every kind that may be shared has a retention and a data class. What a
record has to fulfil under a policy is decided in `bulwark.policies.rules`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Final, TypeVar

import rfc8785
from msgspec import Struct

from bulwark.indicators.country import COUNTRIES
from bulwark.indicators.model import CUSTOMERS_MAX, VALID_DAYS_MAX
from bulwark.indicators.terms import Term
from bulwark.indicators.vocabulary import (
    EvidenceLevel,
    Kind,
    LawfulBasis,
    Operation,
    Purpose,
    Tlp,
)
from bulwark.ledger import jsonfields as jf

FORMAT: Final = "bulwark-policy/1"
MAX_POLICY_BYTES: Final = 8_192
MAX_TEXT_CHARS: Final = 1_000
MAX_GATEWAYS: Final = 32
MAX_GATEWAY_CHARS: Final = 64
MAX_GROUNDS: Final = 32
MAX_DUE_DAYS: Final = 366
ANY: Final = "*"
"""Every jurisdiction, or every kind that a document does not name."""
FIELDS: Final = (
    "format",
    "version",
    "title",
    "text",
    "jurisdictions",
    "legal_gateways",
    "grounds",
    "retention_days",
    "thresholds",
    "consent_receipt",
    "own_assessment",
    "dispute_due_days",
    "data_classes",
)
_TITLE: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")
_LABEL: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_SHARED: Final = frozenset({Operation.ADD, Operation.SIGHT})
_T = TypeVar("_T", bound=Term)
_V = TypeVar("_V")


class PolicyInvalid(ValueError):
    """A document is no policy; `path` says where, as `$.grounds[0].basis`."""

    def __init__(self, path: str, detail: str) -> None:
        self.path = path
        self.detail = detail
        super().__init__(f"{path}: {detail}")


class Ground(Struct, frozen=True):
    """What one lawful basis permits for some purposes."""

    basis: LawfulBasis
    purposes: frozenset[Purpose]
    operations: frozenset[Operation]
    """ADD, SIGHT or both."""
    kinds: frozenset[Kind]


class Policy(Struct, frozen=True):
    """A checked policy.

    Attributes:
        id: SHA-256 of its canonical bytes.
        document: those bytes.
        jurisdictions: countries that it covers; empty for all.
        grounds: what is permitted; nothing else is.
        retention_days: longest time from reporting to the end of validity, for each shared kind.
        distinct_customers: least number of the reporter's own customers that reported, by kind.
        evidence_level: least that a record must rest on.
        greatest_tlp: most restrictive marking that a record may carry.
        consent_receipt: kinds that need an anchored receipt whatever the basis.
        own_assessment: records carry the duty not to decide on them alone.
        dispute_due_days: time in which a dispute is to be decided.
        data_classes: label of each shared kind under the law's data classification.
    """

    id: bytes
    document: bytes
    version: int
    title: str
    text: str
    jurisdictions: frozenset[str]
    legal_gateways: tuple[str, ...]
    grounds: tuple[Ground, ...]
    retention_days: Mapping[Kind, int]
    distinct_customers: Mapping[Kind, int]
    evidence_level: EvidenceLevel
    greatest_tlp: Tlp
    consent_receipt: frozenset[Kind]
    own_assessment: bool
    dispute_due_days: int
    data_classes: Mapping[Kind, str]

    @property
    def kinds(self) -> frozenset[Kind]:
        """Kinds that may be shared on some ground."""
        return frozenset().union(*(ground.kinds for ground in self.grounds))


def canonical(data: bytes) -> bytes:
    """RFC 8785 form of a JSON text that a person wrote. Raises PolicyInvalid."""
    try:
        value = jf.parse(data, 4 * MAX_POLICY_BYTES)
        return rfc8785.dumps(value)  # type: ignore[arg-type]
    except jf.FieldInvalid as error:
        raise PolicyInvalid("$", error.detail) from error
    except (rfc8785.CanonicalizationError, ValueError) as error:
        raise PolicyInvalid("$", str(error)) from error


def policy_id(document: bytes) -> bytes:
    """Id of a policy with these canonical bytes."""
    return sha256(document).digest()


def parse_policy(document: bytes) -> Policy:
    """The policy in these canonical bytes. Raises PolicyInvalid."""
    if len(document) > MAX_POLICY_BYTES:
        raise PolicyInvalid("$", f"{len(document)} bytes given, at most {MAX_POLICY_BYTES} allowed")
    if canonical(document) != document:
        raise PolicyInvalid("$", "is not in the canonical form of RFC 8785")
    try:
        return _read(jf.parse(document, MAX_POLICY_BYTES), document)
    except jf.FieldInvalid as error:
        path = error.path
        raise PolicyInvalid(path if path.startswith("$") else "$", error.detail) from error


def _read(value: object, document: bytes) -> Policy:
    doc = jf.fields(value, "$", FIELDS)
    if doc["format"] != FORMAT:
        raise jf.FieldInvalid("$.format", f"{FORMAT} is needed")
    thresholds = jf.fields(
        doc["thresholds"], "$.thresholds", ("distinct_customers", "evidence_level", "greatest_tlp")
    )
    grounds = jf.items(doc["grounds"], "$.grounds", MAX_GROUNDS, _ground)
    if not grounds:
        raise jf.FieldInvalid("$.grounds", "at least one is needed: nothing else is permitted")
    kinds = frozenset[Kind]().union(*(ground.kinds for ground in grounds))
    return Policy(
        id=policy_id(document),
        document=document,
        version=_ranged(doc["version"], "$.version", 1, 1_000_000),
        title=_matching(doc["title"], "$.title", _TITLE, 63, "small letters, digits, '.' or '-'"),
        text=_text(doc["text"], "$.text", MAX_TEXT_CHARS),
        jurisdictions=_jurisdictions(doc["jurisdictions"]),
        legal_gateways=_gateways(doc["legal_gateways"]),
        grounds=grounds,
        retention_days=_covering(doc["retention_days"], "$.retention_days", kinds, _days),
        distinct_customers=_by_kind(
            thresholds["distinct_customers"], "$.thresholds.distinct_customers", kinds, _customers
        ),
        evidence_level=_term(
            thresholds["evidence_level"], "$.thresholds.evidence_level", EvidenceLevel
        ),
        greatest_tlp=_tlp(thresholds["greatest_tlp"], "$.thresholds.greatest_tlp"),
        consent_receipt=_kinds(doc["consent_receipt"], "$.consent_receipt"),
        own_assessment=_truth(doc["own_assessment"], "$.own_assessment"),
        dispute_due_days=_ranged(doc["dispute_due_days"], "$.dispute_due_days", 1, MAX_DUE_DAYS),
        data_classes=_covering(doc["data_classes"], "$.data_classes", kinds, _label),
    )


def _ground(value: object, path: str) -> Ground:
    doc = jf.fields(value, path, ("basis", "purposes", "operations", "kinds"))
    basis = _term(doc["basis"], f"{path}.basis", LawfulBasis)
    purposes = _terms(doc["purposes"], f"{path}.purposes", Purpose)
    if basis is LawfulBasis.UNKNOWN:
        raise jf.FieldInvalid(f"{path}.basis", "a basis that is not stated permits nothing")
    if not purposes or Purpose.UNKNOWN in purposes:
        raise jf.FieldInvalid(f"{path}.purposes", "at least one is needed, each a stated one")
    operations = _terms(doc["operations"], f"{path}.operations", Operation)
    if not operations or not operations <= _SHARED:
        raise jf.FieldInvalid(f"{path}.operations", "one or both of add, sight")
    kinds = _kinds(doc["kinds"], f"{path}.kinds")
    if not kinds:
        raise jf.FieldInvalid(f"{path}.kinds", "at least one is needed")
    return Ground(basis, purposes, operations, kinds)


def _jurisdictions(value: object) -> frozenset[str]:
    path = "$.jurisdictions"
    found = jf.items(value, path, len(COUNTRIES), lambda item, at: jf.text(item, at, 2))
    _check_once(found, path)
    if found == (ANY,):
        return frozenset()
    if not found or not set(found) <= COUNTRIES:
        raise jf.FieldInvalid(path, 'ISO 3166-1 alpha-2 codes, or ["*"] alone')
    return frozenset(found)


def _gateways(value: object) -> tuple[str, ...]:
    path = "$.legal_gateways"
    found = jf.items(value, path, MAX_GATEWAYS, lambda v, p: _text(v, p, MAX_GATEWAY_CHARS))
    _check_once(found, path)
    return found


def _kinds(value: object, path: str) -> frozenset[Kind]:
    """A list of kinds, or ["*"] for all."""
    if value == [ANY]:
        return frozenset(Kind)
    return _terms(value, path, Kind)


def _covering(
    value: object, path: str, kinds: frozenset[Kind], read: Callable[[object, str], _V]
) -> dict[Kind, _V]:
    found = _by_kind(value, path, kinds, read)
    for kind in sorted(kinds - found.keys()):
        raise jf.FieldInvalid(jf.join(path, kind.label), "is missing, and so is *")
    return found


def _by_kind(
    value: object, path: str, kinds: frozenset[Kind], read: Callable[[object, str], _V]
) -> dict[Kind, _V]:
    """An object by kind; `*` stands for the shared kinds that it does not name."""
    given = jf.mapping(value, path)
    found: dict[Kind, _V] = {}
    for name, item in given.items():
        where = jf.join(path, name[:64])
        if name != ANY:
            kind = _term(name, where, Kind)
            if kind not in kinds:
                raise jf.FieldInvalid(where, "no ground permits this kind")
            found[kind] = read(item, where)
    if ANY in given:
        rest = read(given[ANY], jf.join(path, ANY))
        found |= dict.fromkeys(kinds - found.keys(), rest)
    return found


def _terms(value: object, path: str, vocabulary: type[_T]) -> frozenset[_T]:
    found = jf.items(value, path, 64, lambda item, where: _term(item, where, vocabulary))
    _check_once(found, path)
    return frozenset(found)


def _term(value: object, path: str, vocabulary: type[_T]) -> _T:
    """A word exactly as the vocabulary writes it: a document has one spelling."""
    label = jf.text(value, path, 64)
    for entry in vocabulary:
        if entry.label == label:
            return entry
    raise jf.FieldInvalid(path, f"one of {', '.join(entry.label for entry in vocabulary)}")


def _tlp(value: object, path: str) -> Tlp:
    found = _term(value, path, Tlp)
    if found is Tlp.UNKNOWN:
        raise jf.FieldInvalid(path, "a marking is needed")
    return found


def _check_once(found: tuple[object, ...], path: str) -> None:
    if len(set(found)) != len(found):
        raise jf.FieldInvalid(path, "names an entry twice")


def _ranged(value: object, path: str, least: int, most: int) -> int:
    number = jf.integer(value, path)
    if not least <= number <= most:
        raise jf.FieldInvalid(path, f"{number} given, {least}..{most} allowed")
    return number


def _days(value: object, path: str) -> int:
    return _ranged(value, path, 1, VALID_DAYS_MAX)


def _customers(value: object, path: str) -> int:
    return _ranged(value, path, 1, CUSTOMERS_MAX)


def _truth(value: object, path: str) -> bool:
    if not isinstance(value, bool):
        raise jf.FieldInvalid(path, "true or false is needed")
    return value


def _text(value: object, path: str, most: int) -> str:
    text = jf.text(value, path, most)
    if not text or not text.isprintable() or text != text.strip():
        raise jf.FieldInvalid(path, f"1..{most} printable characters without outer spaces")
    return text


def _label(value: object, path: str) -> str:
    return _matching(value, path, _LABEL, 32, "a small letter, then small letters, digits, _ or -")


def _matching(value: object, path: str, pattern: re.Pattern[str], most: int, what: str) -> str:
    text = jf.text(value, path, most)
    if pattern.fullmatch(text) is None:
        raise jf.FieldInvalid(path, f"{what}, at most {most}")
    return text

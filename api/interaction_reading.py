"""Reading of bodies about customers and victims: strict, bounded, every problem told at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, TypeVar

from api.advice import LANGUAGE, LANGUAGE_ALLOWED
from api.exchange import JSON_TYPE, Exchange
from api.indicators import read_object
from api.interaction_bounds import (
    CURSOR,
    DEFAULT_CONFIDENCE,
    ID,
    MAX_FRAUD_TYPES,
    MAX_IDENTIFIERS,
    NOTE_MAX,
    PAUSE_MAX_S,
    PERSON_MAX,
    TEXT_MAX,
)
from api.problems import FieldProblem, Problem, invalid, refused
from api.settings import ApiSettings
from api.views import timestamp
from bulwark.indicators.country import NOT_STATED
from bulwark.indicators.errors import FieldError, RowError
from bulwark.indicators.fields import Cells
from bulwark.indicators.model import CASE_REF_MAX, POLICY_MAX, VALUE_MAX
from bulwark.indicators.vocabulary import (
    Channel,
    FraudType,
    Kind,
    LawfulBasis,
    LossBand,
    ObjectRole,
)
from bulwark.ledger.ids import RecordId
from node.interaction.reportport import Choice, Identifier, NewReport

_ID: Final = re.compile(ID)
_RECORD_ID: Final = re.compile(r"(?:0x)?[0-9a-fA-F]{64}\Z")
_CURSOR: Final = re.compile(CURSOR)
DAY_MS: Final = 86_400_000
E = TypeVar("E", bound=StrEnum)
_REPORT: Final = frozenset(
    (
        "customer", "channel", "language", "text", "identifiers", "happened", "loss_band",
        "fraud_types", "case_ref",
    )
)  # fmt: skip
_IDENTIFIER: Final = frozenset(("kind", "value", "region"))
_CHOICE: Final = frozenset(
    ("number", "fraud_type", "object_role", "confidence", "lawful_basis", "policy")
)


async def json_body(
    exchange: Exchange, settings: ApiSettings, *, optional: bool = False
) -> tuple[bytes, dict[str, Any]]:
    """A JSON object and its bytes; Problem 400, 413, 415, 422."""
    raw = await exchange.body(settings.max_body_bytes)
    if optional and not raw:
        return raw, {}
    exchange.content_type(JSON_TYPE)
    return raw, read_object(raw)


def id_of(exchange: Exchange, name: str) -> str:
    """An id of the path; Problem 404 for what can be none."""
    text = exchange.params[name]
    if _ID.fullmatch(text) is None:
        raise Problem(404, "not-found", "an id has 32 hexadecimal digits")
    return text


def cursor_of(text: str | None) -> bytes | None:
    """Where a page begins; Problem 400 otherwise."""
    if text is None:
        return None
    if _CURSOR.fullmatch(text) is None:
        raise refused("cursor", "what the page before gave as `next`")
    return bytes.fromhex(text)


def choice_in(enum: type[E], given: object, field: str, default: E | None = None) -> E:
    """A word of an enumeration; Problem 422 otherwise."""
    if given is None and default is not None:
        return default
    words = [str(entry.value) for entry in enum]
    if not isinstance(given, str) or given not in words:
        raise invalid(FieldProblem(field, f"one of {', '.join(words)}"))
    return enum(given)


def report_of(body: dict[str, Any], now_ms: int, language: str) -> NewReport:
    """What a customer says. RowError with every problem."""
    entries = body.get("identifiers")
    cells = Cells(body, _REPORT)
    report = NewReport(
        customer=cells.text("customer", PERSON_MAX, needed=True),
        channel=cells.term("channel", Channel, Channel.UNKNOWN, Channel.UNKNOWN),
        language=_language(cells, body.get("language"), language),
        text=cells.text("text", TEXT_MAX),
        identifiers=tuple(_identifiers(cells, entries)),
        happened_day=cells.day("happened", now_ms // DAY_MS + 1),
        loss_band=cells.term("loss_band", LossBand, LossBand.UNKNOWN, LossBand.UNKNOWN),
        fraud_types=tuple(_fraud_types(cells, body.get("fraud_types"))),
        case_ref=cells.text("case_ref", CASE_REF_MAX),
    )
    cells.problems = [_hidden(problem) for problem in cells.problems]
    cells.finish()
    return report


def _hidden(problem: FieldError) -> FieldError:
    if problem.field in ("customer", "text"):
        return FieldError(problem.field, "(not shown)", problem.allowed)
    return problem


def _language(cells: Cells, given: object, default: str) -> str:
    if given is None or given == "":
        return default
    if isinstance(given, str) and LANGUAGE.match(given) is not None:
        return given
    cells.refuse("language", given, LANGUAGE_ALLOWED)
    return default


def _identifiers(cells: Cells, entries: object) -> list[Identifier]:
    if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_IDENTIFIERS:
        cells.refuse("identifiers", None, f"a list of 1 to {MAX_IDENTIFIERS}")
        return []
    found: list[Identifier] = []
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict):
            cells.refuse(f"identifiers[{number}]", None, "an object with kind and value")
            continue
        inner = Cells(entry, _IDENTIFIER)
        found.append(
            Identifier(
                inner.term("kind", Kind, None, Kind.PHONE),
                inner.text("value", VALUE_MAX, needed=True),
                inner.country("region", NOT_STATED),
            )
        )
        cells.problems += _under(f"identifiers[{number}]", inner)
    return found


def _fraud_types(cells: Cells, entries: object) -> list[FraudType]:
    if entries is None:
        return []
    if not isinstance(entries, list) or len(entries) > MAX_FRAUD_TYPES:
        cells.refuse("fraud_types", None, f"a list of at most {MAX_FRAUD_TYPES}")
        return []
    found: list[FraudType] = []
    for number, entry in enumerate(entries):
        try:
            found.append(FraudType.parse(entry, f"fraud_types[{number}]"))
        except FieldError as problem:
            cells.problems.append(problem)
    return found


def choices_of(entries: object) -> tuple[Choice, ...]:
    """What an analyst chooses of a report. RowError with every problem."""
    if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_IDENTIFIERS:
        raise invalid(FieldProblem("identifiers", f"a list of 1 to {MAX_IDENTIFIERS} choices"))
    problems: list[FieldError] = []
    found: list[Choice] = []
    for at, entry in enumerate(entries):
        if not isinstance(entry, dict):
            problems.append(FieldError(f"identifiers[{at}]", "no object", "a choice"))
            continue
        cells = Cells(entry, _CHOICE)
        if "number" not in entry:
            cells.refuse("number", None, "the place of an identifier, from 0")
        choice = Choice(
            cells.number("number", 0, 0, MAX_IDENTIFIERS - 1),
            cells.term("fraud_type", FraudType, None, FraudType.UNKNOWN),
            cells.term("object_role", ObjectRole, None, ObjectRole.UNKNOWN),
            cells.number("confidence", DEFAULT_CONFIDENCE, 0, 100),
            cells.stated(
                "lawful_basis",
                LawfulBasis,
                LawfulBasis.LEGITIMATE_INTERESTS,
                LawfulBasis.LEGITIMATE_INTERESTS,
            ),
            cells.text("policy", POLICY_MAX),
        )
        if choice.lawful_basis is LawfulBasis.CONSENT:
            cells.refuse("lawful_basis", "consent", "a basis that needs no receipt")
        problems += _under(f"identifiers[{at}]", cells)
        found.append(choice)
    if len({choice.number for choice in found}) != len(entries) and not problems:
        problems.append(FieldError("identifiers", "a number twice", "each identifier once"))
    if problems:
        raise RowError(tuple(problems))
    return tuple(found)


def _under(path: str, cells: Cells) -> list[FieldError]:
    return [FieldError(f"{path}.{p.field}", p.given, p.allowed) for p in cells.problems]


def note_of(body: Mapping[str, Any]) -> str:
    """An analyst's note; Problem 422 otherwise."""
    text = body.get("note", "")
    if not isinstance(text, str) or len(text) > NOTE_MAX:
        raise invalid(FieldProblem("note", f"text of at most {NOTE_MAX} characters"))
    return text


def seconds_of(body: Mapping[str, Any], *, needed: bool) -> int | None:
    """A pause in seconds; Problem 422 otherwise."""
    given = body.get("seconds")
    if given is None and not needed:
        return None
    if not isinstance(given, int) or isinstance(given, bool) or not 1 <= given <= PAUSE_MAX_S:
        raise invalid(FieldProblem("seconds", f"a whole number from 1 to {PAUSE_MAX_S}"))
    return given


def record_id_in(given: object, field: str) -> RecordId:
    """A record id, 0x allowed; Problem 422 otherwise."""
    if not isinstance(given, str) or _RECORD_ID.match(given) is None:
        raise invalid(FieldProblem(field, "64 hexadecimal digits"))
    return RecordId(bytes.fromhex(given[-64:]))


def day_text(day: int) -> str:
    """ISO date of a number of days since 1970-01-01."""
    return timestamp(day * DAY_MS)[:10]


def word_of(body: Mapping[str, Any], field: str, most: int) -> str:
    """A reference of the member's own systems, never shown in a problem; Problem 422 otherwise."""
    text = body.get(field)
    if not isinstance(text, str) or not 1 <= len(text) <= most:
        raise invalid(FieldProblem(field, f"text of 1 to {most} characters"))
    return text

"""Results: a node's answers as typed, frozen objects.

Rules: names are those of the REST contract; members that a newer node adds are ignored, a missing
or mistyped one is an UnexpectedAnswer. Digests stay lower-case hexadecimal text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, TypeVar

import msgspec

from bulwark.client.errors import FieldRefusal, UnexpectedAnswer

T = TypeVar("T")


class Stage(StrEnum):
    """How far a write got; each includes the ones before it."""

    ACCEPTED = "accepted"
    """Durable at the node that took it."""
    ORDERED = "ordered"
    """In a batch that a quorum committed."""
    EXECUTED = "executed"
    """In an executed block of that node."""
    FINALIZED = "finalized"
    """In a block with a checkpoint certificate."""

    def includes(self, other: Stage) -> bool:
        """Whether a write at this stage has passed `other`."""
        order = list(Stage)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True)
class Reported:
    """What became of one report."""

    record_id: str
    stage: Stage | None
    height: int | None
    """Block that holds it, once executed."""
    duplicate: bool
    """This member had reported the same before; `record_id` is that record."""


@dataclass(frozen=True, slots=True)
class RowProblem:
    """Why a row of an upload was refused."""

    type: str
    detail: str
    errors: tuple[FieldRefusal, ...] = ()

    @property
    def rule(self) -> str:
        """What statistics count by: name of the first refusal."""
        return self.errors[0].name if self.errors else "unknown"


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One row of an upload of reports."""

    line: int
    """Line of the upload, from 1."""
    status: Literal["taken", "duplicate", "refused"]
    record_id: str | None = None
    problem: RowProblem | None = None


@dataclass(frozen=True, slots=True)
class ReportBatch:
    """What became of an upload of reports; rows are in the order of their lines."""

    taken: int
    duplicates: int
    refused: int
    stage: Stage | None
    """Stage that all taken rows reached."""
    height: int | None
    """Highest block that holds a row of it."""
    rows: tuple[ReportRow, ...]


@dataclass(frozen=True, slots=True)
class ScreeningReason:
    """One weighted reason of a score; the weights add up to it."""

    code: str
    weight: int
    text: str


@dataclass(frozen=True, slots=True)
class Record:
    """A record as an entitled reader sees it: no clear text, no salt, no tag."""

    record_id: str
    reporter: str
    """Member id."""
    height: int
    timestamp: str
    """Time of its block, RFC 3339."""
    age_ms: int
    stage: Stage
    erased: bool
    fields: Mapping[str, object] = field(default_factory=dict)
    """Vocabulary words and dates by name; empty when erased."""

    @classmethod
    def of(cls, document: Mapping[str, object]) -> Record:
        """The record of a JSON object; raises UnexpectedAnswer."""
        fixed = converted(document, _Fixed, "a record")
        known = _Fixed.__dataclass_fields__
        rest = {name: value for name, value in document.items() if name not in known}
        return cls(
            fixed.record_id,
            fixed.reporter,
            fixed.height,
            fixed.timestamp,
            fixed.age_ms,
            fixed.stage,
            fixed.erased,
            rest,
        )


@dataclass(frozen=True, slots=True)
class _Fixed:
    record_id: str
    reporter: str
    height: int
    timestamp: str
    age_ms: int
    stage: Stage
    erased: bool


@dataclass(frozen=True, slots=True)
class Limit:
    """One duty that comes with an answer."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Screening:
    """The answer to a question; where `complete` is false, no hit does not mean clean."""

    hit: bool
    band: str
    score: int
    reasons: tuple[ScreeningReason, ...]
    records: tuple[Record, ...]
    height: int
    """Block height of the state that was asked."""
    age_ms: int
    complete: bool
    incomplete_reason: str | None
    reporters: int = 0
    """Distinct members whose statements count."""
    customers: int = 0
    """Distinct customers behind them, as far as each member told."""
    protected: bool = False
    """The holder is a victim or a genuine party: shield it."""
    permitted_actions: tuple[str, ...] = ()
    """What the records allow, mildest first."""
    limits: tuple[Limit, ...] = ()
    """Duties that come with it."""


@dataclass(frozen=True, slots=True)
class ScreeningDocument:
    """A screening on the wire: its records carry further members."""

    hit: bool
    band: str
    score: int
    reasons: tuple[ScreeningReason, ...]
    records: tuple[dict[str, object], ...]
    height: int
    age_ms: int
    complete: bool
    incomplete_reason: str | None = None
    reporters: int = 0
    customers: int = 0
    protected: bool = False
    permitted_actions: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()

    def read(self) -> Screening:
        """The answer with typed records; raises UnexpectedAnswer."""
        return Screening(
            self.hit,
            self.band,
            self.score,
            self.reasons,
            tuple(Record.of(record) for record in self.records),
            self.height,
            self.age_ms,
            self.complete,
            self.incomplete_reason,
            self.reporters,
            self.customers,
            self.protected,
            self.permitted_actions,
            self.limits,
        )


@dataclass(frozen=True, slots=True)
class ScreeningRow:
    """One row of an upload of questions: an answer, or the problem of a refused row."""

    line: int
    answer: Screening | None
    problem: RowProblem | None


@dataclass(frozen=True, slots=True)
class ScreeningBatch:
    """Answers to an upload of questions, in the order of their lines."""

    answered: int
    hits: int
    incomplete: int
    refused: int
    rows: tuple[ScreeningRow, ...]


@dataclass(frozen=True, slots=True)
class _RowDocument:
    line: int
    status: str
    answer: ScreeningDocument | None = None
    problem: RowProblem | None = None


@dataclass(frozen=True, slots=True)
class ScreeningBatchDocument:
    """An upload's answers on the wire."""

    answered: int
    hits: int
    incomplete: int
    refused: int
    rows: tuple[_RowDocument, ...]

    def read(self) -> ScreeningBatch:
        """The answers with typed records; raises UnexpectedAnswer."""
        rows = tuple(
            ScreeningRow(row.line, row.answer.read() if row.answer else None, row.problem)
            for row in self.rows
        )
        return ScreeningBatch(self.answered, self.hits, self.incomplete, self.refused, rows)


@dataclass(frozen=True, slots=True)
class Consent:
    """A consent receipt with where its anchors stand."""

    consent_id: str
    status: Literal["given", "withdrawn", "expired", "invalidated", "objected", "erased"]
    receipt: dict[str, object] | None = field(repr=False)
    """The last version of the document, at the member that issued it; None once it is erased."""
    version: int
    anchor_id: str
    commitment: str
    stage: Stage
    height: int | None
    withdrawn_height: int | None
    records: tuple[str, ...]
    """Own records on the ledger that rest on it."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """The quorum that makes a block final."""

    view: int
    signers: tuple[int, ...]
    encoded: str


@dataclass(frozen=True, slots=True)
class Block:
    """A block of the ledger."""

    height: int
    hash: str
    parent_hash: str
    timestamp: str
    state_root: str
    record_log_size: int
    record_log_root: str
    transactions: tuple[str, ...]
    record_count: int
    finalized: bool
    certificate: Certificate | None
    header: str
    """Encoded header, hex."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member of the alliance."""

    id: str
    name: str
    roles: tuple[str, ...]
    node: str
    account: str
    connected: bool | None
    """Whether the asked node reaches it; None for itself."""


@dataclass(frozen=True, slots=True)
class MembersDocument:
    """The list of members on the wire."""

    members: tuple[Member, ...]


def decoded(body: bytes, kind: type[T], what: str) -> T:
    """A JSON body as `kind`; raises UnexpectedAnswer naming the member that does not fit."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnexpectedAnswer(what, _without_value(error)) from None


def converted(document: object, kind: type[T], what: str) -> T:
    """A JSON value as `kind`; raises UnexpectedAnswer."""
    try:
        return msgspec.convert(document, type=kind)
    except msgspec.ValidationError as error:
        raise UnexpectedAnswer(what, _without_value(error)) from None


def _without_value(error: Exception) -> str:
    return str(error)[:200]

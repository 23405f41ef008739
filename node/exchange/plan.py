"""The plan of an import: what of a document's statements is new, edited, ended or known.

Rules: it reads the book and writes nothing, so a dry run is a plan that is not carried out. An
edited statement about the same thing expires the old record (its time is over); one about another
thing retracts it (it was wrong). A record that two things of MISP state ends with the last of them.
What somebody in MISP calls false before it ever came here is not reported at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from msgspec import Struct

from bulwark.indicators.model import IndicatorReport
from bulwark.indicators.normalise import normalise
from bulwark.indicators.vocabulary import DisputeGround
from bulwark.interop.carried import Action, Fate, Reason, Statement
from bulwark.interop.misp.options import OnFalsePositive
from bulwark.ledger.ids import RecordId
from bulwark.ledger.lifecycle import Operation
from node.exchange.book import ACTED_MAX, Entry, ExchangeBook

NO_REF: Final = "value:"
"""Before the digest that names a statement without a foreign id."""


class Verdict(Struct, frozen=True):
    """What becomes of one statement."""

    fate: Fate
    reason: Reason
    detail: str = ""


@dataclass(slots=True)
class Making:
    """A record to make, and the entry that stood for its statement before."""

    statement: Statement
    report: IndicatorReport = field(repr=False)
    canonical: str = field(repr=False)
    says: str
    about: str
    before: Entry | None


@dataclass(slots=True)
class Ending:
    """A follow-up of an earlier record."""

    statement: Statement
    entry: Entry | None
    record: RecordId
    operation: Operation
    reason: int = 0
    is_replaced: bool = False
    """A newer version is made after it."""


@dataclass(slots=True)
class Plan:
    """What to do, in this order: end, make, act."""

    makings: list[Making] = field(default_factory=list)
    endings: list[Ending] = field(default_factory=list)
    verdicts: list[tuple[Statement, Verdict]] = field(default_factory=list)

    def judge(self, statement: Statement, fate: Fate, reason: Reason, detail: str = "") -> None:
        """Note what becomes of a statement."""
        self.verdicts.append((statement, Verdict(fate, reason, detail)))


@dataclass(slots=True)
class Planner:
    """Plans of one import."""

    book: ExchangeBook
    on_ledger: Callable[[RecordId], bool]
    on_false: OnFalsePositive
    now_ms: int
    plan: Plan = field(default_factory=Plan)
    _gone: set[tuple[str, int]] = field(default_factory=set)

    def of(self, statements: Sequence[Statement]) -> Plan:
        """The plan of all statements."""
        false = {s.ref for s in statements if s.action is Action.FALSE_POSITIVE and s.ref}
        expired = {s.ref for s in statements if s.action is Action.EXPIRE and s.ref}
        for statement in statements:
            if statement.action is Action.REPORT:
                self._report(statement, statement.ref in false, statement.ref in expired)
            else:
                self._act(statement)
        return self.plan

    def _report(self, statement: Statement, is_false: bool, is_expired: bool) -> None:
        own = self._own(statement.record)
        if own is not None and self.on_ledger(own):
            self.plan.judge(statement, Fate.LEFT, Reason.KEPT_ELSEWHERE)
            return
        row = statement.row
        report = IndicatorReport.from_mapping(row, now_ms=self.now_ms)
        canonical = normalise(report.kind, report.value, str(report.region) or None).value
        who = [report.kind.label, canonical, int(report.fraud_type), int(report.object_role)]
        about = self.book.digest(orjson.dumps(who))
        says = self.book.digest(orjson.dumps([about, _stable(row)]))
        ref = statement.ref or NO_REF + about
        before = self.book.find(ref, statement.part)
        if before is None and (is_false or is_expired):
            reason = Reason.DISPUTED_THERE if is_false else Reason.EXPIRY
            fate = Fate.REFUSED if is_false else Fate.LEFT
            self.plan.judge(statement, fate, reason, "and it never came here before")
            return
        if before is not None and before.says == says and not (before.is_over and not is_expired):
            self.plan.judge(statement, Fate.TAKEN, Reason.UNCHANGED)
            return
        if before is not None and not before.is_over and before.says != says:
            operation = Operation.EXPIRE if before.about == about else Operation.RETRACT
            self._end(statement, before, operation, is_replaced=True)
        self.plan.makings.append(Making(statement, report, canonical, says, about, before))

    def _act(self, statement: Statement) -> None:
        entries = self.book.parts(statement.ref) if statement.ref else []
        if not entries:
            self._act_on_shown(statement)
            return
        for entry in entries:
            if statement.version and statement.version in entry.acted:
                self.plan.judge(statement, Fate.TAKEN, Reason.UNCHANGED)
            elif entry.is_over:
                self.plan.judge(statement, Fate.TAKEN, Reason.UNCHANGED, "it ended before")
            elif statement.action is Action.SIGHTING:
                self._sighted(statement, entry)
            elif statement.action is Action.FALSE_POSITIVE:
                self._false(statement, entry)
            else:
                is_expired = statement.action is Action.EXPIRE
                operation = Operation.EXPIRE if is_expired else Operation.RETRACT
                self._end(statement, entry, operation)

    def _act_on_shown(self, statement: Statement) -> None:
        """An action on an attribute that this node exported: a record of any member."""
        record = self._own(statement.record)
        record = record or (self.book.shown(statement.ref) if statement.ref else None)
        is_false = statement.action is Action.FALSE_POSITIVE
        if record is None or not is_false or not self.on_ledger(record):
            detail = "" if record is None else "only false positives act on records of the alliance"
            self.plan.judge(statement, Fate.LEFT, Reason.UNKNOWN_SUBJECT, detail)
            return
        ground = int(DisputeGround.WRONG_DATA)
        self.plan.endings.append(Ending(statement, None, record, Operation.DISPUTE, ground))

    def _sighted(self, statement: Statement, entry: Entry) -> None:
        """A later sighting makes a newer version, where the row is kept."""
        day = str(statement.row.get("last_seen", ""))
        if entry.row is None:
            detail = "its value is not kept here; import the attribute with its sightings"
            self.plan.judge(statement, Fate.LEFT, Reason.UNKNOWN_SUBJECT, detail)
            return
        row: dict[str, Any] = {k: v for k, v in entry.row.items() if k != "canonical"}
        if day <= str(row.get("last_seen", "")):
            self.plan.judge(statement, Fate.TAKEN, Reason.UNCHANGED, "a later one is known")
            return
        row["last_seen"] = day
        newer = Statement(
            Action.REPORT, row, entry.ref, statement.where, entry.part, statement.group,
            entry.version, origin=entry.origin,
        )  # fmt: skip
        self._report(newer, False, False)

    def _false(self, statement: Statement, entry: Entry) -> None:
        is_dispute = self.on_false is OnFalsePositive.DISPUTE
        if is_dispute:
            record = RecordId(bytes.fromhex(entry.record))
            ground = int(DisputeGround.WRONG_DATA)
            ending = Ending(statement, entry, record, Operation.DISPUTE, ground)
            self.plan.endings.append(ending)
        else:
            self._end(statement, entry, Operation.RETRACT)

    def _end(
        self, statement: Statement, entry: Entry, operation: Operation, is_replaced: bool = False
    ) -> None:
        self._gone.add((entry.ref, entry.part))
        record = RecordId(bytes.fromhex(entry.record))
        ending = Ending(statement, entry, record, operation, 0, is_replaced)
        self.plan.endings.append(ending)

    def _own(self, text: str) -> RecordId | None:
        try:
            given = bytes.fromhex(text)
        except ValueError:
            return None
        return RecordId(given) if len(given) == 32 else None


def acted(entry: Entry, version: str) -> tuple[str, ...]:
    """What an entry was acted on by, with one more."""
    more = (version,) if version and version not in entry.acted else ()
    return (*entry.acted, *more)[-ACTED_MAX:]


def _stable(row: Mapping[str, object]) -> list[tuple[str, str]]:
    """The row without what follows from where it stands, in one order."""
    skipped = ("value", "case_ref", "link_group", "source", "kind")
    return sorted((name, str(value)) for name, value in row.items() if name not in skipped)

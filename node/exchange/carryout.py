"""Carries out the plan of an import: ends what is over, makes what is new, acts on the rest.

Rules: a record ends before its newer version is made, since a member says one thing once; a rule
that refuses a follow-up refuses its statement and nothing else. Entries of the book follow their
records. A verdict for every statement comes out, whatever happens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from bulwark.interop.carried import Fate, Reason, Statement
from bulwark.ledger.ids import RecordId
from bulwark.ledger.lifecycle import Operation
from node.disputes.port import DisputesService, Wish
from node.exchange.book import Entry, ExchangeBook, Puts
from node.exchange.plan import NO_REF, Ending, Making, Plan, Verdict, acted
from node.service import Caller, Conflict, NodeService, NotFound, Refusal, RuleRefused, Stage
from node.storage.port import KeyValueStore

CHUNK: Final = 5_000
"""Records made in one report."""
_ENDED: Final = frozenset(
    {
        "lifecycle.retract.record_retracted",
        "lifecycle.retract.record_erased",
        "lifecycle.expire.record_expired",
        "lifecycle.expire.record_retracted",
        "lifecycle.expire.record_erased",
        "lifecycle.expire.record_overruled",
        "lifecycle.retract.record_overruled",
        "lifecycle.dispute.open_already",
    }
)
"""Refusals that say that what was wanted is so already."""


@dataclass(slots=True)
class Tally:
    """Numbers of an import."""

    new: int = 0
    known: int = 0
    replaced: int = 0
    ended: int = 0
    disputed: int = 0
    kept: int = 0


@dataclass(slots=True, kw_only=True)
class CarryOut:
    """One plan under way."""

    service: NodeService
    disputes: DisputesService
    book: ExchangeBook
    store: KeyValueStore
    forget_puts: Callable[[RecordId], Puts]
    by: Caller
    keep_clear: bool
    verdicts: list[tuple[Statement, Verdict]] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)

    def foresee(self, plan: Plan) -> None:
        """Verdicts of a plan as if it were carried out."""
        self._known(plan)
        for ending in plan.endings:
            self._ended(ending)
        for making in plan.makings:
            self._made(making, is_duplicate=False)

    async def do(self, plan: Plan) -> None:
        """Carry the plan out. Raises ServiceError where the node can not serve."""
        self._known(plan)
        stuck: set[int] = set()
        for ending in plan.endings:
            if not await self._end(ending) and ending.is_replaced:
                stuck.add(id(ending.statement))
        makings = [making for making in plan.makings if id(making.statement) not in stuck]
        for start in range(0, len(makings), CHUNK):
            await self._make(makings[start : start + CHUNK])

    def _known(self, plan: Plan) -> None:
        self.verdicts += plan.verdicts
        unchanged = (v for _, v in plan.verdicts if v.reason is Reason.UNCHANGED)
        self.tally.known += sum(1 for _ in unchanged)

    # Ending

    async def _end(self, ending: Ending) -> bool:
        """Send a follow-up; whether the record has ended, or was disputed, now or before."""
        entry = ending.entry
        is_last = entry is None or not self.book.is_said_by_others(entry)
        if is_last or ending.operation is Operation.DISPUTE:
            wish = Wish(ending.record, ending.operation, ending.reason, case_ref=_case(ending))
            try:
                await self.disputes.follow(wish, by=self.by, wait=Stage.EXECUTED, idempotency=None)
            except RuleRefused as error:
                if error.rule not in _ENDED:
                    self._refuse(ending.statement, error.rule)
                    return False
            except (NotFound, Conflict) as error:
                self._refuse(ending.statement, error.detail)
                return False
        puts: Puts = {}
        if is_last and ending.operation is not Operation.DISPUTE:
            puts |= self.forget_puts(ending.record)
        if entry is not None and not ending.is_replaced:
            is_over = ending.operation is not Operation.DISPUTE
            version = acted(entry, ending.statement.version)
            row = None if is_over else entry.row
            newer = msgspec.structs.replace(entry, acted=version, is_over=is_over, row=row)
            puts |= self.book.puts(newer, entry)
        if puts:
            self.store.write(puts, sync=False)
        self._ended(ending)
        return True

    def _ended(self, ending: Ending) -> None:
        name = ending.operation.name.lower()
        if ending.is_replaced:
            self.tally.replaced += 1
            return
        if ending.operation is Operation.DISPUTE:
            self.tally.disputed += 1
        else:
            self.tally.ended += 1
        verdict = Verdict(Fate.TAKEN, Reason.ACTED, f"{name} of record {ending.record.hex()}")
        self.verdicts.append((ending.statement, verdict))

    # Making

    async def _make(self, makings: list[Making]) -> None:
        outcomes = await self.service.report(
            [making.report for making in makings], by=self.by, wait=Stage.EXECUTED
        )
        puts: Puts = {}
        for making, outcome in zip(makings, outcomes, strict=True):
            if outcome.record_id is None:
                refusal = outcome.refusal or Refusal("unknown", "refused")
                self._refuse(making.statement, f"{refusal.rule}: {refusal.detail}")
                continue
            entry = self._entry(making, outcome.record_id)
            puts |= self.book.puts(entry, making.before)
            self._made(making, is_duplicate=outcome.duplicate)
        if puts:
            self.store.write(puts, sync=False)

    def _entry(self, making: Making, record: RecordId) -> Entry:
        statement, before = making.statement, making.before
        row: dict[str, Any] | None = None
        if self.keep_clear or (before is not None and before.row is not None):
            row = {**statement.row, "canonical": making.canonical}
            self.tally.kept += 1
        return Entry(
            ref=statement.ref or NO_REF + making.about,
            part=statement.part,
            record=record.hex(),
            version=statement.version,
            says=making.says,
            about=making.about,
            acted=() if before is None else before.acted,
            row=row,
            origin=dict(statement.origin) if row is not None else {},
        )

    def _made(self, making: Making, *, is_duplicate: bool) -> None:
        is_edit = making.before is not None and not making.before.is_over
        reason = Reason.REPLACED if is_edit else Reason.STATED
        if is_duplicate:
            reason = Reason.DUPLICATE
            self.tally.known += 1
        else:
            self.tally.new += 1
        self.verdicts.append((making.statement, Verdict(Fate.TAKEN, reason)))

    def _refuse(self, statement: Statement, detail: str) -> None:
        self.verdicts.append((statement, Verdict(Fate.REFUSED, Reason.NOT_ALLOWED, detail)))


def _case(ending: Ending) -> str:
    group = ending.statement.group
    return f"misp:{group}" if group else "misp"

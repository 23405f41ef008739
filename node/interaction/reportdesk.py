"""The desk of customers' reports: takes what persons say, keeps it here, states what is chosen.

Rules: nothing of a person and no clear identifier goes to the ledger: an analyst's choice becomes
an indicator report with evidence `reported_by_customer` and the number of distinct customers of
this member (EU PSR art. 83; the policy refuses what is below its threshold, and the choice stays).
Customers are told apart by keyed names of the member's own pseudonyms. A declined report's
customer does not count. What is not final is bounded, and text goes when its time is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct

from bulwark.advice.reference import RANDOM_BYTES, make_code, plain_code
from bulwark.indicators.errors import FieldError, NormalisationError, RowError
from bulwark.indicators.normalise import normalise
from bulwark.privacy.group import RandomBytes
from node.interaction.reportdocument import (
    DAY_MS,
    Document,
    alert_of,
    indicator_report,
    new_document,
    outcome_entry,
    stripped,
    triaged,
    view_of,
)
from node.interaction.reportport import (
    Choice,
    DeclineReason,
    Identifier,
    NewReport,
    ReportPage,
    ReportState,
    ReportView,
)
from node.interaction.restating import Restater
from node.interaction.settings import InteractionConfig
from node.interaction.shelf import ID_BYTES, NO_VALUE, Puts, Shelf
from node.reporting.idempotency import IdempotencyStore
from node.service import (
    Busy,
    Caller,
    Idempotency,
    NotFound,
    ReportOutcome,
    RuleRefused,
    Stage,
)
from node.storage.durability import Durability
from node.storage.port import KeyValueStore

PAGE: Final = 50
MAX_LOOKED_AT: Final = 1_000
"""Reports that one page looks at, whether it shows them or not."""
TURN: Final = 20
_OPEN: Final = frozenset({ReportState.RECEIVED.value, ReportState.TRIAGED.value})


class ReportDeskParts(Struct, frozen=True):
    """What the desk works with."""

    store: KeyValueStore
    shelf: Shelf
    durability: Durability
    idempotency: IdempotencyStore
    restater: Restater
    settings: InteractionConfig
    member: str
    now_ms: Callable[[], int]
    random_bytes: RandomBytes


class CustomerReportDesk:
    """Customers' reports of one member."""

    def __init__(self, parts: ReportDeskParts) -> None:
        self._parts = parts
        self._kept: int | None = None
        self._busy: set[bytes] = set()
        """Reports that are being sent."""
        self.taken = 0
        """Reports taken since start."""

    # Taking

    async def take(self, report: NewReport, idempotency: Idempotency | None = None) -> ReportView:
        """See CustomerReports."""
        parts = self._parts
        known = None if idempotency is None else parts.idempotency.find(idempotency)
        if known is not None:
            await parts.durability.barrier()
            return self.show(known[0][:ID_BYTES].hex())
        if self._kept is None:
            self._kept = await parts.shelf.count()
        if self._kept >= parts.settings.max_reports:
            raise Busy("as many customers' reports are kept as may be; older ones have to go")
        names = _named(parts.shelf, report.identifiers)
        identity, customer = parts.shelf.new_id(), parts.shelf.name("customer", report.customer)
        code = make_code(parts.random_bytes(RANDOM_BYTES))
        code_name = parts.shelf.name("code", plain_code(code))
        now_ms = parts.now_ms()
        document = new_document(report, code, customer, names, now_ms)
        document["code_name"] = code_name.hex()
        found_by = dict.fromkeys(names, customer) | {code_name: NO_VALUE}
        puts = parts.shelf.puts(identity, document, now_ms, found_by)
        if idempotency is not None:
            puts |= parts.idempotency.entry(idempotency, [identity + identity], now_ms)
        self._kept += 1
        await self._write(puts)
        self.taken += 1
        return self._view(identity, document)

    async def _write(self, puts: Puts) -> None:
        self._parts.store.write(puts, sync=False)
        await self._parts.durability.barrier()

    # Reading

    def show(self, report_id: str) -> ReportView:
        """See CustomerReports."""
        identity = _identity(report_id)
        return self._view(identity, self._document(identity))

    async def page(self, state: ReportState | None, before: bytes | None) -> ReportPage:
        """See CustomerReports."""
        shown: list[ReportView] = []
        for looked, (order, identity) in enumerate(self._parts.shelf.newest(before), 1):
            document = self._parts.shelf.get(identity)
            if document is not None and state in (None, document["state"]):
                shown.append(self._view(identity, document, in_full=False))
            if len(shown) >= PAGE or looked >= MAX_LOOKED_AT:
                return ReportPage(tuple(shown), order)
            if looked % TURN == 0:
                await asyncio.sleep(0)
        return ReportPage(tuple(shown), None)

    def by_code(self, plain: str) -> ReportView | None:
        """The report of a person's code, None for none. Raises StoreDamaged."""
        found = self._parts.shelf.named(self._parts.shelf.name("code", plain))
        document = self._parts.shelf.get(found[0][0]) if found else None
        return None if document is None else self._view(found[0][0], document)

    def export(self, report_id: str) -> Mapping[str, Any]:
        """See CustomerReports."""
        return alert_of(self._parts.member, self.show(report_id))

    # Deciding

    async def triage(
        self, report_id: str, choices: tuple[Choice, ...], note: str, by: Caller
    ) -> ReportView:
        """See CustomerReports."""
        identity, document = self._open(report_id)
        there = len(document["identifiers"])
        for at, choice in enumerate(choices):
            if choice.number >= there:
                field = f"identifiers[{at}].number"
                raise FieldError(field, str(choice.number), f"0 to {there - 1}")
        changed = triaged(document, choices, note, by.key_id)
        return await self._keep(identity, changed)

    async def report(self, report_id: str, *, by: Caller, wait: Stage) -> ReportView:
        """See CustomerReports."""
        identity, document = self._open(report_id)
        if document["state"] != ReportState.TRIAGED.value or not document["choices"]:
            raise RuleRefused("customer_report.not_triaged", "an analyst chooses what to report")
        if identity in self._busy:
            raise RuleRefused("customer_report.under_way", "it is being reported now")
        self._busy.add(identity)
        try:
            outcomes = [
                outcome_entry(
                    choice["number"], await self._state(identity, document, choice, by, wait)
                )
                for choice in document["choices"]
            ]
        finally:
            self._busy.discard(identity)
        now = self._document(identity)
        if now["state"] == ReportState.ERASED.value:
            # The person's wish came first: which records came of it is all that is added.
            records = [entry["record_id"] for entry in outcomes if entry["record_id"]]
            return await self._keep(identity, now | {"records": records})
        changed = now | {"outcomes": outcomes}
        if any(entry["record_id"] for entry in outcomes):
            changed["state"] = ReportState.REPORTED.value
            changed["reported_ms"] = self._parts.now_ms()
        return await self._keep(identity, changed)

    async def _state(
        self,
        identity: bytes,
        document: Document,
        choice: Mapping[str, Any],
        by: Caller,
        wait: Stage,
    ) -> ReportOutcome:
        name = document["identifiers"][choice["number"]]["name"]
        report = indicator_report(
            identity.hex(), document, choice, self._customers(name), self._parts.now_ms()
        )
        return await self._parts.restater.state(report, by=by, wait=wait)

    async def decline(self, report_id: str, reason: DeclineReason, note: str) -> ReportView:
        """See CustomerReports."""
        identity, document = self._open(report_id)
        changed = document | {
            "state": ReportState.DECLINED.value,
            "decline_reason": reason.value,
            "note": note,
            "choices": [],
        }
        forgotten: Puts = {}
        for entry in document["identifiers"]:
            forgotten |= self._parts.shelf.forget_name(identity, bytes.fromhex(entry["name"]))
        return await self._keep(identity, changed, forgotten)

    async def merge(self, report_id: str, into: str) -> ReportView:
        """See CustomerReports."""
        identity, document = self._open(report_id)
        other = _identity(into)
        target = self._document(other)
        own = {entry["name"] for entry in document["identifiers"]}
        theirs = {entry["name"] for entry in target.get("identifiers", ())}
        if other == identity or own.isdisjoint(theirs):
            raise RuleRefused(
                "customer_report.nothing_in_common", "only reports that name the same are joined"
            )
        if target["state"] in (ReportState.MERGED.value, ReportState.DECLINED.value):
            raise RuleRefused("customer_report.target_ended", "join it with one that goes on")
        changed = document | {"state": ReportState.MERGED.value, "merged_into": other.hex()}
        return await self._keep(identity, changed)

    async def erase(self, report_id: str) -> ReportView:
        """See CustomerReports."""
        identity = _identity(report_id)
        document = self._document(identity)
        if document["state"] != ReportState.ERASED.value:
            document = await self._strip(identity, document)
            await self._parts.shelf.shred()
        return self._view(identity, document)

    async def _strip(self, identity: bytes, document: Document) -> Document:
        left = stripped(document, self._parts.now_ms())
        puts = self._parts.shelf.puts(identity, left, left["received_ms"])
        for entry in document["identifiers"]:
            puts |= self._parts.shelf.forget_name(identity, bytes.fromhex(entry["name"]))
        await self._write(puts)
        return left

    async def prune(self) -> int:
        """Erase what is past its time, and what is left of it a term later; how many."""
        parts = self._parts
        term = parts.settings.report_days * DAY_MS
        now_ms, gone = parts.now_ms(), 0
        async for received_ms, identity in parts.shelf.oldest():
            if received_ms + term > now_ms:
                break
            document = parts.shelf.get(identity)
            if document is None or document["changed_ms"] + term > now_ms:
                continue
            if document["state"] == ReportState.ERASED.value:
                names = {bytes.fromhex(document["code_name"]): NO_VALUE}
                await self._write(parts.shelf.removal(identity, received_ms, names))
                self._kept = None
            else:
                await self._strip(identity, document)
            gone += 1
        if gone:
            await parts.shelf.shred()
        return gone

    # Shared

    def _open(self, report_id: str) -> tuple[bytes, Document]:
        identity = _identity(report_id)
        document = self._document(identity)
        if document["state"] not in _OPEN:
            raise RuleRefused("customer_report.ended", f"it is {document['state']}")
        return identity, document

    def _document(self, identity: bytes) -> Document:
        document = self._parts.shelf.get(identity)
        if document is None:
            raise NotFound("there is no such customer's report")
        return document

    async def _keep(
        self, identity: bytes, document: Document, also: Puts | None = None
    ) -> ReportView:
        document["changed_ms"] = self._parts.now_ms()
        puts = self._parts.shelf.puts(identity, document, document["received_ms"])
        await self._write(puts | (also or {}))
        return self._view(identity, document)

    def _customers(self, name: str) -> int:
        found = self._parts.shelf.named(bytes.fromhex(name))
        return len({customer for _, customer in found})

    def _view(self, identity: bytes, document: Document, *, in_full: bool = True) -> ReportView:
        settings = self._parts.settings
        return view_of(
            identity.hex(),
            document,
            self._customers,
            due_days=settings.report_due_days,
            keep_days=settings.report_days,
            in_full=in_full,
        )


def _named(shelf: Shelf, identifiers: tuple[Identifier, ...]) -> list[bytes]:
    """Keyed names of normalised identifiers. Raises RowError with every one that is none."""
    problems: list[FieldError] = []
    names: list[bytes] = []
    for number, each in enumerate(identifiers):
        try:
            value = normalise(each.kind, each.value, str(each.region) or None).value
        except NormalisationError as error:
            field = f"identifiers[{number}].value"
            problems.append(FieldError(field, "(not shown)", f"{error.rule}: {error.message}"))
            continue
        names.append(shelf.name(f"identifier/{each.kind.label}", value))
    if problems:
        raise RowError(tuple(problems))
    return names


def _identity(report_id: str) -> bytes:
    try:
        return bytes.fromhex(report_id)
    except ValueError as error:
        raise NotFound("there is no such customer's report") from error

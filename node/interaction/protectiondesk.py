"""The desk of protective registrations: a person's own identifier, protected at every member.

Rules: what goes to the ledger is an ordinary statement in a role that protects, under a lawful
basis that its policy permits (a consent where it rests on one); it raises no score. The identifier
is kept encrypted here for renewal and deleted with the withdrawal. One person has one protection
of an identifier and role at a time. A withdrawal retracts the record at once, and erases it if the
person wants that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from bulwark.indicators.errors import FieldError, NormalisationError, RowError
from bulwark.indicators.model import IndicatorReport
from bulwark.indicators.normalise import normalise
from bulwark.ledger.ids import RecordId
from bulwark.ledger.lifecycle import Operation
from node.disputes.port import Wish
from node.erasure.port import Ground
from node.interaction.protectionport import (
    RENEWAL_DUE_DAYS,
    ROLES,
    NewProtection,
    ProtectionPage,
    ProtectionState,
    ProtectionView,
)
from node.interaction.restating import Restater
from node.interaction.shelf import Puts, Shelf
from node.reporting.payload import day_text
from node.service import Caller, NotFound, RecordView, RuleRefused, Stage
from node.storage.durability import Durability
from node.storage.port import KeyValueStore

DAY_MS: Final = 86_400_000
PAGE: Final = 50
TURN: Final = 20
KEEP_MS: Final = 90 * DAY_MS
"""A withdrawn or lapsed protection is kept this long for questions about it."""
Document = dict[str, Any]
_FIELDS: Final = (
    "kind", "value", "region", "fraud_type", "object_role", "evidence_level", "confidence",
    "lawful_basis", "purpose", "case_ref", "tlp", "country", "policy",
)  # fmt: skip


class ProtectionParts(Struct, frozen=True):
    """What the desk works with."""

    store: KeyValueStore
    shelf: Shelf
    durability: Durability
    restater: Restater
    view: Callable[[RecordId], RecordView]
    now_ms: Callable[[], int]


class ProtectionDesk:
    """Protective registrations of one member."""

    def __init__(self, parts: ProtectionParts) -> None:
        self._parts = parts
        self._busy: set[bytes] = set()

    async def register(self, wish: NewProtection, *, by: Caller, wait: Stage) -> ProtectionView:
        """See Protections."""
        report = wish.report
        if report.object_role not in ROLES:
            raise FieldError("role", report.object_role.label, _roles())
        name = self._name(wish)
        now_ms = self._parts.now_ms()
        for identity, _ in self._parts.shelf.named(name):
            document = self._parts.shelf.get(identity)
            if document is not None and self._state(document) is ProtectionState.ACTIVE:
                raise RuleRefused("protection.registered_already", "renew the one that there is")
        if name in self._busy:
            raise RuleRefused("protection.under_way", "it is being registered now")
        self._busy.add(name)
        try:
            record_id = await self._stated(report, by, wait)
            identity = self._parts.shelf.new_id()
            document = _document(report, record_id, now_ms)
            document["name"] = name.hex()
            return await self._keep(identity, document, {name: bytes(16)})
        finally:
            self._busy.discard(name)

    def _name(self, wish: NewProtection) -> bytes:
        report = wish.report
        try:
            value = normalise(report.kind, report.value, str(report.region) or None).value
        except NormalisationError as error:
            problem = FieldError("value", "(not shown)", f"{error.rule}: {error.message}")
            raise RowError((problem,)) from error
        sort = f"{report.kind.label}/{report.object_role.label}/{wish.person}"
        return self._parts.shelf.name(sort, value)

    async def _stated(self, report: IndicatorReport, by: Caller, wait: Stage) -> RecordId:
        outcome = await self._parts.restater.state(report, by=by, wait=wait, longer=True)
        if outcome.record_id is None:
            refusal = outcome.refusal
            rule = "protection.refused" if refusal is None else refusal.rule
            raise RuleRefused(rule, "" if refusal is None else refusal.detail)
        return outcome.record_id

    async def renew(
        self, protection_id: str, days: int, *, by: Caller, wait: Stage
    ) -> ProtectionView:
        """See Protections."""
        identity, document = self._found(protection_id)
        if self._state(document) is ProtectionState.WITHDRAWN:
            raise RuleRefused("protection.withdrawn", "register it anew")
        today = self._parts.now_ms() // DAY_MS
        report = self._report(document, today + days)
        if report.valid_until_day <= document["valid_until_day"]:
            raise RuleRefused("protection.no_longer", "it lasts as long already")
        record_id = await self._stated(report, by, wait)
        changed = document | {
            "record_id": record_id.hex(),
            "valid_until_day": report.valid_until_day,
            "renewals": document["renewals"] + 1,
        }
        return await self._keep(identity, changed)

    async def withdraw(
        self, protection_id: str, *, erase: bool, by: Caller, wait: Stage
    ) -> ProtectionView:
        """See Protections."""
        identity, document = self._found(protection_id)
        record_id = RecordId(bytes.fromhex(document["record_id"]))
        if self._state(document) is not ProtectionState.WITHDRAWN:
            today = self._parts.now_ms() // DAY_MS
            report = self._report(document, max(today, document["valid_until_day"]))
            await self._parts.restater.withdraw(record_id, report, by=by, wait=wait)
            document = document | {"state": ProtectionState.WITHDRAWN.value, "statement": None}
            await self._keep(identity, document)
            await self._parts.shelf.shred()
        if erase and not self._parts.view(record_id).erased:
            wish = Wish(record_id, Operation.ERASE, Ground.REQUEST, case_ref="protection withdrawn")
            await self._parts.restater.follow(wish, by=by, wait=wait, idempotency=None)
        return self._view(identity, document)

    def show(self, protection_id: str) -> ProtectionView:
        """See Protections."""
        identity, document = self._found(protection_id)
        return self._view(identity, document)

    async def page(self, before: bytes | None) -> ProtectionPage:
        """See Protections."""
        shown: list[ProtectionView] = []
        for looked, (order, identity) in enumerate(self._parts.shelf.newest(before), 1):
            document = self._parts.shelf.get(identity)
            if document is not None:
                shown.append(self._view(identity, document, in_full=False))
            if len(shown) >= PAGE:
                return ProtectionPage(tuple(shown), order)
            if looked % TURN == 0:
                await asyncio.sleep(0)
        return ProtectionPage(tuple(shown), None)

    async def prune(self) -> int:
        """Remove what ended KEEP_MS ago; how many."""
        parts, gone = self._parts, 0
        now_ms = parts.now_ms()
        async for registered_ms, identity in parts.shelf.oldest():
            document = parts.shelf.get(identity)
            if document is None or self._state(document) is ProtectionState.ACTIVE:
                continue
            if now_ms > max(document["changed_ms"], document["valid_until_day"] * DAY_MS) + KEEP_MS:
                names = {bytes.fromhex(document["name"]): bytes(16)}
                parts.store.write(parts.shelf.removal(identity, registered_ms, names), sync=False)
                gone += 1
        return gone

    # Shared

    def _found(self, protection_id: str) -> tuple[bytes, Document]:
        try:
            identity = bytes.fromhex(protection_id)
        except ValueError:
            identity = b""
        document = self._parts.shelf.get(identity)
        if document is None:
            raise NotFound("there is no such protection")
        return identity, document

    def _report(self, document: Document, until_day: int) -> IndicatorReport:
        row: dict[str, object] = dict(document["statement"])
        row["valid_until"] = day_text(until_day)
        return IndicatorReport.from_mapping(row, now_ms=self._parts.now_ms())

    def _state(self, document: Document) -> ProtectionState:
        state = ProtectionState(document["state"])
        is_over = self._parts.now_ms() // DAY_MS > document["valid_until_day"]
        return ProtectionState.LAPSED if state is ProtectionState.ACTIVE and is_over else state

    async def _keep(
        self, identity: bytes, document: Document, names: dict[bytes, bytes] | None = None
    ) -> ProtectionView:
        parts = self._parts
        document["changed_ms"] = parts.now_ms()
        puts: Puts = parts.shelf.puts(identity, document, document["registered_ms"], names)
        parts.store.write(puts, sync=False)
        await parts.durability.barrier()
        return self._view(identity, document)

    def _view(self, identity: bytes, document: Document, *, in_full: bool = True) -> ProtectionView:
        state = self._state(document)
        statement = document["statement"]
        left = document["valid_until_day"] - self._parts.now_ms() // DAY_MS
        return ProtectionView(
            protection_id=identity.hex(),
            state=state,
            kind=document["kind"],
            value=statement["value"] if statement and in_full else None,
            role=document["role"],
            lawful_basis=document["lawful_basis"],
            record_id=document["record_id"],
            valid_until_day=document["valid_until_day"],
            renewals=document["renewals"],
            is_renewal_due=state is not ProtectionState.WITHDRAWN and left < RENEWAL_DUE_DAYS,
            registered_ms=document["registered_ms"],
            changed_ms=document["changed_ms"],
        )


def _document(report: IndicatorReport, record_id: RecordId, now_ms: int) -> Document:
    statement: Document = {}
    for name in _FIELDS:
        value = getattr(report, name)
        statement[name] = value.label if hasattr(value, "label") else value
    statement |= {"region": str(report.region), "country": str(report.country)}
    statement["consent_anchor"] = report.consent_anchor.hex()
    return {
        "state": ProtectionState.ACTIVE.value,
        "statement": statement,
        "kind": report.kind.label,
        "role": report.object_role.label,
        "lawful_basis": report.lawful_basis.label,
        "record_id": record_id.hex(),
        "valid_until_day": report.valid_until_day,
        "renewals": 0,
        "registered_ms": now_ms,
        "changed_ms": now_ms,
    }


def _roles() -> str:
    return "one of " + ", ".join(sorted(role.label for role in ROLES))

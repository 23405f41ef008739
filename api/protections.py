"""Protective registrations over REST: a person's own identifier, shielded at every member.

Rules: a reporter's key registers, renews and withdraws; analysts read. The roles that protect are
the only ones that are taken. What the ledger's rules refuse is 409 with their rule id.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from api import documentation as doc
from api import protection_schemas as schemas
from api.bodies import known
from api.customer_reports import CURSOR_PARAMETER, STAFF, WRITERS
from api.exchange import Exchange, Reply, Route, json_reply
from api.interaction_bounds import PERSON_MAX
from api.interaction_reading import DAY_MS, cursor_of, day_text, id_of, json_body, word_of
from api.problems import FieldProblem, invalid
from api.settings import ApiSettings
from api.views import timestamp
from api.writes import write_status
from bulwark.indicators.model import IndicatorReport
from bulwark.indicators.vocabulary import EvidenceLevel, Purpose
from node.interaction.protectionport import (
    DEFAULT_DAYS,
    MAX_DAYS,
    ROLES,
    NewProtection,
    Protections,
    ProtectionView,
)

_BASE: Final = "/v1/protections"
_ONE: Final = f"{_BASE}/{{protection_id}}"
FIELDS: Final = (
    "person", "kind", "value", "region", "role", "fraud_type", "lawful_basis", "consent_anchor",
    "days", "policy", "case_ref",
)  # fmt: skip
_ROLES: Final = sorted(role.label for role in ROLES)
CERTAIN: Final = 100
"""Confidence of a statement that a person makes about an identifier of its own."""


class ProtectionRoutes:
    """Handlers of /v1/protections."""

    def __init__(
        self, service: Protections, settings: ApiSettings, now_ms: Callable[[], int]
    ) -> None:
        self._service = service
        self._settings = settings
        self._now_ms = now_ms

    async def register(self, exchange: Exchange) -> Reply:
        """POST /v1/protections."""
        wait = exchange.wait()
        _, body = await json_body(exchange, self._settings)
        known(body, *FIELDS)
        if body.get("role") not in _ROLES:
            raise invalid(FieldProblem("role", f"one of {', '.join(_ROLES)}"))
        person = word_of(body, "person", PERSON_MAX)
        wish = NewProtection(person, statement_of(body, self._now_ms()))
        view = await self._service.register(wish, by=exchange.caller, wait=wait)
        return json_reply(write_status(wait), protection_document(view))

    async def renew(self, exchange: Exchange) -> Reply:
        """POST /v1/protections/{protection_id}/renewal."""
        wait = exchange.wait()
        _, body = await json_body(exchange, self._settings, optional=True)
        known(body, "days")
        days = days_of(body.get("days", DEFAULT_DAYS))
        view = await self._service.renew(_id(exchange), days, by=exchange.caller, wait=wait)
        return json_reply(200, protection_document(view))

    async def withdraw(self, exchange: Exchange) -> Reply:
        """POST /v1/protections/{protection_id}/withdrawal."""
        wait = exchange.wait()
        _, body = await json_body(exchange, self._settings, optional=True)
        known(body, "erase")
        erase = body.get("erase", False)
        if not isinstance(erase, bool):
            raise invalid(FieldProblem("erase", "true or false"))
        view = await self._service.withdraw(
            _id(exchange), erase=erase, by=exchange.caller, wait=wait
        )
        return json_reply(200, protection_document(view))

    async def list(self, exchange: Exchange) -> Reply:
        """GET /v1/protections."""
        page = await self._service.page(cursor_of(exchange.query("cursor").get("cursor")))
        shown = [protection_document(view) for view in page.protections]
        after = None if page.next is None else page.next.hex()
        return json_reply(200, {"protections": shown, "next": after})

    async def show(self, exchange: Exchange) -> Reply:
        """GET /v1/protections/{protection_id}."""
        exchange.query()
        return json_reply(200, protection_document(self._service.show(_id(exchange))))


def statement_of(body: dict[str, Any], now_ms: int) -> IndicatorReport:
    """What goes to the ledger of a person's wish. RowError with every problem."""
    row: dict[str, Any] = {name: body[name] for name in FIELDS[1:] if name in body}
    row["object_role"] = row.pop("role")
    days = days_of(row.pop("days", DEFAULT_DAYS))
    if "lawful_basis" not in row:
        raise invalid(FieldProblem("lawful_basis", "the legal basis of the protection"))
    return IndicatorReport.from_mapping(
        {
            "fraud_type": "unknown",
            **row,
            "evidence_level": EvidenceLevel.CONFIRMED.label,
            "confidence": CERTAIN,
            "purpose": Purpose.CONSUMER_PROTECTION.label,
            "valid_until": day_text(now_ms // DAY_MS + days),
        },
        now_ms=now_ms,
    )


def _id(exchange: Exchange) -> str:
    return id_of(exchange, "protection_id")


def days_of(given: object) -> int:
    """How long a protection lasts, days; Problem 422 otherwise."""
    if not isinstance(given, int) or isinstance(given, bool) or not 1 <= given <= MAX_DAYS:
        raise invalid(FieldProblem("days", f"a whole number from 1 to {MAX_DAYS}"))
    return given


def protection_document(view: ProtectionView) -> dict[str, object]:
    """A protection."""
    return {
        "id": view.protection_id,
        "state": view.state.value,
        "kind": view.kind,
        "value": view.value,
        "role": view.role,
        "lawful_basis": view.lawful_basis,
        "record_id": view.record_id,
        "valid_until": day_text(view.valid_until_day),
        "renewals": view.renewals,
        "renewal_due": view.is_renewal_due,
        "registered": timestamp(view.registered_ms),
        "changed": timestamp(view.changed_ms),
    }


def _write(name: str, summary: str, body: Any, *, required: bool = False) -> Any:
    answers = {201: schemas.ProtectionOut, 202: schemas.ProtectionOut}
    return doc.operation(
        name,
        "protections",
        summary,
        answers if required else {200: schemas.ProtectionOut},
        body=doc.json_body(body, required=required),
        parameters=(doc.WAIT,),
        path=() if required else ("protection_id",),
        problems=(409,) if required else (404, 409),
    )


def _read(name: str, summary: str, answer: Any, **how: Any) -> Any:
    return doc.operation(name, "protections", summary, {200: answer}, **how)


def protection_routes(at: ProtectionRoutes, settings: ApiSettings) -> list[Route]:
    """The routes with who may use them and what the documentation says."""
    limit = settings.request_timeout_ms
    register = _write("protect", "Protect an identifier", schemas.ProtectionIn, required=True)
    renew = _write("renewProtection", "Make it last longer", schemas.ProtectionRenewalIn)
    end = _write("withdrawProtection", "Take it back", schemas.ProtectionEndIn)
    every = _read(
        "listProtections",
        "List protections, newest first",
        schemas.ProtectionsOut,
        parameters=(CURSOR_PARAMETER,),
    )
    one = _read(
        "showProtection",
        "Show a protection",
        schemas.ProtectionOut,
        path=("protection_id",),
        problems=(404,),
    )
    return [
        Route("POST", _BASE, at.register, WRITERS, register, limit, audit=True),
        Route("GET", _BASE, at.list, STAFF, every, limit, audit=True),
        Route("GET", _ONE, at.show, STAFF, one, limit, audit=True),
        Route("POST", f"{_ONE}/renewal", at.renew, WRITERS, renew, limit, audit=True),
        Route("POST", f"{_ONE}/withdrawal", at.withdraw, WRITERS, end, limit, audit=True),
    ]

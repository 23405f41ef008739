"""Protections: a person's own identifier, stated so that it shields: registered, renewed, ended.

Rules: lists have no value; a reporter's key writes. What is stated is what REST states, no score.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from api.console.forms import Field, Form, Wrong, form_of, given, options, refused, settle, whole
from api.console.source import WRITERS
from api.console.visit import View, Visit
from api.exchange import Reply
from api.interaction_bounds import PERSON_MAX
from api.interaction_reading import cursor_of, word_of
from api.problems import FieldProblem, invalid
from api.protections import FIELDS, days_of, statement_of
from bulwark.indicators.model import CASE_REF_MAX, VALUE_MAX
from bulwark.indicators.vocabulary import Kind, LawfulBasis, ObjectRole
from node.interaction.protectionport import (
    DEFAULT_DAYS,
    MAX_DAYS,
    ROLES,
    NewProtection,
    Protections,
    ProtectionState,
)
from node.service import Stage

PATH: Final = "/console/protections"
_WORDS: Final = tuple(sorted(role.label for role in ROLES))


class ProtectionPages:
    """Handlers of /console/protections."""

    def __init__(self, protections: Protections, now_ms: Callable[[], int]) -> None:
        self._protections = protections
        self._now_ms = now_ms

    async def every(self, visit: Visit) -> View:
        """GET /console/protections."""
        cursor = visit.exchange.query("cursor").get("cursor")
        return await self._list(visit, _form(visit), cursor)

    async def _list(self, visit: Visit, form: Form, cursor: str | None = None) -> View:
        page = await self._protections.page(cursor_of(cursor))
        values = {
            "rows": [(view, view.valid_until_day * 86_400_000) for view in page.protections],
            "next": None if page.next is None else page.next.hex(),
            "form": form if visit.role in WRITERS else None,
        }
        return View("protections.html", "Protections", values)

    async def register(self, visit: Visit) -> View | Reply:
        """POST /console/protections."""

        async def work() -> str:
            row = whole(given(visit, *FIELDS), "days")
            if row.get("role") not in _WORDS:
                raise invalid(FieldProblem("role", f"one of {', '.join(_WORDS)}"))
            person = word_of(row, "person", PERSON_MAX)
            wish = NewProtection(person, statement_of(row, self._now_ms()))
            caller = visit.exchange.caller
            made = await self._protections.register(wish, by=caller, wait=Stage.EXECUTED)
            return f"{PATH}/{made.protection_id}"

        async def again(wrong: Wrong) -> View:
            return await self._list(visit, refused(_form(visit), visit.form, wrong))

        return await settle(visit, work, again)

    async def show(self, visit: Visit) -> View:
        """GET /console/protections/{protection}."""
        visit.exchange.query()
        return self._one(visit)

    def _one(self, visit: Visit, name: str = "", wrong: Wrong | None = None) -> View:
        view = self._protections.show(visit.identity("protection", 32))
        forms: dict[str, Form] = {}
        if visit.role in WRITERS and view.state is not ProtectionState.WITHDRAWN:
            forms = _steps(visit, f"{PATH}/{view.protection_id}")
        if wrong is not None and name in forms:
            forms[name] = refused(forms[name], visit.form, wrong)
        values = {"view": view, "until_ms": view.valid_until_day * 86_400_000, "forms": forms}
        title = f"Protection {view.protection_id[:8]}"
        return View("protection.html", title, values, (("Protections", PATH),))

    async def renew(self, visit: Visit) -> View | Reply:
        """POST /console/protections/{protection}/renew."""
        protection_id = visit.identity("protection", 32)

        async def work() -> str:
            days = days_of(whole(given(visit, "days"), "days").get("days", DEFAULT_DAYS))
            caller = visit.exchange.caller
            await self._protections.renew(protection_id, days, by=caller, wait=Stage.EXECUTED)
            return f"{PATH}/{protection_id}"

        async def again(wrong: Wrong) -> View:
            return self._one(visit, "renew", wrong)

        return await settle(visit, work, again)

    async def withdraw(self, visit: Visit) -> View | Reply:
        """POST /console/protections/{protection}/withdraw."""
        protection_id = visit.identity("protection", 32)

        async def work() -> str:
            erase = "erase" in given(visit, "erase")
            await self._protections.withdraw(
                protection_id, erase=erase, by=visit.exchange.caller, wait=Stage.EXECUTED
            )
            return f"{PATH}/{protection_id}"

        async def again(wrong: Wrong) -> View:
            return self._one(visit, "withdraw", wrong)

        return await settle(visit, work, again)


def _form(visit: Visit) -> Form:
    roles = tuple((r.label, f"{r.label.replace('_', ' ')}: {r.meaning}")
                  for r in ObjectRole if r in ROLES)  # fmt: skip
    fields = (
        Field("person", "Person", required=True, most=PERSON_MAX,
              help="Your own pseudonym of the person; kept as a keyed hash only."),
        Field("kind", "Kind of identifier", "select", "phone", options=options(Kind)),
        Field("value", "The person's own identifier", required=True, most=VALUE_MAX),
        Field("region", "Country", most=2, help="Two letters, for numbers without a prefix."),
        Field("role", "What it is", "select", options=roles),
        Field("lawful_basis", "Lawful basis", "select", "public_interest",
              options=options(LawfulBasis, LawfulBasis.UNKNOWN)),
        Field("consent_anchor", "Consent", most=66, help="64 hexadecimal digits, for consent."),
        Field("days", "For so many days", "number", str(DEFAULT_DAYS), f"1 to {MAX_DAYS}", most=4),
        Field("policy", "Policy", most=64),
        Field("case_ref", "Case reference", most=CASE_REF_MAX),
    )  # fmt: skip
    return form_of(visit, PATH, "Protect it", fields)


def _steps(visit: Visit, base: str) -> dict[str, Form]:
    days = Field("days", "For so many days", "number", str(DEFAULT_DAYS), f"1 to {MAX_DAYS}",
                 most=4)  # fmt: skip
    erase = Field("erase", "Have its record destroyed too", "checkbox")
    return {
        "renew": form_of(visit, f"{base}/renew", "Renew", [days], id="renew"),
        "withdraw": form_of(
            visit, f"{base}/withdraw", "Withdraw", [erase], id="withdraw", danger=True
        ),
    }

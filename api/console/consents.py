"""Consents: receipts of this member, listed, found by person, given, renewed, withdrawn, erased.

Rules: a person is named in a form and on no page, in no address and no log; what a search found is
in the memory of its session. The receipt's content is the desk's to judge, and each fault is told
by its place. Roles are those of REST.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from api.consents import REASONS, faults
from api.console.forms import Field, Form, Wrong, form_of, given, options, promise, refused, settle
from api.console.source import WRITERS
from api.console.visit import View, Visit
from api.exchange import Reply
from api.indicators import read_object
from api.problems import FieldProblem, Problem, invalid
from bulwark.consents.facts import ReceiptFacts
from bulwark.consents.faults import DocumentRefused
from bulwark.indicators.vocabulary import Purpose
from node.consents.port import ConsentDetail, ConsentService, PersonName
from node.service import Stage

PATH: Final = "/console/consents"
PAGE: Final = 50
TERMS_MAX: Final = 16_000
"""Characters of the member's own terms in the form; longer ones go over REST."""
PERSON_MAX: Final = 256
STATED: Final = ("subject", "phone", "purpose", "valid_until", "method")
_PLACE: Final = re.compile(r"\$\['([a-z_]+)'\]")
"""The normalized JSON path of a fault, as far as its first name."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found, as a session keeps it; not whom it was about."""

    ids: tuple[str, ...]


class ConsentPages:
    """Handlers of /console/consents."""

    def __init__(self, consents: ConsentService) -> None:
        self._consents = consents

    async def every(self, visit: Visit) -> View:
        """GET /console/consents."""
        after = visit.exchange.query("after").get("after", "")
        if after and (len(after) != 64 or not after.isalnum()):
            raise Problem(400, "invalid", "after: 64 hexadecimal digits")
        return self._list(visit, after=after)

    def _list(
        self, visit: Visit, after: str = "", give: Form | None = None, find: Form | None = None
    ) -> View:
        found = self._consents.page(after, PAGE)
        values = {
            "rows": found,
            "next": found[-1].consent_id if len(found) == PAGE else None,
            "find": find or _find_form(visit),
            "give": (give or _give_form(visit)) if visit.role in WRITERS else None,
            "found": None,
        }
        return View("consents.html", "Consents", values)

    async def find(self, visit: Visit) -> View | Reply:
        """POST /console/consents/search."""

        async def work() -> str:
            row = given(visit, "person_subject", "person_phone")
            subject, phone = row.get("person_subject", ""), row.get("person_phone", "")
            if bool(subject) == bool(phone):
                raise invalid(FieldProblem("person_subject", "one of the two, and not both"))
            found = self._consents.search(PersonName(str(subject), str(phone)))
            name = visit.tray.keep(Found(tuple(view.consent_id for view in found)))
            return f"{PATH}/found/{name}"

        async def again(wrong: Wrong) -> View:
            return self._list(visit, find=refused(_find_form(visit), visit.form, wrong))

        return await settle(visit, work, again)

    async def found(self, visit: Visit) -> View:
        """GET /console/consents/found/{kept}."""
        visit.exchange.query()
        kept = visit.tray.show(visit.params["kept"])
        if not isinstance(kept, Found):
            raise Problem(404, "not-found", "this session has no such search, or no more")
        rows = [self._consents.show(name) for name in kept.ids]
        values = {"rows": rows, "next": None, "find": None, "give": None, "found": len(rows)}
        return View("consents.html", "Consents of a person", values, (("Consents", PATH),))

    async def give(self, visit: Visit) -> View | Reply:
        """POST /console/consents."""

        async def work() -> str:
            row = given(visit, *STATED, "terms")
            terms = str(row.pop("terms", ""))
            if not terms or len(terms) > TERMS_MAX:
                raise invalid(FieldProblem("terms", f"JSON of 1 to {TERMS_MAX} characters"))
            try:
                document = {**read_object(terms.encode()), **row}
            except Problem as error:
                raise invalid(FieldProblem("terms", error.detail)) from None
            try:
                made = await self._consents.give(
                    document, wait=Stage.EXECUTED, idempotency=promise(visit)
                )
            except DocumentRefused as error:
                raise _placed(error) from None
            return f"{PATH}/{made.consent_id}"

        async def again(wrong: Wrong) -> View:
            return self._list(visit, give=refused(_give_form(visit), visit.form, wrong))

        return await settle(visit, work, again)

    async def show(self, visit: Visit) -> View:
        """GET /console/consents/{consent}."""
        visit.exchange.query()
        return self._one(visit)

    def _one(self, visit: Visit, step: str = "", wrong: Wrong | None = None) -> View:
        view = self._consents.show(visit.identity("consent", 64))
        forms = {form.id: form for form in _forms(visit, view)}
        if wrong is not None and step in forms:
            forms[step] = refused(forms[step], visit.form, wrong)
        values = {"view": view, "receipt": receipt_rows(view), "forms": forms}
        title = f"Consent {view.consent_id[:8]}"
        return View("consent.html", title, values, (("Consents", PATH),))

    async def step(self, visit: Visit) -> View | Reply:
        """POST /console/consents/{consent}/{step}."""
        consent_id, step = visit.identity("consent", 64), visit.params["step"]
        steps: dict[str, Callable[[Visit, str], Awaitable[ConsentDetail]]] = {
            "renew": self._renew,
            "withdraw": self._withdraw,
            "erase": self._erase,
        }
        if step not in steps:
            raise Problem(404, "not-found", "the console has no page at this path")

        async def work() -> str:
            await steps[step](visit, consent_id)
            return f"{PATH}/{consent_id}"

        async def again(wrong: Wrong) -> View:
            return self._one(visit, step, wrong)

        return await settle(visit, work, again)

    async def _renew(self, visit: Visit, consent_id: str) -> ConsentDetail:
        document = given(visit, "valid_until", "method")
        try:
            return await self._consents.renew(
                consent_id, document, wait=Stage.EXECUTED, idempotency=promise(visit)
            )
        except DocumentRefused as error:
            raise _placed(error) from None

    async def _withdraw(self, visit: Visit, consent_id: str) -> ConsentDetail:
        reason = given(visit, "reason").get("reason")
        if reason not in REASONS:
            raise invalid(FieldProblem("reason", f"one of {', '.join(REASONS)}"))
        return await self._consents.withdraw(
            consent_id, str(reason), wait=Stage.EXECUTED, idempotency=promise(visit)
        )

    async def _erase(self, visit: Visit, consent_id: str) -> ConsentDetail:
        given(visit)
        return await self._consents.erase(consent_id)


def _placed(error: DocumentRefused) -> Problem:
    """Faults of a document beside the fields that they come from: all others are in the terms."""
    placed = []
    for problem in faults(error).errors:
        match = _PLACE.match(problem.field)
        if match is not None and match[1] in STATED:
            placed.append(FieldProblem(match[1], problem.detail))
        else:
            placed.append(FieldProblem("terms", f"{problem.field}: {problem.detail}"))
    return invalid(*placed)


def receipt_rows(view: ConsentDetail) -> list[tuple[str, str]]:
    """What a receipt covers, in words; not who the person is."""
    if view.receipt is None:
        return []
    facts = ReceiptFacts.of(view.receipt)
    purpose = "–" if facts.purpose is None else facts.purpose.label.replace("_", " ")
    basis = "–" if facts.basis is None else facts.basis.label.replace("_", " ")
    return [
        ("Purpose", purpose),
        ("Lawful basis", basis),
        ("Personal data", ", ".join(each.rpartition(":")[2] for each in facts.personal_data)),
        ("Given or renewed", facts.given_at),
        ("Valid until", facts.valid_until or "without end"),
    ]


def _find_form(visit: Visit) -> Form:
    fields = (
        Field("person_subject", "Your own pseudonym of the person", most=PERSON_MAX),
        Field("person_phone", "or telephone number", most=16, help="With its prefix, as +44…"),
    )
    return form_of(visit, f"{PATH}/search", "Find", fields, id="find")


def _give_form(visit: Visit) -> Form:
    fields = (
        Field("subject", "Person", required=True, most=PERSON_MAX,
              help="Your own pseudonym of the person."),
        Field("phone", "Telephone number", most=16, help="With its prefix, as +44…"),
        Field("purpose", "Purpose", "select", "fraud_prevention",
              options=options(Purpose, Purpose.UNKNOWN)),
        Field("valid_until", "Valid until", "date", required=True, help="As 2027-02-28."),
        Field("method", "How it was given", most=200, help="As: checkbox in the app."),
        Field("terms", "Your terms", "textarea", required=True, most=TERMS_MAX,
              help="JSON as “bulwark consent template” writes it, with your notice, controller "
              "and storage; the fields above replace what it says of the person."),
    )  # fmt: skip
    return form_of(visit, PATH, "Record the consent", fields, id="give")


def _forms(visit: Visit, view: ConsentDetail) -> list[Form]:
    """What may be done with a consent in its state."""
    base = f"{PATH}/{view.consent_id}"
    if visit.role not in WRITERS or view.status == "erased":
        return []
    if view.status != "given":
        return [form_of(visit, f"{base}/erase", "Erase the receipt", id="erase", danger=True)]
    reasons = tuple((word, word) for word in REASONS)
    return [
        form_of(visit, f"{base}/withdraw", "End it", [
            Field("reason", "Why", "select", REASONS[0], options=reasons),
        ], id="withdraw", danger=True),
        form_of(visit, f"{base}/renew", "Renew", [
            Field("valid_until", "Valid until", "date", required=True, help="As 2027-02-28."),
            Field("method", "How it was given", most=200),
        ], id="renew"),
    ]  # fmt: skip

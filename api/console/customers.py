"""Customers: the inbox of customers' reports, their triage, and what becomes of each.

Rules: what a person said stands on one report's page only; lists have no value and no text. An
analyst chooses what is reported, a reporter's key sends it. What the desk refuses is told with its
rule.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Awaitable, Callable
from typing import Final

from msgspec.structs import replace

from api.console.forms import (
    Field,
    Form,
    Wrong,
    form_of,
    given,
    options,
    promise,
    refused,
    settle,
    whole,
)
from api.console.language import accepted, language_field
from api.console.source import WRITERS
from api.console.visit import View, Visit
from api.exchange import Reply
from api.interaction_bounds import (
    DEFAULT_CONFIDENCE,
    MAX_IDENTIFIERS,
    NOTE_MAX,
    PERSON_MAX,
    TEXT_MAX,
)
from api.interaction_reading import choice_in, choices_of, cursor_of, note_of, report_of, word_of
from api.problems import Problem
from api.query import word
from bulwark.advice.texts import Catalogue
from bulwark.indicators.model import CASE_REF_MAX, VALUE_MAX
from bulwark.indicators.vocabulary import (
    Channel,
    FraudType,
    Kind,
    LawfulBasis,
    LossBand,
    ObjectRole,
)
from node.interaction.reportport import CustomerReports, DeclineReason, ReportState, ReportView
from node.service import Stage

PATH: Final = "/console/customer-reports"
SHOWN: Final = 2
"""Identifiers of one report that the form begins with; up to MAX_IDENTIFIERS stand below."""
OPEN: Final = (ReportState.RECEIVED, ReportState.TRIAGED)
STEPS: Final = ("triage", "report", "decline", "merge", "erase")
_CHOSEN: Final = ("fraud_type", "object_role", "confidence", "lawful_basis", "policy")
_PLACE: Final = re.compile(r"identifiers\[(\d+)\]\.(\w+)")


class CustomerPages:
    """Handlers of /console/customer-reports."""

    def __init__(
        self,
        reports: CustomerReports,
        now_ms: Callable[[], int],
        catalogue: Catalogue,
        language: str,
    ) -> None:
        """`language`: of reports where neither the form nor the browser names one."""
        self._reports = reports
        self._now_ms = now_ms
        self._catalogue = catalogue
        self._language = language

    def _form(self, visit: Visit) -> Form:
        return _take_form(visit, self._catalogue, self._accepted(visit))

    def _accepted(self, visit: Visit) -> str:
        return accepted(visit.exchange, self._catalogue, self._language)

    async def every(self, visit: Visit) -> View:
        """GET /console/customer-reports."""
        query = visit.exchange.query("state", "cursor")
        return await self._list(visit, self._form(visit), query)

    async def _list(self, visit: Visit, form: Form, query: dict[str, str]) -> View:
        words = [state.value for state in ReportState]
        state = word(query, "state", ("all", *words))
        wanted = None if state == "all" else ReportState(state)
        page = await self._reports.page(wanted, cursor_of(query.get("cursor")))
        values = {
            "rows": [(view, self._is_overdue(view)) for view in page.reports],
            "next": None if page.next is None else page.next.hex(),
            "state": state,
            "states": ["all", *words],
            "form": form,
        }
        return View("customer_reports.html", "Customers' reports", values)

    def _is_overdue(self, view: ReportView) -> bool:
        return view.state in OPEN and self._now_ms() > view.due_ms

    async def take(self, visit: Visit) -> View | Reply:
        """POST /console/customer-reports."""

        async def work() -> str:
            names = [f"{part}_{n}" for n in range(MAX_IDENTIFIERS) for part in ("kind", "value")]
            row = given(visit, "customer", "channel", "text", "happened", "loss_band",
                        "case_ref", "fraud_type", "language", *names)  # fmt: skip
            typed = [(row.pop(f"kind_{n}", None), row.pop(f"value_{n}", None))
                     for n in range(MAX_IDENTIFIERS)]  # fmt: skip
            row["identifiers"] = [{"kind": k, "value": v} for k, v in typed if v]
            fraud = row.pop("fraud_type", None)
            row["fraud_types"] = [fraud] if fraud else []
            report = report_of(row, self._now_ms(), self._accepted(visit))
            made = await self._reports.take(report, promise(visit))
            return f"{PATH}/{made.report_id}"

        async def again(wrong: Wrong) -> View:
            errors = tuple(replace(e, field=_typed_name(e.field)) for e in wrong.errors)
            form = refused(self._form(visit), visit.form, dataclasses.replace(wrong, errors=errors))
            return await self._list(visit, form, {})

        return await settle(visit, work, again)

    async def show(self, visit: Visit) -> View:
        """GET /console/customer-reports/{report}."""
        visit.exchange.query()
        return self._one(visit)

    def _one(self, visit: Visit, step: str = "", wrong: Wrong | None = None) -> View:
        view = self._reports.show(visit.identity("report", 32))
        forms = {form.id: form for form in _forms(visit, view)}
        if wrong is not None and step in forms:
            forms[step] = refused(forms[step], visit.form, wrong)
        values = {
            "report": view,
            "overdue": self._is_overdue(view),
            "happened_ms": None if view.happened_day is None else view.happened_day * 86_400_000,
            "forms": forms,
        }
        title = f"Customer's report {view.report_id[:8]}"
        return View("customer_report.html", title, values, (("Customers' reports", PATH),))

    async def step(self, visit: Visit) -> View | Reply:
        """POST /console/customer-reports/{report}/{step}."""
        report_id, step = visit.identity("report", 32), visit.params["step"]
        steps: dict[str, Callable[[Visit, str], Awaitable[object]]] = {
            "triage": self._triage,
            "report": self._report,
            "decline": self._decline,
            "merge": self._merge,
            "erase": self._erase,
        }
        if step not in steps:
            raise Problem(404, "not-found", "the console has no page at this path")
        if step == "report" and visit.role not in WRITERS:
            raise Problem(403, "forbidden", "a reporter's key sends reports to the ledger")

        async def work() -> str:
            await steps[step](visit, report_id)
            return f"{PATH}/{report_id}"

        async def again(wrong: Wrong) -> View:
            numbers = _numbers(visit)
            errors = tuple(replace(e, field=_chosen_name(e.field, numbers)) for e in wrong.errors)
            return self._one(visit, step, dataclasses.replace(wrong, errors=errors))

        return await settle(visit, work, again)

    async def _triage(self, visit: Visit, report_id: str) -> ReportView:
        count = len(self._reports.show(report_id).identifiers)
        names = [f"{name}_{number}" for number in range(count) for name in _CHOSEN]
        row = given(visit, "note", *names)
        choices = []
        for number in _numbers(visit):
            found = {n: row[f"{n}_{number}"] for n in _CHOSEN if f"{n}_{number}" in row}
            choices.append(whole({"number": number, **found}, "confidence"))
        chosen = choices_of(choices)
        return await self._reports.triage(report_id, chosen, note_of(row), visit.exchange.caller)

    async def _report(self, visit: Visit, report_id: str) -> ReportView:
        given(visit)
        caller = visit.exchange.caller
        return await self._reports.report(report_id, by=caller, wait=Stage.EXECUTED)

    async def _decline(self, visit: Visit, report_id: str) -> ReportView:
        row = given(visit, "reason", "note")
        reason = choice_in(DeclineReason, row.get("reason"), "reason")
        return await self._reports.decline(report_id, reason, note_of(row))

    async def _merge(self, visit: Visit, report_id: str) -> ReportView:
        return await self._reports.merge(report_id, word_of(given(visit, "into"), "into", 32))

    async def _erase(self, visit: Visit, report_id: str) -> ReportView:
        given(visit)
        return await self._reports.erase(report_id)


def _numbers(visit: Visit) -> list[int]:
    """Identifiers for which an analyst chose a kind of fraud."""
    found = [n for n in range(64) if visit.form.get(f"fraud_type_{n}", "").strip()]
    return found


def _chosen_name(field: str, numbers: list[int]) -> str:
    match = _PLACE.match(field)
    if match is None or int(match[1]) >= len(numbers):
        return field
    return f"{match[2]}_{numbers[int(match[1])]}"


def _typed_name(field: str) -> str:
    match = _PLACE.match(field)
    if match is not None:
        return f"{match[2]}_{match[1]}"
    return "value_0" if field == "identifiers" else field.replace("fraud_types", "fraud_type")


def _take_form(visit: Visit, catalogue: Catalogue, language: str) -> Form:
    typed: list[Field] = []
    kinds = options(Kind)
    for n in range(MAX_IDENTIFIERS):
        rest = n >= SHOWN
        typed += [
            Field(f"value_{n}", f"Identifier {n + 1}", most=VALUE_MAX, required=n == 0, more=rest),
            Field(f"kind_{n}", f"Kind of identifier {n + 1}", "select", "phone", options=kinds,
                  more=rest),
        ]  # fmt: skip
    fields = (
        Field("customer", "Customer", required=True, most=PERSON_MAX,
              help="Your own pseudonym of the person; kept as a keyed hash only."),
        language_field(catalogue, language, "Of what the customer can read about the report."),
        *typed,
        Field("text", "What the customer says", "textarea", most=TEXT_MAX),
        Field("fraud_type", "Kind of fraud", "select",
              options=(("", "not known yet"), *options(FraudType, FraudType.UNKNOWN))),
        Field("channel", "Way of contact", "select", "unknown", options=options(Channel)),
        Field("happened", "When it happened", "date", help="As 2026-02-28."),
        Field("loss_band", "Loss", "select", "unknown", options=options(LossBand)),
        Field("case_ref", "Case reference", most=CASE_REF_MAX),
    )  # fmt: skip
    more = f"More identifiers (up to {MAX_IDENTIFIERS})"
    return form_of(visit, PATH, "Take the report", fields, more=more)


def _forms(visit: Visit, view: ReportView) -> list[Form]:
    """What may be done with a report in its state."""
    base, found = f"{PATH}/{view.report_id}", []
    if view.state in OPEN:
        found.append(_triage_form(visit, view, base))
    if view.state is ReportState.TRIAGED and visit.role in WRITERS:
        found.append(form_of(visit, f"{base}/report", "Report to the alliance", id="report"))
    if view.state in OPEN:
        reasons = tuple((r.value, r.value.replace("_", " ")) for r in DeclineReason)
        found += [
            form_of(visit, f"{base}/decline", "Decline", (
                Field("reason", "Reason", "select", options=reasons),
                Field("note", "Note", "textarea", most=NOTE_MAX),
            ), id="decline"),
            form_of(visit, f"{base}/merge", "Merge", (
                Field("into", "Into the report with the id", most=32, required=True),
            ), id="merge"),
        ]  # fmt: skip
    if view.state is not ReportState.ERASED:
        found.append(form_of(visit, f"{base}/erase", "Erase", id="erase", danger=True))
    return found


def _triage_form(visit: Visit, view: ReportView, base: str) -> Form:
    fields: list[Field] = []
    frauds = (("", "do not report it"), *options(FraudType, FraudType.UNKNOWN))
    roles = options(ObjectRole, ObjectRole.UNKNOWN)
    for each in view.identifiers:
        n, label = each.number, f"identifier {each.number + 1}"
        fields += [
            Field(f"fraud_type_{n}", f"Kind of fraud of {label}", "select", options=frauds),
            Field(f"object_role_{n}", f"What {label} is in it", "select", "offender_controlled",
                  options=roles),
            Field(f"confidence_{n}", f"Confidence in {label}", "number", str(DEFAULT_CONFIDENCE),
                  most=3),
            Field(f"lawful_basis_{n}", f"Lawful basis for {label}", "select",
                  "legitimate_interests", options=options(LawfulBasis, LawfulBasis.UNKNOWN)),
        ]  # fmt: skip
    fields.append(Field("note", "Note", "textarea", view.note, most=NOTE_MAX))
    return form_of(visit, f"{base}/triage", "Choose what to report", fields, id="triage")

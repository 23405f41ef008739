"""Reporting: the form with which a reporter states that an identifier was used in fraud.

Rules: the same reading and the same checks as over REST; each error stands beside its field with
what is allowed. The form's ticket is the node's idempotency key, so a form that is sent again after
a restart makes no second record. The page of the result repeats no identifier.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

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
from api.console.screening import Asked
from api.console.source import Source
from api.console.visit import View, Visit
from api.exchange import Reply
from api.problems import Problem, invalid
from api.views import refusal_problem
from bulwark.indicators.model import CASE_REF_MAX, VALUE_MAX, IndicatorReport
from bulwark.indicators.vocabulary import (
    Channel,
    EvidenceLevel,
    FraudType,
    Kind,
    LawfulBasis,
    LossBand,
    ObjectRole,
    Purpose,
    Tlp,
)
from node.service import ReportOutcome, Stage

PATH: Final = "/console/report"
FIELDS: Final = (
    "kind", "value", "fraud_type", "object_role", "evidence_level", "confidence", "first_seen",
    "last_seen", "valid_until", "lawful_basis", "purpose", "case_ref", "consent_anchor", "region",
    "tlp", "channel", "country", "distinct_customers", "loss_band", "policy",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reported:
    """A report's outcome, as a session keeps it."""

    outcome: ReportOutcome
    kind: str


class ReportingPages:
    """Handlers of /console/report."""

    def __init__(self, source: Source) -> None:
        self._source = source

    async def form(self, visit: Visit) -> View:
        """GET /console/report."""
        visit.exchange.query()
        return _view(report_form(visit))

    async def about(self, visit: Visit) -> View:
        """GET /console/answers/{kept}/report: the form with what was asked about."""
        visit.exchange.query()
        asked = visit.tray.show(visit.params["kept"])
        if not isinstance(asked, Asked):
            raise Problem(404, "not-found", "this session has no such answer, or no more")
        question = asked.question
        return _view(report_form(visit, question.kind.label, question.value, question.case_ref))

    async def send(self, visit: Visit) -> View | Reply:
        """POST /console/report."""

        async def work() -> str:
            row = whole(given(visit, *FIELDS), "confidence", "distinct_customers")
            report = IndicatorReport.from_mapping(row, now_ms=self._source.now_ms())
            outcomes = await self._source.service.report(
                [report],
                by=visit.exchange.caller,
                wait=Stage.EXECUTED,
                idempotency=promise(visit),
            )
            outcome = outcomes[0]
            if outcome.refusal is not None:
                raise invalid(refusal_problem(outcome.refusal))
            name = visit.tray.keep(Reported(outcome, report.kind.label))
            return f"/console/reported/{name}"

        async def again(wrong: Wrong) -> View:
            return _view(refused(report_form(visit), visit.form, wrong))

        return await settle(visit, work, again)

    async def done(self, visit: Visit) -> View:
        """GET /console/reported/{kept}."""
        visit.exchange.query()
        found = visit.tray.show(visit.params["kept"])
        if not isinstance(found, Reported):
            raise Problem(404, "not-found", "this session has no such report, or no more")
        title = "Known already" if found.outcome.duplicate else "Reported"
        values = {"outcome": found.outcome, "kind": found.kind}
        return View("reported.html", title, values, (("Report", PATH),))


def report_form(visit: Visit, kind: str = "phone", value: str = "", case_ref: str = "") -> Form:
    """The form of a report, with the defaults of a row that leaves cells out."""
    day = "As 2026-02-28; today if left out."
    fields = (
        Field("kind", "Kind of identifier", "select", kind, options=options(Kind)),
        Field("value", "Identifier", value=value, required=True, most=VALUE_MAX,
              help="It leaves this node as a keyed hash only."),
        Field("fraud_type", "Kind of fraud", "select",
              options=(("", "choose one"), *options(FraudType, FraudType.UNKNOWN)), required=True),
        Field("object_role", "What it is in the fraud", "select", "unknown",
              options=options(ObjectRole)),
        Field("evidence_level", "How sure it is", "select", "suspected",
              options=options(EvidenceLevel)),
        Field("confidence", "Confidence", "number", "50", "0 to 100", required=True, most=3),
        Field("distinct_customers", "Customers who named it", "number", "", most=5,
              help="How many distinct customers; some policies ask for more than one."),
        Field("loss_band", "Loss", "select", "unknown", options=options(LossBand)),
        Field("channel", "Way of contact", "select", "unknown", options=options(Channel)),
        Field("first_seen", "First seen", "date", help=day),
        Field("last_seen", "Last seen", "date", help=day),
        Field("valid_until", "Valid until", "date", help="Left out: as the kind says."),
        Field("purpose", "Purpose", "select", "fraud_prevention",
              options=options(Purpose, Purpose.UNKNOWN)),
        Field("lawful_basis", "Lawful basis", "select", "legitimate_interests",
              options=options(LawfulBasis, LawfulBasis.UNKNOWN)),
        Field("consent_anchor", "Consent", most=66, help="64 hexadecimal digits, for consent."),
        Field("tlp", "Sharing mark", "select", "amber", options=options(Tlp, Tlp.UNKNOWN)),
        Field("region", "Country of the number", most=2, help="Two letters."),
        Field("country", "Country of the fraud", most=2, help="Two letters."),
        Field("policy", "Policy", most=64, help="Id or title; the alliance's default if left out."),
        Field("case_ref", "Case reference", value=case_ref, most=CASE_REF_MAX,
              help="Leaves this member as a salted hash only."),
    )  # fmt: skip
    return form_of(visit, PATH, "Report", fields)


def _view(form: Form) -> View:
    intro = (
        "Every member's questions will be answered with it. The identifier itself goes nowhere: "
        "the ledger has a keyed hash and the fields below."
    )
    return View("form.html", "Report an identifier", {"form": form, "intro": intro, "note": ""})

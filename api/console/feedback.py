"""Feedback: what the desk found about an answer, said on the answer's own page.

Rules: it stays at this member; with a ground it disputes the one record that it is about, which
only a reporter's key may. Records, band and case come from the answer that the session keeps and
never from the form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from api.console.forms import Field, Form, Wrong, form_of, given, options, refused, settle
from api.console.source import WRITERS
from api.console.visit import View, Visit
from api.exchange import Reply
from api.problems import FieldProblem, invalid
from bulwark.indicators.model import CASE_REF_MAX
from bulwark.indicators.vocabulary import Band, DisputeGround, LossBand
from node.interaction.feedbackport import MAX_RECORDS, Feedback, Finding, NewFeedback, Verdict
from node.service import Forbidden, Stage

if TYPE_CHECKING:
    from api.console.screening import Asked, ScreeningPages

FIELDS: Final = ("verdict", "finding", "loss_prevented", "case_ref", "dispute")
VERDICTS: Final = {
    Verdict.AGREED: "agreed: our own look says the same",
    Verdict.DISAGREED: "disagreed: our own look says otherwise",
    Verdict.ACTIONED: "actioned: we acted on it",
    Verdict.NO_ACTION: "no action: we let it be",
    Verdict.ENRICHED: "enriched: we know more now",
}


class FeedbackPages:
    """Handler of /console/answers/{kept}/feedback."""

    def __init__(self, answers: ScreeningPages, feedback: Feedback) -> None:
        self._answers = answers
        self._feedback = feedback

    async def give(self, visit: Visit) -> View | Reply:
        """POST /console/answers/{kept}/feedback."""
        from api.console.screening import ANSWERS, asked_of

        asked = asked_of(visit)

        async def work() -> str:
            wish = _wish(visit, asked)
            caller = visit.exchange.caller
            asked.feedback = await self._feedback.give(wish, by=caller, wait=Stage.EXECUTED)
            return f"{ANSWERS}/{visit.params['kept']}#said"

        async def again(wrong: Wrong) -> View:
            form = refused(feedback_form(visit, asked), visit.form, wrong)
            return await self._answers.shown(visit, asked, form)

        return await settle(visit, work, again)


def feedback_form(visit: Visit, asked: Asked) -> Form:
    """The form below an answer."""
    fields = [
        Field("verdict", "What you found", "select", required=True,
              options=(("", "choose one"), *((v.value, text) for v, text in VERDICTS.items()))),
        Field("finding", "Why", "select", Finding.OTHER.value, options=_words(Finding)),
        Field("loss_prevented", "Loss prevented", "select", "unknown", options=options(LossBand)),
        Field("case_ref", "Case reference", value=asked.question.case_ref, most=CASE_REF_MAX,
              help="Feedback on the same records under the same reference replaces the earlier."),
    ]  # fmt: skip
    if visit.role in WRITERS and len(asked.answer.records) == 1:
        grounds = (("", "no"), *options(DisputeGround, DisputeGround.UNKNOWN))
        text = "Goes to the ledger under this member's name. Only with “disagreed”."
        fields.append(Field("dispute", "Dispute the record", "select", help=text, options=grounds))
    action = f"/console/answers/{visit.params['kept']}/feedback"
    return form_of(visit, action, "Say what you found", fields, id="feedback")


def _wish(visit: Visit, asked: Asked) -> NewFeedback:
    row = given(visit, *FIELDS)
    ground = row.get("dispute")
    if ground is not None and visit.role not in WRITERS:
        raise Forbidden("a reporter's key disputes a record")
    found = DisputeGround.UNKNOWN if ground is None else DisputeGround.parse(ground, "dispute")
    case_ref = str(row.get("case_ref", ""))
    if len(case_ref) > CASE_REF_MAX:
        raise invalid(FieldProblem("case_ref", f"text of at most {CASE_REF_MAX} characters"))
    records = tuple(view.record_id for view in asked.answer.records)[:MAX_RECORDS]
    if not records:
        raise invalid(FieldProblem("", "feedback is about records, and this answer has none"))
    known = {band.label: band for band in Band}
    return NewFeedback(
        verdict=Verdict(_one_of(row, "verdict", [v.value for v in Verdict])),
        finding=Finding(_one_of(row, "finding", [f.value for f in Finding])),
        records=records,
        band=known.get(asked.answer.band),
        loss_prevented=LossBand.parse(row.get("loss_prevented", "unknown"), "loss_prevented"),
        case_ref=case_ref,
        dispute=None if ground is None else found,
    )


def _one_of(row: dict[str, object], name: str, allowed: list[str]) -> str:
    text = row.get(name)
    if text not in allowed:
        raise invalid(FieldProblem(name, f"one of {', '.join(allowed)}"))
    return str(text)


def _words(vocabulary: type[Finding]) -> tuple[tuple[str, str], ...]:
    return tuple((entry.value, entry.value.replace("_", " ")) for entry in vocabulary)

"""Screening: the question an analyst asks, and the page of its answer with reasons and timeline.

Rules: the question comes in a form and the answer gets a page by redirect, whose address is a
random name of this session's tray: what was typed is in memory only and ends with the session. An
answer that is not complete says so first and is never shown as clean. Nothing here decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from api.advice import Adviser, language_of
from api.console.forms import Field, Form, Wrong, form_of, given, options, refused, settle
from api.console.language import accepted, language_field
from api.console.source import Source
from api.console.visit import View, Visit
from api.console.wording import operation_text, reason_text, value_text
from api.exchange import Reply
from api.problems import Problem, invalid
from api.views import refusal_problem
from bulwark.indicators.model import CASE_REF_MAX, VALUE_MAX, ScreeningRequest
from bulwark.indicators.usage import ACTIONS
from bulwark.indicators.vocabulary import Kind, LawfulBasis, Purpose
from node.interaction.feedbackport import FeedbackView
from node.service import NotFound, RecordView, ScreeningAnswer

PATH: Final = "/console/screening"
ANSWERS: Final = "/console/answers"
MOST_LIVES: Final = 20
"""Records of one answer whose lives the timeline tells."""
FIELDS: Final = ("kind", "value", "purpose", "lawful_basis", "case_ref", "region", "language")
UNTOLD: Final = frozenset({"operation", "kind", "oprf_key_id", "usage"})
"""Fields of a record that say nothing to who decides about a payment."""
BANDS: Final = {
    "none": "Nothing that counts",
    "low": "Low",
    "medium": "Medium",
    "high": "High",
    "very_high": "Very high",
    "unknown": "Unknown: the question could not be asked",
}


@dataclass(slots=True)
class Asked:
    """A question with its answer, as a session keeps it."""

    question: ScreeningRequest
    answer: ScreeningAnswer
    advice: Mapping[str, object]
    """In the customer's language."""
    told: Mapping[str, object]
    """The same in the language of who asked."""
    asked_ms: int
    feedback: FeedbackView | None = None
    """What was said about it last."""

    def __repr__(self) -> str:
        return f"Asked({self.question!r})"


@dataclass(frozen=True, slots=True)
class Moment:
    """One entry of the timeline."""

    time_ms: int
    what: str
    member: str
    height: int
    record: str
    refused: str | None = None


class ScreeningPages:
    """Handlers of /console/screening and /console/answers."""

    def __init__(self, source: Source, adviser: Adviser, language: str) -> None:
        """`language`: of texts where neither the form nor the browser names one."""
        self._source = source
        self._adviser = adviser
        self._language = language

    def _question_form(self, visit: Visit) -> Form:
        return question_form(visit, self._adviser, self._accepted(visit))

    def _accepted(self, visit: Visit) -> str:
        return accepted(visit.exchange, self._adviser.speaker.catalogue, self._language)

    async def form(self, visit: Visit) -> View:
        """GET /console/screening."""
        visit.exchange.query()
        return _view(self._question_form(visit))

    async def ask(self, visit: Visit) -> View | Reply:
        """POST /console/screening."""

        async def work() -> str:
            row = given(visit, *FIELDS)
            language = language_of(row.pop("language", None)) or self._accepted(visit)
            question = ScreeningRequest.from_mapping(row)
            caller = visit.exchange.caller
            answer = (await self._source.service.screen([question], by=caller))[0]
            if answer.refusal is not None:
                raise invalid(refusal_problem(answer.refusal))
            advice = self._adviser.full(answer, language)
            told = self._adviser.full(answer, self._accepted(visit))
            asked = Asked(question, answer, advice, told, self._source.now_ms())
            return f"{ANSWERS}/{visit.tray.keep(asked)}"

        async def again(wrong: Wrong) -> View:
            return _view(refused(self._question_form(visit), visit.form, wrong))

        return await settle(visit, work, again)

    async def answer(self, visit: Visit) -> View:
        """GET /console/answers/{kept}."""
        visit.exchange.query()
        return await self.shown(visit, asked_of(visit))

    async def shown(self, visit: Visit, asked: Asked, form: Form | None = None) -> View:
        """The page of an answer; `form` is a feedback form that was refused."""
        from api.console.feedback import feedback_form

        answer = asked.answer
        wanted = answer.records and self._source.interaction is not None
        if form is None and wanted:
            form = feedback_form(visit, asked)
        values = {
            "asked": asked,
            "answer": answer,
            "question": asked.question,
            "band": BANDS.get(answer.band, answer.band),
            "actions": [ACTIONS.get(code, code) for code in answer.permitted_actions],
            "records": [_record_row(view) for view in answer.records],
            "timeline": await self._timeline(answer),
            "has_lives": self._source.disputes is not None,
            "can_hold": wanted,
            "more_lives": max(0, len(answer.records) - MOST_LIVES),
            "age_ms": answer.age_ms,
            "form": form,
            "kept": visit.params["kept"],
        }
        crumbs = (("Ask", PATH),)
        return View("answer.html", f"Answer: {values['band']}", values, crumbs)

    async def _timeline(self, answer: ScreeningAnswer) -> list[Moment]:
        """What happened to the records behind an answer, oldest first."""
        disputes, found = self._source.disputes, []
        for record in answer.records[:MOST_LIVES]:
            name = record.record_id.hex()
            what = f"reported as {record.fields.get('fraud_type', 'unknown')}".replace("_", " ")
            found.append(Moment(record.timestamp_ms, what, record.reporter, record.height, name))
            if disputes is None:
                continue
            try:
                standing = (await disputes.history(record.record_id)).standing
            except NotFound:  # erased and pruned since the answer
                continue
            for step in () if standing is None else standing.history:
                why = reason_text(step.operation, step.reason)
                text = operation_text(step.operation) + (f": {why}" if why else "")
                found.append(
                    Moment(step.timestamp_ms, text, step.member, step.height, name, step.refused)
                )
        return sorted(found, key=lambda moment: (moment.time_ms, moment.height))


def asked_of(visit: Visit) -> Asked:
    """The answer that a path names; Problem 404 where this session has none of that name."""
    found = visit.tray.show(visit.params["kept"])
    if not isinstance(found, Asked):
        detail = "this session has no such answer, or no more; ask again"
        raise Problem(404, "not-found", detail)
    return found


def question_form(visit: Visit, adviser: Adviser, language: str) -> Form:
    """The form of a question, with the purpose and basis that most questions have."""
    fields = (
        Field(
            "value", "Identifier", "search", required=True, most=VALUE_MAX, autofocus=True,
            help="As your customer gave it. It leaves this node as a keyed hash only, and stands "
            "in no address and no log.",
        ),
        Field("kind", "Kind of identifier", "select", "phone", options=options(Kind)),
        Field("case_ref", "Case reference", most=CASE_REF_MAX, help="Yours; for the access log."),
        Field("region", "Country", most=2, help="Two letters, for numbers without a prefix."),
        language_field(adviser.speaker.catalogue, language, "Of what you will tell them."),
        Field("purpose", "Purpose", "select", "fraud_prevention", options=stated(Purpose)),
        Field(
            "lawful_basis", "Lawful basis", "select", "legitimate_interests",
            options=stated(LawfulBasis),
        ),
    )  # fmt: skip
    return form_of(visit, PATH, "Ask", fields)


def stated(vocabulary: type[Purpose] | type[LawfulBasis]) -> tuple[tuple[str, str], ...]:
    """Choices of a vocabulary that has to be stated."""
    return options(vocabulary, *(term for term in vocabulary if term == 0))


def _view(form: Form) -> View:
    return View("question.html", "Ask about an identifier", {"form": form})


def _record_row(view: RecordView) -> tuple[RecordView, list[tuple[str, str]]]:
    shown = [
        (name.replace("_", " "), value_text(value).replace("_", " "))
        for name, value in view.fields.items()
        if value and value != "unknown" and name not in UNTOLD
    ]
    return view, shown

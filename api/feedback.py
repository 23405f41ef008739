"""Feedback over REST: what this member's desk found about answers and records, and its figures.

Rules: reporters and analysts give feedback; with `dispute` it goes to the ledger too, which needs a
reporter's key. Auditors and operators read the figures as well: they name members, never a person.
"""

from __future__ import annotations

from typing import Any, Final

from api import documentation as doc
from api import protection_schemas as schemas
from api.bodies import known
from api.customer_reports import STAFF
from api.exchange import Exchange, Reply, Route, json_reply
from api.interaction_reading import choice_in, json_body, record_id_in
from api.problems import FieldProblem, invalid
from api.settings import ApiSettings
from api.views import timestamp
from bulwark.indicators.model import CASE_REF_MAX
from bulwark.indicators.vocabulary import Band, DisputeGround, LossBand
from bulwark.ledger.ids import RecordId
from node.interaction.feedbackport import (
    MAX_RECORDS,
    Feedback,
    FeedbackSummary,
    Finding,
    NewFeedback,
    Verdict,
)
from node.service import Role

READERS: Final = STAFF | {Role.AUDITOR, Role.OPERATOR}
_BASE: Final = "/v1/feedback"
_FIELDS: Final = (
    "verdict", "finding", "record_ids", "band", "loss_prevented", "case_ref", "dispute",
)  # fmt: skip


class FeedbackRoutes:
    """Handlers of /v1/feedback."""

    def __init__(self, service: Feedback, settings: ApiSettings) -> None:
        self._service = service
        self._settings = settings

    async def give(self, exchange: Exchange) -> Reply:
        """POST /v1/feedback."""
        wait = exchange.wait()
        _, body = await json_body(exchange, self._settings)
        known(body, *_FIELDS)
        ground = body.get("dispute")
        feedback = NewFeedback(
            verdict=choice_in(Verdict, body.get("verdict"), "verdict"),
            finding=choice_in(Finding, body.get("finding"), "finding", Finding.OTHER),
            records=_records(body.get("record_ids")),
            band=_band(body.get("band")),
            loss_prevented=LossBand.parse(body.get("loss_prevented", "unknown"), "loss_prevented"),
            case_ref=_case_ref(body),
            dispute=None if ground is None else DisputeGround.parse(ground, "dispute"),
        )
        if feedback.dispute is DisputeGround.UNKNOWN:
            words = ", ".join(entry.label for entry in DisputeGround if entry != 0)
            raise invalid(FieldProblem("dispute", f"one of {words}"))
        view = await self._service.give(feedback, by=exchange.caller, wait=wait)
        document = {
            "id": view.feedback_id,
            "given": timestamp(view.given_ms),
            "verdict": view.verdict.value,
            "reporters": list(view.reporters),
            "kinds": list(view.kinds),
            "replaced": view.replaced,
            "dispute": view.dispute,
            "follow_up": view.follow_up,
        }
        return json_reply(201, document)

    async def summary(self, exchange: Exchange) -> Reply:
        """GET /v1/feedback/summary."""
        exchange.query()
        return json_reply(200, summary_document(await self._service.summary()))


def _records(given: object) -> tuple[RecordId, ...]:
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_RECORDS:
        raise invalid(FieldProblem("record_ids", f"a list of 1 to {MAX_RECORDS} record ids"))
    found = [record_id_in(text, f"record_ids[{number}]") for number, text in enumerate(given)]
    return tuple(dict.fromkeys(found))


def _band(given: object) -> Band | None:
    return None if given is None else Band.parse(given, "band")


def _case_ref(body: dict[str, Any]) -> str:
    text = body.get("case_ref", "")
    if not isinstance(text, str) or len(text) > CASE_REF_MAX:
        raise invalid(FieldProblem("case_ref", f"text of at most {CASE_REF_MAX} characters"))
    return text


def summary_document(view: FeedbackSummary) -> dict[str, object]:
    """The figures of feedback."""
    share = None
    if view.disputes_decided:
        share = round(view.disputes_upheld / view.disputes_decided, 4)
    return {
        "verdicts": dict(view.verdicts),
        "by_band": {band: dict(row) for band, row in view.by_band.items()},
        "precision": {
            "threshold": view.threshold,
            "judged": view.judged,
            "right": view.right,
            "value": _rounded(view.precision),
        },
        "reporters": [
            {
                "reporter": row.reporter,
                "kind": row.kind,
                "verdicts": dict(row.verdicts),
                "judged": row.judged,
                "wrong": row.wrong,
                "false_positive_rate": _rounded(row.false_positive_rate),
            }
            for row in view.reporters
        ],
        "loss_prevented": dict(view.loss_prevented),
        "time_to_first_share": {
            "count": view.shares,
            "median_seconds": _seconds(view.share_median_ms),
            "p95_seconds": _seconds(view.share_p95_ms),
        },
        "disputes": {
            "decided": view.disputes_decided,
            "upheld": view.disputes_upheld,
            "upheld_share": share,
            "open": view.disputes_open,
        },
        "partial": view.is_partial,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else round(ms / 1000, 3)


def feedback_routes(at: FeedbackRoutes, settings: ApiSettings) -> list[Route]:
    """The routes with who may use them and what the documentation says."""
    limit = settings.request_timeout_ms
    give = doc.operation(
        "giveFeedback",
        "feedback",
        "Say what you found about an answer or a record",
        {201: schemas.FeedbackOut},
        body=doc.json_body(schemas.FeedbackIn),
        parameters=(doc.WAIT,),
        problems=(404, 409),
    )
    summary = doc.operation(
        "showFeedbackSummary",
        "feedback",
        "Precision, false positives, time to share, disputes upheld",
        {200: schemas.FeedbackSummaryOut},
    )
    return [
        Route("POST", _BASE, at.give, STAFF, give, limit),
        Route("GET", f"{_BASE}/summary", at.summary, READERS, summary, limit),
    ]

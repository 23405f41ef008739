"""Advice on answers: level, codes and texts beside a screening, and the catalogue of texts.

Rules: advice is additive; it follows from the answer's own fields and the member's thresholds. One
answer carries texts in the language that the question names, else in the member's; rows of an
upload carry level and codes alone. Texts are made once for each advice and language.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

from api import advice_schemas as schemas
from api import documentation as doc
from api.exchange import ALL_ROLES, Exchange, Reply, Route, json_reply
from api.problems import FieldProblem, invalid, refused
from api.settings import ApiSettings
from bulwark.advice.advice import Advice, Facts, advise
from bulwark.advice.texts import shipped
from bulwark.advice.wording import Sender, Speaker
from node.service import ScreeningAnswer

LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,3}\Z")
LANGUAGE_ALLOWED: Final = "a language tag as de or zh-Hans"
_LANGUAGE_PARAMETER: Final = {
    "name": "language",
    "in": "query",
    "description": "Language of the texts; English where there are none in it",
    "schema": {"type": "string", "pattern": schemas.LANGUAGE},
}


class Adviser:
    """Advice of one member."""

    def __init__(self, settings: ApiSettings) -> None:
        self._thresholds = settings.thresholds
        self._language = settings.language
        self.speaker = Speaker(shipped(), Sender(settings.member_name, settings.contact))
        self._with_texts = lru_cache(maxsize=512)(self._told)

    def advice(self, answer: ScreeningAnswer) -> Advice:
        """The advice on an answer, in codes."""
        facts = Facts(
            answer.band,
            answer.complete,
            answer.is_protected,
            answer.permitted_actions,
            [limit.code for limit in answer.limits],
        )
        return advise(facts, self._thresholds)

    def brief(self, answer: ScreeningAnswer) -> dict[str, object]:
        """Level and codes, for the rows of an upload."""
        advice = self.advice(answer)
        return {"level": advice.level.label, "codes": advice.codes}

    def full(self, answer: ScreeningAnswer, language: str | None) -> dict[str, object]:
        """Level, codes and texts; do not change what it gives."""
        return self._with_texts(self.advice(answer), language or self._language)

    def _told(self, advice: Advice, language: str) -> dict[str, object]:
        wording = self.speaker.wording(advice, language)
        texts = {"customer": wording.customer, "agent": wording.agent, "letter": wording.letter}
        return {
            "level": advice.level.label,
            "codes": advice.codes,
            "language": wording.language,
            "fallback": wording.is_fallback,
            "texts": texts,
        }

    async def texts(self, exchange: Exchange) -> Reply:
        """GET /v1/advice/texts."""
        given = exchange.query("language").get("language")
        if given is not None and LANGUAGE.match(given) is None:
            raise refused("language", LANGUAGE_ALLOWED)
        wanted = given or self._language
        catalogue = self.speaker.catalogue
        found = catalogue.language(wanted)
        document = {
            "language": found or "en",
            "fallback": found is None,
            "languages": list(catalogue.languages),
            "missing": sorted(catalogue.missing(found)) if found else [],
            "messages": dict(catalogue.messages(wanted)),
        }
        return json_reply(200, document)


def language_of(given: object) -> str | None:
    """The language that a body names, None for none; Problem 422 for what is no tag."""
    if given is None:
        return None
    if not isinstance(given, str) or LANGUAGE.match(given) is None:
        raise invalid(FieldProblem("language", LANGUAGE_ALLOWED))
    return given


def advice_routes(at: Adviser, settings: ApiSettings) -> list[Route]:
    """The catalogue of texts."""
    answers: dict[int, Any] = {200: schemas.TextsOut}
    texts = doc.operation(
        "showAdviceTexts",
        "screenings",
        "Show the texts that advice is told in",
        answers,
        parameters=(_LANGUAGE_PARAMETER,),
    )
    limit = settings.request_timeout_ms
    return [Route("GET", "/v1/advice/texts", at.texts, ALL_ROLES, texts, limit)]

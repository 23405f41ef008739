"""Advice beside answers: texts in the language asked for, codes in rows, a catalogue."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from api import advice_schemas
from api.advice import Adviser
from api.settings import ApiSettings
from bulwark.advice.advice import Thresholds
from bulwark.advice.texts import LANGUAGES, shipped
from bulwark.indicators.vocabulary import Band
from node.service import Role
from tests.unit.api.world import PHONE, QUESTION, World, ndjson, problem_of
from tests.unit.node.interaction.office import CLEAN, WARNED


@pytest.mark.parametrize("language", LANGUAGES)
async def test_an_answer_is_advised_in_the_language_asked_for(world: World, language: str) -> None:
    await world.ask("POST", "/v1/indicators", json=PHONE)
    answer = await world.ask("POST", "/v1/screenings", json=QUESTION | {"language": language})
    advice = advice_schemas.AdviceOut.model_validate(answer.json()["advice"])
    assert (advice.language, advice.fallback) == (language, False)
    assert advice.texts is not None
    told = shipped().messages(language)[f"customer.{advice.level}"]
    assert told.partition("{")[0] in advice.texts.customer


async def test_without_a_language_it_is_the_member_s_and_an_unknown_one_is_english() -> None:
    world = World(settings=ApiSettings(language="fr", member_name="Banque A"))
    plain = (await world.ask("POST", "/v1/screenings", json=QUESTION)).json()["advice"]
    assert (plain["language"], plain["fallback"]) == ("fr", False)
    other = await world.ask("POST", "/v1/screenings", json=QUESTION | {"language": "pt-BR"})
    assert (other.json()["advice"]["language"], other.json()["advice"]["fallback"]) == ("en", True)


@pytest.mark.parametrize("language", [7, "", "not a tag", "d", "x" * 40])
async def test_what_is_no_language_is_refused(world: World, language: object) -> None:
    answer = await world.ask("POST", "/v1/screenings", json=QUESTION | {"language": language})
    (error,) = problem_of(answer, 422, "invalid")["errors"]
    assert error["field"] == "language"


async def test_rows_of_an_upload_carry_codes_and_no_texts(world: World) -> None:
    answer = await world.upload("/v1/screenings/batches", ndjson([QUESTION]))
    (row,) = answer.json()["rows"]
    advice = advice_schemas.AdviceOut.model_validate(row["answer"]["advice"])
    assert advice.texts is None and advice.language is None


async def test_the_catalogue_is_shown_to_every_key(world: World) -> None:
    for role in Role:
        shown = await world.ask("GET", "/v1/advice/texts?language=zh", role)
        found = advice_schemas.TextsOut.model_validate_json(shown.content, strict=True)
        assert (found.language, found.fallback, found.missing) == ("zh", False, [])
    other = (await world.ask("GET", "/v1/advice/texts?language=pt")).json()
    assert (other["language"], other["fallback"]) == ("en", True)
    problem_of(await world.ask("GET", "/v1/advice/texts?language=%20"), 400, "invalid")


def test_a_member_s_thresholds_hold_for_its_answers() -> None:
    usual, calm = (
        Adviser(ApiSettings()),
        Adviser(ApiSettings(thresholds=Thresholds(Band.HIGH, None, None))),
    )
    assert usual.brief(WARNED)["level"] == "delay"
    assert calm.brief(WARNED)["level"] == "warn"
    assert usual.brief(CLEAN)["level"] == "none"
    unknown = replace(CLEAN, band="unknown", complete=False, incomplete_reason="no quorum")
    assert usual.full(unknown, "en")["level"] == "check"
    assert usual.full(WARNED, "en") is usual.full(WARNED, "en"), "texts are made once"

"""Asking about one identifier and about many."""

from __future__ import annotations

import pytest

from node.service import Role, Unavailable
from tests.unit.api.world import PHONE, QUESTION, World, ndjson, problem_of

PATH = "/v1/screenings"


async def test_a_hit_has_band_score_reasons_and_records_without_clear_text(world: World) -> None:
    made = await world.ask("POST", "/v1/indicators", json=PHONE)
    answer = await world.ask("POST", PATH, Role.ANALYST, json=QUESTION)
    assert answer.status_code == 200
    document = answer.json()
    assert document["hit"] is True and document["complete"] is True
    assert (document["band"], document["score"]) == ("high", 80)
    assert document["reasons"][0]["code"] == "reported"
    (record,) = document["records"]
    assert record["record_id"] == made.json()["record_id"]
    assert (record["reporter"], record["fraud_type"]) == ("bank-a", "imp_bank")
    assert (document["height"], document["age_ms"]) == (4, 1200)
    assert "7946" not in answer.text


async def test_a_true_miss_is_complete(world: World) -> None:
    document = (await world.ask("POST", PATH, json=QUESTION)).json()
    assert document["hit"] is False and document["complete"] is True and document["records"] == []


async def test_evaluators_out_of_reach_are_never_a_clean_answer(world: World) -> None:
    world.node.reachable = False
    answer = await world.ask("POST", PATH, json=QUESTION)
    assert answer.status_code == 200
    assert answer.json()["complete"] is False
    assert answer.json()["incomplete_reason"] == "2 of 3 evaluators answered"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"purpose": None}, "purpose"),
        ({"lawful_basis": "unknown"}, "lawful_basis"),
        ({"kind": "x"}, "kind"),
        ({"value": "1" * 2049}, "value"),
        ({"fraud_type": "phishing"}, "fraud_type"),
    ],
)
async def test_a_question_that_is_not_allowed_names_the_field(
    world: World, change: dict[str, object], field: str
) -> None:
    answer = await world.ask("POST", PATH, json=QUESTION | change)
    problem = problem_of(answer, 422, "invalid")
    assert problem["errors"][0]["field"] == field


async def test_a_value_that_can_not_be_normalised_is_refused_with_its_rule(world: World) -> None:
    answer = await world.ask("POST", PATH, json=QUESTION | {"value": "020 7946"})
    problem = problem_of(answer, 422, "invalid")
    assert problem["errors"][0]["rule"].startswith("phone.")


async def test_a_node_that_can_not_serve_says_so(world: World) -> None:
    world.node.failure = Unavailable("the state is not open")
    problem_of(await world.ask("POST", PATH, json=QUESTION), 503, "unavailable")


async def test_a_query_is_not_known_here(world: World) -> None:
    problem_of(await world.ask("POST", f"{PATH}?wait=executed", json=QUESTION), 400, "malformed")


@pytest.mark.parametrize("media", ["application/x-ndjson", "text/csv"])
async def test_an_upload_is_answered_by_line(world: World, media: str) -> None:
    await world.ask("POST", "/v1/indicators", json=PHONE)
    questions = [QUESTION, QUESTION | {"value": "+442079460959"}, QUESTION | {"value": "1"}]
    if media == "text/csv":
        names = list(QUESTION)
        rows = [",".join(names), *(",".join(q[name] for name in names) for q in questions)]
        body, first = "\n".join(rows).encode(), 2
    else:
        body, first = ndjson([*questions]), 1
    answer = await world.upload(f"{PATH}/batches", body, media)
    assert answer.status_code == 200
    summary = answer.json()
    counts = {name: summary[name] for name in ("answered", "hits", "incomplete", "refused")}
    assert counts == {"answered": 2, "hits": 1, "incomplete": 0, "refused": 1}
    assert [row["line"] for row in summary["rows"]] == [first, first + 1, first + 2]
    assert summary["rows"][0]["answer"]["hit"] is True
    assert summary["rows"][1]["answer"]["hit"] is False
    assert summary["rows"][2]["status"] == "refused"


async def test_incomplete_answers_of_an_upload_are_counted(world: World) -> None:
    world.node.reachable = False
    answer = await world.upload(f"{PATH}/batches", ndjson([QUESTION, QUESTION]))
    assert answer.json()["incomplete"] == 2


async def test_a_question_is_remembered_unless_its_asker_says_no(world: World) -> None:
    rows = ndjson([QUESTION])
    typed = {"content-type": "application/x-ndjson"}
    for query in ("", "?remember=false", "?remember=true"):
        assert (await world.ask("POST", PATH + query, json=QUESTION)).status_code == 200
        answer = await world.ask("POST", f"{PATH}/batches{query}", content=rows, headers=typed)
        assert answer.status_code == 200
    assert world.node.remembered == [True, True, False, False, True, True]
    problem_of(await world.ask("POST", f"{PATH}?remember=no", json=QUESTION), 400, "invalid")

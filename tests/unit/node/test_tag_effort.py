"""Rows of an upload are tried again on other evaluators, within bounds, and counted if in vain."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from bulwark.ledger.ids import Tag
from node.tagging import tagger as tagger_module
from node.tagging.effort import TagEffort
from node.tagging.tagger import QuotaUsedUp, TaggingUnavailable
from tests.unit.node.test_tagging import Alliance, alliance, expected, pool, tagger_of

assert alliance and pool, "fixtures"
ROWS = [("domain", f"{number}.example") for number in range(100)]


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tagger_module, "BULK_PAUSE_S", 0.0)


class Failing:
    """Evaluators of which too few answer in the first rounds."""

    def __init__(self, alliance: Alliance, rounds: int) -> None:
        self.alliance, self.left = alliance, rounds

    async def open(self, live: object, blinded: object) -> object:
        self.left -= 1
        if self.left >= 0:
            raise TaggingUnavailable(1, 3)
        return await self.alliance.open(live, blinded)  # type: ignore[arg-type]


async def test_rounds_that_fail_are_made_again_for_their_rows_alone(
    alliance: Alliance, pool: ThreadPoolExecutor
) -> None:
    tagger = tagger_of(alliance, pool)
    tagger._evaluators = Failing(alliance, 1)  # type: ignore[assignment]
    effort = TagEffort(tagger, is_alone=False)
    found = await effort.tags(ROWS)
    assert found == [expected(alliance, tagger, *row) for row in ROWS]
    assert (effort.untagged, tagger.rounds) == (0, 3), "two rounds, one of them again"


async def test_what_can_not_be_tagged_is_counted_and_later_parts_are_asked_once(
    alliance: Alliance, pool: ThreadPoolExecutor
) -> None:
    tagger = tagger_of(alliance, pool)
    tagger._evaluators = Failing(alliance, 10**6)  # type: ignore[assignment]
    effort = TagEffort(tagger, is_alone=False)
    assert all(isinstance(tag, TaggingUnavailable) for tag in await effort.tags(ROWS[:50]))
    assert (effort.untagged, tagger.rounds) == (50, tagger_module.BULK_TRIES)
    await effort.tags(ROWS[50:])
    assert (effort.untagged, tagger.rounds) == (100, tagger_module.BULK_TRIES + 1)


async def test_a_single_question_and_a_used_up_quota_are_not_tried_again(
    alliance: Alliance, pool: ThreadPoolExecutor
) -> None:
    tagger = tagger_of(alliance, pool)
    tagger._evaluators = Failing(alliance, 1)  # type: ignore[assignment]
    (refused,) = await TagEffort(tagger, is_alone=True).tags(ROWS[:1])
    assert isinstance(refused, TaggingUnavailable) and tagger.rounds == 1

    class Spent(Failing):
        async def open(self, live: object, blinded: object) -> object:
            raise QuotaUsedUp(1, 3, "all used")

    tagger._evaluators = Spent(alliance, 0)  # type: ignore[assignment]
    found = await TagEffort(tagger, is_alone=False).tags(ROWS[:60])
    assert all(isinstance(tag, QuotaUsedUp) for tag in found) and tagger.rounds == 2


async def test_known_rows_need_no_round(alliance: Alliance, pool: ThreadPoolExecutor) -> None:
    tagger = tagger_of(alliance, pool)
    effort = TagEffort(tagger, is_alone=False)
    first = await effort.tags(ROWS)
    rounds = tagger.rounds
    assert await effort.tags(ROWS) == first and tagger.rounds == rounds
    assert all(isinstance(tag, bytes) and Tag(tag) for tag in first)

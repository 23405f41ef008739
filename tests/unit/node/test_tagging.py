"""Tags come from the cache or from a round; wrong and silent evaluators are survived or named."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from bulwark.ledger.ids import MemberId, Tag
from bulwark.privacy import oprf
from bulwark.privacy.group import Scalar, multiply_base, random_scalar
from bulwark.privacy.query import RefusalCode
from bulwark.privacy.sharing import split
from bulwark.privacy.threshold import MAX_BATCH, Evaluation, EvaluatorShare, ThresholdKey
from node.guarded.ports import LiveKey
from node.tagging.cache import TagCache
from node.tagging.evaluators import LocalEvaluator
from node.tagging.rounds import CannotAsk, EvaluatorRefused, EvaluatorUnavailable, QuotaUsed
from node.tagging.tagger import SMALL_ROUND, QuotaUsedUp, Tagger, TaggingUnavailable

MEMBERS = {index: MemberId(f"member-{index}") for index in range(1, 5)}


def deterministic(label: bytes) -> Callable[[int], bytes]:
    counter = 0

    def draw(size: int) -> bytes:
        nonlocal counter
        counter += 1
        return hashlib.shake_256(label + counter.to_bytes(8, "big")).digest(size)

    return draw


class Keys:
    """One key that never changes."""

    def __init__(self, key: ThresholdKey) -> None:
        self._live = LiveKey(key, 1, 0, MEMBERS, None)

    def tag_key(self) -> LiveKey | None:
        return self._live

    def council_key(self) -> LiveKey | None:
        return None


class Alliance:
    """Four evaluators that may be silent or answer wrongly."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        draw = deterministic(b"dealer")
        self.secret: Scalar = random_scalar(draw)
        dealing = split(self.secret, 3, 4, draw)
        keys = tuple(dealing.commitments.share_key(index) for index in range(1, 5))
        self.key = ThresholdKey(3, multiply_base(self.secret), keys)
        self.evaluators = {
            share.index: LocalEvaluator(
                EvaluatorShare(share.index, share.value, keys[share.index - 1]),
                pool,
                deterministic(b"evaluator" + bytes([share.index])),
            )
            for share in dealing.shares
        }
        self.silent: set[int] = set()
        self.wrong: set[int] = set()
        self.asked: list[int] = []
        self.named: list[int] = []
        """Evaluators that were found to be wrong."""

    async def open(self, live: LiveKey, blinded: Sequence[bytes]) -> AllianceRound:
        return AllianceRound(self, tuple(blinded))

    async def answer(self, index: int, blinded: tuple[bytes, ...]) -> Evaluation:
        self.asked.append(index)
        if index in self.silent:
            raise EvaluatorUnavailable(index, "no answer")
        answer = await self.evaluators[index].evaluate(blinded)
        if index in self.wrong:
            spoiled = (answer.elements[-1], *answer.elements[1:])
            return Evaluation(index, spoiled[::-1], answer.proof[::-1])
        return answer


class AllianceRound:
    def __init__(self, alliance: Alliance, blinded: tuple[bytes, ...]) -> None:
        self._alliance, self._blinded = alliance, blinded

    def preferred(self) -> list[int]:
        """Each evaluator is the first in turn."""
        turn = len(self._alliance.asked) % 4
        return [1 + (turn + place) % 4 for place in range(4)]

    async def ask(self, index: int) -> Evaluation:
        return await self._alliance.answer(index, self._blinded)

    def wrong(self, index: int, reason: str) -> None:
        self._alliance.named.append(index)


@pytest.fixture
async def pool() -> AsyncIterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


@pytest.fixture
def alliance(pool: ThreadPoolExecutor) -> Alliance:
    return Alliance(pool)


def tagger_of(alliance: Alliance, pool: ThreadPoolExecutor, size: int = SMALL_ROUND) -> Tagger:
    cache = TagCache(bytes(32), 1_000)
    keys = Keys(alliance.key)
    return Tagger(keys, 1, alliance, cache, pool, deterministic(b"client"), size)


def expected(alliance: Alliance, tagger: Tagger, kind: str, value: str) -> Tag:
    data = tagger.input_of(kind, value)
    return Tag(oprf.evaluate(oprf.Mode.VOPRF, alliance.secret, data)[:32])


async def test_tag_is_that_of_the_undivided_key(
    alliance: Alliance, pool: ThreadPoolExecutor
) -> None:
    tagger = tagger_of(alliance, pool)
    found = await tagger.tags([("phone", "+442079460958"), ("iban", "GB82WEST12345698765432")])
    assert found == [
        expected(alliance, tagger, "phone", "+442079460958"),
        expected(alliance, tagger, "iban", "GB82WEST12345698765432"),
    ]


async def test_second_question_is_answered_from_the_cache(
    alliance: Alliance, pool: ThreadPoolExecutor
) -> None:
    tagger = tagger_of(alliance, pool)
    first = await tagger.tags([("domain", "evil.example")])
    rounds = tagger.rounds
    assert tagger.cached("domain", "evil.example") == first[0]
    assert await tagger.tags([("domain", "evil.example")]) == first
    assert tagger.rounds == rounds


async def test_questions_at_the_same_time_share_one_round(
    alliance: Alliance, pool: ThreadPoolExecutor
) -> None:
    tagger = tagger_of(alliance, pool)
    question = [("domain", "evil.example")]
    answers = await asyncio.gather(*(tagger.tags(question) for _ in range(5)))
    assert all(answer == answers[0] for answer in answers)
    assert tagger.rounds == 1


async def test_silent_evaluator_is_replaced(alliance: Alliance, pool: ThreadPoolExecutor) -> None:
    alliance.silent = {2}
    tagger = tagger_of(alliance, pool)
    for number in range(4):
        value = f"{number}.example"
        found = await tagger.tags([("domain", value)])
        assert found == [expected(alliance, tagger, "domain", value)]


async def test_wrong_evaluation_is_counted_and_never_used(
    alliance: Alliance, pool: ThreadPoolExecutor
) -> None:
    alliance.wrong = {3}
    tagger = tagger_of(alliance, pool)
    values = [("domain", f"{number}.example") for number in range(6)]
    for kind, value in values:
        assert await tagger.tags([(kind, value)]) == [expected(alliance, tagger, kind, value)]
    assert tagger.bad_evaluations == len(alliance.named) > 0
    assert set(alliance.named) == {3}


async def test_too_few_evaluators_is_said_and_not_guessed(
    alliance: Alliance, pool: ThreadPoolExecutor
) -> None:
    alliance.silent = {2, 3}
    tagger = tagger_of(alliance, pool)
    found = await tagger.tags([("domain", "evil.example")])
    assert isinstance(found[0], TaggingUnavailable)
    assert (found[0].good, found[0].needed) == (2, 3)
    assert tagger.cached("domain", "evil.example") is None
    alliance.silent = set()
    assert await tagger.tags([("domain", "evil.example")]) == [
        expected(alliance, tagger, "domain", "evil.example")
    ]


async def test_many_values_go_in_rounds_and_come_back_in_order(
    alliance: Alliance, pool: ThreadPoolExecutor
) -> None:
    tagger = tagger_of(alliance, pool)
    values = [("domain", f"{number}.example") for number in range(150)]
    found = await tagger.tags(values)
    assert tagger.rounds == 3
    for number in (0, 63, 64, 149):
        assert found[number] == expected(alliance, tagger, *values[number])


async def test_rounds_that_cost_something_are_as_large_as_they_may_be(
    alliance: Alliance, pool: ThreadPoolExecutor
) -> None:
    tagger = tagger_of(alliance, pool, MAX_BATCH)
    values = [("domain", f"{number}.example") for number in range(130)]
    found = await tagger.tags(values)
    assert tagger.rounds == 1
    assert found[129] == expected(alliance, tagger, *values[129])


def test_cache_forgets_the_least_recently_used() -> None:
    cache = TagCache(bytes(32), 2)
    names = [cache.name(bytes([number])) for number in range(3)]
    cache.put(names[0], Tag(b"a" * 32))
    cache.put(names[1], Tag(b"b" * 32))
    assert cache.get(names[0]) is not None
    cache.put(names[2], Tag(b"c" * 32))
    assert cache.get(names[1]) is None
    assert len(cache) == 2


def test_cache_names_depend_on_the_members_key() -> None:
    assert TagCache(bytes(32), 1).name(b"x") != TagCache(b"k" * 32, 1).name(b"x")


def test_cache_of_another_key_starts_empty_and_names_differ() -> None:
    cache = TagCache(bytes(32), 2)
    before = cache.name(b"x")
    cache.put(before, Tag(b"a" * 32))
    cache.turn_to(0)
    assert len(cache) == 1
    cache.turn_to(7)
    assert (len(cache), cache.key_id) == (0, 7)
    assert cache.name(b"x") != before


class Scripted:
    """Rounds of a given alliance whose foreign evaluators fail as told."""

    def __init__(self, alliance: Alliance, error: Exception) -> None:
        self._alliance = alliance
        self._error = error
        self.wrongs: list[int] = []

    async def open(self, live: LiveKey, blinded: Sequence[bytes]) -> ScriptedRound:
        return ScriptedRound(self, tuple(blinded))

    async def answer(self, index: int, blinded: tuple[bytes, ...]) -> Evaluation:
        if index != 1:
            raise self._error
        return await self._alliance.evaluators[1].evaluate(blinded)


class ScriptedRound:
    def __init__(self, script: Scripted, blinded: tuple[bytes, ...]) -> None:
        self._script, self._blinded = script, blinded

    def preferred(self) -> list[int]:
        return [1, 2, 3, 4]

    async def ask(self, index: int) -> Evaluation:
        return await self._script.answer(index, self._blinded)

    def wrong(self, index: int, reason: str) -> None:
        self._script.wrongs.append(index)


def scripted(alliance: Alliance, pool: ThreadPoolExecutor, error: Exception) -> Tagger:
    keys = Keys(alliance.key)
    cache = TagCache(bytes(32), 10)
    return Tagger(keys, 1, Scripted(alliance, error), cache, pool, deterministic(b"client"))


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (CannotAsk("no ring yet"), TaggingUnavailable, "no ring yet"),
        (QuotaUsed("all 5 used"), QuotaUsedUp, "all 5 used"),
        (
            EvaluatorRefused(2, RefusalCode.BUSY),
            TaggingUnavailable,
            "1 of 3 evaluators answered; refused: busy",
        ),
        (
            EvaluatorUnavailable(2, "secret detail of a peer"),
            TaggingUnavailable,
            "1 of 3 evaluators answered",
        ),
        (KeyError("defect"), TaggingUnavailable, "the round failed in this node"),
    ],
)
async def test_the_reason_of_a_failed_round_is_told(
    alliance: Alliance,
    pool: ThreadPoolExecutor,
    error: Exception,
    kind: type[TaggingUnavailable],
    said: str,
) -> None:
    tagger = scripted(alliance, pool, error)
    found = await tagger.tags([("domain", "a.example"), ("domain", "b.example")])
    assert [(type(each), str(each)) for each in found] == [(kind, said)] * 2
    await tagger.close()


async def test_a_wrong_key_refusal_without_a_newer_key_is_just_a_refusal(
    alliance: Alliance, pool: ThreadPoolExecutor
) -> None:
    tagger = scripted(alliance, pool, EvaluatorRefused(2, RefusalCode.WRONG_KEY))
    (found,) = await tagger.tags([("domain", "a.example")])
    assert isinstance(found, TaggingUnavailable) and "wrong key" in str(found)
    assert tagger.rounds == 1

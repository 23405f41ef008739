"""Who learns what of a question, on a real alliance: each party is played with what it really has.

Seven members, so that two may be dishonest together. All wires are tapped, all disks are read.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from itertools import combinations

import pytest

from bulwark.indicators.normalise import normalise
from bulwark.indicators.vocabulary import Kind as IndicatorKind
from bulwark.privacy.group import decode_scalar
from bulwark.privacy.tags import tag_input
from contracts.privacy.ceremony import KeyPurpose
from node.guarded.envelope import sealed_sizes
from node.guarded.proving import EXPIRY_STEP_MS
from tests.process import needles
from tests.process.capture import Arrived, Capture, opens_to
from tests.process.support import Alliance
from tests.process.wiretap import Wiretap

pytestmark = pytest.mark.process

COMMON = ("email", "shared.suspect@kumquat-refund.net")
"""Asked about by both."""
ASKED = (
    (COMMON, ("phone", "+44 20 7946 0123"), ("iban", "DE75 5121 0800 1245 1261 99")),
    (COMMON, ("wallet", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"), ("phone", "+442079460777")),
)
REPORTED = ("email", "reported.quagmire@vexillology-scam.net")
GUARDED_PARTS = {"asking", "evaluator", "guarded", "querylog", "rings", "tagging"}


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Capture]:
    """Two members ask, a third reports and is found; then all nodes end."""
    alliance = Alliance.create(tmp_path_factory.mktemp("capture") / "alliance", 7, 0)
    try:
        first, second, third = alliance.validators[:3]
        with Wiretap(alliance, *alliance.names) as tap:
            alliance.start()
            alliance.report(third, kind=REPORTED[0], value=REPORTED[1], wait="finalized")
            for pair in zip(*ASKED, strict=True):
                for name, (kind, value) in zip((first, second), pair, strict=True):
                    answer = alliance.screen(name, kind=kind, value=value)
                    assert answer["complete"] and not answer["hit"], answer
            assert alliance.screen(second, kind=REPORTED[0], value=REPORTED[1])["hit"]
            assert alliance.stop() == []
        yield Capture(alliance, tap)
    finally:
        alliance.close()


@pytest.fixture(scope="module")
def everything(capture: Capture) -> dict[str, bytes]:
    """All that anybody could get hold of: wires, files, and databases read through LevelDB."""
    found = {}
    for sender in capture.names:
        for receiver in capture.names:
            if sender != receiver:
                found[f"wire {sender} to {receiver}"] = capture.tap.stream(sender, receiver)
    for path in sorted(capture.alliance.devnet.home.rglob("*")):
        if path.is_file():
            found[str(path.relative_to(capture.alliance.devnet.home))] = path.read_bytes()
    for name in capture.names:
        with capture.alliance.store(name) as store:
            pairs = b"\n".join(key + b"\0" + value for key, value in store.iterate(b""))
        found[f"database of {name}"] = pairs
    return found


def values() -> set[tuple[str, str]]:
    return {*ASKED[0], *ASKED[1], REPORTED}


def ring_of(capture: Capture) -> list[bytes]:
    members = sorted(capture.alliance.genesis.members, key=lambda member: member.id)
    return [member.ring_key for member in members if member.ring_key is not None]


def questions_at(capture: Capture, evaluator: str) -> list[Arrived]:
    return [one for one in capture.arrived if one.evaluator == evaluator]


def test_the_tap_sees_every_question_on_both_of_its_ways(capture: Capture) -> None:
    """Otherwise what follows would prove nothing."""
    asked = len(ASKED[0]) + len(ASKED[1]) + 1
    rounds = Counter(one.question.request.nonce for one in capture.arrived)
    askers = Counter(capture.asker_of(one) for one in capture.arrived)
    assert len(rounds) >= asked
    assert set(rounds.values()) == {4}, "five of seven make a tag, and the asker is one of them"
    assert set(askers) == set(capture.names[:3])
    assert {one.sealed for one in capture.passed} == {one.sealed for one in capture.arrived}


def test_no_clear_value_and_no_plain_hash_of_one_is_anywhere(everything: dict[str, bytes]) -> None:
    secrets: dict[bytes, str] = {}
    for kind, value in values():
        normal = normalise(IndicatorKind.parse(kind, "kind"), value, None).value
        inputs = tuple(tag_input(version, kind, normal) for version in (0, 1, 2))
        secrets |= needles.of_value(value, tag_inputs=inputs)
        secrets |= needles.of_value(normal, tag_inputs=inputs)
    assert len(everything) > 100
    for place, data in everything.items():
        assert needles.search(data, secrets) == [], place


def test_the_tag_of_a_question_is_nowhere_but_for_records_that_have_it(
    capture: Capture, everything: dict[str, bytes]
) -> None:
    """Not even at the asker: its cache is not on disk in clear."""
    key = capture.secret(capture.names, KeyPurpose.TAG)
    wanted: dict[bytes, str] = {}
    for kind, value in values() - {REPORTED}:
        wanted |= needles.of_tag(capture.tag(key, kind, value))
    known = needles.of_tag(capture.tag(key, *REPORTED))
    assert any(needles.search(data, known) for data in everything.values()), "not the real key"
    for place, data in everything.items():
        assert needles.search(data, wanted) == [], place


def test_an_evaluator_holds_nothing_that_names_an_asker(capture: Capture) -> None:
    named = {
        data: words for one in capture.names for data, words in capture.identities(one).items()
    }
    for evaluator in capture.names:
        kept = capture.kept_questions(evaluator)
        assert (not questions_at(capture, evaluator)) or kept
        assert needles.search(kept, named) == [], evaluator
        for one in questions_at(capture, evaluator):
            assert one.relay not in (capture.asker_of(one), evaluator)
            assert needles.search(one.padded, named) == []


def test_what_an_evaluator_sees_is_the_same_for_every_asker_but_for_random_bytes(
    capture: Capture,
) -> None:
    seen: dict[str, set[tuple[object, ...]]] = {}
    for one in capture.arrived:
        it = one.question.request
        assert it.expires_ms % EXPIRY_STEP_MS == 0
        shape = (len(one.sealed), len(one.question.proof), it.key_id, it.share_epoch, it.scope)
        more = (it.epoch, it.ring_height, it.opener_epoch, len(it.blinded))
        seen.setdefault(capture.asker_of(one), set()).add((*shape, *more))
    assert len(set().union(*seen.values())) == 1, seen
    rounds = {one.question.request.nonce: one.question for one in capture.arrived}
    words = Counter(
        data
        for question in rounds.values()
        for data in (question.request.reply_key, *question.request.blinded)
    )
    assert set(words.values()) == {1}, "two questions share bytes, the common value's among them"


def test_an_evaluator_finds_no_asker_with_all_its_keys(capture: Capture) -> None:
    ring = ring_of(capture)
    for evaluator in capture.names:
        secrets = capture.homes[evaluator].secrets
        mine = [
            decode_scalar(secrets.ring_key, what="ring key"),
            capture.share(evaluator, KeyPurpose.COUNCIL).secret_share,
            capture.share(evaluator, KeyPurpose.TAG).secret_share,
        ]
        for one in questions_at(capture, evaluator):
            assert not any(opens_to(key, one.question, ring) for key in mine)


def test_a_relay_can_open_neither_question_nor_answer(capture: Capture) -> None:
    lengths = sealed_sizes([len(capture.names)])
    for one in capture.passed:
        assert one.relay not in (one.asker, one.target)
        assert len(one.sealed) in lengths
        assert capture.unseal(one.sealed, one.target, one.relay) is None
        assert capture.unseal(one.sealed, one.relay, one.relay) is None


def test_a_relay_gets_to_see_no_byte_of_what_it_passes(capture: Capture) -> None:
    for one in capture.arrived:
        request = one.question.request
        secret = dict.fromkeys((*request.blinded, request.nonce, request.reply_key), "a question")
        for other in capture.names:
            for way in ((other, one.relay), (one.relay, other)):
                if other != one.relay:
                    assert needles.search(capture.tap.stream(*way), secret) == [], way


def test_logs_say_of_no_question_who_asked_it(capture: Capture) -> None:
    for name in capture.names:
        others = [other for other in capture.names if other != name]
        for line in capture.alliance.log(name).splitlines():
            if line.startswith("{") and json.loads(line).get("part") in GUARDED_PARTS:
                assert not [other for other in others if f'"{other}"' in line], line


def test_relay_and_evaluator_together_learn_who_and_when_and_not_what(capture: Capture) -> None:
    """The page on privacy says so: one hop hides who asks from each, not from both."""
    ring = ring_of(capture)
    key = capture.secret(capture.names, KeyPurpose.TAG)
    passed = {(one.relay, one.target, one.sealed): one.asker for one in capture.passed}
    for one in capture.arrived:
        joined = passed[one.relay, one.evaluator, one.sealed]
        assert joined == capture.asker_of(one), "what both hold names the asker"
    for pair in combinations(capture.names, 2):
        opener = capture.secret(pair, KeyPurpose.COUNCIL)
        partial = capture.secret(pair, KeyPurpose.TAG)
        assert not [one for one in values() if capture.tag(partial, *one) == capture.tag(key, *one)]
        for one in capture.arrived:
            if one.evaluator in pair:
                assert not opens_to(opener, one.question, ring)


def test_two_evaluators_together_find_no_more_than_that_a_question_is_the_same(
    capture: Capture,
) -> None:
    """Where neither of the two was the relay, nothing that they got came from the asker."""
    named = {
        data: words for one in capture.names for data, words in capture.identities(one).items()
    }
    found = 0
    for pair in combinations(capture.names, 2):
        for one in capture.arrived:
            if one.evaluator in pair and one.relay not in pair:
                asker = capture.asker_of(one)
                if asker not in pair:
                    found += 1
                    for member in pair:
                        way = capture.tap.stream(asker, member)
                        assert one.sealed not in way
                        assert one.question.request.nonce not in way
                    assert needles.search(one.padded, named) == []
    assert found > 20

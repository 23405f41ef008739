"""Every input of the fuzzing corpus still comes to nothing but a typed refusal or a good answer."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import pytest

from tests.fuzz import corpus
from tests.fuzz.choices import Choices
from tests.fuzz.corpus import Entry
from tests.fuzz.engine import Session
from tests.fuzz.guard import Guard, smaller
from tests.fuzz.mutate import havoc
from tests.fuzz.structure import change_json
from tests.fuzz.target import Finding, Target
from tests.fuzz.targets import PLACES, target_class

TARGETS = list(PLACES)


@contextmanager
def made(name: str) -> Iterator[Target]:
    levels = {key: logging.getLogger(key).level for key in ("bulwark", "bulwark.api")}
    target = target_class(name)()
    try:
        yield target
    finally:
        target.close()
        for key, level in levels.items():
            logging.getLogger(key).setLevel(level)


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_of_the_corpus_fails(name: str) -> None:
    with made(name) as target:
        guard = Guard(target)
        for data in target.seeds():
            assert guard.run(data).failure == "", f"seed {data[:40]!r}"
        for file, data in corpus.load(name):
            assert guard.run(data).failure == "", file


@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus_of_a_target_is_small(name: str) -> None:
    files = corpus.load(name)
    assert 0 < len(files) <= corpus.MAX_FILES
    assert sum(len(data) for _, data in files) <= corpus.MAX_BYTES


def test_every_folder_of_the_corpus_has_its_target() -> None:
    assert {path.name for path in corpus.CORPUS.iterdir()} == set(PLACES)


class Brittle(Target):
    """Fails for one token, is slow for none."""

    name = "brittle"
    about = "the engine itself"
    words = (b"BUG",)

    def seeds(self) -> list[bytes]:
        return [b"seed", b"another seed"]

    def run(self, data: bytes) -> str:
        if b"BUG" in data:
            raise Finding("found it")
        return f"{len(data) % 5}"


def test_the_engine_finds_minimises_and_saves_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(corpus, "FAILURES", corpus.HERE.parents[1] / "var" / "fuzz-self-test")
    target = Brittle()
    report = Session(target, 3, Guard(target)).run(20, 3_000)
    assert len(report.failures) == 1
    (saved,) = corpus.FAILURES.glob("*.bin")
    assert saved.read_bytes() == b"BUG"
    assert "--replay" in report.failures[0]
    for path in corpus.FAILURES.iterdir():
        path.unlink()
    corpus.FAILURES.rmdir()


def test_one_seed_gives_one_sequence_of_inputs() -> None:
    seen: list[list[bytes]] = []
    for _ in range(2):
        heard: list[bytes] = []
        target = Brittle()
        target.run = lambda data, heard=heard: heard.append(data) or "x"  # type: ignore[method-assign, assignment, misc]
        Session(target, 9, Guard(target)).run(20, 200)
        seen.append(heard)
    assert seen[0] == seen[1]
    assert len(set(seen[0])) > 100


def test_a_failing_input_is_cut_to_what_makes_it_fail() -> None:
    assert smaller(b"a" * 50 + b"BUG" + b"b" * 50, lambda data: b"BUG" in data) == b"BUG"


def test_the_cover_keeps_every_edge_and_prefers_short_inputs() -> None:
    def entry(data: bytes, *lines: int) -> Entry:
        return Entry(data, "word", frozenset((1, 0, line) for line in lines))

    chosen = corpus.cover([entry(b"long one", 1, 2), entry(b"a", 1), entry(b"bb", 2)])
    assert [each.data for each in chosen] == [b"a", b"bb"]


def test_an_exhausted_stream_of_choices_answers_zero() -> None:
    choices = Choices(b"\x05")
    assert (choices.below(4), choices.byte(), choices.near(7), choices.left) == (1, 0, 7, 0)


def test_mutators_take_anything() -> None:
    rng = Random(4)
    data = b""
    for _ in range(500):
        data = havoc(data, rng, (b"w",), (b"other",))[:4_000]
    document = b'{"a": [1, "x", {"b": null}]}'
    for _ in range(200):
        assert change_json(document, rng, ("c",)) is not None
    assert change_json(b"{", rng) is None

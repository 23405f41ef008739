"""The corpus: one file an input under tests/fuzz/corpus/TARGET/, kept small by coverage.

Names are hashes of the content, except regression inputs, whose name says what was found; those
stay whatever they cover.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.coverage import Edge

HERE = Path(__file__).resolve().parent
CORPUS = HERE / "corpus"
FAILURES = HERE / "failures"
MAX_FILES = 200
MAX_BYTES = 150 * 1024
"""Of one target; with ten targets the folder stays under 1.5 MB."""


@dataclass(frozen=True)
class Entry:
    """An input worth keeping, and why."""

    data: bytes
    word: str
    edges: frozenset[Edge]


def name_of(data: bytes) -> str:
    """File name of an input."""
    return hashlib.sha256(data).hexdigest()[:16]


def load(target: str) -> list[tuple[str, bytes]]:
    """(file name, content) of a target's corpus, by name."""
    folder = CORPUS / target
    if not folder.is_dir():
        return []
    return [(path.name, path.read_bytes()) for path in sorted(folder.iterdir()) if path.is_file()]


def is_regression(name: str) -> bool:
    """Whether the file was named after a finding."""
    return not all(letter in "0123456789abcdef" for letter in name)


def cover(entries: Iterable[Entry], seeds: frozenset[bytes] = frozenset()) -> list[Entry]:
    """A small subset that adds the same edges and words to the seeds, short inputs first."""
    entries = list(entries)
    covered: set[object] = set()
    for entry in entries:
        if entry.data in seeds:
            covered |= {*entry.edges, entry.word}
    chosen: list[Entry] = []
    size = 0
    for entry in sorted(entries, key=lambda e: (len(e.data), e.data)):
        gained = {*entry.edges, entry.word} - covered
        if not gained or len(chosen) >= MAX_FILES or size + len(entry.data) > MAX_BYTES:
            continue
        covered |= gained
        size += len(entry.data)
        chosen.append(entry)
    return chosen


def replace(target: str, chosen: Iterable[Entry]) -> int:
    """Write these entries in place of all but the regression inputs; how many files there are."""
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {name_of(entry.data): entry.data for entry in chosen}
    for name, _ in load(target):
        if not is_regression(name) and name not in wanted:
            (folder / name).unlink()
    for name, data in wanted.items():
        (folder / name).write_bytes(data)
    return len(load(target))

"""Checks the rows of a result against a manifest, one pass, nothing kept but counters.

Rules: every part's rows give its digest, no row is missing, doubled, moved or added, and the counts
of the manifest are those of the rows. It reads no file: rows come as canonical lines.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from bulwark.jobs.manifest import Manifest


class ResultRefused(Exception):
    """A result is not the one of its manifest; the message names the first row or part."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was checked."""

    rows: int
    parts: int
    hits: int


def verify_result(lines: Iterable[bytes], manifest: Manifest) -> Verdict:
    """Hold canonical lines against a manifest; raises ResultRefused."""
    outcomes: Counter[str] = Counter()
    bands: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    rows = iter(lines)
    number = 0
    for place, part in enumerate(manifest.parts, 1):
        digest = hashlib.sha256()
        first = number + 1
        for _ in range(part.rows):
            line = next(rows, None)
            if line is None:
                raise ResultRefused(f"ends after row {number}, the manifest has {manifest.rows}")
            number += 1
            digest.update(line)
            document = orjson.loads(line)
            if document["row"] != number:
                raise ResultRefused(f"row {document['row']} stands in the place of row {number}")
            outcomes[document["outcome"]] += 1
            if document["band"] is not None:
                bands[document["band"]] += 1
            errors.update(error["code"] for error in document["errors"])
        if digest.digest() != part.digest:
            raise ResultRefused(f"part {place}, rows {first} to {number}: is not what was signed")
    if next(rows, None) is not None:
        raise ResultRefused(f"goes on after row {number}, where the manifest ends")
    for name, found, stated in (
        ("outcomes", outcomes, manifest.outcomes),
        ("bands", bands, manifest.bands),
        ("errors", errors, manifest.errors),
    ):
        if {k: v for k, v in found.items() if v} != {k: v for k, v in stated.items() if v}:
            raise ResultRefused(f"the manifest's {name} are not those of the rows")
    return Verdict(number, len(manifest.parts), outcomes["hit"])

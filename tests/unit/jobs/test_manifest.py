"""A result and its manifest: every format says the same, every change is found."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bulwark.jobs.manifest import Manifest, ManifestInvalid, Part, read_signed, signed
from bulwark.jobs.row import (
    RowInvalid,
    canonical,
    cells,
    columns,
    of_cells,
    of_document,
    verdict,
)
from bulwark.jobs.verify import ResultRefused, verify_result
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Digest, Height, MemberId
from bulwark.ledger.signing import SigningKey
from tests.unit.node.execution.alliance import NAMES, Node

GENESIS = Node().genesis
KEY = SigningKey(b"\x07" * 32)
HIT = verdict(
    "hit",
    band="high",
    score=60,
    complete=True,
    reporters=2,
    customers=3,
    reasons=[("evidence", 60, "evidence: confirmed; method: mule")],
    records=["ab" * 32],
    actions=["warn"],
    limits=[("amber", "members alone")],
)
CLEAR = verdict("no_hit", band="none", complete=True)
BROKEN = verdict("error", errors=[("value", "phone.invalid", "a number")])


def lines() -> list[bytes]:
    rests = [HIT, CLEAR, BROKEN, CLEAR, HIT]
    return [canonical(n, n + 1, {"id": f"K{n}"}, None, rest) for n, rest in enumerate(rests, 1)]


def manifest(**changed: Any) -> Manifest:
    made = lines()
    parts = [made[:2], made[2:4], made[4:]]
    facts: dict[str, Any] = {
        "alliance": GENESIS.alliance,
        "genesis_hash": GENESIS.hash,
        "member": MemberId(NAMES[0]),
        "key": KEY.address,
        "job": "0" * 32,
        "input_format": "csv",
        "input_bytes": 10,
        "input_sha256": Digest(bytes(32)),
        "height": Height(7),
        "block_hash": Digest(bytes(32)),
        "block_time_ms": 1,
        "behind": None,
        "scoring": "bulwark-scoring/1",
        "tool_version": "1",
        "started_ms": 1,
        "ended_ms": 2,
        "references": ("id",),
        "values": False,
        "outcomes": {"hit": 2, "no_hit": 2, "unknown": 0, "error": 1},
        "bands": {"high": 2, "none": 2},
        "errors": {"phone.invalid": 1},
        "parts": tuple(Part(len(p), sha256(b"".join(p))) for p in parts),
    }
    return Manifest(**(facts | changed))


def test_a_signed_manifest_is_read_back_and_holds_its_rows() -> None:
    data = signed(manifest(), GENESIS, KEY)
    found = read_signed(data, GENESIS, KEY.address)
    assert found == manifest()
    verdict = verify_result(lines(), found)
    assert (verdict.rows, verdict.parts, verdict.hits) == (5, 3, 2)


def test_the_key_is_that_of_genesis_unless_another_is_named() -> None:
    data = signed(manifest(), GENESIS, KEY)
    with pytest.raises(ManifestInvalid, match=r"created_by.key: .* is not the key of"):
        read_signed(data, GENESIS)
    stranger = signed(manifest(member=MemberId("nobody")), GENESIS, KEY)
    with pytest.raises(ManifestInvalid, match="genesis has no member nobody; name its key"):
        read_signed(stranger, GENESIS)


def test_every_changed_fact_breaks_the_signature() -> None:
    document = json.loads(signed(manifest(), GENESIS, KEY))
    for name, other in (
        ("job", "1" * 32),
        ("started_ms", 5),
        ("scoring", "other"),
        ("bands", {"high": 1, "none": 3}),
        ("values", True),
        ("references", ["name"]),
    ):
        changed = rfc8785.dumps(document | {name: other})
        with pytest.raises(ManifestInvalid, match="manifest signature"):
            read_signed(changed, GENESIS, KEY.address)


def test_a_manifest_that_contradicts_itself_or_is_spelt_otherwise_is_refused() -> None:
    data = signed(manifest(), GENESIS, KEY)
    document = json.loads(data)
    cases: list[tuple[bytes, str]] = [
        (data + b" ", "canonical JSON"),
        (data[:-2], "JSON"),
        (rfc8785.dumps(document | {"rows": 4}), "the parts have 5 rows"),
        (rfc8785.dumps(document | {"result_root": "00" * 32}), "not the root"),
        (rfc8785.dumps(document | {"genesis_hash": "00" * 32}), "another alliance"),
        (rfc8785.dumps(document | {"more": 1}), "more"),
        (rfc8785.dumps(document | {"format": "bulwark-screening-job/2"}), "format"),
        (rfc8785.dumps(document | {"parts": [[1]]}), "parts"),
    ]
    for changed, says in cases:
        with pytest.raises(ManifestInvalid, match=says):
            read_signed(changed, GENESIS, KEY.address)


def test_every_change_of_the_rows_is_found_and_named() -> None:
    made, stated = lines(), manifest()
    changed = made[3].replace(b"no_hit", b"hit")
    cases: list[tuple[list[bytes], str]] = [
        (made[:4], "ends after row 4"),
        ([*made, made[4]], "goes on after row 5"),
        ([made[0], made[2], made[1], *made[3:]], "row 3 stands in the place of row 2"),
        ([*made[:3], changed, made[4]], "part 2, rows 3 to 4: is not what was signed"),
        ([], "ends after row 0"),
    ]
    for rows, says in cases:
        with pytest.raises(ResultRefused, match=says):
            verify_result(rows, stated)


def test_counts_that_are_not_those_of_the_rows_are_found() -> None:
    for name, counts in (
        ("outcomes", {"hit": 1, "no_hit": 3, "unknown": 0, "error": 1}),
        ("bands", {"high": 1, "none": 3}),
        ("errors", {}),
    ):
        with pytest.raises(ResultRefused, match=f"the manifest's {name}"):
            verify_result(lines(), replace(manifest(), **{name: counts}))


TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)


@given(
    ref=st.dictionaries(st.sampled_from(["id", "a,b", 'say "x"', "é"]), TEXT, max_size=3),
    value=st.none() | TEXT,
    rest=st.sampled_from([HIT, CLEAR, BROKEN]),
    line=st.none() | st.integers(1, 10**9),
)
def test_a_row_through_csv_cells_is_the_same_line(
    ref: dict[str, str], value: str | None, rest: bytes, line: int | None
) -> None:
    made = canonical(3, line, ref, value, rest)
    document = orjson.loads(made)
    assert of_document(document) == made
    refs = list(ref)
    header = columns(refs, values=value is not None)
    row = cells(document, refs, values=value is not None)
    assert of_document(of_cells(header, row)) == made


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"score": "60"}, "score: a whole number"),
        ({"score": True}, "score: a whole number"),
        ({"complete": 1}, "complete: true or false"),
        ({"reasons": {}}, "reasons: a list"),
        ({"reasons": [{"code": "x"}]}, "reasons: entries have code, weight, text"),
        ({"records": [1]}, "records: text"),
        ({"outcome": None}, "outcome: text"),
        ({"ref": []}, "ref: an object"),
        ({"more": 1}, "more is no field"),
    ],
)
def test_what_is_no_row_is_refused_by_its_field(change: dict[str, object], says: str) -> None:
    document = orjson.loads(lines()[0]) | change
    with pytest.raises(RowInvalid, match=says):
        of_document(document)
    with pytest.raises(RowInvalid, match="score is missing"):
        of_document({k: v for k, v in orjson.loads(lines()[0]).items() if k != "score"})

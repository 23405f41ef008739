"""Our checks of STIX objects, held to the JSON Schemas of OASIS on real and on broken objects."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bulwark.interop.stix.document import DocumentRefused, read_document
from bulwark.interop.stix.objects import OBSERVABLES, fault_of
from tests.interop.stixoracles import Schemas

ROOT = Path(__file__).resolve().parents[4]
SHARED = Path(os.environ.get("BULWARK_TEST_SHARED") or ROOT.parent / "shared")
SCHEMAS = SHARED / "vectors" / "cti" / "stix2.1" / "schemas"
FILES = SHARED / "data" / "stix21"
WRONG: tuple[Any, ...] = (
    *(None, 7, -1, 1.5, "x", "", [], {}, True, ["x"], [7]),
    *("2026-13-01T00:00:00.000Z", "2026-01-01T00:00:00Z"),
)
COMMUNITY = frozenset(OBSERVABLES) - {
    path.stem for path in (SCHEMAS / "observables").glob("*.json")
}
"""Observables without a schema: the checks know more of them."""


def sound() -> Iterator[dict[str, Any]]:
    """One object of each form in the real files."""
    seen = set()
    for path in sorted(FILES.glob("*.json")):
        try:
            objects = read_document(path.read_bytes()).objects
        except DocumentRefused:
            continue
        for _, entry in objects:
            assert isinstance(entry, dict)
            form = (entry["type"], tuple(sorted(entry)))
            if form not in seen:
                seen.add(form)
                yield entry


def broken(entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The object with each property left out, and with a wrong value in each."""
    for name in entry:
        if name == "type":
            continue
        left = copy.deepcopy(entry)
        del left[name]
        yield left
        for value in WRONG:
            yield {**copy.deepcopy(entry), name: value}


@pytest.mark.data
@pytest.mark.skipif(not SCHEMAS.is_dir(), reason="no folder of vectors beside the tree")
def test_every_object_of_the_real_files_is_judged_as_the_schemas_judge_it() -> None:
    schemas = Schemas(SCHEMAS)
    judged = 0
    for path in sorted(FILES.glob("*.json")):
        try:
            objects = read_document(path.read_bytes()).objects
        except DocumentRefused:
            continue
        for _, entry in objects:
            assert isinstance(entry, dict)
            fault = fault_of(entry)
            if fault is not None:  # the schemas can not compare two dates
                assert "earlier time" in fault.found, f"{path.name} {fault}"
            else:
                assert not schemas.faults(entry), f"{path.name} {entry['id']}"
            judged += 1
    assert judged > 300


@pytest.mark.data
@pytest.mark.skipif(not SCHEMAS.is_dir(), reason="no folder of vectors beside the tree")
def test_what_the_schemas_refuse_the_checks_refuse_and_what_is_stricter_is_known() -> None:
    schemas = Schemas(SCHEMAS)
    judged = 0
    for entry in sound():
        is_tlp = entry.get("definition_type") == "tlp"  # taken without the exact name and date
        for candidate in broken(entry):
            fault, faults = fault_of(candidate), schemas.faults(candidate)
            judged += 1
            if faults and not is_tlp:
                assert fault is not None, f"{candidate['type']}: {faults[0]}"
            if fault is not None and not faults:
                is_order = "earlier time" in fault.found
                assert is_order or candidate["type"] in COMMUNITY, f"{candidate['type']} {fault}"
    assert judged > 4_000


def test_a_fault_names_its_place_and_what_is_allowed_and_no_value() -> None:
    indicator = {
        "type": "indicator",
        "spec_version": "2.1",
        "id": "indicator--5f0d8b1e-3c1b-4b52-9a0f-6d3b0d4f9a01",
        "created": "2026-11-01T10:00:00.000Z",
        "modified": "2026-11-01T10:00:00.000Z",
        "pattern": "[url:value = 'https://secret.example/']",
        "pattern_type": "stix",
        "valid_from": "2026-11-01T10:00:00.000Z",
    }
    assert fault_of(indicator) is None
    cases = {
        "/confidence": {"confidence": "high secret"},
        "/labels/1": {"labels": ["a", 7]},
        "/external_references/0/source_name": {"external_references": [{"url": "secret"}]},
        "/granular_markings/0/marking_ref": {
            "granular_markings": [{"selectors": ["pattern"], "marking_ref": "secret"}]
        },
        "/valid_until": {"valid_until": "2026-10-01T10:00:00.000Z"},
        "/id": {"id": "malware--5f0d8b1e-3c1b-4b52-9a0f-6d3b0d4f9a01"},
        "/spec_version": {"spec_version": "2.0"},
        "/extensions/x": {"extensions": {"x": {"secret": 1}}},
    }
    for where, change in cases.items():
        fault = fault_of({**indicator, **change})
        assert fault is not None and fault.where == where, (where, fault)
        assert fault.allowed and "secret" not in str(fault)


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        (b"", "no JSON"),
        (b"<{}>", "no JSON"),
        (b"\xff", "UTF-8"),
        (b'{"type":"bundle","type":"bundle"}', "twice"),
        (b'{"type":"x","n":NaN}', "NaN"),
        (b'{"type":"x","n":1e999}', "64 bits"),
        (b'{"type":"x","n":' + b"9" * 30 + b"}", "64 bits"),
        (b'{"type":"x","s":"\\ud800"}', "whole characters"),
        (b"[" * 100_000, "levels"),
        (b'{"type":"x","a":' + b"[" * 40 + b"]" * 40 + b"}", "levels"),
        (b"[]", "bundle or object"),
        (b'{"type":"bundle","id":"bundle--x","objects":{}}', "list of objects"),
        (b'{"type":"bundle","id":"bundle--x","secret":1}', "type, id, objects"),
    ],
)
def test_a_document_that_is_none_is_refused_with_its_place(raw: bytes, word: str) -> None:
    with pytest.raises(DocumentRefused) as caught:
        read_document(raw)
    assert word in str(caught.value)


def test_a_document_over_its_bounds_is_refused() -> None:
    many = json.dumps({"objects": [{}] * 50_001}).encode()
    with pytest.raises(DocumentRefused, match="at most 50000"):
        read_document(many)
    with pytest.raises(DocumentRefused, match="at most 10 bytes"):
        read_document(b'{"type":"indicator"}', 10)

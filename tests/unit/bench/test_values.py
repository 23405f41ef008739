from __future__ import annotations

from itertools import pairwise

import orjson
import pytest

from bench.values import (
    COMBINATIONS,
    KnownValues,
    Row,
    Value,
    Values,
    first_rows,
    ndjson,
    question,
    questions,
)
from bulwark.indicators.model import IndicatorReport, ScreeningRequest
from bulwark.indicators.normalise import normalise
from bulwark.indicators.vocabulary import Kind

NOW_MS = 1_800_000_000_000


def test_values_are_canonical_for_the_normaliser() -> None:
    for value in Values(7).take(2_000):
        kind = next(kind for kind in Kind if kind.label == value.kind)
        found = normalise(kind, value.text, None).value
        assert found.removeprefix("evm:") == value.text


def test_values_never_repeat() -> None:
    values = Values(3)
    taken = [*values.take(10_000), *values.take(10_000)]
    assert len(set(taken)) == len(taken)


def test_a_seed_gives_the_same_values_and_another_seed_others() -> None:
    assert Values(1).take(100) == Values(1).take(100)
    assert not set(Values(1).take(100)) & set(Values(2).take(100))


def test_the_mix_has_four_kinds() -> None:
    kinds = [value.kind for value in Values(1).take(1_000)]
    counts = {kind: kinds.count(kind) for kind in set(kinds)}
    assert counts == {"phone": 500, "domain": 200, "wallet": 200, "iban": 100}


def test_every_row_is_a_report_that_the_api_reads() -> None:
    known = KnownValues()
    known.add(Values(1).take(3))
    for row in known.rows(3 * (len(COMBINATIONS) - 1)):
        report = IndicatorReport.from_mapping(orjson.loads(row.encode()), now_ms=NOW_MS)
        assert report.fraud_type.label == row.fraud_type
        assert report.object_role.label == row.object_role


def test_a_known_value_is_reported_once_under_each_combination() -> None:
    known = KnownValues()
    known.add(Values(1).take(2))
    known.add(Values(2).take(3))
    rows = known.rows(5 * (len(COMBINATIONS) - 1))
    assert len(set(rows)) == len(rows)
    assert not set(rows) & set(first_rows(known.values(5)))


def test_more_reports_than_combinations_are_refused() -> None:
    known = KnownValues()
    known.add(Values(1).take(1))
    known.rows(len(COMBINATIONS) - 1)
    with pytest.raises(ValueError, match="1 known values are too few"):
        known.rows(1)


def test_rows_are_taken_one_after_another() -> None:
    known, twin = KnownValues(), KnownValues()
    for store in (known, twin):
        store.add(Values(1).take(10))
    assert known.rows(7) + known.rows(25) == twin.rows(32)


def test_an_upload_has_a_line_a_row() -> None:
    rows = [Row(value, "vishing", "mule") for value in Values(1).take(5)]
    lines = ndjson(rows).split(b"\n")
    assert lines[-1] == b""
    assert [orjson.loads(line)["value"] for line in lines[:-1]] == [r.value.text for r in rows]


def test_a_question_is_one_that_the_api_reads() -> None:
    value = Value("domain", "pay-1.example")
    request = ScreeningRequest.from_mapping(orjson.loads(question(value)))
    assert (request.kind.label, request.value) == ("domain", "pay-1.example")
    assert questions([value, value]) == (question(value) + b"\n") * 2


def test_neighbouring_phones_are_far_apart() -> None:
    phones = [int(v.text[4:]) for v in Values(1).take(50) if v.kind == "phone"]
    assert min(abs(a - b) for a, b in pairwise(phones)) > 1_000_000

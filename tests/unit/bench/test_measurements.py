from __future__ import annotations

import json

import pytest

from bench.alliance import parse_metrics
from bench.client import Answer
from bench.goals import GOALS
from bench.load import Load
from bench.process import Usage
from bench.reads import check_hit, check_miss
from bench.suite import MEASUREMENTS, NAMES, PLANS
from bench.writes import Measured, check_single, check_upload


def upload(**other: object) -> bytes:
    head: dict[str, object] = {"taken": 2, "duplicates": 0, "refused": 0, "stage": "executed"}
    return json.dumps(head | other).encode()


def screening(hit: bool, complete: bool = True) -> Answer:
    text = json.dumps({"hit": hit, "complete": complete}, separators=(",", ":"))
    return Answer(200, text.encode())


@pytest.mark.parametrize(
    ("found", "trouble"),
    [
        (Answer(201, b'{"duplicate":false}'), None),
        (Answer(202, b'{"duplicate":false}'), None),
        (Answer(200, b'{"duplicate":true}'), "duplicate"),
        (Answer(429, b""), "status 429"),
    ],
)
def test_a_single_report_counts_only_as_a_new_record(found: Answer, trouble: str | None) -> None:
    assert check_single(found) == trouble


@pytest.mark.parametrize(
    ("found", "trouble"),
    [
        (Answer(200, upload()), None),
        (Answer(200, upload(stage="finalized")), None),
        (Answer(200, upload(duplicates=1, refused=1)), "2 rows not taken"),
        (Answer(202, upload(stage="ordered")), "only ordered when the wait was over"),
        (Answer(503, b""), "status 503"),
    ],
)
def test_an_upload_counts_only_when_all_rows_are_executed(
    found: Answer, trouble: str | None
) -> None:
    assert check_upload(found) == trouble


def test_a_screening_counts_only_when_it_is_complete_and_right() -> None:
    assert check_hit(screening(True)) is None
    assert check_hit(screening(False)) == "no hit"
    assert check_miss(screening(False)) is None
    assert check_miss(screening(True)) == "a hit"
    assert check_hit(screening(True, complete=False)) == "not complete"
    assert check_miss(Answer(503, b"")) == "status 503"


def test_costs_are_of_a_thousand_records() -> None:
    load = Load(latencies=[0.1] * 10, seconds=1.0, loader_cpu_s=0.25)
    load.failures["late"] += 2
    measured = Measured(load, 4_000, 2.0, Usage(8.0, 40_000_000, 4_000_000), 50)
    assert measured.rate == 2_000
    assert measured.note() == "4,000 in 2.0 s, 50 blocks, 8.0 CPU s; failed: 2 x late"
    assert [(f.key, f.value) for f in measured.per_thousand("bulk")] == [
        ("bulk.cpu", 2.0),
        ("bulk.disk", 1_000.0),
        ("bulk.written", 10_000.0),
    ]


def test_metrics_with_labels_and_comments_are_left_out() -> None:
    text = '# HELP a b\na 1.0\nb{x="y"} 2\nbulwark_records_total 3e3\n'
    assert parse_metrics(text) == {"a": 1.0, "bulwark_records_total": 3000.0}


def test_every_measurement_has_figures_to_report_a_failure_under() -> None:
    assert len(set(NAMES)) == len(NAMES)
    for measurement in MEASUREMENTS:
        assert any(goal.key.startswith(measurement.prefix) for goal in GOALS), measurement.name


def test_no_plan_takes_longer_than_six_minutes_and_quick_ninety_seconds() -> None:
    assert all(plan.total_s < 360 for plan in PLANS.values())
    assert PLANS["quick"].total_s <= 90


def test_faults_come_last_and_keep_their_share_of_the_time() -> None:
    kills = [measurement.fault for measurement in MEASUREMENTS]
    assert kills == sorted(kills)
    assert all(0 < plan.faults_s < plan.total_s / 2 for plan in PLANS.values())

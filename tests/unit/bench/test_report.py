from __future__ import annotations

import io
import json
from pathlib import Path

import jsonschema
from rich.console import Console

from bench import report
from bench.figures import Figure
from bench.goals import BY_KEY

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["format", "run", "machine", "figures"],
    "properties": {
        "format": {"const": "bulwark-bench/1"},
        "run": {"type": "object"},
        "machine": {"type": "object"},
        "figures": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": [
                    "key", "what", "value", "unit", "better", "expected", "goal", "verdict", "note",
                ],
                "properties": {
                    "key": {"enum": sorted(BY_KEY)},
                    "what": {"type": "string", "minLength": 1},
                    "value": {"type": ["number", "null"]},
                    "unit": {"type": "string", "minLength": 1},
                    "better": {"enum": [">=", "<="]},
                    "expected": {"type": ["number", "null"]},
                    "goal": {"type": ["number", "null"]},
                    "verdict": {"type": "string"},
                    "note": {"type": "string"},
                },
            },
        },
    },
}  # fmt: skip
FIGURES = [
    Figure("idle.cpu", 1.25),
    Figure("single.executed.rate", 1_700.5, "17,005 in 10.0 s"),
    Figure("bulk.all.rate", None, "not done in 60 s"),
]


def test_document_has_the_published_shape() -> None:
    jsonschema.validate(report.document(FIGURES, {"cores": 2}, {"plan": "quick"}), SCHEMA)


def test_document_is_in_the_order_of_the_goals_and_keeps_the_last_of_a_key() -> None:
    twice = [*FIGURES, Figure("idle.cpu", 2.0)]
    rows = report.document(twice, {}, {})["figures"]
    assert isinstance(rows, list)
    assert [(row["key"], row["value"]) for row in rows] == [
        ("single.executed.rate", 1_700.5),
        ("bulk.all.rate", None),
        ("idle.cpu", 2.0),
    ]


def test_document_is_written_with_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "var" / "bench.json"
    report.write(path, report.document(FIGURES, {}, {}))
    assert json.loads(path.read_text())["format"] == report.FORMAT


def test_table_shows_value_wish_verdict_and_machine() -> None:
    console = Console(file=io.StringIO(), width=200)
    report.show(console, FIGURES, {"cpu": "a [bold] one", "fsync_ms": {"p50": 1.5}})
    file = console.file
    assert isinstance(file, io.StringIO)
    text = file.getvalue()
    for part in (
        "cpu: a [bold] one",
        "fsync_ms: p50 1.5",
        "1,700",
        ">= 1,600",
        "met; goal short by 1,500",
        "not done in 60 s",
    ):
        assert part in text

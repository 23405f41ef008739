"""The samples: made anew they are the same, and a node takes every row."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bulwark.client import FieldRefusal
from node.cli import demo_data
from node.cli.faults import BadSetup
from node.importing.catalogue import Catalogue
from node.importing.check import check_row
from node.importing.plan import FilePlan, Wishes, plan_import
from node.importing.source import Source
from tests.unit.node.importing.fakes import NOW_MS

SAMPLES = demo_data.SAMPLES


def test_the_program_makes_the_same_bytes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, SAMPLES / "make.py", tmp_path], check=True)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert made == {path.name: path.read_bytes() for path in SAMPLES.glob("*.csv")}


def test_every_row_is_taken_and_none_is_twice() -> None:
    seen: set[bytes] = set()
    for plan in plan_import(SAMPLES, Wishes(), Catalogue.load()):
        if isinstance(plan, FilePlan):
            with Source(plan.path) as source:
                for row in source:
                    assert row.cells is not None
                    for encoded in plan.mapping.rows(row.cells):
                        checked = check_row(encoded or b"{}", NOW_MS)
                        assert not isinstance(checked, FieldRefusal), checked
                        assert checked not in seen
                        seen.add(checked)
    assert len(seen) == 2_300


def test_the_demo_has_enough_rows_of_enough_kinds_and_true_misses() -> None:
    data = demo_data.load(None)
    assert len(data.rows) >= demo_data.LEAST and len(data.kinds) == 6
    reported = {(row["kind"], row["value"]) for row in data.rows}
    assert data.misses and not any((m["kind"], m["value"]) in reported for m in data.misses)


def test_another_spelling_is_the_same_identifier() -> None:
    for row in demo_data.load(None).rows:
        kind, value = str(row["kind"]), str(row["value"])
        other = demo_data.respelled(kind, value)
        both = [
            check_row(
                b'{"kind": "%s", "value": "%s", "fraud_type": "other"}'
                % (kind.encode(), text.encode()),
                NOW_MS,
            )
            for text in (value, other)
        ]
        assert both[0] == both[1] and not isinstance(both[0], FieldRefusal)


def test_a_masked_value_shows_its_beginning_only() -> None:
    assert demo_data.masked("+442079460958").startswith("+442*")
    assert "0958" not in demo_data.masked("+442079460958")


def test_too_few_rows_or_no_folder_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("kind,value\nphone,+442079460958\n")
    with pytest.raises(BadSetup, match="1 usable rows"):
        demo_data.load(tmp_path)
    with pytest.raises(BadSetup, match="no such folder"):
        demo_data.load(tmp_path / "none")

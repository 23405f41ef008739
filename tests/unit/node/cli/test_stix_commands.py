"""`bulwark stix report`: files in, a table or JSON out, and which exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from node.cli.main import main
from node.cli.stix import command

INDICATOR = {
    "type": "indicator",
    "spec_version": "2.1",
    "id": "indicator--5f0d8b1e-3c1b-4b52-9a0f-6d3b0d4f9a01",
    "created": "2026-11-01T10:00:00.000Z",
    "modified": "2026-11-01T10:00:00.000Z",
    "pattern": "[domain-name:value = 'hidden.example.net']",
    "pattern_type": "stix",
    "valid_from": "2026-11-01T10:00:00.000Z",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "one.json").write_text(json.dumps(INDICATOR))
    (tmp_path / "two.json").write_text("<broken>")
    return tmp_path


def test_a_report_names_items_by_place_and_tells_of_files_that_are_none(folder: Path) -> None:
    words = ["report", str(folder), "--fraud-type", "phishing", "--items"]
    ended = CliRunner().invoke(command, words)
    assert ended.exit_code == 1
    assert "one.json" in ended.output and "two.json: found no JSON at line 1" in ended.output
    assert "stated" in ended.output and "hidden" not in ended.output
    good = CliRunner().invoke(command, ["report", str(folder / "one.json"), "--json"])
    assert good.exit_code == 0
    (shown,) = json.loads(good.output)["files"]
    assert shown["counts"]["refused"] == {"no_fraud_type": 1}


def test_every_command_has_a_help_page_with_an_example() -> None:
    assert main is not None
    for name in ("import", "report", "export", "pull"):
        page = CliRunner().invoke(command, [name, "--help"])
        assert page.exit_code == 0 and f"bulwark stix {name}" in page.output, page.output


def test_a_password_in_an_address_ends_a_pull_before_anything_is_sent(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("k" * 43)
    # Nobody listens at the node's address: had anything been sent there, this would fail with 1.
    node = ["--url", "http://127.0.0.1:9", "--key-file", str(key)]
    words = ["pull", "https://user:quokka@taxii.example/collections/7/", *node]
    ended = CliRunner().invoke(command, words)
    assert ended.exit_code == 2 and "without user" in ended.output, ended.output
    assert "quokka" not in ended.output

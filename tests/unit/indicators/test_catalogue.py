"""The page docs/indicators.md says what the code does; run this file to write its tables anew."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bulwark.indicators.catalogue import fill, sections
from bulwark.indicators.normalise import RULES

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "indicators.md"
REFUSALS = re.compile(r'refuse\([^)]*?"([a-z_]+\.[a-z0-9-]+)"')


def test_page_equals_what_the_code_generates() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert fill(page) == page, "run PYTHONPATH=. python tests/unit/indicators/test_catalogue.py"


def test_page_shows_every_section_once() -> None:
    page = PAGE.read_text(encoding="utf-8")
    shown = re.findall(r"<!-- begin ([\w-]+) -->", page)
    # The kinds stand in a table of their own, with profile and life span.
    assert sorted(shown) == sorted(sections().keys() - {"vocabulary-kind"})


def test_unknown_section_is_not_passed_over() -> None:
    with pytest.raises(KeyError):
        fill("<!-- begin nonsense -->\n<!-- end nonsense -->")


def test_every_rule_is_used_and_every_use_is_a_rule() -> None:
    folder = ROOT / "bulwark" / "indicators" / "normalise"
    texts = [
        file.read_text(encoding="utf-8")
        for file in folder.glob("*.py")
        if file.name != "outcome.py"
    ]
    used = {rule for text in texts for rule in re.findall(r'"([a-z_]+\.[a-z0-9-]+)"', text)}
    assert {rule for rule in RULES if rule not in used} == set()
    assert {rule for text in texts for rule in REFUSALS.findall(text)} <= RULES.keys()


if __name__ == "__main__":
    PAGE.write_text(fill(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

"""The page docs/lifecycle.md says what the table does; run this file to write its tables anew."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bulwark.indicators.lifecyclepage import fill, sections
from bulwark.ledger.lifecycle import FORM_REFUSALS, GUARD_REFUSALS, TABLE

PAGE = Path(__file__).resolve().parents[3] / "docs" / "lifecycle.md"


def test_page_equals_what_the_table_says() -> None:
    page = PAGE.read_text(encoding="utf-8")
    command = "PYTHONPATH=. python tests/unit/ledger/test_lifecycle_page.py"
    assert fill(page) == page, f"run {command}"


def test_page_shows_every_section_once_and_every_rule() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert sorted(re.findall(r"<!-- begin ([\w-]+) -->", page)) == sorted(sections())
    rules = {cell.refusal for cell in TABLE.values() if cell.refusal} | FORM_REFUSALS.keys()
    rules |= {rule for each in GUARD_REFUSALS.values() for rule in each}
    assert {rule for rule in rules if f"`{rule}`" not in page} == set()


def test_unknown_section_is_not_passed_over() -> None:
    with pytest.raises(KeyError):
        fill("<!-- begin nonsense -->\n<!-- end nonsense -->")


if __name__ == "__main__":
    PAGE.write_text(fill(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

"""Pages that name tests as evidence name tests that exist."""

from __future__ import annotations

import ast
import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+\*?)`")
PAGES = [page for page in sorted((ROOT / "docs").rglob("*.md")) if NAMED.search(page.read_text())]


def names_in(path: Path) -> list[str]:
    """Names of the tests in a file, those in classes among them."""
    found = ast.walk(ast.parse(path.read_text()))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node.name for node in found if isinstance(node, functions)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    for file, name in NAMED.findall(page.read_text()):
        assert (ROOT / file).exists(), file
        wanted = name if name.startswith("test_") else f"no test: {name}"
        assert any(fnmatchcase(one, wanted) for one in names_in(ROOT / file)), f"{file}::{name}"


def test_the_privacy_page_names_a_test_in_every_row() -> None:
    rows = (ROOT / "docs/privacy-checks.md").read_text().splitlines()
    items = [row for row in rows if row.startswith("| ") and not row.startswith("|---")]
    unnamed = [row for row in items if not NAMED.search(row) and "| test |" not in row]
    assert len(items) > 35
    assert not unnamed

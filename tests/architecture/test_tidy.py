"""The rules of shape that a reader relies on: file and function length, banned text, docstrings."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

from tests.architecture import apipage, layout, states

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("bulwark", "consensus", "node", "api", "contracts", "genesis", "bench")
MAX_LINES = 400
MAX_FUNCTION_LINES = 60
MARKERS = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b|NotImplemented" r"Error")


def python_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    return [ROOT / name for name in listed if (ROOT / name).exists()]


FILES = python_files()
SHIPPED = [path for path in FILES if path.relative_to(ROOT).parts[0] in SOURCES]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_file_is_short_enough_to_read_at_once(path: Path) -> None:
    assert path.read_text().count("\n") <= MAX_LINES


@pytest.mark.parametrize("path", SHIPPED, ids=name_of)
def test_function_fits_on_a_screen(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= MAX_FUNCTION_LINES, f"{node.name} has {length} lines"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_marker_of_unfinished_work(path: Path) -> None:
    if path == Path(__file__).resolve():
        return
    for number, line in enumerate(path.read_text().splitlines(), 1):
        assert not MARKERS.search(line), f"line {number}: {line.strip()}"


@pytest.mark.parametrize("path", SHIPPED, ids=name_of)
def test_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), "no module docstring"


@pytest.mark.parametrize("path", SHIPPED, ids=name_of)
def test_no_assert_guards_shipped_code(path: Path) -> None:
    """Python drops assert under -O, so a check that matters is an if (style.md rule 7)."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Assert):
            pytest.fail(f"line {node.lineno}: assert outside tests")


@pytest.mark.parametrize("path", SHIPPED, ids=name_of)
def test_no_error_is_swallowed(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ExceptHandler):
            broad = node.type is None or (
                isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}
            )
            empty = len(node.body) == 1 and isinstance(node.body[0], ast.Pass)
            assert not (broad and empty), f"line {node.lineno}: broad except that passes"


def test_layout_page_is_what_the_modules_say() -> None:
    assert layout.PAGE.read_text() == layout.page(), "run `make layout`"


def test_api_page_is_what_the_routes_say() -> None:
    assert apipage.PAGE.read_text() == apipage.page(), "run `make layout`"


def test_every_dependency_has_its_reason() -> None:
    listed = (ROOT / "docs" / "dependencies.md").read_text()
    text = (ROOT / "pyproject.toml").read_text()
    names = set(re.findall(r'^    "([a-zA-Z0-9_-]+)[\[><=]', text, re.MULTILINE))
    missing = sorted(name for name in names if f"`{name}`" not in listed)
    assert not missing, f"docs/dependencies.md misses {missing}"


def test_diagrams_of_the_specification_are_what_the_tables_say() -> None:
    text = states.PAGE.read_text()
    assert text == states.page(text), "run `make layout`"

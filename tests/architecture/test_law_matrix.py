"""The law matrix names rules and tests that exist, in every row, and covers every policy rule."""

from __future__ import annotations

import ast
from functools import cache

import pytest

from bulwark.policies.rules import RULES
from tests.architecture.lawmatrix import NOT_ENFORCED, ROOT, Row, rows

PACKAGES = ("bulwark", "contracts", "node", "api", "genesis", "consensus")
ROWS = rows()
# Rules about naming a policy at all: of no law, but of having policies.
ABOUT_POLICIES = {
    "policy.unknown",
    "policy.not-in-force",
    "policy.unreadable",
    "policy.operation-not-allowed",
}


@cache
def source() -> str:
    """Every product source in one text."""
    files = (file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py")))
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def rule_exists(rule: str) -> bool:
    """Whether a rule is a place in the source, or an id that some refusal carries."""
    if "/" not in rule:
        return f'"{rule}"' in source()
    path, _, symbol = rule.partition("::")
    place = ROOT / path
    if not symbol or not place.is_file():
        return place.exists() and not symbol
    tree = ast.walk(ast.parse(place.read_text(encoding="utf-8")))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return any(isinstance(node, kinds) and node.name == symbol for node in tree)


def has_test(test: str) -> bool:
    """Whether a test function of that name is in that file."""
    path, _, name = test.partition("::")
    if not (ROOT / path).is_file() or not name.startswith("test_"):
        return False
    tree = ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8")))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return any(isinstance(node, kinds) and node.name == name for node in tree)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.law[:60])
def test_every_row_names_a_rule_and_a_test_that_exist_or_says_that_people_must_do_it(
    row: Row,
) -> None:
    if row.rule_text == NOT_ENFORCED:
        assert not row.tests
        return
    assert row.rules and row.tests
    assert [rule for rule in row.rules if not rule_exists(rule)] == []
    assert [test for test in row.tests if not has_test(test)] == []


def test_every_rule_of_a_policy_stands_behind_some_law() -> None:
    named = {rule for row in ROWS for rule in row.rules}
    assert set(RULES) - named == ABOUT_POLICIES


def test_the_matrix_covers_every_source_that_the_design_names() -> None:
    laws = " ".join(row.law for row in ROWS)
    for wanted in (
        *("PSR", "AMLR", "DORA", "GDPR art. 7", "GDPR art. 17", "GDPR art. 19", "GDPR art. 22"),
        *("EDPB 02/2025", "EDPS v SRB", "Fraud Law art. 32", "PIPL art. 23", "PIPL art. 47"),
        *("DSL art. 21", "PCI DSS", "SPF Act", "ECCTA", "314(b)", "FATF"),
    ):
        assert wanted in laws, wanted
    assert len(ROWS) > 50


@pytest.mark.parametrize(
    ("rule", "exists"),
    [
        ("policy.kind-not-allowed", True),
        ("policy.made-up", False),
        ("node/governance/suspender.py", True),
        ("node/governance/nothing.py", False),
        ("bulwark/policies/document.py::parse_policy", True),
        ("bulwark/policies/document.py::parse_poetry", False),
    ],
)
def test_a_rule_that_is_made_up_is_noticed(rule: str, exists: bool) -> None:
    assert rule_exists(rule) is exists


@pytest.mark.parametrize(
    ("test", "exists"),
    [
        ("tests/unit/policies/test_rules.py::test_every_rule_on_records_has_a_case_here", True),
        ("tests/unit/policies/test_rules.py::test_nothing", False),
        ("tests/unit/policies/test_none.py::test_nothing", False),
    ],
)
def test_a_test_that_is_made_up_is_noticed(test: str, exists: bool) -> None:
    assert has_test(test) is exists

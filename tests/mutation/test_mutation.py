"""The mutation runner: its operators, its list of equivalents, and a fixed sample of the core."""

from __future__ import annotations

import re
import subprocess
import sys
from types import CodeType, FunctionType

import pytest

from tests.mutation.operators import Mutant, mutants_of
from tests.mutation.report import BEGIN, END, Score, table, write
from tests.mutation.running import KILLED, ROOT, SURVIVED, TIMED_OUT, Outcome, code_of
from tests.mutation.targets import EQUIVALENT, SUITE, TARGETS

SAMPLE = 40


def changed(source: str) -> set[str]:
    """What the mutants of a function body read like."""
    found = mutants_of("x.py", f"def f(a, b, c):\n    {source}\n")
    return {mutant.after for mutant in found}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a = b < c", {"b <= c", "b >= c"}),
        ("a = b >= c", {"b > c", "b < c"}),
        ("a = b == c", {"b != c"}),
        ("a = b not in c", {"b in c"}),
        ("a = b and c", {"b or c", "not b", "not c"}),
        ("a = not b", {"b"}),
        ("a = b + c", {"b - c"}),
        ("a = b // 3", {"b * 3", "4"}),
        ("a = True", {"False"}),
        ("a = b'tag'", {"b'tag!'"}),
        ("a = min(b)", {"max(b)"}),
        ("a = any(b)", {"all(b)"}),
        ("a = sorted(b)", {"sorted(b, reverse=True)"}),
        ("a = sorted(b, reverse=c)", {"sorted(b)"}),
        ("a = g(b, c, 1)", {"g(c, b, 1)", "2"}),
        ("a = g(b.x, b.y)", {"g(b.y, b.x)"}),
        ("a = g(b.x, c.y)", set()),
        ("a.b = c", {"pass"}),
        ("a += 1", {"pass", "2"}),
        ("g(a)", {"pass"}),
        ("raise ValueError(a, b)", {"pass"}),
        ("return a", {"return None"}),
        ("return a < b", {"return None", "return True", "a <= b", "a >= b"}),
        ("a = b if c else a", {"not c"}),
        ("a = [b for b in c if b]", {"not b"}),
        ("'a text'", set()),
        ("a = f'{b + 1}'", set()),
        ("a: tuple[1] = b", set()),
    ],
)
def test_an_operator_makes_these_mutants_and_no_others(source: str, expected: set[str]) -> None:
    assert changed(source) == expected


SOURCE = '''
"""A text."""
LIMIT = 3

class C:
    """A text."""
    size: int = 4

    def m(self):
        """A text."""
        return [x for x in self if x > LIMIT]

def f(a):
    def g(b):
        return b - 1
    return g(a) - 1
'''


def test_a_mutant_knows_its_outermost_function() -> None:
    found = {(m.function, m.before) for m in mutants_of("x.py", SOURCE)}
    assert {("", "3"), ("", "4"), ("C.m", "x > LIMIT"), ("f", "b - 1")} <= found
    assert {m.function for m in mutants_of("x.py", SOURCE, ("C.m",))} == {"C.m"}


def test_names_of_mutants_are_distinct_and_one_leaves_the_next_alone() -> None:
    found = mutants_of("x.py", SOURCE)
    assert len({mutant.name for mutant in found}) == len(found)
    codes = [mutant.compile() for mutant in found if mutant.before == "b - 1"]
    assert [run(code) for code in codes] == [5]
    after = [mutant.compile() for mutant in found if mutant.before == "return b - 1"]
    with pytest.raises(TypeError):
        run(after[0])


def run(module: CodeType) -> object:
    """f(5) of a changed SOURCE."""
    inner = next(c for c in code_of(module, "f").co_consts if isinstance(c, CodeType))
    assert inner.co_qualname == "f.<locals>.g"
    return FunctionType(code_of(module, "f"), {})(5)


def outcome(state: str, name: str = "1") -> Outcome:
    """What became of a mutant of a small file."""
    (mutant,) = mutants_of("x.py", f"a = {name}")
    return Outcome(mutant, state)


def test_the_score_counts_what_was_noticed_among_what_is_another_program() -> None:
    given = [outcome(KILLED), outcome(TIMED_OUT), outcome(SURVIVED), outcome(KILLED)]
    assert Score(given).percent == 75.0
    assert "- 1\n+ 2" in table(given)
    assert Score([]).percent == 100.0


def test_the_table_goes_into_its_place_on_the_page(tmp_path) -> None:  # type: ignore[no-untyped-def]
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write(page, "new")
    assert page.read_text() == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
    page.write_text("nothing")
    with pytest.raises(SystemExit):
        write(page, "new")


def every_mutant() -> list[Mutant]:
    """Those of all targets."""
    return [
        mutant
        for target in TARGETS
        for mutant in mutants_of(target.file, (ROOT / target.file).read_text(), target.functions)
    ]


def test_targets_and_equivalents_are_about_code_and_tests_that_exist() -> None:
    assert all((ROOT / path).exists() for target in TARGETS for path in target.tests)
    assert all((ROOT / path).exists() for path in SUITE)
    found = every_mutant()
    assert not set(EQUIVALENT) - {mutant.name for mutant in found}
    assert len(found) > 500
    for target in TARGETS:
        functions = {mutant.function for mutant in found if mutant.file == target.file}
        assert set(target.functions) <= functions


@pytest.mark.search
def test_a_sample_of_the_core_is_noticed_by_the_files_own_tests() -> None:
    command = [sys.executable, "-m", "tests.mutation", "--sample", str(SAMPLE), "--at-least", "90"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(rf"^{SAMPLE} mutants in \d+ s$", done.stdout, re.MULTILINE)

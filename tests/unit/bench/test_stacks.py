from __future__ import annotations

from bench.stacks import read_stacks, shortened

ROOT = "/src"
LINES = [
    "thread (1): Main;run (/src/node/app.py:5);write (/src/node/store.py:9) 6",
    "thread (1): Main;run (/src/node/app.py:6);dumps (/usr/lib/python3.11/json/__init__.py:1) 3",
    "thread (2): work;hash (/v/site-packages/eth/hash.py:7) 1",
    "",
    "no count at all",
]


def test_samples_are_added_up_by_function() -> None:
    stacks = read_stacks(LINES, lambda path: shortened(path, ROOT))
    assert stacks.total == 10
    assert stacks.own == {
        "node/store.py write": 6,
        "json/__init__.py dumps": 3,
        "eth/hash.py hash": 1,
    }
    assert stacks.within == {"node/app.py run": 9, "node/store.py write": 6}


def test_what_others_cost_is_blamed_on_the_project_function_that_called_them() -> None:
    stacks = read_stacks(LINES, lambda path: shortened(path, ROOT))
    assert stacks.blamed == {
        "node/store.py write": 6,
        "node/app.py run": 3,
        "thread (2): work": 1,
    }
    assert stacks.threads == {"thread (1): Main": 9, "thread (2): work": 1}


def test_a_recursive_function_counts_once_a_sample() -> None:
    stacks = read_stacks(["f (node/a.py:1);f (node/a.py:2);f (node/a.py:1) 4"], str)
    assert stacks.within == {"node/a.py f": 4}


def test_paths_are_shown_from_the_project_or_the_package_on() -> None:
    assert shortened("/src/node/app.py", ROOT) == "node/app.py"
    assert shortened("/src/.venv/lib/python3.11/site-packages/eth/a.py", ROOT) == "eth/a.py"
    assert shortened("/usr/lib/python3.11/json/__init__.py", ROOT) == "json/__init__.py"

"""Invariants of a simulated alliance: fourteen of the plan by number, and what else nodes owe.

`Checkers` is what a world calls; 14 (determinism) compares two whole runs and is a test.
"""

from __future__ import annotations

from tests.simulation.checkers.record import Violation
from tests.simulation.checkers.suite import Checkers

__all__ = ["Checkers", "Violation"]

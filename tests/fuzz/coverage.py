"""Edges: which steps from line to line of the product an input made, by sys.settrace.

Tracing costs a factor of ten and more, so the engine traces samples, and every input whose outcome
is new. Threads other than the caller's are not traced.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import CodeType, FrameType
from typing import TypeVar

from tests.fuzz.target import product_file

T = TypeVar("T")
Edge = tuple[int, int, int]
"""(number of the code object, line before, line)."""


class Tracer:
    """Collects the edges of one call at a time."""

    def __init__(self) -> None:
        self._numbers: dict[CodeType, int] = {}
        self._seen: set[Edge] = set()

    def run(self, action: Callable[[], T]) -> tuple[T, frozenset[Edge]]:
        """The action's result and its edges; what it raises passes through."""
        self._seen = set()
        before = sys.gettrace()
        sys.settrace(self._call)
        try:
            result = action()
        finally:
            sys.settrace(before)
        return result, frozenset(self._seen)

    def _number(self, code: CodeType) -> int:
        number = self._numbers.get(code)
        if number is None:
            product = product_file(code.co_filename) is not None
            number = self._numbers[code] = len(self._numbers) + 1 if product else 0
        return number

    def _call(self, frame: FrameType, event: str, arg: object) -> Callable[..., object] | None:
        number = self._number(frame.f_code)
        if number == 0:
            return None
        last = 0
        add = self._seen.add

        def line(frame: FrameType, event: str, arg: object) -> Callable[..., object]:
            nonlocal last
            if event == "line":
                now = frame.f_lineno
                add((number, last, now))
                last = now
            return line

        return line

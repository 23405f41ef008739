"""Target: one way for bytes from outside into the product, and what must hold for all of them.

Rules: `run` returns a short word for what became of the input (the cheap feedback of the engine)
and raises for everything that must not happen; a target keeps no state from one input to the next,
so that a saved input replays alone. Typed errors are the target's affair: it catches them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import ClassVar

ROOT = Path(__file__).resolve().parents[2]
_TESTS = str(ROOT / "tests")
_ROOT = str(ROOT)
_VENV = str(ROOT / ".venv")


class Finding(AssertionError):
    """The product broke a promise without raising: a round-trip difference, a 5xx, a stall."""


class Target(ABC):
    """One target; instances are made once a run and may hold what is costly to build."""

    name: ClassVar[str]
    about: ClassVar[str]
    """What is fuzzed, in one line."""
    seconds: ClassVar[float] = 1.0
    """CPU time that one input may take."""
    memory_mib: ClassVar[int] = 200
    """Growth of the process over its state after the seeds."""
    most_bytes: ClassVar[int] = 16 * 1024
    """Longest input that the mutators make."""
    trace_every: ClassVar[int] = 10
    """One execution of so many is traced for coverage, besides those with a new outcome."""
    words: ClassVar[Sequence[bytes]] = ()
    """Tokens worth inserting."""

    @abstractmethod
    def seeds(self) -> list[bytes]:
        """Valid inputs, made by the product's own code; the same ones every time."""

    @abstractmethod
    def run(self, data: bytes) -> str:
        """Feed one input; a word for what became of it. Raises for a failure."""

    def reshape(self, data: bytes, rng: Random) -> bytes | None:
        """A change that knows the structure; None when this input has none to change."""
        return None

    def close(self) -> None:  # noqa: B027 - most targets hold nothing
        """Give back what the target holds."""


def refusal(error: BaseException) -> str:
    """A word for a typed error: its class and the product's lines that it went through."""
    places: list[str] = []
    trace = error.__traceback__
    while trace is not None:
        name = product_file(trace.tb_frame.f_code.co_filename)
        if name is not None:
            places.append(f"{name}:{trace.tb_lineno}")
        trace = trace.tb_next
    return " ".join([type(error).__name__, *places[-3:]])


@cache
def product_file(filename: str) -> str | None:
    """Path inside the repository of a product's source file, None for any other file."""
    if not filename.startswith(_ROOT) or filename.startswith((_TESTS, _VENV)):
        return None
    return filename[len(_ROOT) + 1 :]

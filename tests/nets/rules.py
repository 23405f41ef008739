"""What a wire does to what passes it, and how a wire process is told.

A wire is a process of its own, so that packets do not wait for the tests; it reads lines of JSON
(`[[source, target, latency_ms, loss_percent, cut], ...]`) from standard input, answers each with a
line, and ends when its input does.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import node

ROOT = Path(node.__file__).resolve().parents[1]
"""Where the product under test lies: that of the import path."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One direction between two nodes, by position."""

    latency_s: float = 0.0
    loss: float = 0.0
    """Share of what is lost, 0..1."""
    cut: bool = False
    """Nothing passes."""


FREE = Rule()
Rules = dict[tuple[int, int], Rule]


def encode_rules(rules: Rules) -> bytes:
    """One line for a wire."""
    rows = [[a, b, r.latency_s, r.loss, r.cut] for (a, b), r in rules.items()]
    return json.dumps(rows).encode() + b"\n"


async def follow_rules(rules: Rules) -> None:
    """A wire's side: take over each line until the owner is gone."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        for a, b, latency_s, loss, cut in json.loads(line):
            rules[a, b] = Rule(latency_s, loss, cut)
        sys.stdout.write("done\n")
        sys.stdout.flush()


class Wire:
    """The owner's side of a wire process."""

    def __init__(
        self, module: str, arguments: Sequence[str], descriptors: Iterable[int] = ()
    ) -> None:
        command = [sys.executable, "-m", module, *arguments]
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=tuple(descriptors),
            start_new_session=True,
        )
        self._answer()

    def tell(self, rules: Rules) -> None:
        """Return when the wire obeys."""
        if self._process.stdin is None:
            raise RuntimeError("the wire has no input")
        self._process.stdin.write(encode_rules(rules))
        self._process.stdin.flush()
        self._answer()

    def _answer(self) -> None:
        if self._process.stdout is None or not self._process.stdout.readline():
            raise RuntimeError(f"the wire ended with code {self._process.wait()}")

    def close(self) -> None:
        """End it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

"""Scenario files: a story in comments, commands, and below `----` what they yielded when recorded.

    # S5: what this is about
    net n=4
    ----
    n=4 f=1 quorum=3 window=8

A block is one or more command lines, `----`, and output up to an empty line. Rewriting keeps
comments and commands and replaces all output. An `expect` that fails is an error even then.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MARK = "----"
FOLDER = Path(__file__).parent


class ScenarioError(AssertionError):
    """A scenario does not say what it should, or expects what does not hold."""


@dataclass(frozen=True)
class Args:
    """A command line taken apart."""

    verb: str
    words: tuple[str, ...]
    options: dict[str, str]

    def get(self, name: str, default: str = "") -> str:
        """An option's text."""
        return self.options.get(name, default)

    def number(self, name: str, default: int) -> int:
        """An option as a number."""
        return int(self.options.get(name, default))

    def numbers(self, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
        """An option as numbers: 0,1,2."""
        text = self.options.get(name)
        return default if text is None else parse_numbers(text)


def parse_numbers(text: str) -> tuple[int, ...]:
    """0,1,2 or - for none."""
    return () if text == "-" else tuple(int(part) for part in text.split(","))


def parse_command(line: str) -> Args:
    """verb word word option=value ..."""
    verb, *rest = line.split()
    words = tuple(part for part in rest if "=" not in part)
    options = dict(part.split("=", 1) for part in rest if "=" in part)
    return Args(verb, words, options)


@dataclass
class Block:
    """Comments and empty lines before, commands, output."""

    before: list[str]
    commands: list[str]
    output: list[str]
    line: int


def read_script(text: str) -> list[Block]:
    """All blocks of a file; raises ScenarioError."""
    blocks: list[Block] = []
    before: list[str] = []
    commands: list[str] = []
    lines = text.split("\n")
    index = 0
    while index < len(lines):
        line = lines[index]
        index += 1
        if line == MARK:
            if not commands:
                raise ScenarioError(f"line {index}: output without a command")
            start = index
            while index < len(lines) and lines[index] != "":
                index += 1
            blocks.append(Block(before, commands, lines[start:index], start))
            before, commands = [], []
        elif line.startswith("#") or line == "":
            if commands:
                raise ScenarioError(f"line {index}: no output for {commands[-1]!r}")
            before.append(line)
        else:
            commands.append(line)
    if commands:
        raise ScenarioError(f"no output for {commands[-1]!r}")
    if any(before):
        blocks.append(Block(before, [], [], index))
    return blocks


def write_script(blocks: list[Block]) -> str:
    """The file's text."""
    lines: list[str] = []
    for block in blocks:
        lines += block.before
        if block.commands:
            lines += [*block.commands, MARK, *block.output]
    return "\n".join(lines).rstrip("\n") + "\n"


def all_files() -> list[Path]:
    """Every scenario."""
    return sorted(FOLDER.glob("*.txt"))

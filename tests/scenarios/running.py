"""Runs scenario files and compares or rewrites their recorded output."""

from __future__ import annotations

from pathlib import Path

from tests.scenarios.commands import Runner
from tests.scenarios.script import Block, ScenarioError, read_script, write_script


def play_blocks(blocks: list[Block], name: str) -> list[Block]:
    """The same blocks with the output of now; raises ScenarioError."""
    runner = Runner()
    played = []
    for block in blocks:
        output: list[str] = []
        for command in block.commands:
            try:
                output += runner.run(command)
            except Exception as error:
                why = f"{type(error).__name__}: {error}"
                raise ScenarioError(f"{name}:{block.line} {command!r}: {why}") from error
        if len(output) > 1:
            output = [line for line in output if line != "ok"] or ["ok"]
        played.append(Block(block.before, block.commands, output, block.line))
    return played


def check_file(path: Path) -> None:
    """Raise ScenarioError at the first output that differs from the recorded one."""
    text = path.read_text(encoding="utf-8")
    blocks = read_script(text)
    for recorded, now in zip(blocks, play_blocks(blocks, path.name), strict=True):
        if recorded.output != now.output:
            old, new = "\n  ".join(recorded.output), "\n  ".join(now.output)
            raise ScenarioError(
                f"{path.name}:{recorded.line} {recorded.commands}\n"
                f" recorded\n  {old}\n now\n  {new}"
            )
    if write_script(blocks) != text:
        raise ScenarioError(f"{path.name}: not in the form that rewriting gives it")


def rewrite_file(path: Path) -> bool:
    """Record the output of now; whether anything changed."""
    text = path.read_text(encoding="utf-8")
    new = write_script(play_blocks(read_script(text), path.name))
    if new != text:
        path.write_text(new, encoding="utf-8")
    return new != text

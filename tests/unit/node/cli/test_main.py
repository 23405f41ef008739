"""The command lists its sub-commands without loading them and ends errors with one line."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import click
import pytest

from node.cli.main import COMMANDS, main

ROOT = Path(__file__).resolve().parents[4]
PRESENT = [name for name, (module, _) in COMMANDS.items() if importlib.util.find_spec(module)]


def one_line(text: str) -> str:
    lines = text.splitlines()
    assert len(lines) == 1, text
    assert lines[0].startswith("bulwark: ")
    return lines[0]


def commands(command: click.Command, path: str) -> list[tuple[str, click.Command]]:
    found = [(path, command)]
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            found += commands(child, f"{path} {name}")
    return found


ALL = [
    pair
    for name in PRESENT
    for pair in commands(importlib.import_module(COMMANDS[name][0]).command, f"bulwark {name}")
]


def test_help_lists_every_command_and_imports_none_of_them() -> None:
    script = (
        "import sys; from node.cli.main import main\n"
        "try: main(['--help'], prog_name='bulwark')\n"
        "except SystemExit as end: code = end.code\n"
        "heavy = {'pydantic', 'cryptography', 'coincurve', 'httpx', 'fastapi', 'rich', 'asyncio'}\n"
        "sys.exit(f'imported {heavy & set(sys.modules)}' if heavy & set(sys.modules) else code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for name, (_, text) in COMMANDS.items():
        assert any(line.split()[:1] == [name] and text in line for line in done.stdout.splitlines())


@pytest.mark.parametrize(("path", "command"), ALL, ids=[path for path, _ in ALL])
def test_every_command_has_help_with_an_example(path: str, command: click.Command) -> None:
    text = command.get_help(click.Context(command, info_name=path))
    assert "Example:\n" in text
    assert "  bulwark " in text.partition("Example:\n")[2]


def test_an_unknown_command_is_one_line_and_code_2(bulwark) -> None:
    result = bulwark("devnte")
    assert result.exit_code == 2
    assert "devnte" in one_line(result.stderr)


@pytest.mark.parametrize(
    "words",
    [
        ("node", "run"),
        ("node", "run", "--hme", "x"),
        ("devnet", "up", "--home", "/x", "--members", "four"),
        ("api-key", "new", "--home", "/x", "--role", "boss"),
    ],
)
def test_a_wrong_call_is_one_line_that_names_the_help(bulwark, words: tuple[str, ...]) -> None:
    result = bulwark(*words)
    assert result.exit_code == 2
    assert f"(see bulwark {words[0]} {words[1]} --help)" in one_line(result.stderr)


def test_a_group_without_a_command_shows_its_help(bulwark) -> None:
    result = bulwark("genesis")
    assert result.exit_code == 2
    assert "bulwark genesis new" in result.stderr


def test_a_home_that_is_missing_is_one_line_and_code_2(bulwark, tmp_path: Path) -> None:
    result = bulwark("config", "explain", "--home", tmp_path / "nowhere")
    assert result.exit_code == 2
    assert "node.toml: no such file" in one_line(result.stderr)


def test_a_closed_pipe_ends_the_command_without_a_trace() -> None:
    script = "from node.cli.main import main; main(['config', 'explain'], prog_name='bulwark')"
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 1


def test_the_table_names_importable_modules_with_a_command() -> None:
    assert {"genesis", "node", "config", "key", "api-key", "devnet"} <= set(PRESENT)
    for name in PRESENT:
        assert isinstance(main.get_command(click.Context(main), name), click.Command)

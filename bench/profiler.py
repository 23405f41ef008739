"""Profiles: one node sampled by py-spy while the alliance is under one kind of load.

Rules: samples are of working threads only; the collapsed stacks stay in `var/` for speedscope or a
flame graph tool, the table names the functions that cost most. py-spy has to be allowed to trace
other processes of this user.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from bench.alliance import Alliance, BenchFailed, Node
from bench.client import Connection
from bench.load import Check, Load, closed_loop
from bench.reads import check_asked
from bench.stacks import Stacks, read_stacks, shortened
from bench.values import Values, first_rows, ndjson, question
from bench.writes import Sizes, Writes, check_single, check_upload
from node.devnet.layout import HOST

LOADS: Final = ("single", "bulk", "fresh", "screen")
RATE: Final = 250
"""Samples a second."""
SHOWN: Final = 25
_WARM_UP_S: Final = 1.5
_KNOWN: Final = 2_000
_SIZES: Final = Sizes(0, 0, 0, 0, 0, 0, _KNOWN)


async def profile_load(
    alliance: Alliance,
    load: str,
    name: str,
    seconds: int,
    target: Path,
    *,
    options: Sequence[str],
    seed: int,
) -> Load:
    """Sample node `name` under a load; stacks go to `target`. Raises BenchFailed, LookupError.

    `options` are further ones of py-spy: `--gil` counts only threads that run Python code, so that
    waiting for the disk is left out; `--native` shows frames of compiled code.
    """
    pid = alliance.pids().get(name)
    if pid is None:
        raise LookupError(f"no node {name}; there are {', '.join(alliance.pids())}")
    values = Values(seed)
    writes = Writes(alliance, values, _SIZES)
    if load != "fresh":
        for node in alliance.members:
            await writes.known(node, _KNOWN)
    callers = [
        (Connection(HOST, node.at.http_port), requests)
        for node in alliance.members
        for requests in _requests(load, node, values)
    ]
    checks: dict[str, Check] = {"single": check_single, "screen": check_asked}
    running = asyncio.get_running_loop().create_task(
        closed_loop(callers, checks.get(load, check_upload), _WARM_UP_S + seconds)
    )
    await asyncio.sleep(_WARM_UP_S)
    words = [
        *("record", "--pid", str(pid), "--duration", str(seconds), "--rate", str(RATE)),
        *("--format", "raw", "--output", str(target), "--nonblocking", "--threads"),
        *options,
    ]
    spy = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("py-spy")),
        *words,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    _, errors = await spy.communicate()
    done = await running
    if spy.returncode:
        raise BenchFailed(f"py-spy: {errors.decode(errors='replace').strip()[-300:]}")
    for connection, _ in callers:
        connection.close()
    return done


def _requests(load: str, node: Node, values: Values) -> list[Iterator[bytes]]:
    """Endless requests for each caller of a node."""
    if load == "single":
        shared = _singles(node)
        return [shared] * 64
    if load == "bulk":
        return [_bulk(node), _bulk(node)]
    if load == "fresh":
        return [_fresh(node, values), _fresh(node, values)]
    return [_questions(node)] * 4


def _singles(node: Node) -> Iterator[bytes]:
    while True:
        for row in node.known.rows(100):
            yield node.report(row.encode(), "executed")


def _bulk(node: Node) -> Iterator[bytes]:
    while True:
        yield node.upload(ndjson(node.known.rows(5_000)), "executed")


def _fresh(node: Node, values: Values) -> Iterator[bytes]:
    while True:
        yield node.upload(ndjson(first_rows(values.take(256))), "executed")


def _questions(node: Node) -> Iterator[bytes]:
    while True:
        for value in node.known.values(_KNOWN):
            yield node.screen(question(value))


def show_profile(console: Console, target: Path, root: Path) -> Stacks:
    """Print the functions that cost most, from collapsed stacks."""
    with target.open() as lines:
        stacks = read_stacks(lines, lambda path: shortened(path, str(root)))
    console.print(f"{stacks.total} samples")
    kinds: tuple[tuple[str, Counter[str]], ...] = (
        ("innermost function of the project", stacks.blamed),
        ("function itself", stacks.own),
        ("function of the project and what it calls", stacks.within),
        ("thread", stacks.threads),
    )
    for title, counts in kinds:
        shown = Table("share", "function", title=title, title_justify="left")
        for name, count in counts.most_common(SHOWN):
            shown.add_row(f"{count / max(1, stacks.total):.1%}", name)
        console.print(shown)
    return stacks

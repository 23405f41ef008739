"""Black-box checks: what REST, JSON-RPC and `bulwark fsck` say, and nothing from inside.

Rules: a check that fails raises CheckFailed with names and numbers; waiting is a poll with a
deadline that says what was seen last.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from bulwark.ledger.validators import quorum_size
from tests.nets.access import Access, Seen, Unreachable
from tests.nets.rules import ROOT

T = TypeVar("T")
_POLL_S = 0.03
MOST_STRETCH = 4.0
"""A bound of five seconds is never more than twenty."""


class CheckFailed(AssertionError):
    """The net does not hold what it has to."""


def until(condition: Callable[[], T | None], what: str, within_s: float) -> T:
    """The first true value of a condition; raises CheckFailed when the time is over."""
    within_s = stretched(within_s)
    deadline = time.monotonic() + within_s
    while True:
        seen = condition()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise CheckFailed(f"not within {within_s:.1f} s: {what}")
        time.sleep(_POLL_S)


def look(access: Mapping[str, Access], names: Iterable[str]) -> dict[str, Seen | None]:
    """What nodes say of themselves; None for one that does not answer."""
    found: dict[str, Seen | None] = {}
    for name in names:
        try:
            found[name] = access[name].seen(1.0)
        except Unreachable:
            found[name] = None
    return found


def describe(seen: Mapping[str, Seen | None]) -> str:
    """One line for people: heights, views, phases."""
    parts = []
    for name, one in seen.items():
        state = "no answer"
        if one is not None:
            view = "-" if one.view is None else one.view
            state = f"{one.executed}/{one.finalized} v{view} {one.phase}"
            state += f" HALTED {one.halted}" if one.halted else ""
        parts.append(f"{name} {state}")
    return "; ".join(parts)


def tip(access: Mapping[str, Access], names: Iterable[str]) -> int:
    """Highest executed block that any node shows."""
    return max((s.executed for s in look(access, names).values() if s is not None), default=0)


def until_above(
    access: Mapping[str, Access], names: Sequence[str], height: int, within_s: float
) -> float:
    """Until all nodes executed and finalized a block above `height`; seconds it took."""
    began = time.monotonic()
    within_s = stretched(within_s)
    while True:
        seen = look(access, names)
        done = all(s is not None and min(s.executed, s.finalized) > height for s in seen.values())
        spent = time.monotonic() - began
        if done:
            return spent
        if spent > within_s:
            raise CheckFailed(
                f"no common block above {height} within {within_s:.1f} s: {describe(seen)}"
            )
        time.sleep(_POLL_S)


def first_above(
    access: Mapping[str, Access], names: Sequence[str], height: int, within_s: float
) -> float:
    """Until any node executed a block above `height`; seconds it took."""
    began = time.monotonic()
    within_s = stretched(within_s)
    while tip(access, names) <= height:
        if time.monotonic() - began > within_s:
            now = describe(look(access, names))
            raise CheckFailed(f"no block above {height} within {within_s:.1f} s: {now}")
        time.sleep(_POLL_S)
    return time.monotonic() - began


def agree(
    access: Mapping[str, Access], names: Sequence[str], start: int = 0, *, every: int = 1
) -> int:
    """Every node has the same blocks from `start` to the lowest tip; that height."""
    seen = look(access, names)
    silent = [name for name, one in seen.items() if one is None]
    if silent:
        raise CheckFailed(f"{', '.join(silent)} do not answer")
    upto = min(one.executed for one in seen.values() if one is not None)
    heights = sorted({*range(start, upto + 1, every), upto})
    for height in heights:
        hashes = {name: _hash_at(access[name], height) for name in names}
        if len(set(hashes.values())) != 1:
            raise CheckFailed(f"FORK at {height}: {hashes}")
    for name in names:
        if access[name].rpc_block_hash(upto) != _hash_at(access[name], upto):
            raise CheckFailed(f"{name}: JSON-RPC shows another block {upto} than REST")
    return upto


def no_fork(access: Mapping[str, Access], names: Sequence[str], start: int = 0) -> None:
    """No two nodes have different blocks at any height from `start` that both have."""
    by_height: dict[int, dict[str, str]] = {}
    for name in names:
        try:
            height = access[name].seen(1.0).executed
            for at in range(start, height + 1):
                by_height.setdefault(at, {})[name] = _hash_at(access[name], at)
        except Unreachable:
            continue
    for at, hashes in by_height.items():
        if len(set(hashes.values())) > 1:
            raise CheckFailed(f"FORK at {at}: {hashes}")


def _hash_at(access: Access, height: int) -> str:
    block = access.block(height)
    if block is None:
        raise CheckFailed(f"{access.name} has no block {height}")
    return str(block["hash"])


def all_records(
    access: Mapping[str, Access],
    names: Iterable[str],
    acknowledged: Iterable[str],
    within_s: float = 15.0,
) -> None:
    """Every node shows every acknowledged record, soon."""
    deadline = time.monotonic() + stretched(within_s)
    wanted = list(acknowledged)
    for name in names:
        missing = wanted
        while missing:
            missing = [record for record in missing if not access[name].has_record(record)]
            if missing and time.monotonic() > deadline:
                raise CheckFailed(
                    f"{name} misses {len(missing)} of {len(wanted)} acknowledged records, "
                    f"as {missing[0]}"
                )
            if missing:
                time.sleep(0.1)


def views_settle(access: Mapping[str, Access], voters: Sequence[str], within_s: float) -> int:
    """Until a quorum orders in one view and it stays for two more blocks; the view.

    At most f voters may wait one view above: who left alone casts no vote below (V8), follows by
    the others' decisions, and is joined by them when they need it.
    """
    deadline = time.monotonic() + stretched(within_s)
    while True:
        before = look(access, voters)
        view = _common_view(before)
        if view is not None:
            height = max(s.executed for s in before.values() if s is not None)
            try:
                until_above(access, voters, height + 1, max(0.1, deadline - time.monotonic()))
            except CheckFailed:
                view = None
            if view is not None and _common_view(look(access, voters)) == view:
                return view
        if time.monotonic() > deadline:
            raise CheckFailed(f"views do not settle: {describe(look(access, voters))}")
        time.sleep(_POLL_S)


def _common_view(seen: Mapping[str, Seen | None]) -> int | None:
    """The view in which a quorum orders, if the others at most ask for the next one."""
    normal = Counter(s.view for s in seen.values() if s is not None and s.phase == "normal")
    if not normal:
        return None
    view, count = normal.most_common(1)[0]
    asking = sum(s is not None and s.phase == "changing" for s in seen.values())
    if view is None or count < quorum_size(len(seen)) or count + asking < len(seen):
        return None
    highest = max(s.view or 0 for s in seen.values() if s is not None)
    return view if highest <= view + 1 else None


def stretched(seconds: float) -> float:
    """A bound for a quiet machine, stretched where others use the processors, too."""
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    return seconds * min(MOST_STRETCH, max(1.0, load))


def memory_bounded(access: Mapping[str, Access], names: Iterable[str], most_mb: float) -> float:
    """No node is larger than that; the largest, MB."""
    sizes = {name: access[name].memory_mb() for name in names}
    over = {name: round(size) for name, size in sizes.items() if size > most_mb}
    if over:
        raise CheckFailed(f"more than {most_mb:.0f} MB: {over}")
    return max(sizes.values(), default=0.0)


def fsck(home: Path, *, full: bool = False, timeout_s: float = 120.0) -> Mapping[str, Any]:
    """`bulwark fsck` finds nothing on the disk of a node that does not run; what it counted."""
    words = ["-m", "node.cli.main", "fsck", "--json", "--home", str(home)]
    done = subprocess.run(
        [sys.executable, *words, *(["--full"] if full else [])],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )
    if done.returncode:
        raise CheckFailed(f"fsck of {home.name}: {done.stdout[-400:]}{done.stderr[-400:]}")
    return dict(json.loads(done.stdout))

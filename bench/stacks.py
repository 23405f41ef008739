"""Stacks: reads collapsed stacks of a profiler and says which functions the time went to.

Input is one line a distinct stack, `outer;inner count`, frames as `function (file:line)`: what
py-spy calls raw, and what speedscope and flame graph tools read.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

_FRAME: Final = re.compile(r"(?P<function>.+) \((?P<file>[^()]*?)(?::\d+)?\)$")
_OURS: Final = ("bulwark/", "consensus/", "node/", "api/", "contracts/", "genesis/")


@dataclass(slots=True)
class Stacks:
    """Samples by function."""

    total: int = 0
    own: Counter[str] = field(default_factory=Counter)
    """Samples in which the function itself ran."""
    within: Counter[str] = field(default_factory=Counter)
    """Samples in which a function of this project was somewhere on the stack."""
    blamed: Counter[str] = field(default_factory=Counter)
    """Samples by the innermost function of this project, whatever it called."""
    threads: Counter[str] = field(default_factory=Counter)
    """Samples by thread, where the profiler told them apart."""


def read_stacks(lines: Iterable[str], shorten: Callable[[str], str]) -> Stacks:
    """Add up the stacks; `shorten` turns a file's path into the one shown."""
    stacks = Stacks()
    for line in lines:
        text, _, count = line.strip().rpartition(" ")
        if not text or not count.isdigit():
            continue
        samples = int(count)
        frames = [_name(frame, shorten) for frame in text.split(";")]
        stacks.total += samples
        stacks.own[frames[-1]] += samples
        if frames[0].startswith("thread "):
            stacks.threads[frames[0]] += samples
        ours = [frame for frame in frames if frame.startswith(_OURS)]
        for frame in set(ours):
            stacks.within[frame] += samples
        stacks.blamed[ours[-1] if ours else frames[0]] += samples
    return stacks


def _name(frame: str, shorten: Callable[[str], str]) -> str:
    """`file function`; frames without a file stay as they are."""
    match = _FRAME.match(frame)
    return frame if match is None else f"{shorten(match['file'])} {match['function']}"


def shortened(path: str, root: str) -> str:
    """A path below `root` from there, one of an installed package from the package on."""
    inside = path.removeprefix(f"{root}/")
    for mark in ("site-packages/", "python3.11/"):
        _, found, rest = inside.rpartition(mark)
        if found:
            return rest
    return inside

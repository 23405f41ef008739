"""Words: how diagnosis writes durations, sizes, lists of members and counts."""

from __future__ import annotations

from collections.abc import Sequence


def duration(ms: int) -> str:
    """ "840 ms", "2.5 s", "3 min", "2.0 h", "12 days"; never negative."""
    ms = max(0, ms)
    if ms < 1_000:
        return f"{ms} ms"
    if ms < 120_000:
        return f"{ms / 1_000:.1f} s"
    if ms < 7_200_000:
        return f"{ms // 60_000} min"
    if ms < 172_800_000:
        return f"{ms / 3_600_000:.1f} h"
    return f"{ms // 86_400_000} days"


def size(count: int) -> str:
    """ "512 B", "20 MiB", "1.5 GiB"."""
    if count < 1 << 10:
        return f"{count} B"
    for shift, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if count >= 1 << shift:
            return f"{count / (1 << shift):.1f} {unit}"
    return f"{count} B"


def some(names: Sequence[str], most: int = 8) -> str:
    """ "a, b and 3 more"; "nobody" for none."""
    if not names:
        return "nobody"
    shown = ", ".join(names[:most])
    left = len(names) - most
    return shown if left <= 0 else f"{shown} and {left} more"


def blocks(count: int) -> str:
    """ "1 block", "3 blocks"."""
    return f"{count} block" if count == 1 else f"{count} blocks"


def height(value: int) -> str:
    """A height with its word."""
    return f"block {value}"

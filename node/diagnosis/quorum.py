"""Rules of the quorum sum: how many validators vote, how many are needed, who would complete it.

Rules owned: quorum.lost, quorum.forming, quorum.thin. A validator votes when it is connected and
was heard lately; this node itself when it is a validator that is neither halted nor silent after a
wipe. While a node has just started, a missing quorum is no alarm: the others are being connected.
"""

from __future__ import annotations

from collections.abc import Iterator

from node.diagnosis.facts import START_MS, Facts
from node.diagnosis.finding import Finding, Severity
from node.diagnosis.words import duration, some


def is_forming(facts: Facts) -> bool:
    """Whether a missing quorum is what a start looks like: others are still being connected."""
    return facts.running and facts.now_ms - facts.started_ms < START_MS


def lost(facts: Facts) -> Iterator[Finding]:
    """quorum.lost: no block can be made; quorum.forming instead just after a start."""
    voters, total = facts.voters, len(facts.validators)
    short = facts.quorum - len(voters)
    if short <= 0 or not facts.running:
        return
    if is_forming(facts):
        yield Finding(
            "quorum.forming",
            Severity.INFO,
            "",
            f"this node started {duration(facts.now_ms - facts.started_ms)} ago and hears "
            f"{len(voters)} of {total} validators so far, {facts.quorum} are needed",
            f"wait; it is an alarm {duration(START_MS)} after the start",
            (("voting", len(voters)), ("needed", facts.quorum), ("validators", total)),
        )
        return
    sees = "vote" if facts.consensus is not None else "are connected to this observer"
    who = f"any {short} of" if short < len(facts.absent) else "all of"
    yield Finding(
        "quorum.lost",
        Severity.CRITICAL,
        "",
        f"{len(voters)} of {total} validators {sees} ({some(voters)}), {facts.quorum} are needed; "
        f"missing: {some(facts.absent)}",
        f"bring back {who} {some(facts.absent)}; blocks then go on by themselves",
        (
            ("voting", len(voters)),
            ("needed", facts.quorum),
            ("validators", total),
            ("missing", " ".join(facts.absent)),
        ),
    )


def thin(facts: Facts) -> Iterator[Finding]:
    """quorum.thin: blocks go on, and would not if one more validator failed."""
    voters, total = facts.voters, len(facts.validators)
    if not facts.running or len(voters) != facts.quorum or total <= facts.quorum:
        return
    if is_forming(facts):
        return
    yield Finding(
        "quorum.thin",
        Severity.WARNING,
        "",
        f"{len(voters)} of {total} validators vote and all of them are needed; "
        f"missing: {some(facts.absent)}",
        f"bring back {some(facts.absent)} before another one fails",
        (("voting", len(voters)), ("needed", facts.quorum), ("validators", total)),
    )

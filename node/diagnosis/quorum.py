"""Rules of the quorum sum: how many validators vote, how many are needed, who would complete it.

Rules owned: quorum.lost, quorum.thin. A validator votes when it is connected and was heard lately;
this node itself when it is a validator that is neither halted nor silent after a wipe.
"""

from __future__ import annotations

from collections.abc import Iterator

from node.diagnosis.facts import Facts
from node.diagnosis.finding import Finding, Severity
from node.diagnosis.words import some


def lost(facts: Facts) -> Iterator[Finding]:
    """quorum.lost: no block can be made, whatever else is well."""
    voters, total = facts.voters, len(facts.validators)
    short = facts.quorum - len(voters)
    if short <= 0 or not facts.running:
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
    yield Finding(
        "quorum.thin",
        Severity.WARNING,
        "",
        f"{len(voters)} of {total} validators vote and all of them are needed; "
        f"missing: {some(facts.absent)}",
        f"bring back {some(facts.absent)} before another one fails",
        (("voting", len(voters)), ("needed", facts.quorum), ("validators", total)),
    )

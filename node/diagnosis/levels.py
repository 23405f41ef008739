"""Rules about protocol levels: who could not go on once a level is in force.

Rules owned: level.build-too-old, level.proposed, level.member-too-old.
"""

from __future__ import annotations

from collections.abc import Iterator

from node.diagnosis.facts import Facts
from node.diagnosis.finding import Finding, Severity
from node.diagnosis.words import blocks, duration


def own_build(facts: Facts) -> Iterator[Finding]:
    """level.build-too-old and level.proposed: this node would stop at a boundary."""
    level = facts.level
    if not facts.running:
        return
    if level.voted > level.known:
        end = facts.epoch_end or 0
        when = (
            f"behind block {end}, {blocks(max(0, end - facts.executed))} from now"
            if end
            else ("behind the end of this epoch")
        )
        yield Finding(
            "level.build-too-old",
            Severity.CRITICAL,
            facts.own,
            f"the alliance voted protocol level {level.voted}, in force {when}; this build knows "
            f"levels up to {level.known} and stops there",
            f"install a version that knows level {level.voted} and restart the node",
            (("voted", level.voted), ("known", level.known), ("end", end)),
        )
    for wish in level.proposed:
        if wish.level > max(level.known, level.voted):
            yield Finding(
                "level.proposed",
                Severity.WARNING,
                facts.own,
                f"proposal {wish.proposal} to raise the protocol level to {wish.level} is open, "
                f"for {duration(max(0, wish.lapses_ms - facts.now_ms))} at most; this build knows "
                f"levels up to {level.known} and would stop",
                f"install a version that knows level {wish.level} before it is carried",
                (("proposal", wish.proposal), ("level", wish.level), ("known", level.known)),
            )


def members(facts: Facts) -> Iterator[Finding]:
    """level.member-too-old: a connected member whose build lacks what is proposed or voted."""
    level = facts.level
    wished = [wish.level for wish in level.proposed]
    wanted = max([level.in_force, level.voted, *wished])
    for member in facts.members:
        if not member.connected or member.level is None or member.level >= wanted:
            continue
        is_voted = member.level < max(level.voted, level.in_force)
        state = "voted" if is_voted else "proposed"
        yield Finding(
            "level.member-too-old",
            Severity.WARNING,
            member.id,
            f"{member.id} runs a build that knows protocol levels up to {member.level}; level "
            f"{wanted} is {state}, and its node stops when that is in force",
            "tell its operator to upgrade"
            + ("" if is_voted else "; do not approve the proposal before"),
            (("level", member.level), ("wanted", wanted)),
        )

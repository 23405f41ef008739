"""Rules about clocks: this node's against each peer's, and wall time against steady time.

Rules owned: clock.own, clock.peer, clock.moved, clock.held. A difference counts from the
alliance's clock precision on, less what the measurement can not know.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from node.diagnosis.facts import Facts
from node.diagnosis.finding import Finding, Severity
from node.diagnosis.words import duration


def _far(facts: Facts) -> dict[str, int]:
    """Offsets of members whose clocks certainly differ by more than the precision."""
    found: dict[str, int] = {}
    for member in facts.members:
        sample = member.clock
        if sample is None:
            continue
        if abs(sample.offset_ms) - sample.error_ms > facts.settings.clock_precision_ms:
            found[member.id] = sample.offset_ms
    return found


def _own_is_wrong(facts: Facts, far: dict[str, int]) -> int | None:
    """The median offset when most members that were measured agree against this node."""
    measured = [m.clock.offset_ms for m in facts.members if m.clock is not None]
    if len(measured) < 2 or 2 * len(far) <= len(measured):
        return None
    ahead = sum(offset > 0 for offset in far.values())
    if 2 * max(ahead, len(far) - ahead) <= len(measured):
        return None
    return int(median(measured))


def skew(facts: Facts) -> Iterator[Finding]:
    """clock.own, or clock.peer for each member that is off."""
    far = _far(facts)
    wrong = _own_is_wrong(facts, far)
    precision = facts.settings.clock_precision_ms
    if wrong is not None:
        direction = "behind" if wrong > 0 else "ahead of"
        yield Finding(
            "clock.own",
            Severity.CRITICAL if abs(wrong) > 4 * precision else Severity.WARNING,
            facts.own,
            f"this node's clock is {duration(abs(wrong))} {direction} the others "
            f"({len(far)} members agree); at most {duration(precision)} is allowed",
            "set this machine's clock by NTP; until then its proposals are refused",
            (("offset_ms", -wrong), ("allowed_ms", precision), ("members", len(far))),
        )
        return
    for name, offset in sorted(far.items()):
        direction = "ahead of" if offset > 0 else "behind"
        yield Finding(
            "clock.peer",
            Severity.WARNING,
            name,
            f"the clock of {name} is {duration(abs(offset))} {direction} this node's; "
            f"at most {duration(precision)} is allowed",
            f"ask {name} to set its clock by NTP; until then its proposals are refused",
            (("offset_ms", offset), ("allowed_ms", precision)),
        )


def moved(facts: Facts) -> Iterator[Finding]:
    """clock.moved and clock.held: the wall clock did not run evenly since the start."""
    precision = facts.settings.clock_precision_ms
    if facts.clock_held_ms > precision:
        yield Finding(
            "clock.held",
            Severity.WARNING,
            facts.own,
            f"the wall clock was set back; the node's clock is {duration(facts.clock_held_ms)} "
            "ahead of it and runs at half speed until both meet",
            "nothing, if the new time is right; else set the clock by NTP",
            (("held_ms", facts.clock_held_ms),),
        )
    if abs(facts.clock_moved_ms) > precision:
        direction = "forward" if facts.clock_moved_ms > 0 else "back"
        yield Finding(
            "clock.moved",
            Severity.INFO,
            facts.own,
            f"since the start wall time went {duration(abs(facts.clock_moved_ms))} {direction} "
            "against the steady clock: it was set, or the machine slept",
            "let NTP slew the clock instead of setting it; keep the machine from sleeping",
            (("moved_ms", facts.clock_moved_ms),),
        )

"""Rules about view changes: who asks for which view, and why a new one does not start.

Rules owned: view.changing, view.leader-away, view.asked, view.many.
"""

from __future__ import annotations

from collections.abc import Iterator

from node.diagnosis.facts import Facts
from node.diagnosis.finding import Finding, Severity
from node.diagnosis.words import duration, some

MANY_VIEWS = 3
"""Views in a row without a block that are no accident any more."""


def changing(facts: Facts) -> Iterator[Finding]:
    """view.changing and view.leader-away: this node waits for a NEW-VIEW."""
    own = facts.consensus
    if own is None or not own.changing or not facts.running:
        return
    askers = sorted({facts.name(index) for index, view in own.view_changes if view >= own.view})
    leader = facts.name(own.leader)
    enough = len(askers) >= facts.quorum
    state = f"only its NEW-VIEW from {leader} is missing" if enough else "more are awaited"
    yield Finding(
        "view.changing",
        Severity.WARNING,
        leader if enough else "",
        f"view {own.view} is not open: {len(askers)} of {facts.quorum} needed validators ask for "
        f"it or a later one ({some(askers)}); {state}",
        "it opens by itself within seconds once a quorum is heard",
        (("view", own.view), ("asking", len(askers)), ("needed", facts.quorum)),
    )
    peer = facts.member(leader)
    if peer is not None and not facts.hears(peer):
        yield Finding(
            "view.leader-away",
            Severity.WARNING,
            leader,
            f"{leader} would lead view {own.view} and is not heard",
            f"the next view follows after {duration(own.timeout_ms)}",
            (("view", own.view), ("timeout_ms", own.timeout_ms)),
        )


def asked(facts: Facts) -> Iterator[Finding]:
    """view.asked: others want to leave the view that this node works in."""
    own = facts.consensus
    if own is None or own.changing:
        return
    wishes = sorted({(facts.name(i), view) for i, view in own.view_changes if view > own.view})
    if wishes:
        shown = [f"{name} for view {view}" for name, view in wishes]
        yield Finding(
            "view.asked",
            Severity.INFO,
            some([name for name, _ in wishes]),
            f"this node works in view {own.view}; others ask: {some(shown)}",
            "a few that ask alone have a bad connection or a slow machine",
            (("view", own.view), ("asking", len(wishes))),
        )


def many(facts: Facts) -> Iterator[Finding]:
    """view.many: views change and no block comes."""
    own = facts.consensus
    if own is None or facts.settling:
        return
    if own.attempt >= MANY_VIEWS and facts.running:
        yield Finding(
            "view.many",
            Severity.CRITICAL,
            "",
            f"{own.attempt} views in a row brought no block; the timeout is now "
            f"{duration(own.timeout_ms)}",
            "see the findings about members, the quorum and clocks; no restart is needed",
            (("attempt", own.attempt), ("timeout_ms", own.timeout_ms)),
        )
